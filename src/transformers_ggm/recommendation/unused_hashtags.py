"""What a ranker would know of hashtags if nobody had used them."""

from collections.abc import Sequence

import torch

from ..errors import RankerError
from .candidates import GENERATOR
from .features import CandidateFeatures


def as_if_unused(features: CandidateFeatures, share: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Changes some candidates to what they would be if nobody had used their hashtags: the generator alone would propose
    them. Rows that a ranker is fitted on have hardly any true hashtag of this kind, and it would learn that what
    nobody used is wrong.

    Args:
        features ([`CandidateFeatures`]): Of candidates of a generator and other sources.
        share (`float`): Of the candidates, drawn at random, from 0 to 1.
        seed (`int`): Of the drawing.

    Returns:
        The features of all candidates `(n, len(names))` float32, changed for some, and which of these would still be
        candidates `(n,)` bool: those that the generator proposes. Without a generator, or other sources, all stay.

    Raises:
        RankerError: `share` is not from 0 to 1.
    """
    if not 0 <= share <= 1:
        raise RankerError(f"unused_share={share}: give a number from 0 to 1.")
    values, names = features.values.clone(), features.names
    sources = {name.partition(".")[0] for name in names if "." in name}
    if not share or GENERATOR not in sources or len(sources) == 1:
        return values, torch.ones(len(values), dtype=torch.bool)
    drawn = torch.rand(len(values), generator=torch.Generator().manual_seed(seed)) < share
    own = values[:, names.index(f"{GENERATOR}.reciprocal_rank")]
    values[drawn.nonzero(), torch.tensor(_of_others(names))] = 0.0
    values[drawn, names.index("sources")] = 1.0
    values[drawn, names.index("mean_reciprocal_rank")] = own[drawn] / len(sources)
    values[drawn, names.index("count")] = 0.0
    values[drawn, names.index("novel")] = 1.0
    return values, ~drawn | (own > 0)


def _of_others(names: Sequence[str]) -> list[int]:
    """The columns of what other sources than the generator know of a hashtag."""
    split = [name.partition(".") for name in names]
    # The best score of a source is one of the whole row.
    return [
        column
        for column, (source, dot, name) in enumerate(split)
        if dot and source != GENERATOR and name != "best_score"
    ]


__all__ = ["as_if_unused"]
