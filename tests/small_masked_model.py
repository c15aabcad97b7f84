"""Masked language models of a few weights, and their pseudo-log-likelihoods written out."""

from itertools import chain

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

from transformers_ggm.utils.hashtag_words import split_hashtag

TEXTS = ["the first snow in toronto", "we went to the lake", "winter wonderland", "my dog ran", "christmas time"]
TAGS = ["firstsnow", "winterwonderland", "lakelife", "christmastime", "dog"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
NAMES = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL))


def word_pieces():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(TEXTS, trainers.WordPieceTrainer(vocab_size=60, special_tokens=SPECIAL))
    return tokenizer


def bytes_of_words():
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=SPECIAL, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def make_tokenizer(kind):
    tokenizer = {"word pieces": word_pieces, "bytes": bytes_of_words}[kind]()
    ids = [(name, tokenizer.token_to_id(name)) for name in ("[SEP]", "[CLS]")]
    tokenizer.post_processor = processors.BertProcessing(*ids)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **NAMES)


def config_of(tokenizer, **kwargs):
    kwargs = {"initializer_range": 0.5, **kwargs}
    return BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, **kwargs,
    )  # fmt: skip


@torch.no_grad()
def one_after_another(scorer, description, hashtag):
    """PLL-word-l2r of a hashtag's words, written out."""
    tokenizer, words = scorer.tokenizer, split_hashtag(hashtag)
    prefix = description
    pieces = [tokenizer(prefix, add_special_tokens=False).input_ids]
    for word in words:
        spaced = word if not prefix else f" {word}"
        pieces.append(tokenizer(spaced, add_special_tokens=False).input_ids)
        prefix = "there is something"
    ids = [tokenizer.cls_token_id, *chain(*pieces), tokenizer.sep_token_id]
    total, place = 0.0, 1 + len(pieces[0])
    for piece in pieces[1:]:
        for first in range(len(piece)):
            masked = list(ids)
            masked[place + first : place + len(piece)] = [tokenizer.mask_token_id] * (len(piece) - first)
            logits = scorer.model(torch.tensor([masked])).logits[0, place + first]
            total += float(logits.log_softmax(-1)[piece[first]])
        place += len(piece)
    return total / len(words)


def write_masked_model(folder):
    """A folder that `--plausibility` takes."""
    tokenizer = make_tokenizer("word pieces")
    torch.manual_seed(0)
    BertForMaskedLM(config_of(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
