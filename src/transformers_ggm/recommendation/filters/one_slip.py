"""
Terms with one slip: a letter that is another one, too many or missing, or two that are swapped.

A term with one slip has one of its halves whole (the pigeonhole principle), and so the halves are sought.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise

from .chinese_sounds import weight_of
from .folded_hashtag import Folded
from .search_automaton import automaton_of

# What a slip costs in a term of eight letters, in nats; in longer ones less.
_OTHER_VOWEL, _OTHER, _TOO_MANY, _MISSING, _SWAPPED = 3.4, 4.4, 3.9, 3.9, 3.7
_LENGTH = 8
_VOWELS = frozenset("aeiou")


class SlipFinder:
    """
    Finds terms with one slip by their halves.

    Args:
        terms (`Iterable[Folded]`): Short ones are left out: of fewer than eight letters, or four Chinese characters.
    """

    def __init__(self, terms: Iterable[Folded]):
        halves = defaultdict(list)
        for number, term in enumerate(terms):
            if weight_of(term.skeleton) >= _LENGTH:
                middle = len(term.skeleton) // 2
                halves[term.skeleton[:middle]].append((number, term, True))
                halves[term.skeleton[middle:]].append((number, term, False))
        self._halves = list(halves.values())
        self._automaton = automaton_of(list(halves))

    def find(self, folded: Folded) -> Iterator[tuple[int, Folded, float, int, int]]:
        """
        The number of each term, how it is written, what the slip costs, and where it begins and ends by signs.
        """
        text = folded.skeleton
        for number, start, end in self._automaton.find_matches_as_indexes(text, overlapping=True):
            for term_number, term, is_first in self._halves[number]:
                middle, size = len(term.skeleton) // 2, len(term.skeleton)
                if is_first:
                    for slip, place, used in _slips(term.skeleton[middle:], text[end : end + size]):
                        stop = end + used
                        written, cost = _with_slip(term, slip, middle + place, folded, end + place)
                        yield term_number, written, cost, start, stop
                else:
                    before = text[max(0, start - size) : start][::-1]
                    for slip, place, used in _slips(term.skeleton[:middle][::-1], before):
                        at = middle - 1 - place - (slip == "swapped")
                        at += slip == "too many"
                        written, cost = _with_slip(term, slip, at, folded, start - 1 - place)
                        yield term_number, written, cost, start - used, end


def _slips(meant: str, written: str) -> Iterator[tuple[str, int, int]]:
    """Each slip by which a text begins with what is meant: its kind, its place, and the length of what is written."""
    place = next((i for i, (one, other) in enumerate(zip(meant, written)) if one != other), len(meant))
    if place + 1 >= len(meant):
        return
    size = len(meant)
    if meant[place + 1 :] == written[place + 1 : size]:
        yield "other", place, size
    if meant[place:] == written[place + 1 : size + 1]:
        yield "too many", place, size + 1
    if meant[place + 1 :] == written[place : size - 1]:
        yield "missing", place, size - 1
    if meant[place + 1] + meant[place] + meant[place + 2 :] == written[place:size]:
        yield "swapped", place, size


def _with_slip(term: Folded, slip: str, place: int, folded: Folded, written: int) -> tuple[Folded, float]:
    """A term as it is with a slip at one of its signs, and what the slip costs."""
    runs = [term.letters[begin:end] for begin, end in pairwise(term.starts)]
    signs = list(term.skeleton)
    sign, run = folded.skeleton[written], folded.letters[folded.starts[written] : folded.starts[written + 1]]
    if slip == "other":
        cost = _OTHER_VOWEL if {signs[place], sign} <= _VOWELS else _OTHER
        runs[place], signs[place] = run, sign
    elif slip == "too many":
        cost = _TOO_MANY
        runs.insert(place, run)
        signs.insert(place, sign)
    elif slip == "missing":
        cost = _MISSING
        del runs[place], signs[place]
    else:
        cost = _SWAPPED
        runs[place : place + 2] = runs[place + 1], runs[place]
        signs[place : place + 2] = signs[place + 1], signs[place]
    starts = tuple(accumulate(map(len, runs), initial=0))
    return Folded("".join(runs), "".join(signs), starts, frozenset()), cost * _LENGTH / weight_of(term.skeleton)
