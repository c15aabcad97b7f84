"""What a hashtag pool takes for a list of hashtags and their counts: checked, normalised and merged, also by the million."""

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import HashtagError, PoolError
from ..processing.hashtags import is_valid_hashtag, normalize_hashtag

_NAMED_AT_MOST = 10
# Valid and normalised beyond doubt: most hashtags are, and the others are looked at one by one.
_PLAIN = r"\A[a-z0-9_]*[a-z][a-z0-9_]*\z"


def as_iterable(hashtags: Iterable[str]) -> Iterable[str]:
    """
    Raises:
        HashtagError: `hashtags` is one string.
    """
    # A string is an iterable of letters, each of which may be a valid hashtag: never what was meant.
    if isinstance(hashtags, str):
        raise HashtagError(f"hashtags is one string, {hashtags!r}: give a list, [{hashtags!r}].")
    return hashtags


def check_any(hashtags: Sequence[str]) -> None:
    """
    Raises:
        HashtagError: There are none.
    """
    if not len(hashtags):
        raise HashtagError("hashtags is empty: a hashtag pool needs at least one hashtag.")


def pool_key(hashtag: object) -> str | None:
    """The form in which a pool keeps a hashtag, `None` for what is no hashtag and so in no pool."""
    return normalize_hashtag(hashtag) if is_valid_hashtag(hashtag) else None


def normalized_hashtags(hashtags: Iterable[str] | pa.Array) -> pa.LargeStringArray:
    """
    Hashtags in the form in which a pool keeps them.

    Args:
        hashtags (`Iterable[str]` or `pa.Array`): With or without `#`.

    Raises:
        HashtagError: Some are no hashtags; the message names them.

    Example:

    ```python
    >>> from transformers_ggm.retrieval.hashtag_lists import normalized_hashtags
    >>> normalized_hashtags(["snow", "#Café"]).to_pylist()
    ['snow', 'café']

    ```
    """
    if isinstance(hashtags, pa.Array):
        is_text = pa.types.is_string(hashtags.type) or pa.types.is_large_string(hashtags.type)
        names = hashtags.cast(pa.large_string()) if is_text else _as_array(hashtags.to_pylist())
    else:
        names = _as_array(list(as_iterable(hashtags)))
    plain = pc.fill_null(pc.match_substring_regex(names, _PLAIN), False)
    if pc.all(plain).as_py() is not False:
        return names
    special = pc.invert(plain)
    return pc.replace_with_mask(names, special, pa.array(_keys(names.filter(special).to_pylist()), pa.large_string()))


def _as_array(hashtags: list[str]) -> pa.LargeStringArray:
    try:
        if all(isinstance(hashtag, str) for hashtag in hashtags):
            return pa.array(hashtags, pa.large_string())
    except UnicodeEncodeError:  # halves of a character
        pass
    return pa.array(_keys(hashtags), pa.large_string())


def _keys(hashtags: list[str]) -> list[str]:
    keys = [pool_key(hashtag) for hashtag in hashtags]
    bad = [hashtag for hashtag, key in zip(hashtags, keys) if key is None]
    if bad:
        raise HashtagError(
            f"hashtags holds some that are no hashtags (letters, digits and underscores, at least one letter): "
            f"{named(bad)}. Leave them out."
        )
    return keys


def counted_hashtags(
    hashtags: Iterable[str] | Mapping[str, int], allow_empty: bool = False
) -> tuple[pa.LargeStringArray, np.ndarray]:
    """
    Normalised hashtags, each one once, in order of first mention, and their counts (int64): the sums over those that
    are the same once normalised. Without counts, each mention counts 1.

    Raises:
        HashtagError: Some are no hashtags, or there are none and `allow_empty` is not set.
        PoolError: A count is not a whole number of 0 or more.
    """
    counts = list(hashtags.values()) if isinstance(hashtags, Mapping) else None
    names = normalized_hashtags(hashtags)
    if not allow_empty:
        check_any(names)
    merged = names.dictionary_encode()
    sums = np.zeros(len(merged.dictionary), np.int64)
    np.add.at(sums, merged.indices.to_numpy(), checked_counts(counts, len(names)))
    return merged.dictionary, sums


def first_spellings(written: pa.Array, names: pa.LargeStringArray) -> np.ndarray | None:
    """
    Of a saved pool, which rows to keep: all but those of hashtags that stand there in another spelling before them,
    since an earlier version kept the two apart.

    Args:
        written (`pa.Array`): the hashtags as they were saved.
        names (`pa.LargeStringArray`): the same, normalised.

    Returns:
        `np.ndarray` of bool, one a row, or `None` for all rows.
    """
    if pc.count_distinct(names).as_py() == len(names):
        return None
    merged = names.dictionary_encode()
    rows = merged.indices.to_numpy()
    first = np.unique(rows, return_index=True)[1]
    is_first = np.zeros(len(names), bool)
    is_first[first] = True
    for row in np.flatnonzero(~is_first).tolist():
        # What earlier versions took for one too was never saved twice: such a file is damaged.
        spellings = {written[int(number)].as_py().lower() for number in (first[rows[row]], row)}
        is_first[row] = len(spellings) == 1
    return is_first


def checked_counts(counts: Sequence[int] | np.ndarray | None, size: int) -> np.ndarray:
    """
    `size` counts as int64; `None` for 1 each.

    Raises:
        PoolError: There are more or fewer, some are no whole numbers of 0 or more, or all together are beyond int64.
    """
    if counts is None:
        return np.ones(size, np.int64)
    if len(counts) != size:
        raise PoolError(f"counts has {len(counts)} entries for {size} hashtags: give one for each.")
    if isinstance(counts, np.ndarray) and counts.dtype == np.int64:
        bad = counts[counts < 0].tolist()
    else:
        counts = list(counts)
        bad = [count for count in counts if not isinstance(count, Integral) or isinstance(count, bool) or count < 0]
    if bad:
        raise PoolError(f"counts holds {named(bad)}: give whole numbers of 0 or more.")
    if sum(map(float, counts) if isinstance(counts, list) else [counts.sum(dtype=np.float64)]) >= 2.0**63:
        raise PoolError("counts are too large together: their sum must be below 2^63.")
    return np.array(counts, np.int64)


def named(items: Sequence[object]) -> str:
    """The first few of `items`, and how many more there are."""
    more = len(items) - _NAMED_AT_MOST
    return ", ".join(map(repr, items[:_NAMED_AT_MOST])) + (f" and {more} more" if more > 0 else "")
