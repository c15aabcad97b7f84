"""Tests of two means: is one system better than another on the same videos, is one kind of thing rated higher?"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .intervals import resampled_means

# Random signs, or numbers in random order, that are held at once: 64 MiB of float64.
_SIGNS_AT_ONCE = 2**23


@dataclass(frozen=True)
class PairedTest:
    """
    Outcome of [`paired_test`].

    Attributes:
        difference (`float`): mean of the first system minus that of the second, in the figure's unit.
        p_value (`float`): two-sided; never 0, as the observed difference counts as one of the samples.
        method (`str`): `"permutation"` or `"bootstrap"`.
        samples (`int`): random samples drawn.
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

    - `"permutation"` (approximate randomisation, Noreen 1989): were the systems alike, their figures could be swapped
      on any video. The p-value is the share of random swaps whose difference is at least as large as the observed one.
    - `"bootstrap"` (Efron and Tibshirani 1993, section 16.4): were they alike, the differences had mean 0. Differences
      are shifted to mean 0 and drawn with replacement; the p-value is the share of draws whose mean is at least as
      far from 0 as the observed one.

    In both, the observed difference counts as one sample more: p = (hits + 1) / (samples + 1).

    Args:
        first, second (`np.ndarray` of shape `(videos,)`): one figure of each video under each system, in the same
            order, for instance `hashtag_metrics_per_video(...)["f1"]`.
        method (`str`, *optional*, defaults to `"permutation"`).
        samples (`int`, *optional*, defaults to 10,000): random swaps or draws.
        seed (`int`, *optional*, defaults to 0): of the samples.

    Raises:
        ValueError: not one figure per video and system, values that are not finite, no samples, unknown `method`.

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
            f"`first` has the shape {first.shape} and `second` {second.shape}: one figure per video is needed of both."
        )
    if not np.isfinite([first, second]).all():
        raise ValueError("There are values that are not finite: leave out videos that have no figure in both systems.")
    if samples < 1:
        raise ValueError(f"`samples` is {samples}, but one is needed at least.")
    draw = {"permutation": _swapped_means, "bootstrap": _centred_means}.get(method)
    if draw is None:
        raise ValueError(f"`method` is {method!r}: give 'permutation' or 'bootstrap'.")
    differences = first - second
    observed = float(differences.mean())
    # Sums of the same numbers in another order differ in their last bits: such samples are as large as the observed.
    tolerance = 1e-10 * np.abs(differences).max()
    hits = int((np.abs(draw(differences, samples, seed)) >= abs(observed) - tolerance).sum())
    return PairedTest(observed, (hits + 1) / (samples + 1), method, samples, len(differences))


@dataclass(frozen=True)
class UnpairedTest:
    """
    Outcome of [`unpaired_test`].

    Attributes:
        difference (`float`): mean of the first group minus that of the second, in the figure's unit.
        p_value (`float`): two-sided; never 0, as the observed difference counts as one of the samples.
        samples (`int`): random samples drawn.
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
    observed difference counts as one sample more: p = (hits + 1) / (samples + 1).

    Args:
        first (`np.ndarray` of shape `(n,)`), second (`np.ndarray` of shape `(m,)`): one figure of each item.
        samples (`int`, *optional*, defaults to 10,000): random divisions.
        seed (`int`, *optional*, defaults to 0): of the samples.

    Raises:
        ValueError: a group is empty or has more than one dimension, values that are not finite, no samples.

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
            f"`first` has the shape {first.shape} and `second` {second.shape}: one figure per item is needed of both."
        )
    everything = np.concatenate([first, second])
    if not np.isfinite(everything).all():
        raise ValueError("There are values that are not finite: leave out items that have no figure.")
    if samples < 1:
        raise ValueError(f"`samples` is {samples}, but one is needed at least.")
    observed = float(first.mean() - second.mean())
    tolerance = 1e-10 * np.abs(everything).max()  # as in `paired_test`
    differences = _divided_differences(everything, len(first), samples, seed)
    hits = int((np.abs(differences) >= abs(observed) - tolerance).sum())
    return UnpairedTest(observed, (hits + 1) / (samples + 1), samples, (len(first), len(second)))


def _divided_differences(everything: np.ndarray, size: int, samples: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    step = max(1, _SIGNS_AT_ONCE // len(everything))
    parts = []
    for start in range(0, samples, step):
        rows = np.tile(everything, (min(step, samples - start), 1))
        rows = generator.permuted(rows, axis=1)
        parts.append(rows[:, :size].mean(axis=1) - rows[:, size:].mean(axis=1))
    return np.concatenate(parts)


def _swapped_means(differences: np.ndarray, samples: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    videos = len(differences)
    step = max(1, _SIGNS_AT_ONCE // videos)
    parts = [
        (2.0 * generator.integers(2, size=(min(step, samples - start), videos)) - 1) @ differences / videos
        for start in range(0, samples, step)
    ]
    return np.concatenate(parts)


def _centred_means(differences: np.ndarray, samples: int, seed: int) -> np.ndarray:
    centred = differences - differences.mean()
    return resampled_means(centred[:, None], samples, seed)[:, 0]
