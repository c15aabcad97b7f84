"""One list of several: what the retrieving sources found, as guidance for a generator."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..errors import RankerError, SourceError
from .candidates import (
    Candidate,
    CandidateSource,
    Found,
    best_candidates,
    check_number,
    gather_candidates,
    register_source,
)
from .clues import Clues
from .features import true_hashtags

# Cormack, Clarke and Buettcher (SIGIR 2009) found it good over many collections.
RANK_CONSTANT = 60


def reciprocal_rank_fusion(
    found: Found, k: int, weights: Mapping[str, float] | None = None, constant: int = RANK_CONSTANT
) -> list[list[Candidate]]:
    r"""
    Joins the lists of several sources: a hashtag scores the sum of `weight / (constant + rank)` over the sources that
    have it (Cormack et al., SIGIR 2009).

    Args:
        found (`dict[str, list[list[Candidate]]]`): As [`gather_candidates`] gives it.
        k (`int`): How many hashtags for each row.
        weights (`Mapping[str, float]`, *optional*): Of the sources, as [`learn_fusion_weights`] finds them; 1 each by
            default, 0 for those that it lacks.
        constant (`int`, defaults to 60): The larger, the less the first places count.

    Returns:
        `list[list[Candidate]]`: For each row its hashtags, each once, best first.

    Raises:
        SourceError: The sources have candidates of different numbers of rows.

    Example:

    ```python
    >>> from transformers_ggm.recommendation import Candidate, reciprocal_rank_fusion

    >>> found = {"a": [[Candidate("snow", 9.0), Candidate("ski", 8.0)]], "b": [[Candidate("ski", 0.2)]]}
    >>> [candidate.hashtag for candidate in reciprocal_rank_fusion(found, k=5)[0]]
    ['ski', 'snow']

    ```
    """
    _check_sizes(found, len(next(iter(found.values()), ())), SourceError)
    fused = []
    for lists in zip(*found.values()):
        scores: dict[str, float] = {}
        for name, candidates in zip(found, lists):
            weight = 1.0 if weights is None else weights.get(name, 0.0)
            for rank, candidate in enumerate(candidates, start=1):
                scores[candidate.hashtag] = scores.get(candidate.hashtag, 0.0) + weight / (constant + rank)
        fused.append(best_candidates(scores, k))
    return fused


def _check_sizes(found: Found, size: int, error: type[ValueError]) -> None:
    for name, rows in found.items():
        if len(rows) != size:
            raise error(f"the source {name!r} has {len(rows)} rows of candidates, not {size}: give those of all rows.")


def learn_fusion_weights(
    found: Found, hashtags: Sequence[Sequence[str]], constant: int = RANK_CONSTANT
) -> dict[str, float]:
    """
    Weights of the sources for [`reciprocal_rank_fusion`]: those of a logistic regression, none below 0, that tells the
    true hashtags among the candidates by their reciprocal ranks. Deterministic.

    Args:
        found (`dict[str, list[list[Candidate]]]`): Of rows that the sources did not learn from, or those of
            `training_candidates`.
        hashtags (`list[list[str]]`): The true ones of each row.
        constant (`int`, defaults to 60): As for the fusion.

    Returns:
        `dict[str, float]`: By source; the largest is 1.

    Raises:
        RankerError: No candidate is true, a true one is no hashtag, or a source has candidates of another number of
            rows.

    Example:

    ```python
    >>> from transformers_ggm.recommendation import Candidate, learn_fusion_weights

    >>> found = {"good": [[Candidate("snow", 1.0)]] * 9, "bad": [[Candidate("lake", 1.0)]] * 9}
    >>> weights = learn_fusion_weights(found, [["snow"]] * 9)
    >>> weights["good"], weights["bad"] < 0.1
    (1.0, True)

    ```
    """
    names = list(found)
    _check_sizes(found, len(hashtags), RankerError)
    ranks, truth = [], []
    for true, *lists in zip(true_hashtags(hashtags), *found.values()):
        places: dict[str, list[float]] = {}
        for column, candidates in enumerate(lists):
            for rank, candidate in enumerate(candidates, start=1):
                places.setdefault(candidate.hashtag, [0.0] * len(names))[column] = (constant + 1) / (constant + rank)
        ranks += places.values()
        truth += [hashtag in true for hashtag in places]
    if not any(truth):
        raise RankerError("no candidate is a true hashtag: there is nothing to learn weights from.")
    weights = _positive_regression(torch.tensor(ranks), torch.tensor(truth, dtype=torch.float32))
    largest = max(weights.max().item(), 1e-9)
    return {name: weight / largest for name, weight in zip(names, weights.tolist())}


def _positive_regression(inputs: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    roots, bias = torch.ones(inputs.shape[1], requires_grad=True), torch.tensor(-3.0, requires_grad=True)
    optimizer = torch.optim.LBFGS([roots, bias], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = torch.nn.functional.binary_cross_entropy_with_logits(inputs @ roots.square() + bias, truth)
        value.backward()
        return value

    optimizer.step(loss)
    return roots.detach().square()


@dataclass(frozen=True)
class Guidance:
    """
    Which sources are joined to the guidance of a generator, by [`reciprocal_rank_fusion`].

    Attributes:
        sources (`tuple[str, ...]`): names of retrieving sources.
        weights (`Mapping[str, float]`, *optional*): by source, as [`learn_fusion_weights`] finds them; 1 each by
            default.

    Raises:
        SourceError: No source is named, or there are weights of others.

    Example:

    ```python
    >>> from transformers_ggm.recommendation import Guidance

    >>> Guidance(["pool", "posts_sparse"], {"pool": 0.2, "posts_sparse": 1.0}).sources
    ('pool', 'posts_sparse')

    ```
    """

    sources: Sequence[str]
    weights: Mapping[str, float] | None = None

    def __post_init__(self):
        object.__setattr__(self, "sources", tuple(self.sources))
        if not self.sources:
            raise SourceError("guidance without sources: name one at least, or go without (guidance=None).")
        _check_weights(self.weights, self.sources)

    def fused(self, found: Found, k: int) -> list[list[Candidate]]:
        """The `k` hashtags that guide each row, of what sources found."""
        return reciprocal_rank_fusion({name: found[name] for name in self.sources}, k, self.weights)

    def shares(self, found: Found, k: int) -> list[list[Candidate]]:
        """
        The `k` hashtags that answer each row where nothing ranks them, scored by their share of the best possible sum
        of reciprocal ranks: 1 for a hashtag that all sources have first. That tells the order, and is no probability.
        """
        weights = [1.0 if self.weights is None else self.weights.get(name, 0.0) for name in self.sources]
        best = max(sum(weights), 1e-9) / (RANK_CONSTANT + 1)
        return [[Candidate(one.hashtag, one.score / best) for one in row] for row in self.fused(found, k)]

    def to_dict(self) -> dict[str, Any]:
        """As a checkpoint keeps it."""
        return {"sources": list(self.sources), "weights": None if self.weights is None else dict(self.weights)}

    @classmethod
    def from_dict(cls, described: Mapping[str, Any]) -> "Guidance":
        """What [`~Guidance.to_dict`] told."""
        return cls(described["sources"], described.get("weights"))


def _check_weights(weights: Mapping[str, float] | None, names: Collection[str]) -> None:
    unknown = sorted(set(weights or ()) - set(names))
    if unknown:
        raise SourceError(f"there are weights for {unknown}, but no such sources.")
    wrong = {name: weight for name, weight in (weights or {}).items() if not 0 <= weight < math.inf}
    if wrong:
        raise SourceError(f"the weights {wrong} are no finite numbers of 0 or more.")


@register_source("fused")
class FusedSource(CandidateSource):
    """
    Several sources as one, by [`reciprocal_rank_fusion`]: the guidance of a generator. It costs what they cost.

    Args:
        sources (`Sequence[CandidateSource]`): The retrieving ones.
        weights (`Mapping[str, float]`, *optional*): By source, as [`learn_fusion_weights`] finds them.
        k (`int`, defaults to 50): How many candidates of each source are joined.
        on_error (`str`, defaults to `"raise"`): See [`gather_candidates`].

    Raises:
        SourceError: There are weights of other sources, or a weight is negative or not finite.
        InputError: `k` is below 1.
    """

    def __init__(
        self,
        sources: Sequence[CandidateSource],
        weights: Mapping[str, float] | None = None,
        k: int = 50,
        on_error: str = "raise",
    ):
        _check_weights(weights, [source.name for source in sources])
        check_number("k", k)
        self.sources, self.weights, self.k, self.on_error = list(sources), weights, k, on_error

    def candidates(self, rows: Sequence[Clues], k: int) -> list[list[Candidate]]:
        found = gather_candidates(self.sources, rows, self.k, on_error=self.on_error)
        return reciprocal_rank_fusion(found, k, self.weights)

    def training_candidates(self, rows: Sequence[Clues], k: int) -> list[list[Candidate]]:
        """Each source's own `training_candidates`, joined."""
        found = gather_candidates(self.sources, rows, self.k, on_error=self.on_error, training=True)
        return reciprocal_rank_fusion(found, k, self.weights)
