"""The hashtags that are used most."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..candidates import Candidate, CandidateSource, best_candidates, check_counts, register_source
from ..checkpoint_parts import CheckpointParts
from ..clues import Clues
from ..word_table import added, without


@register_source("frequent")
class FrequentSource(CandidateSource):
    """
    The same hashtags for every row: those that are used most. It costs nothing, and is what the others have to beat.

    Args:
        counts (`Mapping[str, int]`): How often each hashtag was used.

    Raises:
        InputError: A count is negative.

    Example:

    ```python
    >>> from transformers_ggm.recommendation import Clues, FrequentSource

    >>> source = FrequentSource({"snow": 3, "lake": 1})
    >>> [candidate.hashtag for candidate in source.candidates([Clues()], k=1)[0]]
    ['snow']

    ```
    """

    def __init__(self, counts: Mapping[str, int]):
        self._count(counts)

    def _count(self, counts: Mapping[str, int]) -> None:
        check_counts(counts)
        self.counts = counts
        self._best = best_candidates({hashtag: math.log1p(count) for hashtag, count in counts.items()}, len(counts))

    def candidates(self, rows: Sequence[Clues], k: int) -> list[list[Candidate]]:
        return [self._best[:k] for _ in rows]

    def add_hashtags(self, counts: Mapping[str, int]) -> None:
        """Counts these uses too."""
        self._count(added(self.counts, counts))

    def remove_hashtags(self, hashtags: Collection[str]) -> None:
        """Does not propose them any more."""
        self._count(without(self.counts, hashtags))

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], parts: CheckpointParts) -> "FrequentSource":
        """Of the checkpoint's `words/`, which its [`Recommender`] saves."""
        return cls(parts.words.counts, **settings)
