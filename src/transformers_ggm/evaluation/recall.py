"""Recall of hashtags: among the nearest ones of a pool, and by what they come from."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np


def recall_by_cause(
    predictions: Sequence[Sequence[str]], causes: Sequence[Mapping[str, Sequence[str]]]
) -> dict[str, float]:
    """
    Share of true hashtags that were predicted, per cause, over all videos, times 100.

    Args:
        predictions (`list[list[str]]`): hashtags without '#'.
        causes (`list[dict[str, list[str]]]`): for each video, its hashtags by what they come from, as the rendered
            shorts' metadata has them: `{"seen": ["bluesquare"], "heard": ["rain"], ...}`.

    Returns:
        `dict[str, float]` from cause to recall; causes without any hashtag are left out.
    """
    hits, totals = defaultdict(int), defaultdict(int)
    for predicted, by_cause in zip(predictions, causes):
        for cause, hashtags in (by_cause or {}).items():
            true = set(hashtags or ())  # a data set's column has None where a row lacks a cause that others have
            totals[cause] += len(true)
            hits[cause] += len(true & set(predicted))
    return {cause: 100 * hits[cause] / total for cause, total in totals.items() if total}


def recall_at_k_per_video(
    retrieved: Sequence[Sequence[str]], references: Sequence[Sequence[str]], ks: Sequence[int]
) -> dict[int, np.ndarray]:
    """
    Share of a video's hashtags among the k nearest ones, times 100, for each video that has hashtags.

    Args:
        retrieved (`list[list[str]]`): hashtags of the pool, nearest first.
        references (`list[list[str]]`): the author's hashtags of the same videos.
        ks (`list[int]`): how many of the nearest hashtags to count.

    Returns:
        `dict[int, np.ndarray]` from k to float64 of shape `(videos with hashtags,)`, in the order of the videos.

    Raises:
        ValueError: no video has a hashtag, or there are other videos than references.
    """
    if len(retrieved) != len(references):
        raise ValueError(f"`retrieved` has {len(retrieved)} videos and `references` {len(references)}.")
    pairs = [(found, set(true)) for found, true in zip(retrieved, references) if true]
    if not pairs:
        raise ValueError("No video of `references` has a hashtag: there is no recall.")
    return {k: 100 * np.array([len(true & set(found[:k])) / len(true) for found, true in pairs]) for k in ks}


def recall_at_k(
    retrieved: Sequence[Sequence[str]], references: Sequence[Sequence[str]], ks: Sequence[int]
) -> dict[int, float]:
    """
    Share of a video's hashtags among the k nearest ones, averaged over videos that have hashtags, times 100 (Yu et
    al., ACL 2023, Table 4): the means of [`recall_at_k_per_video`], whose errors are raised.

    Args:
        retrieved, references, ks: as for [`recall_at_k_per_video`].

    Returns:
        `dict[int, float]`: by k, in percent.

    Example:

    ```python
    >>> from transformers_ggm.evaluation import recall_at_k
    >>> recall_at_k([["snow", "rain", "beach"]], [["beach", "snow"]], ks=[1, 3])
    {1: 50.0, 3: 100.0}

    ```
    """
    return {k: float(recalls.mean()) for k, recalls in recall_at_k_per_video(retrieved, references, ks).items()}
