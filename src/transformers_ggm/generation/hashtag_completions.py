"""What a hashtag that is being written may become: the known one that begins so."""

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np


class HashtagCompletions:
    """
    Known hashtags by how they begin.

    Args:
        hashtags (`list[str]`): normalised, the most likely ones first.

    Example:

    ```python
    >>> from transformers_ggm.generation.hashtag_completions import HashtagCompletions

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


__all__ = ["HashtagCompletions"]
