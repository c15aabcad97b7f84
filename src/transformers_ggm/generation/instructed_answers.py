"""Hashtags in what an instructed language model answers, whatever it wraps around them, and how sure it is of each."""

import re
from collections.abc import Collection, Iterator, Sequence

import regex
import torch

from ..processing.addresses import ADDRESS
from ..processing.hashtag_tokens import HashtagTokens
from ..processing.hashtags import HASHTAG_CHARACTERS, is_valid_hashtag, normalize_hashtag

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
    >>> from transformers_ggm.generation.instructed_answers import hashtag_places

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
    >>> from transformers_ggm.generation.instructed_answers import parse_hashtags

    >>> parse_hashtags("1. Snow day\\n2. winter\\nThese hashtags would fit it.", k=5)
    ['snowday', 'winter']

    ```
    """
    return list(dict.fromkeys(tag for tag, _, _ in hashtag_places(answer)))[:k]


def answer_scores(
    tokenizer, answers: torch.Tensor, log_probs: torch.Tensor, end_ids: Sequence[int], echo: Collection[str] = ()
) -> dict[str, float]:
    """
    The hashtags of one or more answers to one prompt, each once, with its best score.

    Of a hashtag that an answer repeats, the first occurrence counts: a language model is sure of what it wrote before.
    One that the greatest length cut off, so that no end follows, is left out: nobody knows how it would go on.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): of the language model.
        answers (`torch.Tensor`): (r, m) token ids behind the prompt.
        log_probs (`torch.Tensor`): (r, m) log-probabilities of these tokens.
        end_ids (`Sequence[int]`): tokens that end an answer.
        echo (`Collection[str]`, *optional*): what is no answer: small models say again what they were asked.

    Returns:
        `dict[str, float]`: hashtag (normalised, without `#`) to the exponential of the mean log-probability of its own
        tokens, from 0 to 1; best first, equal ones in the order written.
    """
    scores: dict[str, float] = {}
    for ids, row in zip(answers.tolist(), log_probs):
        length = next((place for place, token in enumerate(ids) if token in end_ids), None)
        for tag, positions in AnswerTokens(tokenizer, ids[:length], is_cut=length is None).spans():
            if tag not in echo:
                scores[tag] = max(row[positions].float().mean().exp().item(), scores.get(tag, 0.0))
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


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


__all__ = ["AnswerTokens", "answer_scores", "hashtag_places", "parse_hashtags"]
