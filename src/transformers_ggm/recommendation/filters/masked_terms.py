"""Terms some of whose letters are hidden behind signs: su**ide, 去*吧."""

from collections.abc import Iterable

import regex

from ...processing.spelling import fold_spelling
from .folded_hashtag import plain_letter
from .styled_letters import unframed

# Stars and circles stand for any letter, other signs for vowels only: they stand between words, too.
_STARS, _SIGNS = "*?○●◯□■•●∗⁎＊", "_.#-~/"
_MASK = regex.compile(rf"[{regex.escape(_STARS)}]+|[{regex.escape(_SIGNS)}]+|[\p{{L}}\p{{Nd}}$@€!]")
_FEWEST, _FEWEST_HAN = 3, 2
_HAN = regex.compile(r"\p{Han}")


class MaskedTerms:
    """
    Finds which term is written with signs for some of its letters.

    Args:
        terms (`Iterable[str]`): As folded letters without accents.

    Example:

    ```python
    >>> from transformers_ggm.recommendation.filters.masked_terms import MaskedTerms

    >>> terms = MaskedTerms(["snowman", "rain"])
    >>> terms.find("sn**man"), terms.find("rain"), terms.find("sn_w_man")
    (0, None, None)

    ```
    """

    def __init__(self, terms: Iterable[str]):
        self._terms = list(terms)
        self._lines = "\n".join(self._terms)
        self._number = {term: number for number, term in enumerate(self._terms)}

    def find(self, hashtag: str) -> int | None:
        """The number of the term that a hashtag says as a whole, with signs for some of its letters."""
        if hashtag.isalnum():
            return None
        parts = _MASK.findall(fold_spelling(unframed(hashtag)))
        shown = [part for part in parts if part[0] not in _STARS + _SIGNS]
        enough = _FEWEST_HAN if any(_HAN.match(letter) for letter in shown) else _FEWEST
        if len(shown) < enough or len(shown) == len(parts):
            return None
        found = regex.search(f"^{''.join(map(_meant, parts))}$", self._lines, regex.M)
        return None if found is None else self._number[found[0]]


def _meant(part: str) -> str:
    if part[0] in _STARS:
        return rf"[^\n]{{{len(part)},{len(part) + 1}}}"
    if part[0] in _SIGNS:
        return f"[aeiou]{{{len(part)}}}"
    return regex.escape(plain_letter(part))
