"""
Hashtags as a reader sees through disguises: letters of other scripts that look alike, digits for letters, accents,
repeated letters, and signs in between.
"""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import regex

from ...processing.spelling import fold_spelling
from .chinese_sounds import sound_of
from .packaged_table import packaged_rows
from .styled_letters import alphabet_letters, named_letter, unframed

_FILE = Path(__file__).with_name("confusables.tsv")
# Marks over letters that are read without them; other ones of other scripts are vowels.
_MARKS = regex.compile(
    r"(?<=[\p{Latin}\p{Cyrillic}\p{Greek}]\p{M}*)\p{M}+"
    r"|[\p{Combining_Diacritical_Marks}\p{Combining_Diacritical_Marks_for_Symbols}]+"
)
# What digits and signs are written for. The signs do not stand in hashtags, but do in lists of words.
_LEET = {"0": "o", "1": "i", "2": "z", "3": "e", "4": "a", "5": "s", "6": "g", "7": "t", "8": "b", "9": "g"} | {
    "@": "a", "$": "s", "!": "i", "+": "t", "€": "e", "|": "i", "£": "l", "¢": "c", "¡": "i", "§": "s", "¥": "y",
    "(": "c", "<": "c", "^": "a", "°": "o", "×": "x", "†": "t", "¶": "p",
}  # fmt: skip
# Letters that are swapped since they sound or look alike have one sign.
_ALIKE = {"l": "i", "y": "i", "k": "c", "q": "c", "z": "s", "v": "u", "w": "u"}
LEET_SIGNS = "".join(sign for sign in _LEET if not sign.isdigit())
_CHARACTER = regex.compile(rf"[\p{{L}}\p{{M}}\p{{Nd}}{regex.escape(LEET_SIGNS)}]")


@dataclass(frozen=True)
class Folded:
    """
    A hashtag, folded.

    Attributes:
        letters (`str`): in lower case and one form for all widths and styles, without signs in between.
        skeleton (`str`): what is read of them: one sign for letters that are swapped for each other, once where it
            is repeated.
        starts (`tuple[int, ...]`): where in `letters` each sign of the skeleton begins, and at last where all end.
        breaks (`frozenset[int]`): before which of the letters signs such as `_` stood, if not before all.
    """

    letters: str
    skeleton: str
    starts: tuple[int, ...]
    breaks: frozenset[int]


@lru_cache(maxsize=65_536)
def fold_hashtag(text: str) -> Folded:
    """
    A hashtag, or a term with spaces, folded.

    Args:
        text (`str`): With or without `#`.

    Example:

    ```python
    >>> from transformers_ggm.recommendation.filters.folded_hashtag import fold_hashtag

    >>> fold_hashtag("#Sn0_oow").letters, fold_hashtag("Sn0_oow").skeleton == fold_hashtag("ѕnow").skeleton
    ('sn0oow', True)

    ```
    """
    letters, breaks = [], set()
    for character in _MARKS.sub("", unicodedata.normalize("NFC", fold_spelling(unframed(text)))):
        if _CHARACTER.match(character):
            letters.append(character)
        else:
            breaks.add(len(letters))
    inner = frozenset(breaks - {0, len(letters)})
    # Where signs stand between all letters, they do not show where words begin.
    return fold_spelled("".join(letters), inner if len(inner) < len(letters) - 1 else frozenset())


def fold_spelled(letters: str, breaks: frozenset[int] = frozenset()) -> Folded:
    """Letters that are in one form already, with their skeleton."""
    skeleton, starts, last = [], [], ""
    for place, letter in enumerate(letters):
        sign = skeleton_sign(letter)
        if sign != last:
            skeleton.append(sign)
            starts.append(place)
            last = sign
    starts.append(len(letters))
    return Folded(letters, "".join(skeleton), tuple(starts), breaks)


@lru_cache(maxsize=65_536)
def plain_letter(letter: str) -> str:
    """The letter that one is read as, without accents."""
    if letter.isascii():
        return _LEET.get(letter, letter)
    digit = unicodedata.digit(letter, None)
    if letter in _LEET or digit is not None:
        return _LEET[letter if digit is None else str(digit)]
    table = looks_like()
    if letter in table:
        return _LEET.get(table[letter], table[letter])
    base = unicodedata.normalize("NFD", letter)[0]
    if base.isascii():
        return base
    return table.get(base) or named_letter(base) or alphabet_letters().get(base, base)


@lru_cache(maxsize=65_536)
def skeleton_sign(letter: str) -> str:
    """What stands for a letter in a skeleton: of Chinese characters, how they sound."""
    plain = plain_letter(letter)
    return _ALIKE.get(plain) or sound_of(plain) or plain


@lru_cache(maxsize=1)
def looks_like() -> dict[str, str]:
    """
    The letters of other scripts that look like ASCII ones, mostly by Unicode's confusables (UTS #39).

    Raises:
        InputError: The table is missing, as where this code lies beside a checkpoint.
    """
    return {row["letter"]: row["looks_like"] for row in packaged_rows(_FILE)}
