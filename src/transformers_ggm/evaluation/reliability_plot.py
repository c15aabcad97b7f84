"""The reliability plot: whether probabilities are what they say, as a picture."""

from pathlib import Path

import numpy as np

from ..utils.plotting import new_figure, save_figure


def plot_reliability(path: str | Path, bins: np.ndarray) -> None:
    """
    Writes a reliability plot as PNG: how often what was said came true, by how likely it was said to be.

    Args:
        path (`str` or `Path`): of the picture.
        bins (`np.ndarray` of shape `(bins, 3)`): from [`calibration_bins`].

    Raises:
        ImportError: the `eval` extra is not installed.
    """
    figure = new_figure(4.0, 4.0)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    axes.plot(bins[:, 0], bins[:, 1], marker="o", linewidth=1.5)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability", ylabel="share that is true")
    save_figure(figure, path, 150)
