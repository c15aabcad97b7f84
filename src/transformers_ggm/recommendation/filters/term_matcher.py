"""Where terms stand in a hashtag, disguised ones too."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import regex

from .chinese_sounds import pinyin_spellings, sound_of, weight_of
from .folded_hashtag import Folded, fold_hashtag, fold_spelled, plain_letter
from .known_words import is_own_word
from .masked_terms import MaskedTerms
from .one_slip import SlipFinder
from .search_automaton import automaton_of
from .term_lists import Term
from .term_spellings import spellings_of

# In nats: a letter in the place of another, a letter too many, one too few where it is to be doubled, a digit or sign
# for a letter, a letter of another script, an accent that is not there or too many, and a Chinese character that
# sounds alike.
_OTHER_LETTER, _REPEATED, _NOT_DOUBLED, _DIGIT, _LOOK_ALIKE, _ACCENT, _HOMOPHONE = 2.0, 0.7, 5.0, 1.0, 0.5, 0.6, 2.5
# What is cheap once it was done: so much of its cost.
_HABITS, _AGAIN = frozenset({_OTHER_LETTER, _REPEATED, _DIGIT, _LOOK_ALIKE, _ACCENT, _HOMOPHONE}), 0.05
_MASKED = 4.0
# Words that are so long and differ in accents alone mean the same.
_OF_ONE_MEANING = 7
_FEWEST_SIGNS = 3
_NO_RUN = float("inf")
_LATIN = regex.compile(r"\p{Latin}")
# What stands for letters with accents where there are none.
_DIGRAPHS = {"ä": "ae", "ö": "oe", "ü": "ue", "ñ": "ny", "ç": "ss", "ão": "aum", "œ": "oe", "é": "ee"}
_DIGRAPH = regex.compile("|".join(_DIGRAPHS))


@dataclass(frozen=True)
class Occurrence:
    """
    A term in a folded hashtag.

    Attributes:
        start, end (`int`): of `Folded.letters`.
        term ([`Term`]): what stands there.
        cost (`float`): how well it is disguised, in nats; 0 where it is written as people write it.
    """

    start: int
    end: int
    term: Term
    cost: float


class TermMatcher:
    """
    Finds terms by their skeletons (Aho-Corasick, all at once), and tells how well each is disguised.

    Args:
        terms (`Iterable[Term]`): Any number; what the search costs does not depend on it.

    Raises:
        InputError: ahocorasick-rs is not installed.

    Attributes:
        spellings (`frozenset[str]`): how the terms are written when they are not disguised, folded.

    Source: Aho and Corasick, Efficient string matching: an aid to bibliographic search, Communications of the ACM 18,
    1975.

    Example:

    ```python
    >>> from transformers_ggm.recommendation.filters.folded_hashtag import fold_hashtag
    >>> from transformers_ggm.recommendation.filters.term_lists import Term
    >>> from transformers_ggm.recommendation.filters.term_matcher import TermMatcher

    >>> found = TermMatcher([Term("acme", "rival")]).find(fold_hashtag("#shop_4cme"))
    >>> plainest = min(found, key=lambda each: each.cost)
    >>> plainest.start, plainest.end, plainest.term.text, round(plainest.cost, 1)
    (4, 8, 'acme', 1.0)

    ```
    """

    def __init__(self, terms: Iterable[Term]):
        patterns: dict[str, list[tuple[Folded, Term, float]]] = defaultdict(list)
        exact, whole = set(), []
        for term in terms:
            folded = fold_hashtag(term.text)
            exact |= {folded.letters, *_without_accents(folded)}
            for spelling, cost in _spellings(folded):
                # Of fewer signs a disguise could be anything.
                if not cost or weight_of(spelling.skeleton) >= _FEWEST_SIGNS:
                    patterns[spelling.skeleton].append((spelling, term, cost))
            whole.append((folded, term))
        patterns.pop("", None)
        self._terms = [term for _, term in whole]
        self._slips = SlipFinder(folded for folded, _ in whole)
        self._masked = MaskedTerms("".join(map(plain_letter, folded.letters)) for folded, _ in whole)
        self.spellings = frozenset(exact)
        self._patterns = list(patterns.values())
        self._automaton = automaton_of(list(patterns))

    def find(self, folded: Folded) -> list[Occurrence]:
        """All places of all terms, of each term at a place its plainest spelling."""
        best: dict[tuple[int, int, str], Occurrence] = {}
        for spelling, term, cost, start, end in self._candidates(folded):
            for first, last in _edges(folded, start, end, spelling):
                disguised = cost + _disguise(folded, start, first, last, spelling)
                key = (first, last, term.text)
                if disguised < _NO_RUN and (key not in best or disguised < best[key].cost):
                    best[key] = Occurrence(first, last, term, disguised)
        return list(best.values())

    def find_masked(self, hashtag: str) -> Occurrence | None:
        """The term that a hashtag says as a whole, with signs for some of its letters."""
        number = self._masked.find(hashtag)
        return None if number is None else Occurrence(0, len(hashtag), self._terms[number], _MASKED)

    def _candidates(self, folded: Folded) -> Iterator[tuple[Folded, Term, float, int, int]]:
        """Spellings whose signs stand in a hashtag: of which term, what they cost, and where they begin and end."""
        for number, start, end in self._automaton.find_matches_as_indexes(folded.skeleton, overlapping=True):
            for spelling, term, cost in self._patterns[number]:
                yield spelling, term, cost, start, end
        for number, spelling, cost, start, end in self._slips.find(folded):
            yield spelling, self._terms[number], cost, start, end


def _without_accents(folded: Folded) -> list[str]:
    """The letters of a term without accents, where they are no other word: cabrón is cabron, but coña is not cona."""
    plain = "".join(plain_letter(letter) for letter in folded.letters)
    is_short = len(plain) < _OF_ONE_MEANING
    return [] if plain != folded.letters and is_short and is_own_word(plain, folded.letters) else [plain]


def _spellings(folded: Folded) -> Iterator[tuple[Folded, float]]:
    """A term as it is written, and its other spellings."""
    yield folded, 0.0
    for plain in _without_accents(folded):
        for spelling, cost in spellings_of(plain).items():
            if spelling != folded.letters:
                yield fold_spelled(spelling), cost
    digraphs = _DIGRAPH.sub(lambda letter: _DIGRAPHS[letter[0]], folded.letters)
    if digraphs != folded.letters:
        yield fold_spelled(digraphs), _ACCENT
    for spelling, cost in pinyin_spellings(folded.letters).items():
        yield fold_hashtag(spelling), cost


def _edges(folded: Folded, start: int, end: int, spelling: Folded) -> Iterator[tuple[int, int]]:
    """Where a spelling may begin and end: letters that are repeated at its edges may belong to other words."""
    first, last = folded.starts[start], folded.starts[end]
    firsts = {first, max(first, folded.starts[start + 1] - spelling.starts[1])}
    lasts = {last, min(last, folded.starts[end - 1] + spelling.starts[-1] - spelling.starts[-2])}
    return ((begin, stop) for begin in firsts for stop in lasts if begin < stop)


def _disguise(folded: Folded, start: int, first: int, last: int, spelling: Folded) -> float:
    """What it costs to take letters for a spelling of the same skeleton, which begins at a sign of theirs."""
    costs: list[float] = []
    for place, (begin, end) in enumerate(pairwise(spelling.starts)):
        written = folded.letters[
            max(first, folded.starts[start + place]) : min(last, folded.starts[start + place + 1])
        ]
        costs += _run_costs(written, spelling.letters[begin:end])
    # Who writes one letter so writes others so, too.
    habits = {cost for cost in costs if cost in _HABITS}
    return sum(cost for cost in costs if cost not in habits) + sum(
        cost * (1 + _AGAIN * (costs.count(cost) - 1)) for cost in habits
    )


def _run_costs(written: str, meant: str) -> list[float]:
    """What it costs to take letters for others of the same sign: repeated ones, digits, look-alikes."""
    if written == meant:
        return []
    if len(written) < len(meant):
        if len(meant) > 2:
            return [_NO_RUN]
        return [_NOT_DOUBLED if meant[0] == meant[1] else _OTHER_LETTER]
    costs = [_REPEATED] if len(written) > len(meant) else []
    if set(written) < set(meant):
        costs.append(_OTHER_LETTER)
    return costs + [_letter_cost(letter, meant) for letter in set(written) - set(meant)]


def _letter_cost(letter: str, meant: str) -> float:
    """What it costs to write a letter for another one of the same sign."""
    plain = plain_letter(letter)
    if letter.isascii():
        return _OTHER_LETTER if letter.isalpha() else _DIGIT
    if sound_of(letter):
        return _HOMOPHONE
    # Of letters such as Cyrillic і nobody can say whether they look like i or l.
    is_stroke = {plain, *meant} <= {"i", "l"}
    if not is_stroke and plain not in {plain_letter(each) for each in meant}:
        return _LOOK_ALIKE + _OTHER_LETTER
    return _ACCENT if _LATIN.match(letter) else _LOOK_ALIKE
