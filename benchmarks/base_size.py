"""
Models of the published sizes with random weights: what they say means nothing, what they cost is what it would be.
"""

import itertools
import string
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    BartConfig,
    ClapAudioConfig,
    ClapFeatureExtractor,
    CLIPConfig,
    PreTrainedTokenizerFast,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    ViTConfig,
)

from transformers_ggm import (
    GGMConfig,
    GGMForHashtagGeneration,
    GGMProcessor,
    GGMVideoProcessor,
    HashtagPool,
    HashtagRetriever,
    HashtagRetrieverConfig,
    HashtagRetrieverProcessor,
)
from transformers_ggm.modeling.backbones import tower_of

# Of facebook/bart-base and of SmolVLM2-256M-Video-Instruct, and how many tokens the latter makes of a frame.
BART_BASE = {
    "vocab_size": 50_265, "d_model": 768, "encoder_layers": 6, "decoder_layers": 6, "encoder_attention_heads": 12,
    "decoder_attention_heads": 12, "encoder_ffn_dim": 3072, "decoder_ffn_dim": 3072,
}  # fmt: skip
SMOL_TEXT = {
    "model_type": "llama", "vocab_size": 49_280, "hidden_size": 576, "intermediate_size": 1536,
    "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "max_position_embeddings": 8192,
}  # fmt: skip
SMOL_VISION = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "image_size": 512, "patch_size": 16,
}  # fmt: skip
SMOL_TOKENS_PER_FRAME = 64
POOL_SIZE = 10_000
SMOL_IMAGE_TOKEN = 49_190
SPECIAL_TOKENS = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
# As openai/clip-vit-base-patch32 has it; ViT's own default mean and deviation are 0.5.
CLIP_PREPROCESSING = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
}  # fmt: skip


def tokenizer(vocab_size: int) -> PreTrainedTokenizerFast:
    """A byte-level tokenizer whose tokens are letters and strings of two to four of them, so many as asked for."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary, merges = [*SPECIAL_TOKENS.values(), *letters, "Ġ#"], [("Ġ", "#")]
    for length in (2, 3, 4):
        for word in itertools.product(string.ascii_lowercase, repeat=length):
            if len(vocabulary) == vocab_size:
                break
            vocabulary.append("".join(word))
            merges.append(("".join(word[:-1]), word[-1]))
    fast = Tokenizer(models.BPE({piece: index for index, piece in enumerate(vocabulary)}, merges))
    fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast.decoder = decoders.ByteLevel()
    fast.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=fast, **SPECIAL_TOKENS, sep_token="</s>", cls_token="<s>", model_max_length=1024
    )


def hashtags(count: int, seed: int = 0) -> list[str]:
    """Made-up hashtags of six to eighteen letters."""
    lengths = torch.randint(6, 19, (count,), generator=torch.Generator().manual_seed(seed)).tolist()
    letters = torch.randint(0, 26, (count, 18), generator=torch.Generator().manual_seed(seed)).tolist()
    return ["".join(string.ascii_lowercase[i] for i in row[:length]) for row, length in zip(letters, lengths)]


def write_checkpoint(folder: Path, shared_vision: bool = False, pool_size: int = POOL_SIZE) -> None:
    """
    Writes a checkpoint of ViT-B/16, CLAP (HTSAT), BART-base and CLIP ViT-B/32, with a pool of random vectors.

    Args:
        folder (`Path`): where to.
        shared_vision (`bool`, *optional*, defaults to `False`): whether the generator has CLIP's vision tower, not
            ViT.
        pool_size (`int`, *optional*, defaults to 10,000): hashtags of the pool.
    """
    torch.manual_seed(0)
    words = tokenizer(BART_BASE["vocab_size"])
    text = BartConfig(**BART_BASE, bos_token_id=0, pad_token_id=1, eos_token_id=2, decoder_start_token_id=2)
    text_tower = {"vocab_size": len(words), "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    retriever = HashtagRetriever(HashtagRetrieverConfig(CLIPConfig(text_config=text_tower)))
    if shared_vision:
        tower = tower_of(retriever, "vision")
        model = GGMForHashtagGeneration(GGMConfig(tower.config, text, ClapAudioConfig(), vision_source="retriever"))
        model.get_encoder("video").load_state_dict(tower.state_dict())
    else:
        model = GGMForHashtagGeneration(GGMConfig(ViTConfig(), text, ClapAudioConfig()))
    model.generation_config.update(num_beams=5, no_repeat_ngram_size=3, max_length=32)
    model.save_pretrained(folder)
    frames = GGMVideoProcessor(**CLIP_PREPROCESSING) if shared_vision else GGMVideoProcessor()
    GGMProcessor(frames, words, ClapFeatureExtractor(truncation="rand_trunc")).save_pretrained(folder)
    retriever.save_pretrained(folder / "retriever")
    HashtagRetrieverProcessor(GGMVideoProcessor(**CLIP_PREPROCESSING), words).save_pretrained(folder / "retriever")
    vectors = torch.nn.functional.normalize(torch.randn(pool_size, 512), dim=-1)
    pool = HashtagPool(hashtags(pool_size), vectors, retriever_fingerprint=retriever.fingerprint())
    pool.save_pretrained(folder / "hashtag_pool")


def vision_language_model(dtype: torch.dtype) -> SmolVLMForConditionalGeneration:
    """SmolVLM2-256M with random weights."""
    config = SmolVLMConfig(
        text_config=SMOL_TEXT, vision_config=SMOL_VISION, scale_factor=4, image_token_id=SMOL_IMAGE_TOKEN
    )
    return SmolVLMForConditionalGeneration(config).to(dtype).eval()
