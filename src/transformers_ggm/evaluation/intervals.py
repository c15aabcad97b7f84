"""Bootstrap confidence intervals over videos."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from .metrics import mean_figures, with_f1_of_means

# Resampled counts that are held at once: 64 MiB of int64.
_COUNTS_AT_ONCE = 2**23


class Interval(NamedTuple):
    """A figure and its confidence interval, in the figure's own unit (times 100)."""

    mean: float
    low: float
    high: float


def resampled_means(rows: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """
    Means over videos drawn with replacement, as many as there are.

    Args:
        rows (`np.ndarray` of shape `(videos, figures)`): figures per video; a sample draws the same videos for each.
        samples (`int`): number of samples.
        seed (`int`): of the draws.

    Returns:
        `np.ndarray` of shape `(samples, figures)`, float64.
    """
    videos = len(rows)
    parts = [counts @ rows / videos for counts in _draw_counts(videos, samples, np.random.default_rng(seed))]
    return np.concatenate(parts)


def _draw_counts(videos: int, samples: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """How often each video is drawn in each sample, some samples at a time."""
    step = max(1, _COUNTS_AT_ONCE // videos)
    shares = np.full(videos, 1 / videos)
    for start in range(0, samples, step):
        yield generator.multinomial(videos, shares, size=min(step, samples - start))


def bootstrap_intervals(
    rows: Mapping[str, np.ndarray], *, confidence: float = 0.95, samples: int = 10_000, seed: int = 0
) -> dict[str, Interval]:
    """
    Percentile bootstrap intervals of means over videos: how far a figure might move with other videos of the same
    kind. What moves with the seed of the training is not in it.

    Args:
        rows (`dict[str, np.ndarray]`): figures per video, each of shape `(videos,)`, as from
            [`hashtag_metrics_per_video`]. With `precision` and `recall` among them, `f1_of_means` is added.
        confidence (`float`, *optional*, defaults to 0.95): share of the samples inside the interval.
        samples (`int`, *optional*, defaults to 10,000): bootstrap samples.
        seed (`int`, *optional*, defaults to 0): of the draws; the same rows and seed give the same intervals.

    Returns:
        `dict[str, Interval]`: `mean`, `low` and `high` by figure.

    Raises:
        ValueError: no rows, rows of different lengths or with NaN, `confidence` not between 0 and 1, no samples.

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
    table = _as_table(rows)
    resampled = with_f1_of_means(dict(zip(rows, resampled_means(table, samples, seed).T)))
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    means = mean_figures(rows)
    return {
        name: Interval(means[name], *(float(q) for q in np.quantile(values, tails)))
        for name, values in resampled.items()
    }


def _as_table(rows: Mapping[str, np.ndarray]) -> np.ndarray:
    lengths = {name: np.shape(values) for name, values in rows.items()}
    if len(set(lengths.values())) != 1 or any(len(shape) != 1 or shape[0] < 1 for shape in lengths.values()):
        raise ValueError(f"`rows` needs arrays of the same videos, one at least, but has these shapes: {lengths}.")
    table = np.stack([np.asarray(values, dtype=np.float64) for values in rows.values()], axis=1)
    if not np.isfinite(table).all():
        raise ValueError("`rows` has values that are not finite: leave out videos that have no figure.")
    return table
