"""A tiny random SmolVLM, saved with the files that the Hub has for the real ones."""

import json

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, SmolVLMConfig, SmolVLMForConditionalGeneration

SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<end_of_utterance>", "<fake_token_around_image>", "<image>", "<global-img>",
)  # fmt: skip
TEXTS = ["These are frames of a short video.", "#snow #winter, #snowday and nothing else: hashtags of similar videos"]
CHAT_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}"
    "{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
SIZES = {"size": {"longest_edge": 64}, "max_image_size": {"longest_edge": 32}}
HALVES = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
PREPROCESSOR = {
    "image_processor_type": "SmolVLMImageProcessor", "processor_class": "SmolVLMProcessor", "do_convert_rgb": True,
    "do_image_splitting": True, "do_normalize": True, "do_pad": True, "do_rescale": True, "do_resize": True,
    "resample": 1, "rescale_factor": 1 / 255,
    "video_sampling": {"fps": 1, "max_frames": 64, "video_size": SIZES["size"]}, **SIZES, **HALVES,
}  # fmt: skip
# Of (32 / 8)^2 patches, 2 x 2 make one token.
IMAGE_TOKENS = 4


def write_vision_language_model(folder):
    """Writes the model, its tokenizer (trained here) and its processor."""
    tokenizer = write_tokenizer(folder)
    text = {
        "model_type": "llama", "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16,
        "max_position_embeddings": 1024, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2,
        # So that random weights tell inputs apart.
        "initializer_range": 0.5,
    }  # fmt: skip
    vision = {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
        "image_size": 32, "patch_size": 8, "initializer_range": 0.5,
    }  # fmt: skip
    config = SmolVLMConfig(
        text_config=text, vision_config=vision, scale_factor=2, image_token_id=SPECIAL.index("<image>"),
        tie_word_embeddings=False, pad_token_id=2, initializer_range=0.5,
    )  # fmt: skip
    model = SmolVLMForConditionalGeneration(config)
    model.generation_config.eos_token_id = model.generation_config.pad_token_id = 2
    model.save_pretrained(folder)
    write_json(folder / "preprocessor_config.json", PREPROCESSOR)
    write_json(
        folder / "processor_config.json", {"image_seq_len": IMAGE_TOKENS, "processor_class": "SmolVLMProcessor"}
    )
    write_json(folder / "chat_template.json", {"chat_template": CHAT_TEMPLATE})


def write_tokenizer(folder):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=list(SPECIAL), initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=SPECIAL[1], eos_token=SPECIAL[2], pad_token=SPECIAL[2],
        unk_token=SPECIAL[0], additional_special_tokens=list(SPECIAL[3:]),
    )  # fmt: skip
    fast.save_pretrained(folder)
    return fast


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
