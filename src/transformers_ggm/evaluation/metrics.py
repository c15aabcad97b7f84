"""Metrics that compare predicted hashtags with the author's (Yu et al., ACL 2023, section 4.2)."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..utils.word_splitter import WordSplitter
from .rouge import HashtagOrder, check_videos, rouge_per_video


def hashtag_metrics(
    predictions: Sequence[Sequence[str]],
    references: Sequence[Sequence[str]],
    *,
    word_splitter: str | WordSplitter = "wordninja",
    order: HashtagOrder = "shuffled",
    seed: int = 0,
) -> dict[str, float]:
    """
    ROUGE-1 and ROUGE-2 F1 on hashtags split into words, and exact-match precision, recall and F1, times 100.

    Args:
        predictions (`list[list[str]]`): hashtags without '#'.
        references (`list[list[str]]`): the author's hashtags of the same videos.
        word_splitter (`str` or callable, *optional*, defaults to `"wordninja"`): how hashtags become words, see
            [`get_word_splitter`]; name it beside the metrics with [`word_splitter_name`], as [`hashtag_report`] does.
        order (`str`, *optional*, defaults to `"shuffled"`): in which order hashtags are read, see
            [`order_hashtags`]. It matters to ROUGE-2 alone.
        seed (`int`, *optional*, defaults to 0): of that order. The same arguments give the same metrics.

    Returns:
        `dict[str, float]` with `rouge1`, `rouge2`, `precision`, `recall` and `f1`, the means over videos of
        [`hashtag_metrics_per_video`]; and `f1_of_means`, the harmonic mean of the mean precision and the mean recall,
        which the released research code calls F1.

    Raises:
        ValueError: no videos, as many predictions as references there are not, unknown `word_splitter` or `order`.
        ImportError: the `eval` extra is not installed.

    Example:

    ```python
    >>> from transformers_ggm.evaluation import hashtag_metrics
    >>> metrics = hashtag_metrics([["bluesquare", "rain"], ["rain"]], [["redsquare", "rain"], ["rain", "snow"]])
    >>> {name: round(metric, 1) for name, metric in metrics.items()}
    {'rouge1': 66.7, 'rouge2': ..., 'precision': 75.0, 'recall': 50.0, 'f1': 58.3, 'f1_of_means': 60.0}

    ```
    """
    rows = hashtag_metrics_per_video(predictions, references, word_splitter=word_splitter, order=order, seed=seed)
    return mean_metrics(rows)


def hashtag_metrics_per_video(
    predictions: Sequence[Sequence[str]],
    references: Sequence[Sequence[str]],
    *,
    word_splitter: str | WordSplitter = "wordninja",
    order: HashtagOrder = "shuffled",
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """
    What [`hashtag_metrics`] averages, times 100, for [`bootstrap_intervals`] and [`paired_test`]. Repeated hashtags
    count once in precision, recall and F1; a video without predicted or without true hashtags has 0 in all three.

    Args:
        predictions, references, word_splitter, order, seed: as for [`hashtag_metrics`], whose errors are raised too.

    Returns:
        `dict[str, np.ndarray]` with `rouge1`, `rouge2`, `precision`, `recall` and `f1`, float64 of shape `(videos,)`.
    """
    check_videos(predictions, references)
    rouge = rouge_per_video(predictions, references, word_splitter=word_splitter, order=order, seed=seed)
    return rouge | exact_match_per_video(predictions, references)


def exact_match_per_video(
    predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]
) -> dict[str, np.ndarray]:
    """The `precision`, `recall` and `f1` of [`hashtag_metrics_per_video`], which need no words."""
    predicted, true = ([set(tags) for tags in videos] for videos in (predictions, references))
    hits = np.array([len(a & b) for a, b in zip(predicted, true)])
    num_predicted, num_true = (np.array([len(tags) for tags in videos]) for videos in (predicted, true))
    return {
        # Without hits the share is 0 whatever it is a share of, also of nothing.
        "precision": 100 * hits / np.maximum(num_predicted, 1),
        "recall": 100 * hits / np.maximum(num_true, 1),
        "f1": 200 * hits / np.maximum(num_predicted + num_true, 1),
    }


def mean_metrics(rows: Mapping[str, np.ndarray]) -> dict[str, float]:
    """
    Means over videos, and `f1_of_means` where there are `precision` and `recall`.

    Args:
        rows (`dict[str, np.ndarray]`): metrics per video, times 100, each of shape `(videos,)`.

    Returns:
        `dict[str, float]`: by metric.
    """
    means = {name: np.asarray(values).mean(axis=0, keepdims=True) for name, values in rows.items()}
    return {name: float(value[0]) for name, value in with_f1_of_means(means).items()}


def with_f1_of_means(means: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Adds `f1_of_means` to means of any shape (one per bootstrap sample) that have `precision` and `recall`."""
    if not {"precision", "recall"} <= means.keys():
        return dict(means)
    precision, recall = means["precision"], means["recall"]
    total = precision + recall
    return {
        **means,
        "f1_of_means": np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0),
    }
