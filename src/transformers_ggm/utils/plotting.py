"""Matplotlib's figures, made and saved without a screen."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float, **options: Any) -> "Figure":
    """
    An empty figure.

    Args:
        width, height (`float`): in inches.
        **options: further arguments of `matplotlib.figure.Figure`.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        from matplotlib import figure as figures
        from matplotlib.backends import backend_agg
    except ImportError as error:
        raise ImportError("Plots need `pip install transformers-ggm[eval]`.") from error
    # A figure of its own with its own canvas: pyplot would keep global state and may look for a screen.
    figure = figures.Figure(figsize=(width, height), layout="tight", **options)
    backend_agg.FigureCanvasAgg(figure)
    return figure


def save_figure(figure: "Figure", path: str | Path, dots_per_inch: int, **options: Any) -> None:
    """Writes a figure as a PNG file, whole or not at all; `options` are those of `Figure.savefig`."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=dots_per_inch, **options)
