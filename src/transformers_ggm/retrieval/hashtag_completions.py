"""What a hashtag that is being written may become: the known one that begins so."""

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from .pool_rows import PoolRows

# Rarer ones of a pool are seldom what was meant, and would have to be sorted as well.
_MOST_USED = 100_000


class HashtagCompletions:
    """
    Known hashtags by how they begin.

    Args:
        hashtags (`list[str]`): normalised, the most likely ones first.

    Example:

    ```python
    >>> from transformers_ggm.retrieval.hashtag_completions import HashtagCompletions

    >>> known = HashtagCompletions(["snowboard", "ski", "snow"])
    >>> known.likely("sno"), known.likely("ski"), known.likely("skis")
    ('snowboard', 'ski', None)

    ```
    """

    def __init__(self, hashtags: Sequence[str]):
        order = sorted(range(len(hashtags)), key=hashtags.__getitem__)
        self._sorted = [hashtags[place] for place in order]
        self._ranks = np.array(order)

    def likely(self, beginning: str) -> str | None:
        """The most likely hashtag that begins so, which may be no longer; `None` where none does."""
        first = bisect_left(self._sorted, beginning)
        end = bisect_left(self._sorted, f"{beginning}\U0010ffff", lo=first)
        return self._sorted[first + int(self._ranks[first:end].argmin())] if first < end else None


class PoolCompletions:
    """
    Completions by a pool, of which those used most often are likely; its copies share them. Where it changes they are
    made anew once it is larger or smaller by a tenth: they are guesses, which change nothing but the time that writing
    takes.
    """

    def __init__(self):
        self._made: tuple[int, HashtagCompletions] | None = None

    def __reduce__(self):
        # Another process makes its own, where it needs any.
        return type(self), ()

    def likely(self, rows: PoolRows, beginning: str) -> str | None:
        """As of [`HashtagCompletions`]. Several threads may ask at once."""
        made, size = self._made, len(rows.names)
        if made is None or abs(size - made[0]) > made[0] / 10:
            made = self._made = (size, HashtagCompletions(rows.most_used(_MOST_USED)))
        return made[1].likely(beginning)


__all__ = ["HashtagCompletions", "PoolCompletions"]
