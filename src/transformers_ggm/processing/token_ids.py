"""Token ids of texts, where several threads share a tokenizer."""

import os
import threading
from collections.abc import Sequence
from weakref import WeakKeyDictionary

import torch
from transformers import PreTrainedTokenizerBase

# What losses pass over.
LABEL_PADDING = -100


def token_ids(
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    pair: str = "",
    max_length: int | None = None,
    add_special_tokens: bool = True,
) -> list[int]:
    """
    Token ids of a text, or of two texts as the tokenizer joins them.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): Any, also one that other threads use.
        text (`str`): The first text.
        pair (`str`, defaults to `""`): The second text, if any.
        max_length (`int`, *optional*): The most tokens, special ones included. What is too much is cut off where the
            tokenizer cuts (`truncation_side`), of the longer text first.
        add_special_tokens (`bool`, defaults to `True`): Whether special tokens are put around.
    """
    pairs = [[pair]] if pair else []
    return _encode(tokenizer, max_length, [text], *pairs, add_special_tokens=add_special_tokens)[0]


def token_ids_of_all(
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    max_length: int | None = None,
    add_special_tokens: bool = True,
) -> list[list[int]]:
    """Token ids of some texts, each as [`token_ids`] gives them."""
    return _encode(tokenizer, max_length, list(texts), add_special_tokens=add_special_tokens)


def target_token_ids(tokenizer: PreTrainedTokenizerBase, text: str, max_length: int | None = None) -> list[int]:
    """Token ids of a text that the model is to write: some tokenizers (mBART) put other tokens around these."""
    return _encode(tokenizer, max_length, text_target=[text])[0]


def _encode(tokenizer: PreTrainedTokenizerBase, max_length: int | None, *args, **kwargs) -> list[list[int]]:
    # To a fast tokenizer, truncation and padding are settings that it keeps: one thread would cut what another
    # encodes. So it is not asked for them. Tokenizers written in Python do what a call says, and forget it.
    if not tokenizer.is_fast and max_length is not None:
        kwargs |= {"truncation": "longest_first", "max_length": max_length}
    with lock_of(tokenizer):
        # Not verbose: it would warn of lengths that are cut later.
        encoded = tokenizer(*args, verbose=False, **kwargs)
    rows = encoded["input_ids"]
    if not tokenizer.is_fast or max_length is None:
        return rows
    return [
        ids if len(ids) <= max_length else _cut(ids, encoded.sequence_ids(row), max_length, tokenizer.truncation_side)
        for row, ids in enumerate(rows)
    ]


def _cut(ids: list[int], sources: list[int | None], max_length: int, side: str) -> list[int]:
    """
    What `truncation="longest_first"` would have left.

    Args:
        ids: Token ids.
        sources: Of each, which text it is from, 0 or 1; `None` for special tokens.
        max_length: The most ids, more than are left where the special ones alone are too many.
        side: `"left"` or `"right"`, where each text is cut.
    """
    first, second = sources.count(0), sources.count(1)
    room = max(max_length - sources.count(None), 0)
    shorter = min(first, second, room // 2)
    kept = (room - shorter, shorter) if first > second else (shorter, room - shorter)
    places = {source: [place for place, of in enumerate(sources) if of == source] for source in (0, 1)}
    gone = set()
    for source, count in enumerate(kept):
        of_text = places[source]
        gone.update(of_text[count:] if side == "right" else of_text[: len(of_text) - count])
    return [token for place, token in enumerate(ids) if place not in gone]


def pad_tokens(rows: Sequence[Sequence[int]], value: int, length: int | None, side: str) -> torch.Tensor:
    """Rows of unequal length as (b, n) int64, n the longest or `length`, filled with `value` on one `side`."""
    length = max(length or 0, *map(len, rows))
    padded = torch.full((len(rows), length), value, dtype=torch.int64)
    for index, row in enumerate(rows):
        start = length - len(row) if side == "left" else 0
        padded[index, start : start + len(row)] = torch.tensor(row, dtype=torch.int64)
    return padded


class _Locks:
    # Not attributes of the tokenizers, which could not be copied or sent to other processes then.
    def __init__(self):
        self.of_tokenizers: WeakKeyDictionary[PreTrainedTokenizerBase, threading.Lock] = WeakKeyDictionary()
        self.adding = threading.Lock()


_locks = _Locks()
if hasattr(os, "register_at_fork"):
    # A forked process would wait for ever for locks that other threads held at that moment.
    os.register_at_fork(after_in_child=_locks.__init__)


def lock_of(tokenizer: PreTrainedTokenizerBase) -> threading.Lock:
    """
    The one lock of a tokenizer, to be held while it is called: those of many languages (mBART) change their own
    special tokens at every call, and fast ones keep a call's truncation and padding.
    """
    with _locks.adding:
        return _locks.of_tokenizers.setdefault(tokenizer, threading.Lock())
