"""ROUGE on hashtags split into words (Yu et al., ACL 2023, section 4.2)."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Literal

import numpy as np

from ..utils.word_splitter import WordSplitter, get_word_splitter

HashtagOrder = Literal["shuffled", "sorted"]


def order_hashtags(
    predicted: Sequence[str], true: Sequence[str], order: HashtagOrder = "shuffled", seed: int = 0
) -> tuple[list[str], list[str]]:
    """
    A video's predicted and true hashtags in the order in which ROUGE and BERTScore read them.

    The order of hashtags means nothing, so it is drawn anew: one random order of all hashtags per video, which both
    sides follow, so that the author's own hashtags score 100. It depends on the seed and the video's true hashtags
    alone, not on the batch or on what is predicted: systems are compared under the same orders.

    Args:
        predicted (`list[str]`): predicted hashtags of one video.
        true (`list[str]`): the author's.
        order (`str`, *optional*, defaults to `"shuffled"`): `"sorted"` sorts both sides by code point instead.
        seed (`int`, *optional*, defaults to 0): another seed draws other orders; unused if `"sorted"`.

    Returns:
        `tuple[list[str], list[str]]`: the predicted and the true hashtags.

    Raises:
        ValueError: another `order`.

    Example:

    ```python
    >>> from transformers_ggm.evaluation import order_hashtags
    >>> order_hashtags(["snow", "rain"], ["rain", "beach"], order="sorted")
    (['rain', 'snow'], ['beach', 'rain'])

    ```
    """
    if order == "sorted":
        return sorted(predicted), sorted(true)
    if order != "shuffled":
        raise ValueError(f"`order` is {order!r}: give 'shuffled' or 'sorted'.")
    video = blake2b("\0".join([str(seed), *sorted(set(true))]).encode())

    def place(hashtag: str) -> tuple[bytes, str]:
        digest = video.copy()
        digest.update(f"\0\0{hashtag}".encode())
        return digest.digest(), hashtag

    return sorted(predicted, key=place), sorted(true, key=place)


def check_videos(predictions: Sequence, references: Sequence) -> None:
    """Raises `ValueError` where there are no videos, or as many predictions as references there are not."""
    if not len(references) or len(predictions) != len(references):
        raise ValueError(f"`predictions` has {len(predictions)} videos and `references` {len(references)}.")


def hashtag_text(hashtags: Sequence[str], split: WordSplitter) -> str:
    """The words of hashtags, joined by spaces."""
    return " ".join(word for hashtag in hashtags for word in split(hashtag))


class _HashtagTokenizer:
    """Hands words that are split already to `rouge_score`, whose own tokenizer drops everything outside ASCII."""

    def tokenize(self, text: str) -> list[str]:
        return text.split()


def rouge_per_video(
    predictions: Sequence[Sequence[str]],
    references: Sequence[Sequence[str]],
    *,
    word_splitter: str | WordSplitter = "wordninja",
    order: HashtagOrder = "shuffled",
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """
    F1 of ROUGE-1 and ROUGE-2 of each video, times 100, by the package `rouge_score`.

    Args:
        predictions (`list[list[str]]`): hashtags without '#'.
        references (`list[list[str]]`): the author's hashtags of the same videos.
        word_splitter (`str` or callable, *optional*, defaults to `"wordninja"`): see [`get_word_splitter`].
        order (`str`, *optional*, defaults to `"shuffled"`), seed (`int`, *optional*, defaults to 0): see
            [`order_hashtags`]. They matter to ROUGE-2 alone.

    Returns:
        `dict[str, np.ndarray]` with the keys `rouge1` and `rouge2`, float64 of shape `(videos,)`.

    Raises:
        ValueError: unknown `word_splitter` or `order`.
        ImportError: the `eval` extra is not installed.
    """
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise ImportError("ROUGE needs `pip install transformers-ggm[eval]`.") from error
    scorer = RougeScorer(["rouge1", "rouge2"], tokenizer=_HashtagTokenizer())
    split = get_word_splitter(word_splitter)
    scores = []
    for predicted, true in zip(predictions, references):
        predicted, true = order_hashtags(predicted, true, order, seed)
        scores.append(scorer.score(hashtag_text(true, split), hashtag_text(predicted, split)))
    return {name: 100 * np.array([score[name].fmeasure for score in scores]) for name in ("rouge1", "rouge2")}
