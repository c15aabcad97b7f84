"""Pictures of the tables, as PNG files: bars with intervals, sweep over the guidance, frequency buckets, ageing."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..evaluation.frequency import BUCKETS
from ..evaluation.intervals import Interval
from ..utils.plotting import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#2a6f97", "#e07a5f", "#81b29a")
_DOTS_PER_INCH = 150


def plot_systems(intervals: Mapping[str, Interval], label: str, title: str, path: Path) -> None:
    """
    Horizontal bars with confidence intervals, the first system on top.

    Args:
        intervals (`dict[str, Interval]`): by system.
        label (`str`): of the metric, e.g. `"ROUGE-1"`.
        title (`str`): of the picture.
        path (`Path`): the PNG file, which appears when it is complete.

    Raises:
        ValueError: no intervals. ImportError: matplotlib is not installed.
    """
    figure, axes = _new_plot(intervals, height=1.2 + 0.34 * len(intervals))
    names = list(intervals)
    means = [intervals[name].mean for name in names]
    axes.barh(names, means, xerr=_errors(intervals.values()), color=_COLOURS[0], error_kw={"ecolor": "#333333"})
    axes.bar_label(axes.containers[-1], [f"{mean:.1f}" for mean in means], padding=3, fontsize=8)
    axes.margins(x=0.08)
    axes.invert_yaxis()
    axes.set_xlabel(f"{label}, with 95 % interval over test rows")
    axes.set_xlim(left=0)
    axes.set_title(title)
    save_figure(figure, path, _DOTS_PER_INCH)


def plot_sweep(curves: Mapping[str, Mapping[int, Interval]], title: str, path: Path) -> None:
    """
    Metrics over the number of guidance hashtags.

    Args:
        curves (`dict[str, dict[int, Interval]]`): by metric, by k.
        title (`str`), path (`Path`), errors: as [`plot_systems`].
    """
    figure, axes = _new_plot(curves)
    ks = sorted({k for curve in curves.values() for k in curve})
    for colour, (name, curve) in zip(_COLOURS, curves.items()):
        places = [ks.index(k) for k in curve]
        means = [interval.mean for interval in curve.values()]
        axes.errorbar(places, means, yerr=_errors(curve.values()), color=colour, marker="o", capsize=3, label=name)
    axes.set_xticks(range(len(ks)), [str(k) for k in ks])
    axes.set_xlabel("hashtags of guidance")
    axes.set_title(title)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(frameon=False)
    save_figure(figure, path, _DOTS_PER_INCH)


def plot_frequency(systems: Mapping[str, Mapping[str, Interval]], title: str, path: Path) -> None:
    """
    Groups of bars: F1 of head, middle, tail and unseen hashtags.

    Args:
        systems (`dict[str, dict[str, Interval]]`): by system, by bucket.
        title (`str`), path (`Path`), errors: as [`plot_systems`].
    """
    figure, axes = _new_plot(systems, width=8.4)
    buckets = [bucket for bucket in BUCKETS if any(bucket in intervals for intervals in systems.values())]
    width = 0.84 / len(systems)
    colours = _many_colours(len(systems))
    for number, (name, intervals) in enumerate(systems.items()):
        present = [(place, intervals[bucket]) for place, bucket in enumerate(buckets) if bucket in intervals]
        axes.bar(
            [place + (number - (len(systems) - 1) / 2) * width for place, _ in present],
            [interval.mean for _, interval in present],
            width=0.92 * width,
            yerr=_errors([interval for _, interval in present]),
            color=colours[number],
            error_kw={"elinewidth": 0.8, "ecolor": "#333333"},
            label=name,
        )
    axes.set_xticks(range(len(buckets)), buckets)
    axes.set_xlabel("frequency of the hashtag in training")
    axes.set_ylabel("F1 over all rows")
    axes.set_title(title)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    save_figure(figure, path, _DOTS_PER_INCH)


def plot_freshness(curves: Mapping[str, Mapping[float, float]], title: str, path: Path) -> None:
    """
    F1 over the days since training.

    Args:
        curves (`dict[str, dict[float, float]]`): by system, by days.
        title (`str`), path (`Path`), errors: as [`plot_systems`].
    """
    figure, axes = _new_plot(curves)
    for colour, (name, curve) in zip(_COLOURS, curves.items()):
        axes.plot(list(curve), list(curve.values()), color=colour, marker="o", label=name)
    axes.set_xlabel("days since the last training row")
    axes.set_ylabel("F1")
    axes.set_ylim(0, 1.08 * max(f1 for curve in curves.values() for f1 in curve.values()) or 1)
    axes.set_title(title)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(frameon=False)
    save_figure(figure, path, _DOTS_PER_INCH)


def _many_colours(number: int) -> list:
    from matplotlib import colormaps

    return [colormaps["turbo"](0.05 + 0.9 * place / max(number - 1, 1)) for place in range(number)]


def _errors(intervals: Sequence[Interval]) -> list[list[float]]:
    intervals = list(intervals)
    return [[i.mean - i.low for i in intervals], [i.high - i.mean for i in intervals]]


def _new_plot(content: Mapping, width: float = 6.4, height: float = 4.2) -> tuple["Figure", "Axes"]:
    if not content:
        raise ValueError("There is nothing to plot.")
    figure = new_figure(width, height)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
