"""Whether probabilities are what they say: expected calibration error."""

from collections.abc import Sequence

import numpy as np

NUM_BINS = 10
BEST_OF_ROW = 5


def calibration_bins(probabilities: np.ndarray, truth: np.ndarray, bins: int = NUM_BINS) -> np.ndarray:
    """
    Bins of equal mass: sorted by probability and cut into parts of (almost) one size.

    Args:
        probabilities (`np.ndarray` of shape `(n,)`), truth (`np.ndarray` of shape `(n,)`): whether each came true.
        bins (`int`, *optional*, defaults to 10): fewer where there are fewer probabilities.

    Returns:
        `np.ndarray` of shape `(bins, 3)`: mean probability, share that came true, and how many.

    Raises:
        ValueError: there are none, or other numbers of the two.
    """
    probabilities, truth = np.asarray(probabilities, np.float64), np.asarray(truth, np.float64)
    if not len(probabilities) or probabilities.shape != truth.shape:
        raise ValueError(f"there are probabilities of shape {probabilities.shape} and truth of shape {truth.shape}.")
    order = np.argsort(probabilities, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    return np.array([(probabilities[part].mean(), truth[part].mean(), len(part)) for part in parts])


def expected_calibration_error(probabilities: np.ndarray, truth: np.ndarray, bins: int = NUM_BINS) -> float:
    """
    The mean distance between what probabilities say and how often it came true, over bins of equal mass (Nixon et al.,
    2019).

    Args:
        probabilities (`np.ndarray` of shape `(n,)`): from 0 to 1.
        truth (`np.ndarray` of shape `(n,)`): whether each came true, bool or 0 and 1.
        bins (`int`, *optional*, defaults to 10): fewer where there are fewer probabilities.

    Returns:
        `float` from 0 to 1.

    Raises:
        ValueError: there are none, or other numbers of the two.

    Example:

    ```python
    >>> import numpy as np
    >>> from transformers_ggm.evaluation import expected_calibration_error
    >>> round(expected_calibration_error(np.full(10, 0.5), np.array([1, 0] * 5)), 3)
    0.5
    >>> expected_calibration_error(np.full(10, 0.5), np.array([1, 0] * 5), bins=1)
    0.0

    ```
    """
    found = calibration_bins(probabilities, truth, bins)
    return float((found[:, 2] * np.abs(found[:, 0] - found[:, 1])).sum() / found[:, 2].sum())


def best_of_rows(
    probabilities: Sequence[np.ndarray], truth: Sequence[np.ndarray], best: int = BEST_OF_ROW
) -> tuple[np.ndarray, np.ndarray]:
    """
    The largest probabilities of each row, and whether they came true: what a user sees.

    Args:
        probabilities (`list[np.ndarray]`): of each row `(n,)`, where `n` may be another one in each row. There must be
            one row at least.
        truth (`list[np.ndarray]`): whether each came true, of the same shapes.
        best (`int`, *optional*, defaults to 5): how many of each row; all of a row that has fewer.

    Returns:
        `tuple[np.ndarray, np.ndarray]`: probabilities and truth, each `(m,)`: of one row after the other, the largest
        probability of a row first.

    Example:

    ```python
    >>> import numpy as np
    >>> from transformers_ggm.evaluation import best_of_rows
    >>> rows, truth = [np.array([0.1, 0.9, 0.5]), np.array([0.2])], [np.array([0, 1, 0]), np.array([1])]
    >>> probabilities, came_true = best_of_rows(rows, truth, best=2)
    >>> probabilities.tolist(), came_true.tolist()
    ([0.9, 0.5, 0.2], [1, 0, 1])

    ```
    """
    orders = [np.argsort(-row, kind="stable")[:best] for row in probabilities]
    taken = [np.concatenate([row[order] for row, order in zip(rows, orders)]) for rows in (probabilities, truth)]
    return taken[0], taken[1]
