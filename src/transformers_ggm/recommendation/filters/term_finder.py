"""Which term a hashtag says, if any: terms sought by their letters, then weighed against innocent readings."""

from collections.abc import Iterable
from functools import lru_cache

from .advice import is_advice
from .folded_hashtag import Folded, fold_hashtag
from .hashtag_reading import reading
from .other_readings import other_readings
from .search_automaton import automaton_of
from .term_lists import Term, folded_phrases
from .term_matcher import Occurrence, TermMatcher

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
        if found and all(is_advice(folded, each) for each in found):
            return None
        for other, cost in () if found else other_readings(hashtag, folded):
            if innocent is None:
                # Of signs alone nothing else is read.
                spans = self._allowed_spans(folded)
                innocent = reading(folded, (), self._matcher.spellings, spans)[0] if folded.letters else float("-inf")
            score, said = self._said(other)
            if said and score - cost > innocent:
                found = said
                break
        return min(found, key=lambda each: each.cost, default=None) or self._matcher.find_masked(hashtag)

    def _said(self, folded: Folded) -> tuple[float, list[Occurrence]]:
        """The likeliest reading's log-probability, and the terms that it says; nothing where no term stands."""
        occurrences = self._matcher.find(folded)
        if not occurrences:
            return 0.0, []
        spans = self._allowed_spans(folded)
        left = [
            each for each in occurrences if not any(start <= each.start and each.end <= end for start, end in spans)
        ]
        return reading(folded, left, self._matcher.spellings, spans) if left else (0.0, [])

    def _allowed_spans(self, folded: Folded) -> list[tuple[int, int]]:
        """Where allowed phrases begin and end."""
        found = self._allowed.find_matches_as_indexes(folded.letters, overlapping=True)
        return sorted((start, end) for _, start, end in found)
