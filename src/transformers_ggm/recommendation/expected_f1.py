"""How many hashtags to show: as many as make the expected F1 largest."""

import numpy as np

# More are never shown, and what is less likely than so many others hardly matters to how many are right.
MOST_SHOWN = 30
_MOST_OTHERS = 20


def expected_f1(probabilities: np.ndarray, missing: float = 0.0) -> np.ndarray:
    r"""
    The expected F1 of the first 1, 2, ... hashtags of a row, where each is right by its own probability, independently
    of the others: the mean of `2 hits / (shown + true)` over how many of those shown are right and how many others are
    true (Ye, Chai, Lee and Chieu, ICML 2012, whose sums are exact; the tail here is a Poisson distribution).

    Args:
        probabilities (`np.ndarray` of shape `(n,)`): Descending.
        missing (`float`, defaults to 0.0): How many true hashtags are not among these, on average.

    Returns:
        `np.ndarray` of shape `(min(n, 30),)`, from 0 to 1.

    Example:

    ```python
    >>> import numpy as np
    >>> from transformers_ggm.recommendation.expected_f1 import expected_f1
    >>> expected_f1(np.array([1.0, 1.0, 0.0])).round(2).tolist()
    [0.67, 1.0, 0.8]

    ```
    """
    kept = probabilities[: MOST_SHOWN + _MOST_OTHERS]
    rest = float(probabilities[MOST_SHOWN + _MOST_OTHERS :].sum()) + missing
    others = [_poisson(rest)]
    for probability in kept[::-1]:
        others.append(np.convolve(others[-1], [1 - probability, probability]))
    others = others[::-1]
    hits, figures = np.ones(1), []
    for shown in range(1, min(len(kept), MOST_SHOWN) + 1):
        hits = np.convolve(hits, [1 - kept[shown - 1], kept[shown - 1]])
        right, left = np.arange(len(hits))[:, None], np.arange(len(others[shown]))[None]
        figures.append(hits @ (2 * right / (shown + right + left)) @ others[shown])
    return np.array(figures)


def best_number(probabilities: np.ndarray, missing: float = 0.0) -> int:
    """How many of the first hashtags have the largest expected F1, the smallest of equal numbers; 0 of none."""
    return 1 + int(np.argmax(expected_f1(probabilities, missing))) if len(probabilities) else 0


def _poisson(mean: float) -> np.ndarray:
    """The probabilities of 0, 1, ... as far as they matter."""
    size = int(mean + 6 * mean**0.5) + 2
    terms = np.cumprod(np.concatenate([[np.exp(-mean)], mean / np.arange(1, size)]))
    return terms / terms.sum()
