"""What a hashtag that is being written may become: the known one that begins so."""

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from .hashtag_pool import HashtagPool

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
    Completions by the pool that is asked for most lately, of which those used most often are likely. Where it changes
    they are made anew once it is larger or smaller by a tenth: they are guesses, which change nothing but the time
    that writing takes.
    """

    def __init__(self):
        self._made: tuple[HashtagPool, int, HashtagCompletions] | None = None

    def likely(self, pool: HashtagPool, beginning: str) -> str | None:
        """As of [`HashtagCompletions`]. Several threads may ask at once."""
        made, size = self._made, len(pool)
        if made is None or made[0] is not pool or abs(size - made[1]) > made[1] / 10:
            made = self._made = (pool, size, HashtagCompletions(pool.most_used(_MOST_USED)))
        return made[2].likely(beginning)


__all__ = ["HashtagCompletions", "PoolCompletions"]
