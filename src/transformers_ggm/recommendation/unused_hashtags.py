"""What a ranker would know of hashtags if nobody had used them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..errors import RankerError
from .features import CandidateFeatures

GENERATOR = "generator"


@dataclass(frozen=True)
class UnusedHashtags:
    """
    Some candidates as they would be if nobody had used their hashtags: the generator alone proposes them.

    Attributes:
        values (`torch.Tensor` of shape `(n, len(names))`): float32, the features of all candidates, changed for some.
        remain (`torch.Tensor` of shape `(n,)`): bool, whether a candidate would still be one.
    """

    values: torch.Tensor
    remain: torch.Tensor


def as_if_unused(features: CandidateFeatures, share: float, seed: int) -> UnusedHashtags:
    """
    Rows that a ranker is fitted on are seldom of hashtags that were not used before: those who would be found by the
    generator alone, and a ranker learns from such rows that what nobody used is wrong. So it is shown some of the
    others as if they were such.

    Args:
        features ([`CandidateFeatures`]): Of candidates of a generator and other sources.
        share (`float`): Of the candidates, drawn at random, from 0 to 1.
        seed (`int`): Of the drawing.

    Returns:
        [`UnusedHashtags`]: The candidates, in the same order; without a generator, or other sources, all as they were.

    Raises:
        RankerError: `share` is not from 0 to 1.
    """
    if not 0 <= share <= 1:
        raise RankerError(f"unused_share={share}: give a number from 0 to 1.")
    values, names = features.values.clone(), features.names
    sources = list(dict.fromkeys(name.partition(".")[0] for name in names if "." in name))
    if not share or GENERATOR not in sources or len(sources) == 1:
        return UnusedHashtags(values, torch.ones(len(values), dtype=torch.bool))
    drawn = torch.rand(len(values), generator=torch.Generator().manual_seed(seed)) < share
    own = values[:, names.index(f"{GENERATOR}.reciprocal_rank")]
    values[drawn.nonzero(), torch.tensor(_of_others(names))] = 0.0
    for name, as_novel in {
        "sources": torch.ones_like(own),
        "mean_reciprocal_rank": own / len(sources),
        "count": torch.zeros_like(own),
        "novel": torch.ones_like(own),
    }.items():
        values[drawn, names.index(name)] = as_novel[drawn]
    return UnusedHashtags(values, ~drawn | (own > 0))


def _of_others(names: Sequence[str]) -> list[int]:
    """The columns of what other sources than the generator know of a hashtag."""
    split = [name.partition(".") for name in names]
    # The best score of a source is one of the whole row.
    return [
        column
        for column, (source, dot, name) in enumerate(split)
        if dot and source != GENERATOR and name != "best_score"
    ]


__all__ = ["UnusedHashtags", "as_if_unused"]
