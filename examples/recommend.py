"""
Recommends hashtags from all that is known of posts, and measures it: each source alone, all of them fused, the ranker,
and the ranker without each source.

    python examples/recommend.py examples/recommend/tweets.yaml --data_dir DATA/tweets --encoder ENCODER

`DATA/tweets` has `train`, `validation` and `test`, each with a `metadata.jsonl` (docs/data.md); `ENCODER` is a
sentence encoder, a folder or Hub id such as sentence-transformers/all-MiniLM-L6-v2. The sources learn from `train`.
What is chosen is chosen on `validation`: the cuts of the sources, the weights of the fusion, the ranker. Before
`test`, the posts of `validation` are added to the index, as posts are that come to be known.

Needs `pip install transformers-ggm[recommend,eval]`.
"""

import json
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

import yaml

from transformers_ggm import PostIndex
from transformers_ggm.evaluation import (
    best_k,
    best_of_rows,
    bootstrap_intervals,
    calibration_bins,
    expected_calibration_error,
    hashtag_metrics_per_video,
    plot_reliability,
    recall_at_k,
)
from transformers_ggm.experiments.baselines import TfidfLogisticRegression
from transformers_ggm.recommendation import (
    Candidate,
    CandidateSource,
    Clues,
    FrequentSource,
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
    register_source,
)
from transformers_ggm.retrieval import TextEncoder

SPLITS = ("train", "validation", "test")


@register_source("classes")
class ClassesSource(CandidateSource):
    """One logistic regression per hashtag: for few hashtags, each of them common. A source made for this script."""

    def __init__(self, rows: list[dict]):
        data = ([row["description"] for row in rows], [row["hashtags"] for row in rows])
        self.baseline = TfidfLogisticRegression().fit(data, data)

    def candidates(self, rows: list[Clues], k: int) -> list[list[Candidate]]:
        scores = self.baseline.scores(self.baseline.vectorizer_.transform([row.description for row in rows]))
        best = scores.argsort(axis=1)[:, ::-1][:, :k]
        return [
            [Candidate(str(self.baseline.hashtags_[column]), float(of_row[column])) for column in columns]
            for of_row, columns in zip(scores, best)
        ]


def main() -> None:
    options = parse_options()
    splits = {split: read_rows(options.data_dir / split / "metadata.jsonl") for split in SPLITS}
    others = {split: [rows for other, rows in splits.items() if other != split] for split in SPLITS}
    clues = {split: clues_of(splits[split], *others[split]) for split in SPLITS}
    hashtags = {split: [row["hashtags"] for row in splits[split]] for split in SPLITS}
    encoder = TextEncoder.from_pretrained(options.encoder) if options.encoder else None
    index = PostIndex.build(splits["train"], encoder)

    sources = make_sources(options, index, splits["train"], encoder)
    found = gather_candidates(sources, clues["validation"], options.k)
    counts = index.hashtag_counts()
    features = candidate_features(sources, found, clues["validation"], counts)
    ranker = fit_ranker(features, hashtags["validation"], hidden_size=options.hidden_size)
    weights = learn_fusion_weights(found, hashtags["validation"])
    cuts = {name: best_k(ranked(rows), hashtags["validation"]) if any(rows) else 1 for name, rows in found.items()}
    fused_cut = best_k(ranked(reciprocal_rank_fusion(found, options.k, weights)), hashtags["validation"])

    index.add(splits["validation"])
    learned = make_sources(options, index, [*splits["train"], *splits["validation"]], encoder)
    tested, seconds = {}, {}
    for source in learned:
        start = time.perf_counter()
        tested |= gather_candidates([source], clues["test"], options.k)
        seconds[source.name] = (time.perf_counter() - start) / len(clues["test"])

    print_header(f"{len(clues['test'])} test rows; each source alone, and fused")
    truth = hashtags["test"]
    for name, rows in tested.items():
        print_row(name, ranked(rows), cuts[name], truth, f"{1000 * seconds[name]:.2f}")
    print_row("reciprocal ranks", ranked(reciprocal_rank_fusion(tested, options.k)), fused_cut, truth, "")
    print_row("learned weights", ranked(reciprocal_rank_fusion(tested, options.k, weights)), fused_cut, truth, "")

    recommender = Recommender(learned, ranker, index.hashtag_counts(), options.k)
    print("\n| ranker | F1 | ROUGE-1 | ROUGE-2 | calibration error |\n|---|---|---|---|---|")
    print(ranker_row("all sources", recommender, tested, clues["test"], truth, options.plot))
    for left_out in sources if options.ablation else ():
        fewer = [source for source in sources if source is not left_out]
        part = candidate_features(fewer, found, clues["validation"], counts)
        fitted = fit_ranker(part, hashtags["validation"], hidden_size=options.hidden_size)
        kept = [source for source in learned if source.name != left_out.name]
        without = Recommender(kept, fitted, index.hashtag_counts(), options.k)
        print(ranker_row(f"without {left_out.name}", without, tested, clues["test"], truth), flush=True)
    if options.output_dir:
        recommender.save_pretrained(options.output_dir)


def parse_options() -> Namespace:
    parser = ArgumentParser(description="Recommends hashtags from all that is known of posts, and measures it.")
    parser.add_argument("config", type=Path, help="YAML file with any of the options below")
    parser.add_argument("--data_dir", type=Path, help="folder with train, validation and test")
    parser.add_argument("--encoder", help="sentence encoder, a folder or Hub id; none for sparse search alone")
    parser.add_argument("--sources", nargs="+", default=["posts", "words", "history", "frequent"])
    parser.add_argument("--neighbours", type=int, default=20, help="similar posts that are looked at")
    parser.add_argument("--k", type=int, default=50, help="candidates of each source")
    parser.add_argument("--hidden_size", type=int, default=0, help="of the ranker; 0 for a logistic regression")
    parser.add_argument("--no_ablation", dest="ablation", action="store_false", help="no rankers without a source")
    parser.add_argument("--output_dir", help="where the recommender is saved, see Recommender.from_pretrained")
    parser.add_argument("--plot", help="where the reliability plot is saved, a PNG file")
    parser.set_defaults(**yaml.safe_load(parser.parse_known_args()[0].config.read_text(encoding="utf-8")))
    return parser.parse_args()


def read_rows(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def needed(encoder: TextEncoder | None) -> TextEncoder:
    if encoder is None:
        raise SystemExit("--encoder is missing, which the source 'pool' needs.")
    return encoder


def make_sources(options: Namespace, index: PostIndex, rows: list[dict], encoder: TextEncoder | None) -> list:
    counts = index.hashtag_counts()
    made = {
        "posts": lambda: [PostsSource(index, by, options.neighbours) for by in index.searches],
        "classes": lambda: [ClassesSource(rows)],
        "words": lambda: [WordsSource.build(rows)],
        "history": lambda: [HistorySource()],
        "frequent": lambda: [FrequentSource(counts)],
        "pool": lambda: [PoolSource.of_words(counts, needed(encoder))],
    }
    return [source for name in options.sources for source in made[name]()]


def ranked(rows: list) -> list[list[str]]:
    return [[candidate.hashtag for candidate in row] for row in rows]


def print_header(title: str) -> None:
    print(f"\n{title}\n\n| | recall@10 | recall@50 | best cut | F1 | ms a row |\n|---|---|---|---|---|---|")


def print_row(name: str, predicted: list[list[str]], cut: int, truth: list[list[str]], milliseconds: str) -> None:
    recall = recall_at_k(predicted, truth, (10, 50))
    f1 = hashtag_metrics_per_video([row[:cut] for row in predicted], truth, word_splitter="whole")["f1"].mean()
    print(f"| {name} | {recall[10]:.1f} | {recall[50]:.1f} | {cut} | {f1:.1f} | {milliseconds} |", flush=True)


def ranker_row(name, recommender, found, rows, truth, plot=None) -> str:
    """A line of the table: F1 and ROUGE with intervals, and how well the best five of each row are calibrated."""
    features = candidate_features(recommender.sources, found, rows, recommender.counts)
    answers = recommender.rank(features)
    shown = [[found.hashtag for found in row] for row in answers]
    metrics = hashtag_metrics_per_video(shown, truth, order="sorted")
    intervals = bootstrap_intervals({figure: metrics[figure] for figure in ("f1", "rouge1", "rouge2")})
    probabilities = features.by_row(recommender.ranker.probabilities(features.values))
    pairs = [(p.numpy(), t.numpy()) for p, t in zip(probabilities, features.by_row(features.truth(truth))) if len(p)]
    best = best_of_rows([p for p, _ in pairs], [t for _, t in pairs])
    if plot:
        plot_reliability(plot, calibration_bins(*best))
    figures = [f"{interval.mean:.1f} ({interval.low:.1f} to {interval.high:.1f})" for interval in intervals.values()]
    return f"| {name} | {' | '.join(figures)} | {expected_calibration_error(*best):.3f} |"


if __name__ == "__main__":
    main()
