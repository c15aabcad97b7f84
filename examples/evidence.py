"""
All systems on all data sets: the first table of docs/results.md, and the picture of the README.

    python examples/evidence.py --answers_dir answers --plot docs/images/evidence.png

docs/results.md has the commands that fill `answers`: of each set `NAME.json` by `recommend.py`, with sources and the
whole, and `NAME-words.json` by `text_baselines.py`, where its methods are measured.

What takes hours to train is not measured anew: `RECORDED` has its figures from the pages that tell how they were
measured. F1 is of exact hashtags, times 100, the mean over test rows, with 95 % intervals by bootstrap; p is of paired
permutations. Of rendered shorts, F1 leaves movement and noise out, as in `rendered_shorts_results.py`.
"""

from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from measured_answers import WHOLE, MeasuredAnswers

from transformers_ggm.data.rendered_shorts import MOVEMENTS, NOISE
from transformers_ggm.evaluation import (
    Interval,
    PairedTest,
    bootstrap_intervals,
    hashtag_metrics_per_video,
    paired_test,
    unseen_recalled,
)
from transformers_ggm.utils.plotting import new_figure, save_figure

SETS = ("tweets", "youtube", "kuaishou", "exercises", "sounds", "rendered_shorts")
NOT_COUNTED = {"rendered_shorts": {*MOVEMENTS, *NOISE}}
# Counting and linear models alone: no neural network, pretrained or not.
SIMPLE = {
    "posts_sparse": "similar posts",
    "words": "words of the text",
    "history": "the author's earlier posts",
    "frequent": "most frequent",
    "classes": "TF-IDF regressions, as a source",
    "posts_sound": "similar sounds",
    "classes_sound": "regressions on the spectrum",
    "most frequent hashtags": "most frequent",
    "TF-IDF nearest neighbours": "TF-IDF neighbours",
    "TF-IDF, logistic regression per hashtag": "TF-IDF regressions",
}
RECORDED = {
    "GGM as published": {  # docs/comparison.md, the tables of systems; docs/results.md
        "tweets": "1.2 (0.6 to 2.0)",
        "youtube": "5.3 (4.7 to 5.9)",
        "kuaishou": "11.2 (9.1 to 13.3)",
        "exercises": "71.7 (67.7 to 75.6)",
        "sounds": "72.2 (58.3 to 84.7)",
        "rendered_shorts": "91.1",
    },
    "GGM, fused guidance": {  # docs/results.md
        "tweets": "2.1 (1.3 to 3.0)",
        "youtube": "8.7 (7.9 to 9.6)",
        "kuaishou": "11.2 (9.3 to 13.2)",
    },
    "GGM, fused guidance, copying": {
        "tweets": "20.4 (18.1 to 22.8)",
        "youtube": "12.1 (11.2 to 13.0)",
        "kuaishou": "13.0 (10.7 to 15.5)",
    },
    "instructed, asked": {"tweets": "2.1 (1.2 to 3.0)", "youtube": "4.0 (3.3 to 4.7)"},  # docs/instructed.md
    "instructed, asked and guided": {"tweets": "3.1 (2.1 to 4.2)", "youtube": "10.6 (9.4 to 11.7)"},
    "instructed, tuned and guided": {"tweets": "28.6 (26.0 to 31.3)", "youtube": "10.9 (9.9 to 12.0)"},
}


class Evidence(NamedTuple):
    """What one data set tells; `intervals` and `milliseconds` by system."""

    rows: int
    intervals: dict[str, Interval]
    milliseconds: dict[str, float]
    best_simple: str
    best_source: str
    test: PairedTest
    unseen: dict[str, int]


def main() -> None:
    parser = ArgumentParser(description="Writes the table and the picture of all systems on all data sets.")
    parser.add_argument("--answers_dir", type=Path, required=True, help="folder of what --answers of others wrote")
    parser.add_argument("--plot", type=Path, help="where the picture is saved, a PNG file")
    options = parser.parse_args()
    evidence = {name: evidence_of(options.answers_dir, name) for name in SETS}
    print(table(evidence))
    if options.plot:
        plot(options.plot, evidence)


def evidence_of(folder: Path, name: str) -> Evidence:
    """Reads the answers of the sources and the whole, and of methods that read words, where there are any."""
    measured = MeasuredAnswers.load(folder / f"{name}.json")
    sources = {source for source in measured.answers if not source.startswith((WHOLE, "without "))}
    words = folder / f"{name}-words.json"
    if words.exists():
        further = MeasuredAnswers.load(words)
        assert further.hashtags == measured.hashtags, f"{words} has other rows"
        measured.answers.update(further.answers)
        measured.milliseconds.update(further.milliseconds)
    f1 = {system: f1_of(answers, measured.hashtags, name) for system, answers in measured.answers.items()}
    best_simple, best_source = (max(names, key=lambda one: f1[one].mean()) for names in (f1.keys() & SIMPLE, sources))
    unseen = {hashtag for row in measured.hashtags for hashtag in row} - {*measured.known}
    return Evidence(
        len(measured.hashtags),
        bootstrap_intervals(f1),
        measured.milliseconds,
        best_simple,
        best_source,
        paired_test(f1[WHOLE], f1[best_simple]),
        unseen_recalled(measured.answers[WHOLE], measured.hashtags, unseen),
    )


def f1_of(answers: list[list[str]], hashtags, name: str) -> np.ndarray:
    left_out = NOT_COUNTED.get(name, set())
    shown, truth = ([[tag for tag in row if tag not in left_out] for row in rows] for rows in (answers, hashtags))
    return hashtag_metrics_per_video(shown, truth, word_splitter="whole")["f1"]


def table(evidence: dict[str, Evidence]) -> str:
    rows: dict[str, Callable[[Evidence], str]] = {
        "test rows": lambda one: f"{one.rows:,}",
        "best simple method": lambda one: f"{cell(one.intervals[one.best_simple])}, {SIMPLE[one.best_simple]}",
        "best source alone": lambda one: f"{cell(one.intervals[one.best_source])}, `{one.best_source}`",
    }
    after: dict[str, Callable[[Evidence], str]] = {
        "**full system**": lambda one: f"**{cell(one.intervals[WHOLE])}**",
        "full system against best simple": lambda one: f"{one.test.difference:+.1f}, p = {one.test.p_value:.4f}",
        "CPU ms a clip, best simple": lambda one: f"{one.milliseconds[one.best_simple]:.1f}",
        "CPU ms a clip, full system": lambda one: f"{one.milliseconds[WHOLE]:.1f}",
        "unseen hashtags found by the full system": lambda one: "{unseen_recalled} of {unseen_hashtags}".format(
            **one.unseen
        ),
    }
    lines = ["| F1 | " + " | ".join(name.replace("_", " ") for name in evidence) + " |", "|---" * (len(evidence) + 1)]
    lines[1] += "|"
    lines += [line(name, [make(one) for one in evidence.values()]) for name, make in rows.items()]
    lines += [line(name, [known.get(one, "") for one in evidence]) for name, known in RECORDED.items()]
    lines += [line(name, [make(one) for one in evidence.values()]) for name, make in after.items()]
    return "\n".join(lines)


def line(name: str, cells: list[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"


def cell(interval: Interval) -> str:
    return f"{interval.mean:.1f} ({interval.low:.1f} to {interval.high:.1f})"


def plot(path: Path, evidence: dict[str, Evidence]) -> None:
    """For each set the full system above the best simple method, each a dot with its interval."""
    figure = new_figure(8.0, 4.2)
    axes = figure.add_subplot()
    series = (
        ("full system", "#1f5fa8", "o", -0.14, lambda one: WHOLE),
        ("best simple method", "#8a8a8a", "s", 0.14, lambda one: one.best_simple),
    )
    for label, colour, marker, shift, system_of in series:
        intervals = [one.intervals[system_of(one)] for one in evidence.values()]
        means = np.array([interval.mean for interval in intervals])
        errors = np.abs(np.array([[interval.low, interval.high] for interval in intervals]).T - means)
        places = np.arange(len(evidence)) + shift
        axes.errorbar(
            means, places, xerr=errors, fmt=marker, color=colour, label=label, markersize=6.5, elinewidth=2, capsize=3
        )
    for place, one in enumerate(evidence.values()):
        p_value = "p < 0.001" if one.test.p_value < 0.001 else f"p = {one.test.p_value:.2f}"
        axes.text(
            103, place - 0.14, f"{one.test.difference:+.1f}, {p_value}", va="center", color="#1f5fa8", fontsize=9
        )
        axes.text(103, place + 0.16, SIMPLE[one.best_simple], va="center", color="#555555", fontsize=8)
    names = [f"{name.replace('_', ' ')}\n{one.rows:,} rows" for name, one in evidence.items()]
    axes.set(
        xlim=(0, 102), ylim=(len(evidence) - 0.5, -0.5), xlabel="F1 of exact hashtags on test rows, 95 % intervals"
    )
    axes.set_yticks(range(len(evidence)), names)
    axes.grid(axis="x", color="#e5e5e5")
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 0.99), ncols=2, frameon=False, fontsize=9, borderpad=0)
    save_figure(figure, path, 160)


if __name__ == "__main__":
    main()
