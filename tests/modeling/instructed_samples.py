"""Tiny random language models, saved with the files that the Hub has for the real ones."""

import torch
from tiny_vision_language import write_tokenizer, write_vision_language_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2VLImageProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<end_of_utterance>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QWEN_SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
    "<|video_pad|>",
)  # fmt: skip
QWEN_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEXTS = ["#snow #winter, #snowday #lake and nothing else: hashtags of similar videos", "The author wrote: first snow"]


def write_llama(folder, chat_template=CHAT_TEMPLATE, tied=True):
    """A Llama as SmolLM2 is one, with tied word embeddings; without a chat template, a base model."""
    torch.manual_seed(0)
    tokenizer = write_tokenizer(folder)
    tokenizer.chat_template = chat_template
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=1024, bos_token_id=1, eos_token_id=2, pad_token_id=2,
        tie_word_embeddings=tied, initializer_range=0.5,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    model.generation_config.update(do_sample=True, temperature=0.7)
    model.save_pretrained(folder)
    return folder


def write_smolvlm(folder):
    torch.manual_seed(0)
    write_vision_language_model(folder)
    return folder


def write_qwen_vl(folder):
    """A Qwen3-VL, whose frames have a grid and whose positions have three axes."""
    torch.manual_seed(0)
    tokenizer = _qwen_tokenizer()
    text = {
        "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "initializer_range": 0.5,
        "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 2, "tie_word_embeddings": True,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2]},
    }  # fmt: skip
    vision = {
        "depth": 2, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "patch_size": 8, "out_hidden_size": 32,
        "spatial_merge_size": 2, "temporal_patch_size": 2, "num_position_embeddings": 16, "initializer_range": 0.5,
        "deepstack_visual_indexes": [0],
    }  # fmt: skip
    ids = {f"{name}_token_id": QWEN_SPECIAL.index(f"<|{token}|>") for name, token in (
        ("image", "image_pad"), ("video", "video_pad"), ("vision_start", "vision_start"), ("vision_end", "vision_end"),
    )}  # fmt: skip
    model = Qwen3VLForConditionalGeneration(
        Qwen3VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, **ids)
    )
    model.generation_config.update(eos_token_id=[2, 0], pad_token_id=0)
    model.save_pretrained(folder)
    sizes = {"patch_size": 8, "temporal_patch_size": 2, "merge_size": 2}
    limits = {"size": {"shortest_edge": 256, "longest_edge": 1024}}
    Qwen3VLProcessor(
        Qwen2VLImageProcessor(**sizes, **limits), tokenizer, Qwen3VLVideoProcessor(**sizes, **limits),
        chat_template=QWEN_TEMPLATE,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def _qwen_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=list(QWEN_SPECIAL), initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=QWEN_SPECIAL[2], pad_token=QWEN_SPECIAL[0],
        additional_special_tokens=list(QWEN_SPECIAL[3:]),
    )  # fmt: skip


WRITERS = {
    "llama": write_llama,
    "llama without a chat template": lambda folder: write_llama(folder, None, tied=False),
    "smolvlm": write_smolvlm,
    "qwen3-vl": write_qwen_vl,
}
SEEING = ("smolvlm", "qwen3-vl")


def video(count=3, height=24, width=40):
    """Frames that grow lighter."""
    return (torch.arange(count) * 240 // count).to(torch.uint8)[:, None, None, None].repeat(1, 3, height, width)


__all__ = ["SEEING", "WRITERS", "video", "write_llama"]
