"""
Tests of two means, by `scipy.stats`: is one system better than another on the same videos, is one kind of thing rated
higher?
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .intervals import VALUES_AT_A_TIME, scipy_stats


@dataclass(frozen=True)
class PairedTest:
    """
    Outcome of [`paired_test`].

    Attributes:
        difference (`float`): mean of the first system minus that of the second, in the metric's unit.
        p_value (`float`): two-sided; never 0, as the observed difference counts as one of the samples.
        method (`str`): `"permutation"` or `"bootstrap"`.
        samples (`int`): how many random samples were asked for.
        videos (`int`): videos compared.
    """

    difference: float
    p_value: float
    method: str
    samples: int
    videos: int


def paired_test(
    first: np.ndarray,
    second: np.ndarray,
    *,
    method: Literal["permutation", "bootstrap"] = "permutation",
    samples: int = 10_000,
    seed: int = 0,
) -> PairedTest:
    """
    Tests whether two systems' means over the same videos differ, two-sided.

    - `"permutation"` (approximate randomisation, Noreen 1989): were the systems alike, their values could be swapped
      on any video. The p-value is the share of random swaps whose difference is at least as large as the observed one.
    - `"bootstrap"` (Efron and Tibshirani 1993, section 16.4): were they alike, the differences had mean 0. Differences
      are shifted to mean 0 and drawn with replacement; the p-value is the share of draws whose mean is at least as
      far from 0 as the observed one.

    In both, the observed difference counts as one sample more: p = (hits + 1) / (samples + 1). Where there are
    not more than `samples` swaps in all, each is taken once, and p is exact.

    Args:
        first, second (`np.ndarray` of shape `(videos,)`): one value of each video under each system, in the same
            order, for instance `hashtag_metrics_per_video(...)["f1"]`.
        method (`str`, *optional*, defaults to `"permutation"`).
        samples (`int`, *optional*, defaults to 10,000): random swaps or draws.
        seed (`int`, *optional*, defaults to 0): of the samples.

    Returns:
        [`PairedTest`]: difference of the means and p-value.

    Raises:
        ValueError: not one value per video and system, values that are not finite, no samples, unknown `method`.
        ImportError: the `eval` extra is not installed.

    Example:

    ```python
    >>> import numpy as np
    >>> from transformers_ggm.evaluation import paired_test
    >>> test = paired_test(np.array([60.0] * 20), np.array([50.0] * 20))
    >>> test.difference, test.p_value < 0.01
    (10.0, True)
    >>> paired_test(np.array([60.0] * 20), np.array([60.0] * 20)).p_value
    1.0

    ```
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if first.ndim != 1 or not len(first) or first.shape != second.shape:
        raise ValueError(
            f"`first` has the shape {first.shape} and `second` {second.shape}: one value per video is needed of both."
        )
    if not np.isfinite([first, second]).all():
        raise ValueError("There are values that are not finite: leave out videos that have no value in both systems.")
    if samples < 1:
        raise ValueError(f"`samples` is {samples}, but one is needed at least.")
    if method not in ("permutation", "bootstrap"):
        raise ValueError(f"`method` is {method!r}: give 'permutation' or 'bootstrap'.")
    differences = first - second
    observed, videos = float(differences.mean()), len(differences)
    if videos == 1:  # which scipy refuses; the one other swap differs as much
        p_value = 1.0
    elif method == "permutation":
        p_value = _permutation_p_value(differences, _distance_from_zero, "samples", samples, seed)
    else:
        p_value = _bootstrap_p_value(differences, samples, seed)
    return PairedTest(observed, p_value, method, samples, videos)


def _distance_from_zero(differences: np.ndarray, axis: int) -> np.ndarray:
    return np.abs(differences.mean(axis=axis))


def _permutation_p_value(
    values: np.ndarray, statistic: Callable[..., np.ndarray], kind: str, samples: int, seed: int
) -> float:
    """The share of permutations (changes of signs, where `kind` is `"samples"`) whose statistic is as large."""
    test = scipy_stats().permutation_test(
        (values,),
        statistic,
        permutation_type=kind,
        vectorized=True,
        n_resamples=samples,
        batch=max(1, VALUES_AT_A_TIME // len(values)),
        alternative="greater",
        rng=seed,
    )
    return float(test.pvalue)


def _bootstrap_p_value(differences: np.ndarray, samples: int, seed: int) -> float:
    drawn = scipy_stats().bootstrap(
        (differences - differences.mean(),),
        np.mean,
        n_resamples=samples,
        batch=max(1, VALUES_AT_A_TIME // len(differences)),
        method="percentile",
        rng=seed,
    )
    # Sums of the same numbers in another order differ in their last bits: such samples are as large as the observed.
    tolerance = 1e-10 * np.abs(differences).max()
    hits = (np.abs(drawn.bootstrap_distribution) >= abs(differences.mean()) - tolerance).sum()
    return float((hits + 1) / (samples + 1))


@dataclass(frozen=True)
class UnpairedTest:
    """
    Outcome of [`unpaired_test`].

    Attributes:
        difference (`float`): mean of the first group minus that of the second, in the metric's unit.
        p_value (`float`): two-sided; never 0, as the observed difference counts as one of the samples.
        samples (`int`): how many random samples were asked for.
        sizes (`tuple[int, int]`): items compared, of each group.
    """

    difference: float
    p_value: float
    samples: int
    sizes: tuple[int, int]


def unpaired_test(first: np.ndarray, second: np.ndarray, *, samples: int = 10_000, seed: int = 0) -> UnpairedTest:
    """
    Tests whether the means of two groups of different items differ, two-sided.

    Permutation test: were the groups alike, any item could as well belong to the other one. The p-value is the share
    of random divisions into groups of these sizes whose means differ at least as much as the observed ones; the
    observed difference counts as one sample more: p = (hits + 1) / (samples + 1). Up to seven items or so, where all
    orders are fewer than `samples`, each is taken once, and p is exact.

    Args:
        first (`np.ndarray` of shape `(n,)`), second (`np.ndarray` of shape `(m,)`): one value of each item.
        samples (`int`, *optional*, defaults to 10,000): random divisions.
        seed (`int`, *optional*, defaults to 0): of the samples.

    Returns:
        [`UnpairedTest`]: difference of the means and p-value.

    Raises:
        ValueError: a group is empty or has more than one dimension, values that are not finite, no samples.
        ImportError: the `eval` extra is not installed.

    Example:

    ```python
    >>> import numpy as np
    >>> from transformers_ggm.evaluation import unpaired_test
    >>> test = unpaired_test(np.array([4.0, 5.0] * 10), np.array([1.0, 2.0] * 15))
    >>> test.difference, test.p_value < 0.01, test.sizes
    (3.0, True, (20, 30))

    ```
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if first.ndim != 1 or second.ndim != 1 or not len(first) or not len(second):
        raise ValueError(
            f"`first` has the shape {first.shape} and `second` {second.shape}: one value per item is needed of both."
        )
    everything = np.concatenate([first, second])
    if not np.isfinite(everything).all():
        raise ValueError("There are values that are not finite: leave out items that have no value.")
    if samples < 1:
        raise ValueError(f"`samples` is {samples}, but one is needed at least.")
    observed = float(first.mean() - second.mean())
    size = len(first)

    def distance(permuted: np.ndarray, axis: int) -> np.ndarray:
        return np.abs(permuted[..., :size].mean(axis=axis) - permuted[..., size:].mean(axis=axis))

    # scipy's own test of two groups refuses a group of one item.
    p_value = _permutation_p_value(everything, distance, "pairings", samples, seed)
    return UnpairedTest(observed, p_value, samples, (size, len(second)))
