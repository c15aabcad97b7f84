"""Figures of several trainings that differ by their seeds, as tables tell them."""

from collections.abc import Sequence
from statistics import mean, stdev


def mean_and_deviation(values: Sequence[float], digits: int = 1) -> str:
    """The mean, with the standard deviation where there are several values."""
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{spread}"
