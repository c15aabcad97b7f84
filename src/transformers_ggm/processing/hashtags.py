"""Hashtag text rules: those of twitter-text, so that a tag this package writes is one a platform links.

A hashtag is `#` or `＃` and a run of letters, combining marks, decimal digits and underscores of any script (plus a
few signs that are part of words, such as the Persian non-joiner and the Japanese wave dash) with at least one letter.
What stands in an address is no hashtag. Inside this package a hashtag is a string without its `#`, in the form that
all its spellings have in common: see [`~processing.spelling.fold_spelling`].
"""

import unicodedata
from collections.abc import Iterable

import regex

from ..errors import HashtagError
from .addresses import ADDRESS
from .spelling import fold_spelling

# Signs that twitter-text allows within a hashtag beside letters, marks, digits and the underscore: joiners, Cyrillic
# kavyka, Hebrew maqaf, geresh and gershayim, tildes and wave dashes, kana sound marks and dots, ditto mark, Tibetan
# tsheg, middle dot.
_SPECIAL = r"_\u200c\u200d\ua67e\u05be\u05f3\u05f4\uff5e\u301c\u309b\u309c\u30a0\u30fb\u3003\u0f0b\u0f0c\u00b7"
_CHARACTER = rf"[\p{{L}}\p{{M}}\p{{Nd}}{_SPECIAL}]"
_SIGN = "[#＃]"

# For other readers of hashtags in this package.
HASHTAG_CHARACTERS = rf"{_CHARACTER}++"

# A `#` followed by U+FE0F or U+20E3 is the keycap emoji.
_BARE = rf"(?![\ufe0f\u20e3]){_CHARACTER}++"
_TAG = regex.compile(_BARE)
_LETTER = regex.compile(r"\p{L}")
# Variation selectors are marks, yet a tag may follow the emoji they end: hence the second alternative. An address is
# passed over as a whole.
_IN_TEXT = regex.compile(
    rf"{ADDRESS}|(?:(?<![&\p{{L}}\p{{M}}\p{{Nd}}{_SPECIAL}])|(?<=[\ufe0e\ufe0f])){_SIGN}(?P<tag>{_BARE})(?!{_SIGN}|://)"
)
_HAS_SIGN = regex.compile(_SIGN)
# A #word ends at whitespace, or at the full-width punctuation of scripts that are written without spaces.
_HASH_WORD = regex.compile(rf"(?<!\S){_SIGN}[^\s。、！？，．]*")


def extract_hashtags(text: str) -> list[str]:
    """
    Finds the hashtags in a text by the twitter-text rules. What stands in an address, as in `site.com/#about`, is
    none.

    Args:
        text (`str`): Any text.

    Returns:
        `list[str]`: The hashtags as written, without their `#`, in order, repeats included.

    Source: twitter-text, `extractHashtags`.

    Example:

    ```python
    >>> from transformers_ggm.processing import extract_hashtags

    >>> extract_hashtags("First #Snow in #Toronto, bus #16")
    ['Snow', 'Toronto']

    ```
    """
    if not _HAS_SIGN.search(text):  # as most texts do not
        return []
    return [match["tag"] for match in _IN_TEXT.finditer(text) if _is_hashtag(match)]


def is_valid_hashtag(tag: str) -> bool:
    """Tells whether `tag`, with or without a leading `#`, is a hashtag as a whole.

    Args:
        tag (`str`): A hashtag. Anything else, also what is no string, gives `False`.

    Returns:
        `bool`: Whether it is one.

    Example:

    ```python
    >>> from transformers_ggm.processing import is_valid_hashtag

    >>> is_valid_hashtag("#snow"), is_valid_hashtag("2024"), is_valid_hashtag("two words")
    (True, False, False)

    ```
    """
    return isinstance(tag, str) and _is_bare_hashtag(_without_sign(tag))


def normalize_hashtag(tag: str) -> str:
    """
    Brings a hashtag into the form in which this package stores it: no `#`, lower case, and one form for all spellings.

    Spellings that differ in case, in width or style of letters, or in what nobody sees are one, also where capitals
    hide it: `#İstanbul` and `#istanbul`, `#STRASSE` and `#straße`. See [`~processing.spelling.fold_spelling`] for the
    rules.

    Args:
        tag (`str`): A hashtag with or without a leading `#` or `＃`; surrounding whitespace is dropped.

    Returns:
        `str`: The normalised hashtag. Normalising it again changes nothing.

    Raises:
        `HashtagError`: `tag` is no hashtag.

    Example:

    ```python
    >>> from transformers_ggm.processing import normalize_hashtag

    >>> normalize_hashtag(" #SnowDay "), normalize_hashtag("İSTANBUL"), normalize_hashtag("＃ｓｎｏｗ")
    ('snowday', 'istanbul', 'snow')

    ```
    """
    bare = _without_sign(tag) if isinstance(tag, str) else ""
    if not _is_bare_hashtag(bare):
        raise HashtagError(
            f"{tag!r} is not a hashtag: it may have letters, digits and underscores only, and needs at least one"
            " letter. Remove the other characters or leave it out."
        )
    folded = fold_spelling(bare)
    # Letters that nobody sees (Korean fillers) and half-width sound marks are letters to twitter-text, and fold to
    # none.
    return folded if _LETTER.search(folded) else unicodedata.normalize("NFC", bare)


def join_hashtags(tags: Iterable[str]) -> str:
    """Writes hashtags as the text the model reads and writes, `["a", "b"]` as `"#a #b"`.

    Args:
        tags (`Iterable[str]`): Hashtags with or without `#`; each is normalised, order and repeats are kept.

    Returns:
        `str`: The hashtags with `#`, apart by spaces.

    Raises:
        `HashtagError`: One of them is no hashtag.

    Example:

    ```python
    >>> from transformers_ggm.processing import join_hashtags

    >>> join_hashtags(["Snow", "#toronto"])
    '#snow #toronto'

    ```
    """
    return " ".join(f"#{normalize_hashtag(tag)}" for tag in tags)


def remove_hashtags(text: str) -> str:
    """Takes the hashtags out of a description, so that the model is not shown what it is to find.

    Words that start with `#` go as a whole, as in the research code released with the paper; hashtags that follow
    punctuation or an emoji directly go too. Addresses stay whole. Runs of whitespace become one space.

    Args:
        text (`str`): A description.

    Returns:
        `str`: The description without hashtags, possibly empty.

    Example:

    ```python
    >>> from transformers_ggm.processing import remove_hashtags

    >>> remove_hashtags("first snow  in #toronto this year!#winter")
    'first snow in this year!'

    ```
    """
    before, text = None, _HASH_WORD.sub(" ", text)
    # Where one that another followed directly was none, it may be one now.
    while before != text and _HAS_SIGN.search(text):
        before, text = text, _IN_TEXT.sub(lambda match: " " if _is_hashtag(match) else match[0], text)
    return " ".join(text.split())


def _without_sign(tag: str) -> str:
    tag = tag.strip()
    return tag[1:] if tag[:1] in ("#", "＃") else tag


def _is_bare_hashtag(bare: str) -> bool:
    return _TAG.fullmatch(bare) is not None and _LETTER.search(bare) is not None


def _is_hashtag(match: regex.Match) -> bool:
    return match["tag"] is not None and _LETTER.search(match["tag"]) is not None
