"""Hashtags in what an instructed language model answers, whatever it wraps around them."""

import re
from collections.abc import Iterator, Sequence

import regex

from .addresses import ADDRESS
from .hashtag_tokens import HashtagTokens
from .hashtags import HASHTAG_CHARACTERS, is_valid_hashtag, normalize_hashtag

# What a model thinks before it answers, also where it began to in the prompt, or did not come to an end.
_THOUGHT = re.compile(r"\A.*</think(?:ing)?>|<think(?:ing)?>.*\Z", re.DOTALL | re.IGNORECASE)
# Written hashtags may touch. That of a keycap emoji, of a character's number in HTML or in an address is none.
_SIGNED = regex.compile(rf"{ADDRESS}|(?<!&)[#＃](?![\ufe0f\u20e3])(?P<tag>{HASHTAG_CHARACTERS})")
# Where the entries of a list without '#' end, and what stands before and around them: bullets, numbers, quotes.
_ENTRY = re.compile(r"[^,;|\n，；、]+")
_BULLET = re.compile(r"[\s\-*•·\[({\"'`“‘]*(?:\d+\s*[.):])?\s*")
_AROUND = " \t\r\"'`*_.:!?()[]{}<>“”‘’"
# More words than this are a sentence, not a hashtag that was written apart.
_MOST_WORDS = 3
_JSON_KEY = re.compile(r"""\s*[\[{]*\s*["'][^"']*["']\s*:""")


def hashtag_places(answer: str) -> list[tuple[str, int, int]]:
    """
    Finds the hashtags in what a language model wrote.

    Where there are any with `#`, these are taken, also when they touch. Else the answer is read as a list: JSON, or
    entries apart by commas, semicolons or ends of lines, with bullets, numbers and quotes around them and possibly
    spaces inside: up to three words make one hashtag. More are passed over as a sentence, and so are what ends with a
    colon, as in "Here are the hashtags:", blocks of thinking, and fences of code.

    Args:
        answer (`str`): any text.

    Returns:
        `list[tuple[str, int, int]]`: hashtags, normalised and valid, with the characters `[start, end)` that spell
        them, in order, repeats included.

    Example:

    ```python
    >>> from transformers_ggm.processing.answer_hashtags import hashtag_places

    >>> [tag for tag, _, _ in hashtag_places("<think>#dog or #cat?</think>Sure! #Snow#winter")]
    ['snow', 'winter']
    >>> hashtag_places('["snow day"]')
    [('snowday', 2, 10)]

    ```
    """
    thoughts = [match.span() for match in _THOUGHT.finditer(answer)]
    for start, end in thoughts:
        answer = f"{answer[:start]}{' ' * (end - start)}{answer[end:]}"
    signed = [(match["tag"], *match.span()) for match in _SIGNED.finditer(answer) if match["tag"]]
    places = [place for place in signed if is_valid_hashtag(place[0])] or _listed(answer)
    return [(normalize_hashtag(tag), start, end) for tag, start, end in places]


def parse_hashtags(answer: str, k: int) -> list[str]:
    """
    The hashtags of an answer, each once.

    Args:
        answer (`str`): any text, read as [`hashtag_places`] says.
        k (`int`): how many hashtags to give at most.

    Returns:
        `list[str]`: normalised, valid, in the order of the answer.

    Example:

    ```python
    >>> from transformers_ggm.processing.answer_hashtags import parse_hashtags

    >>> parse_hashtags("1. Snow day\\n2. winter\\nThese hashtags would fit it.", k=5)
    ['snowday', 'winter']

    ```
    """
    return list(dict.fromkeys(tag for tag, _, _ in hashtag_places(answer)))[:k]


class AnswerTokens(HashtagTokens):
    """
    The hashtags in the tokens of an answer, as [`hashtag_places`] reads them.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): the tokenizer of the sequence.
        ids (`Sequence[int]`): token ids.
        is_cut (`bool`, *optional*, defaults to `False`): whether more would have followed: a hashtag at the very end
            is left out.
    """

    def __init__(self, tokenizer, ids: Sequence[int], is_cut: bool = False):
        super().__init__(tokenizer, ids)
        self._is_cut = is_cut

    def _found(self) -> Iterator[tuple[str, int, int]]:
        seen = set()
        for tag, start, end in hashtag_places(self._text):
            if tag not in seen and not (self._is_cut and end == len(self._text)):
                seen.add(tag)
                yield tag, start, end


def _listed(answer: str) -> list[tuple[str, int, int]]:
    """The entries of a list without '#' that are hashtags."""
    places = []
    for match in _ENTRY.finditer(answer):
        entry, start = match[0], match.start()
        if entry.rstrip().endswith(":") or entry.lstrip().startswith("```"):
            continue
        key = _JSON_KEY.match(entry)
        before = key.end() if key else 0
        before += _BULLET.match(entry[before:]).end()
        text = entry[before:].rstrip(_AROUND)
        start += before + len(text) - len(text.lstrip(_AROUND))
        text = text.lstrip(_AROUND)
        words = [word for word in text.split() if any(sign.isalnum() for sign in word)]  # not emoji
        if len(words) <= _MOST_WORDS and is_valid_hashtag("".join(words)):
            places.append(("".join(words), start, start + len(text)))
    return places


__all__ = ["AnswerTokens", "hashtag_places", "parse_hashtags"]
