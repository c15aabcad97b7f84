"""Which spellings are one: those that differ in case, width or style of letters, or in signs that nobody sees.

Two spellings are one if Unicode's default caseless matching says so after compatibility decomposition (what the
standard calls NFKC_Casefold), but for what would make words hard to read:

- Thai and Lao vowels and Korean letters that stand alone stay whole, and no letter is spelled with a space in it.
- Joiners stay where a word looks different without them (Persian, Sinhala, Bengali; the contexts of UAX #31).
- A Greek word ends in ς.

Beyond the standard, a dot above a letter that has one anyway does not count: İ, i and I are one letter, as the Turkish
İstanbul and istanbul are one word. The dotless ı stays one of its own, as other words are spelled with it. Accents are
part of letters: café is not cafe.
"""

import unicodedata

import regex

_IGNORABLE = regex.compile(r"(?![\u200c\u200d])\p{Default_Ignorable_Code_Point}")
# Dots of letters that have one: in decomposed text, maybe behind marks that stand elsewhere than above.
_SECOND_DOT = regex.compile(r"(?<=\p{Soft_Dotted}[\p{M}--\p{ccc=230}]*)\u0307", regex.V1)
_FINAL_SIGMA = regex.compile(r"(?<=\p{L}\p{M}*)σ(?![\p{L}\p{M}])")
_SEVERAL_JOINERS = regex.compile(r"([\u200c\u200d])[\u200c\u200d]+")
# What keeps its joiner: letters that would join, letters after a sign that takes a vowel away, and Bengali r before
# one.
_UNSEEN_JOINER = regex.compile(
    r"(?<![\p{jt=D}\p{jt=L}]\p{jt=T}*(?=\u200c\p{jt=T}*[\p{jt=D}\p{jt=R}]))"
    r"(?<!\p{ccc=9}\p{jt=T}*(?=[\u200c\u200d]\p{L}))"
    r"(?<!\p{L}(?=\u200d\p{ccc=9}))"
    r"[\u200c\u200d]"
)
# Letters that compatibility decomposition takes apart into what people do not write.
_KEPT_WHOLE = frozenset("\u0e33\u0eb3") | frozenset(map(chr, range(0x3131, 0x318F)))
# The same character of Japanese text by two tables of old encodings.
_OF_ITS_OWN = {"\uff5e": "\u301c"}


class _Plain(dict):
    """What a character is written as, by its code point: found when it is first asked for."""

    def __missing__(self, code: int) -> str:
        plain = self[code] = _plain(chr(code))
        return plain


def _plain(character: str) -> str:
    if _IGNORABLE.match(character):
        return ""
    kind, *codes = unicodedata.decomposition(character).split() or [""]
    # Half-width Korean letters are written as whole ones, which are kept.
    whole = chr(int(codes[0], 16)) if kind == "<narrow>" else character
    if whole in _KEPT_WHOLE:
        return whole
    plain = _OF_ITS_OWN.get(character) or unicodedata.normalize("NFKD", character)
    return character if " " in plain else plain


_PLAIN = _Plain()


def fold_spelling(text: str) -> str:
    """
    The form that all spellings of a text have in common.

    Args:
        text (`str`): Any text.

    Returns:
        `str`: In Unicode normal form C. Folding it again changes nothing.

    Example:

    ```python
    >>> from transformers_ggm.processing.spelling import fold_spelling

    >>> [fold_spelling(text) for text in ("İstanbul", "STRASSE", "straße", "ＳＮＯＷ", "Σίσυφος")]
    ['istanbul', 'strasse', 'strasse', 'snow', 'σίσυφος']

    ```
    """
    if text.isascii():
        return text.lower()
    before = None
    # Each step can leave something for another one: what casefolding composes may have a second dot, and so on.
    while before != text:
        before, text = text, _fold_once(text)
    return text


def _fold_once(text: str) -> str:
    text = unicodedata.normalize("NFD", text).translate(_PLAIN).casefold()
    text = _SECOND_DOT.sub("", unicodedata.normalize("NFD", text))
    text = unicodedata.normalize("NFC", text)
    text = _UNSEEN_JOINER.sub("", _SEVERAL_JOINERS.sub(r"\1", text))
    return _FINAL_SIGMA.sub("ς", text)
