"""Bootstrap confidence intervals over videos, by `scipy.stats.bootstrap`."""

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import NamedTuple

import numpy as np

from .metrics import mean_metrics, with_f1_of_means

# Values that are drawn at a time: 8 MiB of float64, which caches hold better than more.
VALUES_AT_A_TIME = 2**20


class Interval(NamedTuple):
    """
    A metric's mean over videos and its confidence interval.

    Attributes:
        mean, low, high (`float`): in the metric's own unit, percent for those of this package.
    """

    mean: float
    low: float
    high: float


def bootstrap_intervals(
    rows: Mapping[str, np.ndarray], *, confidence: float = 0.95, samples: int = 10_000, seed: int = 0
) -> dict[str, Interval]:
    """
    Percentile bootstrap intervals of means over videos: how far a metric might move with other videos of the same
    kind. What moves with the seed of the training is not in it.

    Args:
        rows (`dict[str, np.ndarray]`): metrics per video, each of shape `(videos,)`, as from
            [`hashtag_metrics_per_video`]. With `precision` and `recall` among them, `f1_of_means` is added.
        confidence (`float`, *optional*, defaults to 0.95): share of the samples inside the interval.
        samples (`int`, *optional*, defaults to 10,000): bootstrap samples.
        seed (`int`, *optional*, defaults to 0): of the draws; the same rows and seed give the same intervals.

    Returns:
        `dict[str, Interval]`: `mean`, `low` and `high` by metric.

    Raises:
        ValueError: no rows, rows of different lengths or with NaN, `confidence` not between 0 and 1, no samples.
        ImportError: the `eval` extra is not installed.

    Example:

    ```python
    >>> import numpy as np
    >>> from transformers_ggm.evaluation import bootstrap_intervals
    >>> interval = bootstrap_intervals({"f1": np.array([0.0, 100.0] * 50)})["f1"]
    >>> interval.mean, 35 < interval.low < 45, 55 < interval.high < 65
    (50.0, True, True)

    ```
    """
    if not 0 < confidence < 1:
        raise ValueError(f"`confidence` is {confidence}, but has to lie between 0 and 1.")
    if samples < 1:
        raise ValueError(f"`samples` is {samples}, but one is needed at least.")
    table, means = _as_table(rows), mean_metrics(rows)

    def means_of(drawn: np.ndarray, axis: int) -> np.ndarray:
        resampled = with_f1_of_means({name: values[drawn].mean(axis=axis) for name, values in zip(rows, table)})
        return np.stack(list(resampled.values()))

    low, high = percentile_bounds(means_of, table.shape[1], confidence, samples, seed)
    return {name: Interval(means[name], float(low[n]), float(high[n])) for n, name in enumerate(means)}


def percentile_bounds(
    statistic: Callable[..., np.ndarray], videos: int, confidence: float, samples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """
    Percentile bootstrap of several metrics at once, which share their draws of videos.

    Args:
        statistic (callable): `statistic(drawn, axis)` gets the indices of the drawn videos, int64 of shape `(videos,)`
            or `(samples, videos)`, and gives `(metrics,)` or `(metrics, samples)`.
        videos (`int`): how many there are.
        confidence, samples, seed: as for [`bootstrap_intervals`].

    Returns:
        The lower and the upper bounds, float64 of shape `(metrics,)`.
    """
    if videos == 1:  # which scipy refuses
        return (statistic(np.arange(1), axis=-1),) * 2
    drawing = {"n_resamples": samples, "batch": max(1, VALUES_AT_A_TIME // videos), "rng": seed}
    shape = {"vectorized": True, "method": "percentile", "confidence_level": confidence}
    interval = scipy_stats().bootstrap((np.arange(videos),), statistic, **drawing, **shape).confidence_interval
    return interval.low, interval.high


def scipy_stats() -> ModuleType:
    """
    `scipy.stats`, imported where it is used: it takes half a second.

    Raises:
        ImportError: scipy is not installed.
    """
    try:
        from scipy import stats
    except ImportError as error:
        raise ImportError("Intervals and tests need `pip install transformers-ggm[eval]`.") from error
    return stats


def _as_table(rows: Mapping[str, np.ndarray]) -> np.ndarray:
    """The metrics as float64 of shape `(metrics, videos)`."""
    lengths = {name: np.shape(values) for name, values in rows.items()}
    if len(set(lengths.values())) != 1 or any(len(shape) != 1 or shape[0] < 1 for shape in lengths.values()):
        raise ValueError(f"`rows` needs arrays of the same videos, at least one, but has these shapes: {lengths}.")
    table = np.stack([np.asarray(values, dtype=np.float64) for values in rows.values()])
    if not np.isfinite(table).all():
        raise ValueError("`rows` has values that are not finite: leave out videos that have no value.")
    return table
