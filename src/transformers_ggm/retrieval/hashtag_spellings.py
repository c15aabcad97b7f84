"""How hashtags are written: with which capitals, and how often in each way."""

from collections.abc import Container, Iterable, Mapping
from itertools import repeat

import pyarrow as pa

from ..processing.hashtags import normalize_hashtag

# By normalised hashtag, for each of its other spellings, without `#`, how often it was written. Never written into.
Spellings = Mapping[str, Mapping[str, int]]


def written_spellings(
    hashtags: Iterable[str] | pa.Array, counts: Iterable[int] | None = None
) -> dict[str, dict[str, int]]:
    """
    How often hashtags are written in another way than that in which they are kept.

    Args:
        hashtags (`Iterable[str]` or `pa.Array`): With or without `#`; all are valid. Of a mapping, its
            values are the counts.
        counts (`Iterable[int]`, *optional*): How often each one was written; 1 by default.

    Returns:
        `dict[str, dict[str, int]]`: By normalised hashtag, for each of its other spellings, without `#`, how often it
        was written.

    Example:

    ```python
    >>> from transformers_ggm.retrieval.hashtag_spellings import written_spellings

    >>> written_spellings({"#FirstSnow": 5, "firstsnow": 2, "lake": 1})
    {'firstsnow': {'FirstSnow': 5}}

    ```
    """
    if counts is None:
        counts = hashtags.values() if isinstance(hashtags, Mapping) else repeat(1)
    found: dict[str, dict[str, int]] = {}
    for hashtag, count in zip(hashtags.to_pylist() if isinstance(hashtags, pa.Array) else hashtags, counts):
        spelling = hashtag.lstrip("#＃")
        if spelling.isascii() and spelling.islower():  # as most are
            continue
        name = normalize_hashtag(spelling)
        if spelling != name:
            spellings = found.setdefault(name, {})
            spellings[spelling] = spellings.get(spelling, 0) + int(count)
    return found


def with_spellings(known: Spellings, more: Spellings) -> Spellings:
    """Both together; neither is changed."""
    both = dict(known)
    for name, counts in more.items():
        before = known.get(name, {})
        both[name] = {**before, **{spelling: before.get(spelling, 0) + count for spelling, count in counts.items()}}
    return both


def without_spellings(known: Spellings, hashtags: Container[str]) -> Spellings:
    """All but those of some hashtags."""
    return {name: counts for name, counts in known.items() if name not in hashtags}


def commonest_spelling(hashtag: str, spellings: Mapping[str, int], count: int = 0) -> str:
    """
    The spelling in which a hashtag was written most often; of several, that in which it is kept.

    Args:
        hashtag (`str`): Normalised.
        spellings (`Mapping[str, int]`): How often it was written in which spelling, as far as that was noted.
        count (`int`, defaults to 0): How often it was written at all. What is left of it was written as it is kept.

    Example:

    ```python
    >>> from transformers_ggm.retrieval.hashtag_spellings import commonest_spelling

    >>> commonest_spelling("nasa", {"NASA": 3, "Nasa": 1}, 5), commonest_spelling("nasa", {"NASA": 3}, 9)
    ('NASA', 'nasa')

    ```
    """
    others = {spelling: number for spelling, number in spellings.items() if spelling != hashtag}
    as_kept = max(spellings.get(hashtag, 0), count - sum(others.values()))
    return min({**others, hashtag: as_kept}.items(), key=lambda item: (-item[1], item[0] != hashtag, item[0]))[0]
