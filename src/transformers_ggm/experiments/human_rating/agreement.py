"""How far raters agree."""

import numpy as np


def krippendorff_alpha(values: np.ndarray) -> float:
    """
    Krippendorff's alpha for interval data: 1 minus the observed over the expected disagreement, where two ratings
    disagree by the square of their difference. 1 is agreement, 0 what chance gives, and less is worse than chance.

    Args:
        values (`np.ndarray` of shape `(raters, items)`): NaN where a rater gave none. Items that fewer than two
            rated are left out.

    Returns:
        `float`: NaN where no item has two ratings, or all ratings are the same: chance then explains everything.

    Source: Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011).

    Example:

    ```python
    >>> import numpy as np
    >>> from transformers_ggm.experiments.human_rating import krippendorff_alpha
    >>> krippendorff_alpha(np.array([[1, 2, 5, 4], [1, 2, 5, np.nan]]))
    1.0

    ```
    """
    values = np.asarray(values, dtype=np.float64)
    raters = (~np.isnan(values)).sum(axis=0)
    values, raters = values[:, raters > 1], raters[raters > 1]
    ratings = raters.sum()
    if not ratings:
        return float("nan")
    # Over all pairs of n numbers, squared differences sum up to 2 n times the squared distances from their mean.
    within = np.nansum((values - np.nanmean(values, axis=0)) ** 2, axis=0)
    observed = (2 * raters * within / (raters - 1)).sum() / ratings
    expected = 2 * np.nansum((values - np.nanmean(values)) ** 2) / (ratings - 1)
    return float(1 - observed / expected) if expected > 0 else float("nan")
