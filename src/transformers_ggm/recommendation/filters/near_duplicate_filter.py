"""Hashtags that say the same as a better one of the list: #dog #dogs, #newyear #NewYears, #first_snow #firstsnow."""

from collections.abc import Sequence

import regex

from .folded_hashtag import fold_hashtag, plain_letter
from .hashtag_filter import HashtagFilter, Removed

_ENGLISH_PLURALS = ((regex.compile(r"(?<=[^aeious])ies$"), "y"), (regex.compile(r"(?<=ss|sh|ch|x|z)es$"), ""))
_FINAL_S = regex.compile(r"(?<=[^s][^siu])s$")
_SHORTEST = 3
# No plurals, though there is a word without their s.
_SINGULAR = frozenset({"news", "lens", "mars", "paris", "physics", "species", "series"})


class NearDuplicateFilter(HashtagFilter):
    """
    Leaves out what differs from a better hashtag in number, accents or signs alone.

    Example:

    ```python
    >>> from transformers_ggm.recommendation.filters import NearDuplicateFilter

    >>> found = NearDuplicateFilter().removed(["dog", "newyears", "dogs", "newyear", "glass"])
    >>> [each and each.because for each in found]
    [None, None, 'dog', 'newyears', None]

    ```
    """

    name = "near_duplicate"
    looks_at_list = True

    def removed(self, hashtags: Sequence[str]) -> list[Removed | None]:
        first: dict[str, str] = {}
        found = []
        for hashtag in hashtags:
            better = first.setdefault(same_key(hashtag), hashtag)
            found.append(None if better is hashtag or better == hashtag else Removed(hashtag, self.name, None, better))
        return found


def same_key(hashtag: str) -> str:
    """
    What near-duplicates have in common.

    Args:
        hashtag (`str`): Without `#`.

    Returns:
        `str`: Its letters without accents and signs, in the singular.
    """
    letters = "".join(letter if letter.isdigit() else plain_letter(letter) for letter in fold_hashtag(hashtag).letters)
    if not letters.isascii() or len(letters) <= _SHORTEST or letters in _SINGULAR:
        return letters
    for ending, singular in _ENGLISH_PLURALS:
        if ending.search(letters):
            return ending.sub(singular, letters)
    return _FINAL_S.sub("", letters)
