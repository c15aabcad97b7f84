"""The course of a training as a picture: losses and the validation metric over the steps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers.utils import logging

from ..utils.plotting import new_figure, save_figure
from .results import METRICS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

logger = logging.get_logger(__name__)

TRAINING_CURVE = "training_curve.png"
# On a transparent ground, in tones that stand out from a white page and from a black one alike.
INK = "#7a7a7a"
TRAINING_COLOUR = "#3d85c6"
VALIDATION_COLOUR = "#cc6b2c"
_DOTS_PER_INCH = 110

Curve = Mapping[int, float]


def write_training_curve(
    log_history: Sequence[Mapping[str, Any]], folder: Path, metric: str, published_step: int | None = None
) -> Path | None:
    """
    Writes `training_curve.png`: the loss on the training and validation rows above, the validation metric below.

    Args:
        log_history (`list[dict]`): of the Trainer's state.
        folder (`Path`): an existing one.
        metric (`str`): the validation metric that decided, with or without the Trainer's `eval_`.
        published_step (`int`, *optional*): the step whose weights were published, marked by a line.

    Returns:
        `Path`: the file; `None`, with a line in the log, where matplotlib is not installed or nothing was logged.
    """
    panels = training_panels(log_history, metric)
    if not panels:
        logger.warning("No training curve was drawn: the training logged neither losses nor validation metrics.")
        return None
    try:
        figure = new_figure(6.4, 0.8 + 1.9 * len(panels), facecolor="none")
    except ImportError:
        logger.warning(
            "The training curve was left out, since matplotlib is not installed: pip install 'transformers-ggm[eval]'."
        )
        return None
    _draw(panels, published_step, figure)
    path = folder / TRAINING_CURVE
    save_figure(figure, path, _DOTS_PER_INCH, transparent=True)
    return path


def training_panels(log_history: Sequence[Mapping[str, Any]], metric: str) -> dict[str, dict[str, Curve]]:
    """
    The values to draw: by panel, by line, by step. What was not logged is not there.

    Example:

    ```python
    >>> history = [{"step": 5, "loss": 2.5}, {"step": 9, "eval_loss": 2.0, "eval_rouge1": 31.0}]
    >>> training_panels(history, "rouge1")
    {'loss': {'training': {5: 2.5}, 'validation': {9: 2.0}}, 'ROUGE-1': {'validation': {9: 31.0}}}

    ```
    """
    metric = metric.removeprefix("eval_")
    panels = {"loss": {"training": _curve(log_history, "loss"), "validation": _curve(log_history, "eval_loss")}}
    if metric != "loss":
        name = METRICS[metric][1] if metric in METRICS else metric
        panels[name] = {"validation": _curve(log_history, f"eval_{metric}")}
    panels = {panel: {name: curve for name, curve in lines.items() if curve} for panel, lines in panels.items()}
    return {panel: lines for panel, lines in panels.items() if lines}


def _curve(log_history: Sequence[Mapping[str, Any]], key: str) -> Curve:
    # Of a step that was logged twice, as after a resume, the later value.
    return dict(sorted((entry["step"], entry[key]) for entry in log_history if key in entry))


def _draw(panels: Mapping[str, Mapping[str, Curve]], published_step: int | None, figure: "Figure") -> None:
    rows = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for axes, (name, lines) in zip(rows, panels.items()):
        _draw_panel(axes, name, lines, published_step)
    rows[-1].set_xlabel("step", color=INK)


def _draw_panel(axes: "Axes", name: str, lines: Mapping[str, Curve], published_step: int | None) -> None:
    colours = {"training": TRAINING_COLOUR, "validation": VALIDATION_COLOUR}
    for line, curve in lines.items():
        marker = "o" if len(curve) <= 40 else None
        axes.plot(*zip(*curve.items()), color=colours[line], label=line, marker=marker, markersize=3, linewidth=1.6)
    if published_step is not None:
        axes.axvline(published_step, color=INK, linestyle=":", linewidth=1.2, label="published weights")
    axes.set_ylabel(name, color=INK)
    axes.tick_params(colors=INK, labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.grid(color=INK, alpha=0.2)
    axes.margins(x=0.02)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False, labelcolor=INK, fontsize=8)
