"""What hashtags that are being written may become, by the pool of a call."""

from ..generation.hashtag_completions import HashtagCompletions
from ..retrieval import HashtagPool

# Rarer ones are seldom what was meant, and would have to be sorted as well.
_MOST_USED = 100_000


class PoolCompletions:
    """
    Completions by the pool that is used most lately. Where it changes they are made anew once it is larger or smaller
    by a tenth: they are guesses, which change nothing but the time that writing takes.
    """

    def __init__(self):
        self._made: tuple[HashtagPool, int, HashtagCompletions] | None = None

    def of(self, pool: HashtagPool) -> HashtagCompletions:
        """Those of a pool. Several threads may ask at once."""
        made, size = self._made, len(pool)
        if made is None or made[0] is not pool or abs(size - made[1]) > made[1] / 10:
            made = self._made = (pool, size, HashtagCompletions(pool.most_used(_MOST_USED)))
        return made[2]


__all__ = ["PoolCompletions"]
