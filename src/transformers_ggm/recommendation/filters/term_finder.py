"""Which term a hashtag says, if any: terms sought by their letters, then weighed against innocent readings."""

from collections.abc import Iterable, Iterator
from functools import lru_cache

import regex

from .folded_hashtag import Folded, fold_hashtag
from .hashtag_reading import reading
from .term_lists import Term, folded_phrases
from .term_matcher import Occurrence, TermMatcher, automaton_of

# In nats: a vowel behind a sign, or an x; and letters that are apart by the same letter each.
_HIDDEN, _CROSSED, _THREADED = 2.0, 3.0, 3.0
_SIGN_FOR_VOWEL = regex.compile(r"(?<=[\p{L}\d])[_*.·]+(?=[\p{L}\d])")
_X_FOR_VOWEL = regex.compile(r"(?<=[^\W_aeioux])x(?=[^\W_aeioux])")
_THREAD = regex.compile(r"([^\W_])([^\W_])(?:([^\W_])\2)+([^\W_])?")
_REMEMBERED = 65_536


class TermFinder:
    """
    Finds the term that a hashtag says, disguised or joined with other words, and none that it only has the letters of.

    Args:
        terms (`Iterable[Term]`): What is looked for.
        allowed (`Iterable[str]`, *optional*): Phrases that may stand in hashtags although a term stands in them.

    Raises:
        InputError: ahocorasick-rs or wordfreq is not installed.

    Example:

    ```python
    >>> from transformers_ggm.recommendation.filters.term_lists import Term
    >>> from transformers_ggm.recommendation.filters.term_finder import TermFinder

    >>> finder = TermFinder([Term("art", "subject")])
    >>> [finder.find(hashtag) is not None for hashtag in ("MyArt", "art_2024", "startrek", "party")]
    [True, True, False, False]

    ```
    """

    def __init__(self, terms: Iterable[Term], allowed: Iterable[str] = ()):
        self._matcher = TermMatcher(terms)
        self._allowed = automaton_of(sorted(folded_phrases(allowed)))
        self.find = lru_cache(maxsize=_REMEMBERED)(self._find)

    def _find(self, hashtag: str) -> Occurrence | None:
        """
        The term that a hashtag says, the plainest of several.

        Args:
            hashtag (`str`): With or without `#`.
        """
        folded = fold_hashtag(hashtag)
        found, innocent = self._said(folded)[1], None
        for other, cost in () if found else _other_ways(hashtag, folded):
            if innocent is None:
                innocent = reading(folded, (), self._matcher.spellings)[0]
            score, said = self._said(other)
            if said and score - cost > innocent:
                found = said
                break
        return min(found, key=lambda each: each.cost, default=None)

    def _said(self, folded: Folded) -> tuple[float, list[Occurrence]]:
        occurrences = self._matcher.find(folded)
        if not occurrences:
            return 0.0, []
        spans = [
            (start, end)
            for _, start, end in sorted(self._allowed.find_matches_as_indexes(folded.letters, overlapping=True))
        ]
        left = [
            each for each in occurrences if not any(start <= each.start and each.end <= end for start, end in spans)
        ]
        return reading(folded, left, self._matcher.spellings, spans) if left else (0.0, [])


def _other_ways(hashtag: str, folded: Folded) -> Iterator[tuple[Folded, float]]:
    """A hashtag with vowels in the place of signs or x, or without a letter between each two, and what that costs."""
    if _SIGN_FOR_VOWEL.search(hashtag):
        yield from ((fold_hashtag(_SIGN_FOR_VOWEL.sub(vowel, hashtag)), _HIDDEN) for vowel in "aeiou")
    if _X_FOR_VOWEL.search(folded.letters):
        yield from ((fold_hashtag(_X_FOR_VOWEL.sub(vowel, folded.letters)), _CROSSED) for vowel in "aeiou")
    if len(folded.letters) > 6 and _THREAD.fullmatch(folded.letters):
        yield fold_hashtag(folded.letters[::2]), _THREADED
