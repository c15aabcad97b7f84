"""
How the cost of a clip grows with frames, its length, pool, posts and batch: a Markdown table and a picture.

    python benchmarks/bench_growth.py --output docs/performance.md

Models have the published sizes and random weights, as in bench_suggesting.py, and the fast setting's search; by
PyTorch in bfloat16. Each time is the least of several runs. `growth` is the exponent between the last two sizes: 1
where twice as much takes twice as long, 0 where it makes no difference. Between its marks, the page is written anew.
"""

import argparse
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from base_size import hashtags, write_checkpoint
from bench_decoding import render_clip
from bench_recommending import text_encoder
from bench_throughput import Timed
from matplotlib.ticker import NullLocator
from measured_page import check_page, machine, picture_of, write_sections
from row_costs import WIDTH, made_posts, most_alike, nearest, random_vectors
from settings import DTYPES, FAST, suggesting
from tqdm.auto import tqdm
from transformers import pipeline
from transformers.utils import logging

from transformers_ggm import PostIndex
from transformers_ggm.processing import GGMVideoProcessor, decode_media
from transformers_ggm.retrieval.exact_index import ExactIndex
from transformers_ggm.retrieval.faiss_index import CodedIndex
from transformers_ggm.utils.plotting import new_figure, save_figure

SECTION, PICTURE = "growth", "growth.png"
KEYFRAMES = 60


@dataclass(frozen=True)
class Growth:
    """What grows, in which steps, and what is timed at each: a call, and how many clips or queries it is for."""

    name: str
    sizes: Sequence[int]
    work: Callable[[int], tuple[Callable[[], object], int]]


def growths(folder: Path) -> Iterator[Growth]:
    """Everything that is measured."""
    checkpoint = folder / "checkpoint"
    write_checkpoint(checkpoint, shared_vision=True)
    suggest = pipeline("hashtag-generation", model=str(checkpoint), device="cpu", **DTYPES["bf16"])
    clip = render_clip(folder / "clip.mp4", 7.5, KEYFRAMES)
    setting = replace(FAST, dtype="bf16", backend="torch")

    def changed(**changes: int) -> tuple[Callable[[], object], int]:
        return suggesting(suggest, clip, replace(setting, **changes)), 1

    yield Growth("a clip, by its frames", [2, 4, 8, 16, 32], lambda size: changed(num_frames=size))
    yield Growth("a batch, by its clips", [1, 2, 4, 8, 16], lambda size: changed(batch_size=size))
    yield Growth("reading a clip, by its seconds", [5, 10, 20, 40, 80], partial(reading, folder))
    sizes = [10_000, 30_000, 100_000, 300_000, 1_000_000]
    yield Growth("searching a pool, exact", sizes, lambda size: _searching(ExactIndex(random_vectors(size))))
    yield Growth("searching a pool, codes", sizes, lambda size: _searching(CodedIndex(random_vectors(size), 0, size)))
    yield Growth("searching posts by words", sizes, _asking_posts)
    encoder, words = text_encoder(), hashtags(16, seed=2)
    yield Growth(
        "sentence encoder, by texts", [1, 2, 4, 8, 16], lambda size: (lambda: encoder.encode(words[:size]), 1)
    )


def reading(folder: Path, seconds: int) -> tuple[Callable[[], object], int]:
    """Frames and ten seconds of sound of a clip of so many seconds."""
    clip = render_clip(folder / f"{seconds}.mp4", seconds, KEYFRAMES)
    sample = GGMVideoProcessor().sample_timestamps
    return partial(decode_media, str(clip), sample_timestamps=sample, sampling_rate=48_000), 1


def _searching(index: ExactIndex | CodedIndex) -> tuple[Callable[[], object], int]:
    return partial(nearest, index), nearest(index)


def _asking_posts(size: int) -> tuple[Callable[[], object], int]:
    index = PostIndex.build(made_posts(size))
    return partial(most_alike, index), most_alike(index)


def milliseconds(growth: Growth, num_runs: int) -> dict[int, float]:
    """By size."""
    found = {}
    for size in growth.sizes:
        work, count = growth.work(size)
        timed = Timed(work)
        for _ in range(num_runs + 1):
            timed.once()
        found[size] = 1000 * timed.seconds / count
    return found


def exponent(found: dict[int, float]) -> float:
    """How the time grows from the last size but one to the last."""
    (small, before), (large, after) = list(found.items())[-2:]
    return math.log(after / before) / math.log(large / small)


def table(found: dict[str, dict[int, float]]) -> list[str]:
    """Lines of Markdown."""
    lines = ["| | milliseconds at each size | growth |", "|---|---|---:|"]
    for name, by_size in found.items():
        told = ", ".join(f"{size:,}: {time:,.{1 if time < 100 else 0}f}" for size, time in by_size.items())
        lines.append(f"| {name} | {told} | {exponent(by_size):.2f} |")
    return lines


def short(number: float) -> str:
    """A number as it stands at an axis: 300k."""
    for size, letter in ((1_000_000, "M"), (1000, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.2g}" if number < 100 else f"{number:.0f}"


def plot(found: dict[str, dict[int, float]], path: Path) -> None:
    """A panel for each, on logarithmic axes, beside what growing in proportion would be."""
    rows = math.ceil(len(found) / 4)
    figure = new_figure(12, 2.9 * rows)
    panels = figure.subplots(rows, 4).flatten()
    for axes, (name, by_size) in zip(panels, found.items()):
        sizes, times = list(by_size), list(by_size.values())
        axes.loglog(sizes, times, marker="o")
        in_proportion = [times[-1] * size / sizes[-1] for size in sizes]
        axes.loglog(sizes, in_proportion, color="grey", linestyle=":", label="in proportion")
        axes.set_title(name, fontsize=9)
        axes.set_ylim(bottom=min(times) / 2, top=max(times) * 2)
        for axis, shown in ((axes.xaxis, sizes), (axes.yaxis, [min(times), max(times)])):
            axis.set_ticks(shown, [short(number) for number in shown])
            axis.set_minor_locator(NullLocator())
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    panels[0].legend(fontsize=8, frameon=False)
    for axes in panels[::4]:
        axes.set_ylabel("milliseconds")
    for axes in panels[len(found) :]:
        axes.set_visible(False)
    save_figure(figure, path, dots_per_inch=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num_runs", type=int, default=3, help="how often each is measured (default: 3)")
    parser.add_argument("--output", type=Path, help=f"a page with the marks of {SECTION} to write into")
    arguments = parser.parse_args()
    check_page(parser, arguments.output, [SECTION], PICTURE)
    logging.set_verbosity_error()
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        for growth in tqdm(growths(Path(scratch)), desc="Measuring growth"):
            found[growth.name] = milliseconds(growth, arguments.num_runs)
    lines = [f"Measured on {machine()}; vectors of {WIDTH} numbers.", "", *table(found)]
    print("", *lines, sep="\n")
    if arguments.output:
        write_sections(arguments.output, {SECTION: lines})
        plot(found, picture_of(arguments.output, PICTURE))


if __name__ == "__main__":
    main()
