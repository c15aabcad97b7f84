"""The terms of a text: words and pairs of words, and n-grams of characters where words are not set apart by spaces."""

from collections.abc import Iterable

import regex

# Scripts that are written without spaces between words.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_RUNS = regex.compile(rf"[{_UNSPACED}]+|(?:(?![{_UNSPACED}])[\p{{L}}\p{{M}}\p{{N}}_])+")
_IS_UNSPACED = regex.compile(rf"[{_UNSPACED}]")
LONGEST_CHARACTERS = 3
# A hashtag of more words, or of more letters, is not looked for in a text.
MOST_WORDS, MOST_CHARACTERS, LONGEST_HASHTAG = 6, 12, 40
# Of longer texts the beginning is read; what is said in two hours of video is about so long.
LONGEST_TEXT = 100_000


def text_terms(text: str) -> list[str]:
    """
    Lower-case terms of a text, repeats included: words and pairs of neighbouring words; of scripts without spaces all
    runs of one to three characters. Of long texts the first 100,000 characters count.

    Example:

    ```python
    >>> from transformers_ggm.retrieval.text_terms import text_terms

    >>> text_terms("First snow!"), text_terms("初雪")
    (['first', 'snow', 'first snow'], ['初', '雪', '初雪'])

    ```
    """
    terms, before = [], None
    for run in _RUNS.findall(text[:LONGEST_TEXT].lower()):
        if _IS_UNSPACED.match(run):
            for size in range(1, LONGEST_CHARACTERS + 1):
                terms += [run[start : start + size] for start in range(len(run) - size + 1)]
            before = None
            continue
        terms.append(run)
        if before is not None:
            terms.append(f"{before} {run}")
        before = run
    return terms


def joined_words(texts: Iterable[str]) -> set[str]:
    """
    What hashtags could be that stand in some texts: runs of neighbouring words (of characters, in scripts without
    spaces), written as one. Of long texts the first 100,000 characters count.

    Example:

    ```python
    >>> from transformers_ggm.retrieval.text_terms import joined_words

    >>> sorted(joined_words(["New York, snow"]))
    ['new', 'newyork', 'newyorksnow', 'snow', 'york', 'yorksnow']

    ```
    """
    found: set[str] = set()
    for text in texts:
        units = _units(text)
        for start in range(len(units)):
            _add_runs(units[start : start + MOST_CHARACTERS], found)
    return found


def _units(text: str) -> list[tuple[str, int]]:
    """Words and single characters, each with how many of its kind a hashtag may have."""
    units: list[tuple[str, int]] = []
    for run in _RUNS.findall(text[:LONGEST_TEXT].lower()):
        if _IS_UNSPACED.match(run):
            units += [(character, MOST_CHARACTERS) for character in run]
        else:
            units.append((run, MOST_WORDS))
    return units


def _add_runs(units: list[tuple[str, int]], found: set[str]) -> None:
    joined = ""
    for number, (unit, most) in enumerate(units, start=1):
        joined += unit
        if number > most or len(joined) > LONGEST_HASHTAG:
            return
        found.add(joined)
