"""
Whether a hashtag says a term, or only has its letters: Scunthorpe, therapist, cocktail, classact.

The likeliest reading of the letters is sought, as in a noisy channel: words are drawn as often as they are used, terms
likewise but disguised at a cost, and what is no word is spelled out letter by letter. A hashtag says a term if its
likeliest reading does.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import regex

from .folded_hashtag import Folded, fold_hashtag, plain_letter
from .known_words import vocabularies
from .term_matcher import Occurrence

# In nats. A term is as likely as a word that one in ten thousand is; letters of unknown words are any of 26, and
# characters of unknown Chinese words any of some hundreds.
_TERM = -8.5
# An allowed phrase is likelier than a term.
_ALLOWED = -8.0
_UNKNOWN_WORD, _UNKNOWN_LETTER, _UNKNOWN_HAN = -10.0, -3.3, -4.5
# A sign within a word that is no term.
_BREAK = -4.0
# A word that is not written as usual: with digits, accents, other letters, or repeated ones.
_DISGUISED_WORD = -1.5
# A word with repeated letters that is so long without them can hardly be another one.
_SURE_WORD = 5
_LONGEST_WORD = 24
_NUMBER = regex.compile(r"\d{2,}")
# How well a term may be disguised, by how many letters it has: as a hashtag by itself, and beside other words.
_MOST_ALONE = {1: 1.0, 2: 1.0, 3: 1.7, 4: 3.2, 5: 4.1, 6: 4.4}
_MOST_JOINED = {1: 0.0, 2: 0.0, 3: 1.0, 4: 1.8, 5: 2.3, 6: 3.3, 7: 3.5}
_MOST_OF_LONG, _MOST_OF_LONG_JOINED = 4.6, 4.0
# A term of so many letters, hardly disguised, is no accident beside letters that are no word. A character of Chinese
# says as much as three letters.
_SURE_LENGTH, _SURELY = 6, 1.7
# Beside a shorter one there are common words: in nats.
_SHORT, _COMMON, _RARE = 4, -11.5, -15.0
# What is a word itself, at least so likely, is no disguise that costs so much.
_DISGUISE, _OWN_WORD, _OWN_SHORT_WORD = 2.0, -14.0, -15.5
# A letter by itself is hardly ever a word, though lists of words have all of them.
_LETTER = -13.0
_SHORTEST = {1: -8.5, 2: -6.5, 3: -6.5}
_HAN = regex.compile(r"\p{Han}")
# What stands before or after a term without being a word of its own.
_CONSONANTS = frozenset("bcdfghjklmnpqrstvwxz")
_FILLING = regex.compile(r"x+|\d+|[iu]|yo|my|me|ur|the")
# What a term of so many letters is made another word of, or a community's name.
_ENDED_LENGTH = 5
_ENDING = regex.compile(r"tok|core|gram|twt|y|ing|in|ed|ish|[sz]+|ers?|able|it[oa]s?|azos?|inh[oa]s?|chen")


@dataclass(frozen=True)
class _Piece:
    start: int
    end: int
    occurrence: Occurrence | None
    likely: float  # in nats; of what is no word minus infinity


def reading(
    folded: Folded,
    occurrences: Sequence[Occurrence],
    terms: Collection[str],
    allowed: Sequence[tuple[int, int]] = (),
) -> tuple[float, list[Occurrence]]:
    """
    The likeliest reading of a hashtag.

    Args:
        folded ([`Folded`]): The hashtag.
        occurrences (`Sequence[Occurrence]`): Where terms stand by their letters.
        terms (`Collection[str]`): Letters of terms, which are no words here.
        allowed (`Sequence[tuple[int, int]]`, defaults to none): Where phrases begin and end that are likelier.

    Returns:
        `tuple[float, list[Occurrence]]`: Its log-probability, and the terms that it says.

    Raises:
        InputError: wordfreq is not installed.
    """
    known = _known_words(folded, terms)
    for start, end in allowed:
        known[end].append((start, _ALLOWED))
    left = [each for each in occurrences if not _is_other_word(folded, known, each)]
    while True:
        score, pieces = _likeliest(folded, known, left)
        accidents = {
            id(pieces[place].occurrence) for place in range(len(pieces)) if _is_accident(folded, pieces, place)
        }
        if not accidents:
            return score, [piece.occurrence for piece in pieces if piece.occurrence is not None]
        left = [each for each in left if id(each) not in accidents]


def _is_other_word(folded: Folded, known: list[list[tuple[int, float]]], occurrence: Occurrence) -> bool:
    """Whether a term would be disguised as a word that people use: collie, kilt."""
    if occurrence.cost < _DISGUISE:
        return False
    least = _OWN_WORD if occurrence.end - occurrence.start > 3 else _OWN_SHORT_WORD
    return any(start == occurrence.start and likely > least for start, likely in known[occurrence.end])


def _is_accident(folded: Folded, pieces: list[_Piece], place: int) -> bool:
    """Whether a term is only in the letters, as in most names that have one in them."""
    piece = pieces[place]
    if piece.occurrence is None:
        return False
    cost = piece.occurrence.cost
    written = folded.letters[piece.start : piece.end]
    length = min(_length(fold_hashtag(piece.occurrence.term.text).letters), _length(written))
    if len(pieces) == 1:
        return cost > _MOST_ALONE.get(length, _MOST_OF_LONG)
    if cost > _MOST_JOINED.get(length, _MOST_OF_LONG_JOINED):
        return True
    if length >= _SURE_LENGTH and cost <= _SURELY:
        return False
    after = pieces[place + 1] if place + 1 < len(pieces) else None
    if length >= _ENDED_LENGTH and after and not place and _ENDING.fullmatch(folded.letters[after.start :]):
        return False
    beside = ([pieces[place - 1]] if place and piece.start not in folded.breaks else []) + (
        [pieces[place + 1]] if place + 1 < len(pieces) and piece.end not in folded.breaks else []
    )
    # Nearly any character of Chinese is a word by itself.
    if cost >= _DISGUISE and any(_HAN.fullmatch(folded.letters[each.start : each.end]) for each in beside):
        return True
    return any(not _is_word(folded, each, _COMMON if length <= _SHORT else _RARE) for each in beside)


def _length(letters: str) -> int:
    return len(letters) + 2 * len(_HAN.findall(letters))


def _is_word(folded: Folded, piece: _Piece, least: float) -> bool:
    if piece.occurrence is not None:
        return True
    letters = folded.letters[piece.start : piece.end]
    if _FILLING.fullmatch(letters):
        return True
    return piece.likely > least and (len(letters) > 2 or not letters.isascii())


def _known_words(folded: Folded, terms: Collection[str]) -> list[list[tuple[int, float]]]:
    """For every end the starts of known words, with their log-probabilities."""
    by_end: list[list[tuple[int, float]]] = [[] for _ in range(len(folded.letters) + 1)]
    plain = "".join(map(plain_letter, folded.letters))
    for start, end, likely in _words_in(folded.letters, terms):
        by_end[end].append((start, likely + _breaks(folded, start, end)))
    if plain != folded.letters:
        for start, end, likely in _words_in(plain, terms):
            by_end[end].append((start, likely + _DISGUISED_WORD + _breaks(folded, start, end)))
    once = "".join(letter for letter, _ in groupby(plain))
    if len(once) >= _SURE_WORD and once != plain and once not in terms:
        by_end[-1] += [(0, words[once] + _DISGUISED_WORD) for words in vocabularies(once) if once in words]
    return by_end


def _words_in(letters: str, terms: Collection[str]) -> Iterator[tuple[int, int, float]]:
    """Where known words that are no terms begin and end, with their log-probabilities."""
    text = _NUMBER.sub(lambda number: "0" * len(number[0]), letters)
    for words in vocabularies(text):
        for end in range(1, len(text) + 1):
            for start in range(max(0, end - _LONGEST_WORD), end):
                likely = words.get(text[start:end])
                if likely is None or letters[start:end] in terms:
                    continue
                if end - start == 1 and text[start] in _CONSONANTS:
                    likely = _LETTER
                # The shortest words of one language are letters of another one's: Turkish bu and Spanish y are no buy.
                if end - start in _SHORTEST and text[start:end].isascii():
                    likely = min(likely, _SHORTEST[end - start])
                yield start, end, likely


def _breaks(folded: Folded, start: int, end: int) -> float:
    return _BREAK * sum(start < place < end for place in folded.breaks)


def _likeliest(
    folded: Folded, known: list[list[tuple[int, float]]], occurrences: Sequence[Occurrence]
) -> tuple[float, list[_Piece]]:
    """The likeliest reading (Viterbi's algorithm)."""
    size = len(folded.letters)
    said: list[list[Occurrence]] = [[] for _ in range(size + 1)]
    for each in occurrences:
        said[each.end].append(each)
    best, pieces = [0.0], [_Piece(0, 0, None, 0.0)]
    unknown, begins = float("-inf"), 0  # of an unknown word that has not ended
    for end in range(1, size + 1):
        if best[-1] + _UNKNOWN_WORD > unknown:
            unknown, begins = best[-1] + _UNKNOWN_WORD, end - 1
        unknown += _UNKNOWN_HAN if _HAN.match(folded.letters[end - 1]) else _UNKNOWN_LETTER
        top, piece = unknown, _Piece(begins, end, None, float("-inf"))
        for start, score in known[end]:
            if best[start] + score > top:
                top, piece = best[start] + score, _Piece(start, end, None, score)
        for each in said[end]:
            score = best[each.start] + _TERM - each.cost
            if score > top:
                top, piece = score, _Piece(each.start, end, each, score)
        best.append(top)
        pieces.append(piece)
    found, end = [], size
    while end:
        found.append(pieces[end])
        end = pieces[end].start
    return best[-1], found[::-1]
