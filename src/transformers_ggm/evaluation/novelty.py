"""
What hashtags outside the pool are worth: how many are suggested, and how many are right (section 5 of the paper).
"""

from collections.abc import Collection, Iterable, Sequence

import numpy as np

from .rouge import check_videos


def novelty_gain_per_video(
    predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]], pool: Collection[str]
) -> np.ndarray:
    """
    Novelty-aware gain of each video, times 100: the number of its true hashtags that are predicted though they are not
    in the pool, over the number of its true hashtags.

    In other words, what is lost of the exact-match recall when every prediction outside the pool is struck out. A
    method that selects from the pool has 0; the most that can be had is the share of true hashtags that the pool
    lacks.

    Args:
        predictions (`list[list[str]]`): hashtags without '#'.
        references (`list[list[str]]`): the author's hashtags of the same videos, which stand for the relevant ones.
        pool ([`HashtagPool`] or a collection of `str`): known hashtags.

    Returns:
        `np.ndarray` of shape `(videos,)`, float64; 0 for a video without true hashtags.

    Raises:
        ValueError: no videos, or as many predictions as references there are not.

    Example:

    ```python
    >>> from transformers_ggm.evaluation import novelty_gain_per_video
    >>> novelty_gain_per_video([["rain", "snowday"]], [["rain", "snowday", "beach", "sea"]], pool={"rain"})
    array([25.])

    ```
    """
    check_videos(predictions, references)
    known = set(pool)
    gains = [
        len((set(predicted) & set(true)) - known) / max(len(set(true)), 1)
        for predicted, true in zip(predictions, references)
    ]
    return 100 * np.array(gains)


def novelty_metrics(
    predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]], pool: Collection[str]
) -> dict[str, float]:
    """
    How many of the predicted hashtags are novel, that is, not in the pool, and what they gain.

    Args:
        predictions (`list[list[str]]`): hashtags without '#'. Repetitions within a video count once.
        references (`list[list[str]]`): the author's hashtags of the same videos.
        pool ([`HashtagPool`] or a collection of `str`): known hashtags.

    Returns:
        `dict[str, float]` with

        - `novel_share`: share of the predictions, over all videos, that are novel, times 100;
        - `novel_uses`: number of those predictions;
        - `novel_hashtags`: number of distinct novel hashtags;
        - `novel_precision`: share of `novel_uses` that are among the video's true hashtags, times 100;
        - `novelty_gain`: mean of [`novelty_gain_per_video`].

        A share of nothing is 0.

    Raises:
        ValueError: no videos, or as many predictions as references there are not.

    Example:

    ```python
    >>> from transformers_ggm.evaluation import novelty_metrics
    >>> novelty_metrics([["rain", "snowday"], ["snowday", "fog"]], [["snowday"], ["fun"]], pool={"rain", "fog"})
    {'novel_share': 50.0, 'novel_uses': 2, 'novel_hashtags': 1, 'novel_precision': 50.0, 'novelty_gain': 50.0}

    ```
    """
    gains = novelty_gain_per_video(predictions, references, pool)
    known = set(pool)
    predicted = [set(tags) for tags in predictions]
    novel = [tags - known for tags in predicted]
    uses = sum(map(len, novel))
    hits = sum(len(tags & set(true)) for tags, true in zip(novel, references))
    return {
        "novel_share": 100 * uses / max(sum(map(len, predicted)), 1),
        "novel_uses": uses,
        "novel_hashtags": len(set().union(*novel)),
        "novel_precision": 100 * hits / max(uses, 1),
        "novelty_gain": float(gains.mean()),
    }


def unseen_recalled(
    predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]], unseen: Iterable[str]
) -> dict[str, int]:
    """
    How many unseen hashtags are recalled at least once: predicted for a video whose author used them (Yu et al., ACL
    2023, Table 5).

    Args:
        predictions (`list[list[str]]`): hashtags without '#'.
        references (`list[list[str]]`): the author's hashtags of the same videos.
        unseen (iterable of `str`): hashtags that no training video has.

    Returns:
        `dict[str, int]` with `unseen_recalled` and `unseen_hashtags`, the number of those that any reference has and
        that could therefore be recalled.

    Raises:
        ValueError: no videos, or as many predictions as references there are not.

    Example:

    ```python
    >>> from transformers_ggm.evaluation import unseen_recalled
    >>> unseen_recalled([["a", "b"], ["a"]], [["a"], ["a", "b"]], unseen=["a", "b", "c"])
    {'unseen_recalled': 1, 'unseen_hashtags': 2}

    ```
    """
    check_videos(predictions, references)
    unseen = set(unseen)
    recalled = set().union(*(set(predicted) & set(true) for predicted, true in zip(predictions, references)))
    return {
        "unseen_recalled": len(unseen & recalled),
        "unseen_hashtags": len(unseen & set().union(*references)),
    }
