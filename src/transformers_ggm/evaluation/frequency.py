"""F1 of frequent and of rare hashtags: what a mean over videos hides."""

from collections.abc import Mapping, Sequence

import numpy as np

from .intervals import Interval, percentile_bounds
from .rouge import check_videos

BUCKETS = ("head", "middle", "tail", "unseen")


def frequency_buckets(counts: Mapping[str, int]) -> dict[str, str]:
    """
    Parts hashtags by how often training has them: `"head"` are the most frequent ones that together make up a third of
    all uses, `"middle"` those of the second third, `"tail"` the rest. Equally frequent ones are parted by name.

    Args:
        counts (`dict[str, int]`): how often each hashtag occurs in training.

    Returns:
        `dict[str, str]` from hashtag to bucket.

    Example:

    ```python
    >>> from transformers_ggm.evaluation import frequency_buckets
    >>> frequency_buckets({"fyp": 3, "snow": 2, "rain": 2, "toronto": 1, "sled": 1})
    {'fyp': 'head', 'rain': 'middle', 'snow': 'middle', 'sled': 'tail', 'toronto': 'tail'}

    ```
    """
    total = sum(counts.values())
    buckets, before = {}, 0
    for tag, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        # A hashtag belongs where its first use lies.
        buckets[tag] = BUCKETS[3 * before // total]
        before += count
    return buckets


def f1_by_frequency(
    systems_predictions: Sequence[Sequence[Sequence[str]]],
    references: Sequence[Sequence[str]],
    counts: Mapping[str, int],
    *,
    samples: int = 10_000,
    seed: int = 0,
) -> dict[str, Interval]:
    """
    F1 of the hashtags of each bucket, over all videos together: twice the hits by the number of predicted and of true
    ones, times 100. A video has few hashtags of a bucket, often none, so that no mean over videos is taken here.

    Args:
        systems_predictions (`list[list[list[str]]]`): predictions of one system, once for each seed that it was
            trained with; hits and counts are added up over the seeds.
        references (`list[list[str]]`): the author's hashtags of the same videos.
        counts (`dict[str, int]`): how often each hashtag occurs in training; others are `"unseen"`.
        samples (`int`, *optional*, defaults to 10,000): bootstrap samples over videos.
        seed (`int`, *optional*, defaults to 0): of the samples.

    Returns:
        `dict[str, Interval]` for each bucket of which any reference has a hashtag, with 95 % intervals.

    Raises:
        ValueError: no predictions, or of another number of videos than references.
        ImportError: the `eval` extra is not installed.

    Example:

    ```python
    >>> from transformers_ggm.evaluation import f1_by_frequency
    >>> predictions, references = [["fyp", "sled"], ["fyp"]], [["fyp"], ["fyp", "sled"]]
    >>> f1 = f1_by_frequency([predictions], references, {"fyp": 9, "rain": 2, "sled": 1})
    >>> f1["head"].mean, f1["tail"].mean
    (100.0, 0.0)

    ```
    """
    if not systems_predictions:
        raise ValueError("`systems_predictions` is empty: give the predictions of one seed at least.")
    bucket_of = frequency_buckets(counts)
    hits, sizes = np.zeros((2, len(references), len(BUCKETS)))
    for predictions in systems_predictions:
        check_videos(predictions, references)
        for row, (predicted, true) in enumerate(zip(predictions, references)):
            for tag in set(predicted) | set(true):
                bucket = BUCKETS.index(bucket_of.get(tag, "unseen"))
                hits[row, bucket] += tag in predicted and tag in true
                sizes[row, bucket] += (tag in predicted) + (tag in true)
    present = {bucket_of.get(tag, "unseen") for tags in references for tag in tags}
    shares = _share(hits.sum(axis=0), sizes.sum(axis=0))
    low, high = percentile_bounds(
        lambda drawn, axis: np.stack(
            [_share(h[drawn].sum(axis), s[drawn].sum(axis)) for h, s in zip(hits.T, sizes.T)]
        ),
        len(references),
        confidence=0.95,
        samples=samples,
        seed=seed,
    )
    return {
        bucket: Interval(float(shares[n]), float(low[n]), float(high[n]))
        for n, bucket in enumerate(BUCKETS)
        if bucket in present
    }


def _share(hits, sizes):
    return 200 * hits / np.maximum(sizes, 1e-12)
