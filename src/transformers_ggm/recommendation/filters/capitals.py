"""Capitals inside hashtags, so that screen readers read their words: #FirstSnow."""

from collections.abc import Mapping

import regex

from ...utils.hashtag_words import shows_words, split_hashtag

_CASED = regex.compile(r"\p{Ll}|\p{Lu}")


def display_spelling(hashtag: str, spellings: Mapping[str, str] | None = None) -> str:
    """
    A hashtag as it is shown: in its commonest spelling where that has capitals inside, else with a capital where each
    of its words begins.

    Args:
        hashtag (`str`): Normalised, without `#`.
        spellings (`Mapping[str, str]`, *optional*): The commonest spelling of hashtags, where it is known.

    Returns:
        `str`: The same hashtag, but for capitals. One in letters that have none stays as it is.

    Raises:
        ImportError: wordfreq is not installed.

    Example:

    ```python
    >>> from transformers_ggm.recommendation.filters import display_spelling

    >>> display_spelling("firstsnow"), display_spelling("nasa", {"nasa": "NASA"}), display_spelling("初雪")
    ('FirstSnow', 'NASA', '初雪')

    ```
    """
    known = (spellings or {}).get(hashtag, hashtag)
    # Full-width or bold letters are the same hashtag, but read aloud badly.
    if known.lower() == hashtag and (shows_words(known) or known.isupper()):
        return known
    if not _CASED.search(hashtag):
        return hashtag
    place, parts = 0, []
    for word in split_hashtag(hashtag):
        start = hashtag.find(word, place)
        if start < 0:
            return hashtag
        parts.append(hashtag[place:start] + _with_capital(word))
        place = start + len(word)
    return "".join(parts) + hashtag[place:]


def _with_capital(word: str) -> str:
    # Letters such as ß become two when they are capitals.
    capital = word[:1].upper()
    return capital + word[1:] if len(capital) == 1 else word
