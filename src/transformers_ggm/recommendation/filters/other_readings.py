"""Other ways in which a hashtag may be read: signs for letters, other alphabets, letters to be passed over."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import regex

from ...processing.spelling import fold_spelling
from .folded_hashtag import LEET_SIGNS, Folded, fold_hashtag
from .packaged_table import packaged_rows
from .styled_letters import in_alphabets, unframed

_PARTS = Path(__file__).with_name("character_parts.tsv")
# In nats, what each costs: a vowel behind a sign, or an x; letters that are apart by the same letter each; letters of
# another alphabet; signs that together look like a letter; digits for letters that they are seldom written for; signs
# that are not letters; and Chinese characters apart by other letters, or backwards.
_HIDDEN, _CROSSED, _THREADED, _ALPHABET, _DRAWN, _SELDOM, _APART, _AMONG, _BACKWARDS = (
    2.0, 3.0, 3.0, 0.5, 1.0, 1.0, 0.5, 2.0, 3.0,
)  # fmt: skip
_SIGN_FOR_VOWEL = regex.compile(r"(?<=[\p{L}\d])(?:[_*.·#@%&\-]|\p{Extended_Pictographic}\uFE0F?)+(?=[\p{L}\d])")
_X_FOR_VOWEL = regex.compile(r"(?<=[^\W_aeioux])[xv](?=[^\W_aeioux])")
_THREAD = regex.compile(r"([^\W_])([^\W_])(?:([^\W_])\2)+([^\W_])?")
_DRAWINGS = {
    r"|\|": "n", r"/\/": "n", "|<": "k", "|{": "k", r"\/\/": "w", r"\/": "v", "|_|": "u", r"/\\": "a", r"/\ ": "a",
    "|)": "d", "()": "o", "[]": "o", "|-|": "h", "|3": "b", "|>": "p", "|=": "f", "|_": "l", "><": "x", r"/\/\\": "m",
    r"|\/|": "m", r"/\-": "a", "_/": "j", "'/": "y",
}  # fmt: skip
# Emoji that together mean what people do not write.
_PICTURES = {
    "🌽star": "pornstar", "🌽⭐": "pornstar", "🌽🌟": "pornstar", "🌽hub": "pornhub", "🍆💦": "cumshot",
    "💦🍆": "cumshot", "🍑🍆": "analsex", "🍆🍑": "analsex", "🍑💦": "analsex", "👉👌": "sex", "❄👃": "cocaine",
    "❄🐽": "cocaine", "👃❄": "cocaine", "+v": "加v", "➕v": "加v", "+微": "加微信", "➕微": "加微信", "+薇": "加微信",
    "➕薇": "加微信",
}  # fmt: skip
_PICTURE = regex.compile("|".join(map(regex.escape, _PICTURES)))
_DRAWN_LETTER = regex.compile("|".join(regex.escape(each) for each in sorted(_DRAWINGS, key=len, reverse=True)))
_SECOND_MEANING = str.maketrans({"6": "b", "9": "q", "7": "l", "2": "s", "#": "h"})
_LEET_SIGN = regex.compile(f"[{regex.escape(LEET_SIGNS)}]")
_AMONG_HAN = regex.compile(r"(?<=\p{Han})(?:[^\p{Han}]|丨){1,4}(?=\p{Han})")
_PARTICLE = regex.compile(r"(?<=\p{Han})[的了着个一](?=\p{Han})")
_COUNTED = regex.compile(r"\d?(?:\p{L}\d){3,}\p{L}?")
_HAN = regex.compile(r"\p{Han}+")
_TONES = regex.compile(r"(?:[a-z]+[1-5])+[a-z]*")


def other_readings(hashtag: str, folded: Folded) -> Iterator[tuple[Folded, float]]:
    """
    Other ways to read a hashtag, each with what it costs.

    Args:
        hashtag (`str`): As it is written.
        folded ([`Folded`]): How it is read first.
    """
    texts = [*_by_letters(hashtag)]
    if _SIGN_FOR_VOWEL.search(hashtag):
        texts += [(_SIGN_FOR_VOWEL.sub(vowel, hashtag), _HIDDEN) for vowel in "aeiou"]
    if _X_FOR_VOWEL.search(folded.letters):
        texts += [(_X_FOR_VOWEL.sub(vowel, folded.letters), _CROSSED) for vowel in "aeiou"]
    if len(folded.letters) > 6 and _THREAD.fullmatch(folded.letters):
        texts.append((folded.letters[::2], _THREADED))
    if _COUNTED.fullmatch(hashtag):
        texts.append((regex.sub(r"\d", "", hashtag), _THREADED))
    return ((fold_hashtag(text), cost) for text, cost in texts)


def _by_letters(hashtag: str) -> Iterator[tuple[str, float]]:
    """A hashtag with other letters for its letters and signs, or without some."""
    if not hashtag.isascii():
        yield from ((text, _ALPHABET) for text in in_alphabets(fold_spelling(unframed(hashtag))))
        if _AMONG_HAN.search(hashtag):
            yield _AMONG_HAN.sub("", hashtag), _AMONG
        if _PARTICLE.search(hashtag):
            yield _PARTICLE.sub("", hashtag), _AMONG
        if _HAN.fullmatch(hashtag):
            yield hashtag[::-1], _BACKWARDS
        whole = _of_parts(hashtag)
        if whole != hashtag:
            yield whole, _AMONG
    bare = hashtag.replace("\ufe0f", "")
    if _PICTURE.search(bare):
        yield _PICTURE.sub(lambda drawn: _PICTURES[drawn[0]], bare), _DRAWN
    if _DRAWN_LETTER.search(hashtag):
        yield _DRAWN_LETTER.sub(lambda drawn: _DRAWINGS[drawn[0]], hashtag), _DRAWN
    if _LEET_SIGN.search(hashtag):
        yield _LEET_SIGN.sub("", hashtag), _APART
    if _TONES.fullmatch(hashtag):
        yield regex.sub("[1-5]", "", hashtag), _APART
    seldom = hashtag.translate(_SECOND_MEANING)
    if seldom != hashtag:
        yield seldom, _SELDOM


def _of_parts(hashtag: str) -> str:
    """A hashtag with Chinese characters where their parts stand side by side."""
    parts, pattern = _character_parts()
    return pattern.sub(lambda found: parts[found[0]], hashtag)


@lru_cache(maxsize=1)
def _character_parts() -> tuple[dict[str, str], regex.Pattern]:
    parts = {row["parts"]: row["character"] for row in packaged_rows(_PARTS)}
    return parts, regex.compile("|".join(parts))
