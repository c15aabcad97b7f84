"""Between hashtags and tokens: targets that end at a whole hashtag, and which tokens spell which hashtag."""

from collections.abc import Iterator, Sequence

import regex

from ..errors import HashtagError
from .hashtags import HASHTAG_CHARACTERS, is_valid_hashtag, join_hashtags, normalize_hashtag
from .token_ids import target_token_ids

# What a model writes is looser than what a person writes: tags may touch, and some tokenizers put a space after `#`.
_WRITTEN = regex.compile(rf"[#＃]\s*(?P<tag>{HASHTAG_CHARACTERS})")


class HashtagTokens:
    """The hashtags in a sequence of tokens.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer of the sequence.
        ids (`Sequence[int]`): Token ids; special tokens and negative ones (padding of labels) are skipped.
    """

    def __init__(self, tokenizer, ids: Sequence[int]):
        self._tokenizer = tokenizer
        special = set(tokenizer.all_special_ids)
        self._kept = [(i, int(token)) for i, token in enumerate(ids) if int(token) >= 0 and int(token) not in special]
        self._text = self._decode(len(self._kept))

    def hashtags(self) -> list[str]:
        """The hashtags, normalised, valid, each once, in order."""
        return [tag for tag, _, _ in self._found()]

    def spans(self) -> list[tuple[str, list[int]]]:
        """The hashtags with the positions of the tokens that spell them."""
        ranges = self._character_ranges()
        return [
            (tag, [position for position, first, last in ranges if first < end and last > start])
            for tag, start, end in self._found()
        ]

    def _found(self) -> Iterator[tuple[str, int, int]]:
        seen = set()
        for match in _WRITTEN.finditer(self._text):
            if not is_valid_hashtag(match["tag"]):
                continue
            tag = normalize_hashtag(match["tag"])
            if tag not in seen:
                seen.add(tag)
                yield tag, *match.span()

    def _character_ranges(self) -> list[tuple[int, int, int]]:
        """For each kept token its position and the characters [first, last) of the text that it adds.

        Found by decoding ever longer prefixes, which is right for every kind of tokenizer. A token that ends within a
        character (byte-level tokenizers) adds nothing that is seen yet, and counts to the character it begins.
        """
        ranges, done = [], 0
        for count, (position, _) in enumerate(self._kept, start=1):
            shared = _shared_length(self._decode(count), self._text)
            ranges.append((position, done, max(shared, done + 1)))
            done = max(shared, done)
        return ranges

    def _decode(self, count: int) -> str:
        return self._tokenizer.decode([token for _, token in self._kept[:count]], clean_up_tokenization_spaces=False)


def encode_targets(tokenizer, hashtags: Sequence[str], max_length: int, row: int) -> list[int]:
    """Token ids of target hashtags and the end token. Hashtags that do not fit are left out from the end, whole.

    Only a first hashtag that is too long by itself is cut within.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): Encodes targets by `text_target`.
        hashtags (`Sequence[str]`): Hashtags in the order to be written.
        max_length (`int`): The most tokens, special ones included.
        row (`int`): Row of the hashtags, for messages.

    Raises:
        `HashtagError`: There is no hashtag, or one is not valid.
    """
    if not hashtags:
        raise HashtagError(
            f"Row {row} of `hashtags` is empty: a target needs one hashtag at least. Leave the row out."
        )
    for count in range(len(hashtags), 0, -1):
        ids = _with_end(tokenizer, target_token_ids(tokenizer, join_hashtags(hashtags[:count])))
        if len(ids) <= max_length:
            return ids
    cut = target_token_ids(tokenizer, join_hashtags(hashtags[:1]), max_length)
    return _with_end(tokenizer, cut[: max_length - 1] if tokenizer.eos_token_id not in cut else cut)


def hashtag_start_ids(tokenizer) -> list[int]:
    """
    The tokens of a vocabulary that begin a hashtag: `#`, with a space before it or letters behind it.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): Any.

    Returns:
        `list[int]`: In order.
    """
    ids = [[token] for token in range(len(tokenizer))]
    texts = tokenizer.batch_decode(ids, clean_up_tokenization_spaces=False)
    return [token for token, text in enumerate(texts) if text.lstrip().startswith("#")]


def _shared_length(first: str, second: str) -> int:
    for index, (one, other) in enumerate(zip(first, second)):
        if one != other:
            return index
    return min(len(first), len(second))


def _with_end(tokenizer, ids: list[int]) -> list[int]:
    # BART and mBART tokenizers add the end token themselves; a bare fast tokenizer may not.
    if tokenizer.eos_token_id is None or tokenizer.eos_token_id in ids:
        return ids
    return [*ids, tokenizer.eos_token_id]
