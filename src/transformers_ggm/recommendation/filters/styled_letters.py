"""Letters in styles and alphabets that people disguise words in: by Unicode's names, and by a table of alphabets."""

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from string import ascii_lowercase

import regex

from ...processing.spelling import fold_spelling
from .packaged_table import packaged_rows

_ALPHABETS = Path(__file__).with_name("alphabets.tsv")
_STYLES = (
    "SMALL|CAPITAL|TURNED|REVERSED|INVERTED|SIDEWAYS|SCRIPT|OPEN|DOTLESS|LONG|BARRED|TAILLESS|INSULAR|STIRRUP|"
    "TOP HALF|BOTTOM HALF|BLACKLETTER|EGYPTOLOGICAL"
)
_LETTER = regex.compile(rf"(?:LATIN|MODIFIER)(?: (?:{_STYLES}))* LETTER (?:(?:{_STYLES}) )*([A-Z])(?: WITH .*)?")
# Letters in frames, which are signs and no letters to Unicode.
_FRAMED = regex.compile(
    r"(?:REGIONAL INDICATOR SYMBOL|PARENTHESIZED LATIN (?:SMALL|CAPITAL)"
    r"|(?:CROSSED )?(?:NEGATIVE )?(?:CIRCLED|SQUARED) LATIN (?:SMALL|CAPITAL)) LETTER ([A-Z])"
    r"|COMBINING LATIN SMALL LETTER ([A-Z])"
)
# Where these stand in a hashtag, it is likelier to be in a language that is written so.
_OF_LANGUAGES = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Thai}\p{Hebrew}\p{Arabic}\p{Ethiopic}\p{Cyrillic}\p{Greek}]"
)
# Emoji and signs that people write for letters.
_SIGNS_FOR_LETTERS = dict(zip(map(ord, "⭕❌✖✝➕❗💲⛎©®ℹ"), "oxxttisucri"))
# Alphabets that are read from behind, too.
_BACKWARDS = ("turned around", "mirrored")


def named_letter(letter: str) -> str | None:
    """The ASCII letter that Unicode's name of a letter of another style tells: ʀ is a small capital R."""
    named = _LETTER.fullmatch(unicodedata.name(letter, ""))
    return named[1].lower() if named else None


class _Unframed(dict):
    """The letter in a frame, by code point: found when it is first asked for."""

    def __missing__(self, code: int) -> str:
        named = _FRAMED.fullmatch(unicodedata.name(chr(code), ""))
        plain = self[code] = (named[1] or named[2]).lower() if named else chr(code)
        return plain


_UNFRAMED = _Unframed(_SIGNS_FOR_LETTERS)


def unframed(text: str) -> str:
    """A text with letters in the place of flags, circles and squares that have one in them."""
    return text if text.isascii() else text.translate(_UNFRAMED)


@lru_cache(maxsize=1)
def _alphabets() -> tuple[tuple[str, dict[str, str]], ...]:
    return tuple(
        (row["name"], {fold_spelling(sign): letter for sign, letter in _signs(row["letters"])})
        for row in packaged_rows(_ALPHABETS)
    )


def _signs(letters: str) -> Iterator[tuple[str, str]]:
    """Each sign of an alphabet, whose letters may have several, with the letter that it looks like."""
    return ((sign, letter) for signs, letter in zip(letters.split(), ascii_lowercase) for sign in signs if sign != ".")


@lru_cache(maxsize=1)
def alphabet_letters() -> dict[str, str]:
    """What a letter of the alphabets is read as by itself, in the first that has it; whole languages aside."""
    found: dict[str, str] = {}
    for _, alphabet in _alphabets():
        for sign, letter in alphabet.items():
            if not sign.isascii() and not _OF_LANGUAGES.match(sign):
                found.setdefault(sign, letter)
    return found


def in_alphabets(text: str) -> Iterator[str]:
    """
    What a text says in each alphabet that has all of its letters besides ASCII ones.

    Args:
        text (`str`): Folded by `fold_spelling`.

    Example:

    ```python
    >>> from transformers_ggm.recommendation.filters.styled_letters import in_alphabets

    >>> next(in_alphabets("丂几ㄖ山"))
    'snow'

    ```
    """
    signs = {sign for sign in text if not sign.isascii() and sign.isalpha()}
    for name, alphabet in _alphabets() if signs else ():
        if signs <= alphabet.keys():
            read = "".join(alphabet.get(sign, sign) for sign in text)
            yield read
            if name.startswith(_BACKWARDS):
                yield read[::-1]
