"""Fitting a ranker: cross-fitted, calibrated, deterministic."""

from collections.abc import Sequence

import numpy as np
import torch

from ..errors import RankerError
from .configuration_hashtag_ranker import HashtagRankerConfig
from .features import CandidateFeatures, true_hashtags
from .modeling_hashtag_ranker import HashtagRanker, feature_forms
from .ranker_calibration import choose_calibration
from .unused_hashtags import as_if_unused

FEWEST_ROWS = 50
NUM_FOLDS = 5
# Strengths of the regularisation that are tried.
STRENGTHS = (1.0, 10.0, 100.0)
# Anything from 0.02 to 0.3 does the same on rendered shorts (docs/recommendation.md).
UNUSED_SHARE = 0.1
_ITERATIONS = {"logistic": 100, "hidden": 150}


def fit_ranker(
    features: CandidateFeatures,
    hashtags: Sequence[Sequence[str]],
    *,
    rejected: Sequence[Sequence[str] | None] | None = None,
    hidden_size: int = 0,
    monotone: bool = False,
    l2: float | None = None,
    unused_share: float = UNUSED_SHARE,
    seed: int = 0,
) -> HashtagRanker:
    r"""
    Fits a ranker on rows that no source learned from, such as the validation split.

    Five parts of the rows are each scored by a ranker of the other four: from these scores the probabilities are
    calibrated (isotonic regression, or a sigmoid where the parts left out are likelier by it, as with few rows), and
    the calibration error is estimated. The ranker itself is fitted on all rows.
    Deterministic on one machine.

    Args:
        features ([`CandidateFeatures`]): Of the rows' candidates.
        hashtags (`list[list[str]]`): The true ones of each row.
        rejected (`list[list[str] | None]`, *optional*): Of each row the hashtags that were shown and refused, an empty
            list where all were accepted. Nothing is learned from the other candidates of such a row, since nobody
            judged them. `None`, for all rows by default: every candidate that is not a true hashtag is a wrong one.
        hidden_size (`int`, defaults to 0), monotone (`bool`, defaults to `False`): See [`HashtagRankerConfig`].
        l2 (`float`, *optional*): Strength of the regularisation, beside the sum of all candidates' losses. By default
            that of 1, 10 and 100 with which the parts left out are the most likely.
        unused_share (`float`, defaults to 0.1): Which share of the candidates is shown as if nobody had used them, so
            that only the generator proposes them: of hashtags that are really new there are hardly any in such rows,
            and a ranker would learn that what nobody used is wrong. Without a generator among several sources nothing
            is changed.
        seed (`int`, defaults to 0): Of the parts, of the share, and of a hidden layer's first weights.

    Returns:
        [`HashtagRanker`]: In evaluation mode, on the CPU. Its config has the calibration, `calibration_error` and
        `missing_hashtags`.

    Raises:
        RankerError: There are fewer than 50 rows, or features or `rejected` of another number of rows; a feature is
            not finite; no candidate is a true hashtag, or all are, or a true one is no hashtag, or was rejected;
            `monotone` with a hidden layer; `unused_share` is not from 0 to 1; scikit-learn is not installed.

    Example:

    ```python
    >>> from transformers_ggm.recommendation import (
    ...     Clues, FrequentSource, candidate_features, fit_ranker, gather_candidates
    ... )

    >>> counts = {"snow": 9, "lake": 1}
    >>> sources, rows = [FrequentSource(counts)], [Clues(f"day {day}") for day in range(60)]
    >>> features = candidate_features(sources, gather_candidates(sources, rows), rows, counts)
    >>> ranker = fit_ranker(features, [["snow"] if day % 3 else ["ski"] for day in range(60)])
    >>> ranker.probabilities(features.values[:2]).argmax().item(), round(ranker.config.missing_hashtags, 2)
    (0, 0.33)

    ```
    """
    if len(hashtags) < FEWEST_ROWS:
        raise RankerError(
            f"a ranker cannot be fitted on {len(hashtags)} rows: give {FEWEST_ROWS} or more that no source learned"
            " from, for instance by a larger validation split, or go without a ranker (reciprocal_rank_fusion)."
        )
    if len(hashtags) != len(features.hashtags):
        raise RankerError(f"there are features of {len(features.hashtags)} rows, but hashtags of {len(hashtags)}.")
    bad = (~features.values.isfinite()).any(dim=0).nonzero().flatten().tolist()
    if bad:
        raise RankerError(f"the feature {features.names[bad[0]]!r} is not finite everywhere: mend its source.")
    known = _known(features, hashtags, rejected)
    values, remain = as_if_unused(features, unused_share, seed)
    known &= remain
    values, truth = values[known], features.truth(hashtags)[known]
    if not 0 < truth.sum() < len(truth):
        raise RankerError("no candidate is a true hashtag, or all are: a ranker cannot tell them apart. Add a source.")
    config = HashtagRankerConfig(features=features.names, hidden_size=hidden_size, monotone=monotone)
    sizes = torch.tensor([len(row) for row in features.hashtags])
    row_of = torch.repeat_interleave(torch.arange(len(hashtags)), sizes)[known]
    fold_of = _folds(len(hashtags), seed)[row_of]
    tried = {
        strength: _left_out_logits(config, values, truth, fold_of, strength, seed)
        for strength in ((l2,) if l2 is not None else STRENGTHS)
    }
    losses = {
        strength: torch.nn.functional.binary_cross_entropy_with_logits(tried[strength], truth) for strength in tried
    }
    l2 = min(losses, key=losses.get)
    logits = tried[l2]
    ranker = _fitted(config, values, truth, l2, seed)
    points, ranker.config.calibration_error = choose_calibration(logits, truth, row_of, fold_of)
    ranker.config.calibration_logits, ranker.config.calibration_probabilities = points
    ranker.config.missing_hashtags = _missing(features.hashtags, hashtags)
    return ranker


def _known(
    features: CandidateFeatures, hashtags: Sequence[Sequence[str]], rejected: Sequence[Sequence[str] | None] | None
) -> torch.Tensor:
    """Of which candidates it is known whether they are true: `(n,)` bool."""
    if rejected is None:
        rejected = [None] * len(hashtags)
    if len(rejected) != len(hashtags):
        raise RankerError(f"there are hashtags of {len(hashtags)} rows, but rejected ones of {len(rejected)}.")
    judged = []
    pairs = zip(true_hashtags(hashtags), true_hashtags([row or () for row in rejected], "rejected"))
    for number, (true, wrong) in enumerate(pairs):
        if true & wrong:
            raise RankerError(f"row {number} has {min(true & wrong)!r} as a true hashtag and as a rejected one.")
        all_known = rejected[number] is None
        judged += [all_known or hashtag in true or hashtag in wrong for hashtag in features.hashtags[number]]
    return torch.tensor(judged, dtype=torch.bool)


def _left_out_logits(config, values, truth, fold_of, l2, seed) -> torch.Tensor:
    """Of each candidate the logit `(n,)` by a ranker of the other parts."""
    logits = torch.empty(len(truth))
    for fold in range(NUM_FOLDS):
        kept = fold_of != fold
        if (~kept).any():
            part = _fitted(config, values[kept], truth[kept], l2, seed)
            with torch.inference_mode():
                logits[~kept] = part(values[~kept])
    return logits


def _folds(size: int, seed: int) -> torch.Tensor:
    order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
    folds = torch.empty(size, dtype=torch.int64)
    folds[order] = torch.arange(size) % NUM_FOLDS
    return folds


def _fitted(
    config: HashtagRankerConfig, values: torch.Tensor, truth: torch.Tensor, l2: float, seed: int
) -> HashtagRanker:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        ranker = HashtagRanker(HashtagRankerConfig(**_own(config)))
    forms = feature_forms(values)
    deviation = forms.std(dim=0)
    ranker.mean.copy_(forms.mean(dim=0))
    ranker.scale.copy_(torch.where(deviation > 1e-6, 1 / deviation.clamp(min=1e-6), 0.0))
    with torch.no_grad():
        ranker.output.bias.fill_(torch.logit(truth.mean(), eps=1e-6).item())
        if config.monotone:
            ranker.output.weight.fill_(0.1)  # the root of a weight does not move from 0
    _descend(ranker, (forms - ranker.mean) * ranker.scale, truth, l2)
    return ranker.eval()


def _loss(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, truth)


def _own(config: HashtagRankerConfig) -> dict:
    return {name: getattr(config, name) for name in ("features", "hidden_size", "monotone")}


def _descend(ranker: HashtagRanker, inputs: torch.Tensor, truth: torch.Tensor, l2: float) -> None:
    parameters = list(ranker.parameters())
    weights = [parameter for name, parameter in ranker.named_parameters() if name.endswith("weight")]
    steps = _ITERATIONS["hidden" if ranker.config.hidden_size else "logistic"]
    optimizer = torch.optim.LBFGS(parameters, max_iter=steps, history_size=20, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = _loss(ranker._logits(inputs), truth) + l2 / len(truth) * sum(
            weight.square().sum() for weight in weights
        )
        value.backward()
        return value

    optimizer.step(loss)
    ranker.zero_grad(set_to_none=True)


def _missing(candidates: Sequence[Sequence[str]], hashtags: Sequence[Sequence[str]]) -> float:
    """How many true hashtags of a row are not among its candidates, on average."""
    return float(np.mean([len(true - set(row)) for row, true in zip(candidates, true_hashtags(hashtags))]))
