"""How many of the best hashtags of a ranking are answered: chosen on the validation split for the best F1."""

from collections.abc import Sequence

import numpy as np

from .metrics import exact_match_per_video

# Thresholds that are tried, as quantiles of the best scores of every row.
_NUM_THRESHOLDS = 100
_TELLING_SCORES = 20


def best_threshold(scores: np.ndarray, hashtags: Sequence, references: Sequence[Sequence[str]]) -> float:
    """
    The threshold of [`hashtags_above`] with the best F1, the lowest of equal ones. Quantiles of the 20 best scores of
    every row are tried, a hundred of them.

    Args:
        scores (`np.ndarray` of shape `(rows, columns)`): more is better.
        hashtags (`Sequence[str]`, or `np.ndarray` of `object` and shape `(rows, columns)`): what the columns stand
            for, in all rows the same, or in each row another; in a row each one once.
        references (`list[list[str]]`): the author's hashtags of each row.

    Returns:
        `float`: in the unit of `scores`.

    Example:

    ```python
    >>> import numpy as np
    >>> from transformers_ggm.evaluation import best_threshold, hashtags_above
    >>> scores, hashtags = np.array([[0.9, 0.6, 0.1], [0.2, 0.7, 0.3]]), ["snow", "rain", "lake"]
    >>> threshold = best_threshold(scores, hashtags, [["snow", "rain"], ["rain"]])
    >>> hashtags_above(scores, hashtags, threshold)
    [['snow', 'rain'], ['rain']]

    ```
    """
    tried = _thresholds(scores)
    order = np.argsort(-scores, axis=1, kind="stable")
    ranked = np.take_along_axis(scores, order, axis=1)
    hits = np.take_along_axis(_is_true(hashtags, references, scores.shape), order, axis=1).cumsum(axis=1)
    num_true = np.array([len(set(tags)) for tags in references])
    metrics = []
    for threshold in tried:
        answered = np.maximum((ranked >= threshold).sum(axis=1), 1)
        found = np.take_along_axis(hits, answered[:, None] - 1, axis=1)[:, 0]
        metrics.append((200 * found / (answered + num_true)).mean())
    return float(tried[int(np.argmax(metrics))])


def hashtags_above(scores: np.ndarray, hashtags: Sequence, threshold: float) -> list[list[str]]:
    """
    The hashtags of each row whose score is at least `threshold`, best first, of equal ones the earlier column; the
    best one where none is.

    Args:
        scores (`np.ndarray` of shape `(rows, columns)`), hashtags: as in [`best_threshold`].
        threshold (`float`): as [`best_threshold`] gives it.

    Returns:
        `list[list[str]]`: one hashtag at least for each row.
    """
    columns = np.broadcast_to(np.asarray(hashtags, dtype=object), scores.shape)
    found = []
    for row, names in zip(scores, columns):
        chosen = np.flatnonzero(row >= threshold) if row.max() >= threshold else np.array([row.argmax()])
        found.append(names[chosen[np.argsort(-row[chosen], kind="stable")]].tolist())
    return found


def best_k(ranked: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> int:
    """
    How many leading hashtags of every row have the best F1; the smallest of equal ones.

    Args:
        ranked (`list[list[str]]`): hashtags for each row, best first, such as a retriever finds.
        references (`list[list[str]]`): the author's hashtags of each row.

    Returns:
        `int` from 1 to the length of the longest row.

    Example:

    ```python
    >>> from transformers_ggm.evaluation import best_k
    >>> best_k([["snow", "cold", "lake"], ["rain", "wet", "song"]], [["snow", "cold"], ["wet"]])
    2

    ```
    """
    longest = max(map(len, ranked))
    return max(range(1, longest + 1), key=lambda k: mean_f1([tags[:k] for tags in ranked], references))


def mean_f1(predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> float:
    """Mean F1 of exact matches over rows, times 100."""
    return float(exact_match_per_video(predictions, references)["f1"].mean())


def _thresholds(scores: np.ndarray) -> np.ndarray:
    """The thresholds that are tried, ascending."""
    telling = np.sort(scores, axis=1)[:, -_TELLING_SCORES:]
    return np.unique(np.quantile(telling, np.linspace(0, 1, _NUM_THRESHOLDS)))


def _is_true(hashtags: Sequence, references: Sequence[Sequence[str]], shape: tuple[int, int]) -> np.ndarray:
    """Which columns of which rows are among the row's references: bool of `shape`."""
    places = [{tag: i for i, tag in enumerate(row)} for row in np.atleast_2d(np.asarray(hashtags, dtype=object))]
    is_true = np.zeros(shape, dtype=bool)
    for row, tags in enumerate(references):
        place = places[row if len(places) > 1 else 0]
        is_true[row, [place[tag] for tag in tags if tag in place]] = True
    return is_true
