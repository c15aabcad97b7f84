"""
Recommends hashtags from all that is known of posts, and measures it: each source alone, all of them fused, the ranker,
and the ranker without each source.

    python examples/recommend.py examples/recommend/tweets.yaml --data_dir DATA/tweets --encoder ENCODER

`DATA/tweets` has `train`, `validation` and `test`, each with a `metadata.jsonl` and clips beside it (docs/data.md);
`ENCODER` is a sentence encoder, a folder or Hub id such as sentence-transformers/all-MiniLM-L6-v2. The sources learn
from `train`. What is chosen is chosen on `validation`: the cuts of the sources, the weights of the fusion, the ranker.
Before `test`, the posts of `validation` are added to the index, as posts are that come to be known.

Where there are too few rows for that, `leave_one_out: true` fits the ranker on all rows of `train` and `validation`,
each with the candidates that the sources find without it. `--split validation` measures on `validation` what learned
from `train` alone: to choose a configuration without the test. `--without screen_text` measures the whole once more as
if that column were not there, and tests the difference.

Needs `pip install transformers-ggm[recommend,eval]`.
"""

import dataclasses
import json
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from measured_answers import WHOLE, MeasuredAnswers, ranked
from recommend_sources import SAMPLING_RATE, ClassesSource, PictureEncoder, RememberingEncoder, SoundEncoder

from transformers_ggm import PostIndex
from transformers_ggm.evaluation import (
    best_k,
    best_of_rows,
    bootstrap_intervals,
    calibration_bins,
    expected_calibration_error,
    hashtag_metrics_per_video,
    paired_test,
    plot_reliability,
    recall_at_k,
)
from transformers_ggm.processing import decode_media
from transformers_ggm.recommendation import (
    Clues,
    FrequentSource,
    HashtagRanker,
    HistorySource,
    PoolSource,
    PostsSource,
    Recommender,
    WordsSource,
    candidate_features,
    clues_of,
    fit_ranker,
    gather_candidates,
    learn_fusion_weights,
    reciprocal_rank_fusion,
)
from transformers_ggm.retrieval import TextEncoder
from transformers_ggm.utils.yaml_files import read_yaml_mapping

SPLITS = ("train", "validation", "test")
PICTURE_SIZE = (224, 224)


class Posts(NamedTuple):
    """Some posts as rows of data, as clues, and their true hashtags."""

    rows: list[dict]
    clues: list[Clues]
    hashtags: list[list[str]]

    def __add__(self, other: "Posts") -> "Posts":
        return Posts(self.rows + other.rows, self.clues + other.clues, self.hashtags + other.hashtags)


class Learned(NamedTuple):
    """A recommender with its ranker; the sources that this was fitted for, their candidates, and the rows."""

    recommender: Recommender
    fitting: Recommender
    found: dict[str, list]
    fitted_on: Posts


def main() -> None:
    options = parse_options()
    rows = {split: read_rows(options, split) for split in SPLITS}
    splits = posts_of(rows, options)
    encoders = make_encoders(options, splits["train"])
    learned = learn(splits, encoders, options)
    sources, found, fitted_on = learned.recommender.sources, learned.found, learned.fitted_on
    weights = learn_fusion_weights(found, fitted_on.hashtags)
    fused = reciprocal_rank_fusion(found, options.k, weights)
    cuts = {name: best_k(ranked(rows), fitted_on.hashtags) if any(rows) else 1 for name, rows in found.items()}
    cuts["fused"] = best_k(ranked(fused), fitted_on.hashtags)

    tested = splits[options.split]
    answers, seconds = ask_each(sources, tested, options.k)
    best = print_sources(answers, seconds, cuts, tested, weights, options)
    print("\n| ranker | F1 | ROUGE-1 | ROUGE-2 | calibration error |\n|---|---|---|---|---|")
    of_ranker = print_ranker(WHOLE, learned.recommender, answers, tested, options.plot)
    of_fewer = {}
    for name in (source.name for source in sources) if options.ablation else ():
        fewer = without_source(learned, name, options)
        of_fewer[name] = print_ranker(f"without {name}", fewer, answers, tested)
    if "history" in of_fewer:
        has_any = np.array([bool(clue.history) for clue in tested.clues])
        parts = {"all rows": np.full(len(has_any), True), "with a history": has_any, "without any": ~has_any}
        print_comparison("history", of_ranker, of_fewer["history"], parts)
    if options.without:
        compare_without(rows, encoders, of_ranker, options)
    test = paired_test(of_ranker, answers_f1(answers[best], cuts[best], tested))
    print(f"\nranker against {best} alone: {test.difference:+.1f} F1, p = {test.p_value:.4f} (paired permutations)")
    if options.answers:
        measured_answers(learned, answers, cuts, seconds, tested).save(options.answers)
    if options.output_dir:
        learned.recommender.save_pretrained(options.output_dir)


def learn(splits: dict[str, Posts], encoders: dict, options: Namespace) -> Learned:
    """Fits the ranker on rows that its sources do not know, or on all rows, each without itself."""
    known = splits["train"] if options.split == "validation" else splits["train"] + splits["validation"]
    sources = make_sources(options, known, encoders)
    if options.leave_one_out or options.split == "validation":
        fitted_on = known
        fitting = Recommender(sources, counts=hashtag_counts(known), k=options.k)
        found = gather_candidates(sources, known.clues, options.k, training=True)
    else:
        fitted_on = splits["validation"]
        first = make_sources(options, splits["train"], encoders)
        fitting = Recommender(first, counts=hashtag_counts(splits["train"]), k=options.k)
        found = gather_candidates(first, fitted_on.clues, options.k)
    ranker = fitted(fitting, found, fitted_on, options)
    return Learned(Recommender(sources, ranker, hashtag_counts(known), options.k), fitting, found, fitted_on)


def without_source(learned: Learned, name: str, options: Namespace) -> Recommender:
    """The recommender without one of its sources, with a ranker of its own."""
    whole, fitting = learned.recommender, learned.fitting
    fewer = Recommender([source for source in fitting.sources if source.name != name], None, fitting.counts)
    ranker = fitted(fewer, learned.found, learned.fitted_on, options)
    return Recommender([source for source in whole.sources if source.name != name], ranker, whole.counts, options.k)


def parse_options() -> Namespace:
    parser = ArgumentParser(description="Recommends hashtags from all that is known of posts, and measures it.")
    parser.add_argument("config", type=Path, help="YAML file with any of the options below")
    parser.add_argument("--data_dir", type=Path, help="folder with train, validation and test")
    parser.add_argument("--encoder", help="sentence encoder, a folder or Hub id; none for sparse search alone")
    parser.add_argument("--sources", nargs="+", default=["posts", "words", "history", "frequent"])
    parser.add_argument(
        "--texts", nargs="*", default=[], help="further columns whose words stand before the description"
    )
    parser.add_argument(
        "--without", nargs="+", default=[], help="columns that the whole is also measured without, and compared with"
    )
    parser.add_argument("--neighbours", type=int, default=20, help="similar posts that are looked at")
    parser.add_argument("--k", type=int, default=50, help="candidates of each source")
    parser.add_argument("--frame_times", nargs="+", type=float, help="seconds at which pictures are looked at")
    parser.add_argument("--hidden_size", type=int, default=0, help="of the ranker; 0 for a logistic regression")
    parser.add_argument("--seed", type=int, default=0, help="of the ranker's parts and first weights")
    parser.add_argument("--leave_one_out", action="store_true", help="fit the ranker on train and validation")
    parser.add_argument("--split", choices=("validation", "test"), default="test", help="what is measured on")
    parser.add_argument("--no_ablation", dest="ablation", action="store_false", help="no rankers without a source")
    parser.add_argument("--output_dir", help="where the recommender is saved, see Recommender.from_pretrained")
    parser.add_argument("--answers", help="where all answers are saved, a JSON file for evidence.py")
    parser.add_argument("--plot", help="where the reliability plot is saved, a PNG file")
    parser.set_defaults(**read_yaml_mapping(parser.parse_known_args()[0].config, "options"))
    return parser.parse_args()


def posts_of(rows: dict[str, list[dict]], options: Namespace, without: Sequence[str] = ()) -> dict[str, Posts]:
    """The posts of each split, as if some columns were not known."""
    rows = {split: [as_known(row, options, without) for row in of_split] for split, of_split in rows.items()}
    splits = {}
    for split in SPLITS:
        clues = clues_of(rows[split], *(others for other, others in rows.items() if other != split))
        # Frames and sound of a row, where there are any, are for the encoders of pictures and sounds.
        media = [{name: row[name] for name in ("frames", "sound") if name in row} for row in rows[split]]
        clues = [dataclasses.replace(clue, **more) for clue, more in zip(clues, media)]
        splits[split] = Posts(rows[split], clues, [row["hashtags"] for row in rows[split]])
    return splits


def as_known(row: dict, options: Namespace, without: Sequence[str]) -> dict:
    row = {name: value for name, value in row.items() if name not in without}
    return {**row, "description": "\n".join(row[name] for name in (*options.texts, "description") if row.get(name))}


def read_rows(options: Namespace, split: str) -> list[dict]:
    file = options.data_dir / split / "metadata.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        if any(name.endswith("_frames") for name in options.sources):
            media = decode_media(file.parent / row["file_name"], sample_timestamps=lambda _: options.frame_times)
            assert media.frames is not None, "asked for by its times"
            row["frames"] = torch.nn.functional.interpolate(
                media.frames.float(), PICTURE_SIZE, mode="bilinear", antialias=True
            ).byte()
        if any(name.endswith("_sound") for name in options.sources):
            media = decode_media(
                file.parent / row["file_name"],
                sample_timestamps=lambda _: [0.0],
                sampling_rate=SAMPLING_RATE,
                blank_video=True,
            )
            row["sound"] = torch.from_numpy(media.audio)
    return rows


def make_encoders(options: Namespace, train: Posts) -> dict[str, RememberingEncoder]:
    """By what they read: those of which a source is asked for."""
    encoders = {}
    if options.encoder:
        encoders["dense"] = RememberingEncoder(TextEncoder.from_pretrained(options.encoder))
    if any(name.endswith("_frames") for name in options.sources):
        encoders["frames"] = RememberingEncoder(PictureEncoder())
    if any(name.endswith("_sound") for name in options.sources):
        encoders["sound"] = RememberingEncoder(
            SoundEncoder([clue.sound for clue in train.clues if clue.sound is not None])
        )
    return encoders


def make_sources(options: Namespace, known: Posts, encoders: dict[str, RememberingEncoder]) -> list:
    """`posts` and `classes` go by words, `posts_dense` and so on by the encoder of that name."""
    made = []
    for name in options.sources:
        kind, _, by = name.partition("_")
        if by and by not in encoders:
            raise SystemExit(f"--encoder is missing, which the source {name!r} needs.")
        if kind == "posts":
            index = PostIndex.build(known.rows, encoders.get(by), sparse=not by)
            made.append(PostsSource(index, "dense" if by else "sparse", options.neighbours))
        elif kind == "classes":
            made.append(ClassesSource(name, known.clues, known.hashtags, encoders.get(by)))
        elif kind == "pool":
            made.append(PoolSource.of_words(hashtag_counts(known), encoders["dense"].encoder))
        else:
            made.append(of_counts(name, known))
    return made


def of_counts(name: str, known: Posts):
    simple = {
        "words": lambda: WordsSource.build(known.rows),
        "history": HistorySource,
        "frequent": lambda: FrequentSource(hashtag_counts(known)),
    }
    return simple[name]()


def hashtag_counts(known: Posts) -> dict[str, int]:
    return dict(Counter(hashtag for row in known.hashtags for hashtag in row))


def fitted(recommender: Recommender, found: dict, posts: Posts, options: Namespace) -> HashtagRanker:
    features = candidate_features(recommender.sources, found, posts.clues, recommender.counts)
    return fit_ranker(features, posts.hashtags, hidden_size=options.hidden_size, seed=options.seed)


def ask_each(sources: list, posts: Posts, k: int) -> tuple[dict, dict[str, float]]:
    """The candidates of each source, and how many seconds of the processor it took for a row."""
    found, seconds = {}, {}
    for source in sources:
        start = time.process_time()
        found |= gather_candidates([source], posts.clues, k)
        seconds[source.name] = (time.process_time() - start) / len(posts.clues)
    return found, seconds


def measured_answers(learned: Learned, found, cuts, seconds: dict[str, float], posts: Posts) -> MeasuredAnswers:
    """What each source and the ranker show. The whole takes as long as its sources together, and ranking."""
    recommender = learned.recommender
    start = time.process_time()
    whole = recommender.rank(candidate_features(recommender.sources, found, posts.clues, recommender.counts))
    ranking = (time.process_time() - start) / len(posts.clues)
    shown = {name: [row[: cuts[name]] for row in ranked(rows)] for name, rows in found.items()}
    milliseconds = {name: 1000 * spent for name, spent in (*seconds.items(), (WHOLE, sum(seconds.values()) + ranking))}
    return MeasuredAnswers(posts.hashtags, sorted(recommender.counts), shown | {WHOLE: ranked(whole)}, milliseconds)


def answers_f1(rows: list, cut: int, posts: Posts) -> np.ndarray:
    shown = [row[:cut] for row in ranked(rows)]
    return hashtag_metrics_per_video(shown, posts.hashtags, word_splitter="whole")["f1"]


def print_sources(answers, seconds, cuts, posts: Posts, weights, options: Namespace) -> str:
    """The table of each source alone, and fused; the name of the best one."""
    print(f"\n{len(posts.rows)} {options.split} rows; each source alone, and fused")
    print("\n| | recall@10 | recall@50 | best cut | F1 | CPU ms a row |\n|---|---|---|---|---|---|")
    lines = {name: (rows, cuts[name], f"{1000 * seconds[name]:.2f}") for name, rows in answers.items()}
    for name, learned in (("reciprocal ranks", None), ("learned weights", weights)):
        lines[name] = reciprocal_rank_fusion(answers, options.k, learned), cuts["fused"], ""
    figures = {}
    for name, (rows, cut, milliseconds) in lines.items():
        recall = recall_at_k(ranked(rows), posts.hashtags, (10, 50))
        figures[name] = answers_f1(rows, cut, posts).mean()
        print(f"| {name} | {recall[10]:.1f} | {recall[50]:.1f} | {cut} | {figures[name]:.1f} | {milliseconds} |")
    return max(answers, key=lambda name: figures[name])


def print_ranker(name: str, recommender: Recommender, found, posts: Posts, plot=None) -> np.ndarray:
    """
    A line of the table: F1 and ROUGE with intervals, and how well the best five of each row are calibrated. Gives the
    F1 of each row.
    """
    features = candidate_features(recommender.sources, found, posts.clues, recommender.counts)
    shown = [[found.hashtag for found in row] for row in recommender.rank(features)]
    metrics = hashtag_metrics_per_video(shown, posts.hashtags, order="sorted")
    intervals = bootstrap_intervals({figure: metrics[figure] for figure in ("f1", "rouge1", "rouge2")})
    assert recommender.ranker is not None
    probabilities = features.by_row(recommender.ranker.probabilities(features.values))
    truth = features.by_row(features.truth(posts.hashtags))
    pairs = [(p.numpy(), t.numpy()) for p, t in zip(probabilities, truth) if len(p)]
    best = best_of_rows([p for p, _ in pairs], [t for _, t in pairs])
    if plot:
        plot_reliability(plot, calibration_bins(*best))
    figures = [f"{interval.mean:.1f} ({interval.low:.1f} to {interval.high:.1f})" for interval in intervals.values()]
    print(f"| {name} | {' | '.join(figures)} | {expected_calibration_error(*best):.3f} |", flush=True)
    return metrics["f1"]


def compare_without(rows: dict[str, list[dict]], encoders: dict, of_all: np.ndarray, options: Namespace) -> None:
    """What some columns gain: over all rows, and over those where there is something in them."""
    splits = posts_of(rows, options, options.without)
    recommender = learn(splits, encoders, options).recommender
    found = gather_candidates(recommender.sources, splits[options.split].clues, options.k)
    names = " and ".join(options.without)
    of_fewer = print_ranker(f"without {names}", recommender, found, splits[options.split])
    has_any = np.array([any(row.get(name) for name in options.without) for row in rows[options.split]])
    parts = {"all rows": np.full(len(has_any), True), "rows that have any": has_any}
    print_comparison(names, of_all, of_fewer, parts)


def print_comparison(what: str, of_all: np.ndarray, of_fewer: np.ndarray, parts: dict[str, np.ndarray]) -> None:
    """F1 of rankers with and without something, over parts of the rows, which are given as masks."""
    print(f"\n| F1 | rows | with {what} | without | difference | p, paired permutations |\n|---|---|---|---|---|---|")
    for name, chosen in parts.items():
        if chosen.any():
            test = paired_test(of_all[chosen], of_fewer[chosen])
            means = f"{of_all[chosen].mean():.1f} | {of_fewer[chosen].mean():.1f} | {test.difference:+.1f}"
            print(f"| {name} | {test.videos} | {means} | {test.p_value:.4f} |")


if __name__ == "__main__":
    main()
