"""Two plots about the hashtags of a corpus, as PNG files."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..utils.plotting import new_figure, save_figure
from ..utils.word_splitter import split_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOUR = "#2a6f97"
_DOTS_PER_INCH = 150
# Hashtags of so many words and more share a bar.
_MOST_WORDS = 6


def plot_hashtag_frequency(counts: Mapping[str, int], path: str | Path, min_count: int | None = None) -> None:
    """
    Plots how often hashtags occur, the most frequent one first, on log axes.

    Args:
        counts (`dict[str, int]`): how often each hashtag occurs, at least once.
        path (`str` or `Path`): the PNG file, which appears when it is complete.
        min_count (`int`, *optional*): marks the count that a hashtag needs to be kept in a corpus. Give the counts of
            all hashtags with it, also those that are dropped.

    Raises:
        ValueError: there is no hashtag.
        ImportError: matplotlib is not installed.
    """
    figure, axes = _new_plot(counts)
    from matplotlib.ticker import NullFormatter  # after the check that matplotlib is there

    frequencies = sorted(counts.values(), reverse=True)
    axes.plot(range(1, len(frequencies) + 1), frequencies, color=_COLOUR, marker=".", markersize=4, linewidth=1)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("Rank of the hashtag")
    axes.set_ylabel("Rows with the hashtag")
    axes.set_title(f"Hashtag frequency ({len(frequencies):,} distinct)")
    axes.grid(which="major", alpha=0.3)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:,.0f}")
        axis.set_minor_formatter(NullFormatter())
    # Both axes span a decade at least, and so have a power of ten to label, even for a single hashtag.
    axes.set_xlim(0.8, max(len(frequencies) * 1.25, 12))
    bottom = min(frequencies[-1], min_count or frequencies[-1]) / 1.6
    axes.set_ylim(bottom, max(frequencies[0] * 1.6, bottom * 12))
    if min_count is not None:
        dropped = sum(frequency < min_count for frequency in frequencies)
        label = f"fewer than {min_count}: {dropped:,} dropped"
        axes.axhspan(bottom, min_count - 0.5, color="grey", alpha=0.15, linewidth=0, label=label)
        axes.legend(loc="upper right", frameon=False)
    save_figure(figure, path, _DOTS_PER_INCH)


def plot_words_per_hashtag(counts: Mapping[str, int], path: str | Path) -> None:
    """
    Plots how many distinct hashtags are made of one word, of two, and so on; those of six and more share a bar.

    Args:
        counts (`dict[str, int]`): the hashtags are its keys; how often each occurs does not matter.
        path (`str` or `Path`): the PNG file, which appears when it is complete.

    Raises:
        ValueError: there is no hashtag.
        ImportError: matplotlib or wordninja is not installed.
    """
    figure, axes = _new_plot(counts)
    by_words = Counter(min(len(split_words(tag)), _MOST_WORDS) for tag in counts)
    words = range(1, _MOST_WORDS + 1)
    bars = axes.bar(words, [by_words[number] for number in words], color=_COLOUR)
    axes.bar_label(bars, [f"{by_words[number] / len(counts):.1%}" for number in words], padding=2, fontsize=9)
    axes.set_xticks(words, [*(str(number) for number in words[:-1]), f"{_MOST_WORDS}+"])
    axes.set_xlabel("Words in the hashtag")
    axes.set_ylabel("Distinct hashtags")
    axes.set_title(f"Words per hashtag ({len(counts):,} distinct)")
    axes.margins(y=0.1)
    axes.yaxis.get_major_locator().set_params(integer=True)
    save_figure(figure, path, _DOTS_PER_INCH)


def _new_plot(counts: Mapping[str, int]) -> tuple["Figure", "Axes"]:
    if not counts:
        raise ValueError("`counts` is empty: there is no hashtag to plot.")
    figure = new_figure(6.4, 4.2)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
