"""A tiny sentence encoder."""

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from transformers_ggm.retrieval import TextEncoder

WORDS = "cold white flakes in the mountains a boat on calm water guitar verse and chorus number snow winter lake song"


def make_encoder(seed: int = 0) -> TextEncoder:
    """One with random weights, which knows the words of the posts of the fixtures."""
    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", *WORDS.split()])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", model_max_length=32
    )
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TextEncoder(BertModel(config), tokenizer)
