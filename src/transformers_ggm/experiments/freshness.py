"""
How a recommender ages: data with times is replayed in order, in buckets; the posts of each one are answered, then
observed. With and without observing, on the same rows:

    python -m transformers_ggm.experiments.freshness shorts --output_dir outputs/freshness --days 3
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import DatasetError
from ..evaluation.metrics import exact_match_per_video
from ..processing import normalize_hashtag
from ..recommendation import (
    CandidateFeatures,
    Clues,
    FrequentSource,
    HistorySource,
    PostsSource,
    Recommender,
    TrendsSource,
    WordsSource,
    clues_of,
    fit_ranker,
)
from ..retrieval import HashtagPool, PostIndex
from ..retrieval.times import microseconds, parse_time
from ..utils.files import write_json
from .plots import plot_freshness

SPLITS = ("train", "validation", "test")
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Bucket:
    """
    What was answered in some days.

    Attributes:
        days (`float`): from the last training row to the middle of the bucket.
        rows (`int`): how many posts were answered.
        f1 (`float`): of 100, the mean over rows.
        new_uses (`int`): true uses of hashtags that no training row has.
        new_recommended (`int`): how many of these were recommended.
    """

    days: float
    rows: int
    f1: float
    new_uses: int
    new_recommended: int


def read_rows(data_dir: str | Path) -> dict[str, list[dict[str, Any]]]:
    """
    The rows of the three splits, each in order of time, with normalised hashtags.

    Raises:
        DatasetError: A split is missing, or a row has no time.
    """
    splits = {}
    for split in SPLITS:
        file = Path(data_dir, split, "metadata.jsonl")
        if not file.is_file():
            raise DatasetError(f"{file} is missing: give a data folder with {', '.join(SPLITS)}.")
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        if not all(row.get("time") for row in rows):
            raise DatasetError(f"{file} has rows without `time`: only data with times can be replayed.")
        for row in rows:
            row["hashtags"] = list(dict.fromkeys(map(normalize_hashtag, row["hashtags"])))
        splits[split] = sorted(rows, key=_time)
    return splits


def _time(row: Mapping[str, Any]) -> int:
    return microseconds(parse_time(row["time"]))


def buckets_of(rows: Rows, length: timedelta, start: int) -> list[list[Mapping[str, Any]]]:
    """Rows in order of time, cut after every `length` from `start` (microseconds); empty buckets are left out."""
    size = length // timedelta(microseconds=1)
    found: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault((_time(row) - start) // size, []).append(row)
    return [found[number] for number in sorted(found)]


def trained_recommender(train: Rows) -> Recommender:
    """Sources of the training rows: similar posts by words, words of the text, the author's own, trends, frequency."""
    counts = Counter(hashtag for row in train for hashtag in set(row["hashtags"]))
    # Nothing is sought by vectors here: the pool is there for its uses.
    pool = HashtagPool(list(counts), torch.ones(len(counts), 1), list(counts.values()))
    pool.observe(train)
    sources = [
        PostsSource(PostIndex.build(train), by="sparse"),
        WordsSource.build(train),
        HistorySource(),
        TrendsSource(pool),
        FrequentSource(dict(counts)),
    ]
    return Recommender(sources, counts=dict(counts))


def replay(
    recommender: Recommender, rows: Rows, clues: Sequence[Clues], buckets: Iterable[Rows], observes: bool
) -> list[CandidateFeatures]:
    """
    Goes through buckets of rows in order.

    Args:
        recommender ([`Recommender`]): Is asked for each bucket, and told of it afterwards if `observes` is set.
        rows (`Sequence[dict]`), clues (`Sequence[Clues]`): All rows of the buckets, and what is known of each.
        buckets (iterable of `Sequence[dict]`): Of these rows, by [`buckets_of`].
        observes (`bool`): Whether the recommender learns of the posts.

    Returns:
        `list[CandidateFeatures]`: Of each bucket.
    """
    number, found = 0, []
    for bucket in buckets:
        found.append(recommender.features(clues[number : number + len(bucket)]))
        number += len(bucket)
        if observes:
            recommender.observe(bucket)
    return found


def measure(splits: Mapping[str, Rows], length: timedelta, observes: bool) -> list[Bucket]:
    """
    Trains on the training rows, fits the ranker on the replayed validation rows, and replays the test rows. What is
    fitted sees the same lag as what is measured.

    Args:
        splits (`dict[str, list[dict]]`): As [`read_rows`] gives them, each later than the one before.
        length (`timedelta`): Of a bucket.
        observes (`bool`): Whether posts are observed after they were answered; without, the recommender knows the
            training rows alone.
    """
    train, validation, test = (splits[split] for split in SPLITS)
    recommender = trained_recommender(train)
    start = _time(train[-1])
    # An author's history is told by the caller, whatever the recommender observes.
    clues = {
        split: clues_of(splits[split], *(splits[other] for other in SPLITS if other != split)) for split in SPLITS[1:]
    }
    fitted = replay(recommender, validation, clues["validation"], buckets_of(validation, length, start), observes)
    recommender.ranker = fit_ranker(CandidateFeatures.joined(fitted), [row["hashtags"] for row in validation])
    tested = buckets_of(test, length, start)
    known = {hashtag for row in train for hashtag in row["hashtags"]}
    found = []
    for bucket, features in zip(tested, replay(recommender, test, clues["test"], tested, observes)):
        answers = [[each.hashtag for each in row] for row in recommender.rank(features)]
        found.append(_measured(bucket, answers, known, start))
    return found


def _measured(bucket: Rows, answers: Sequence[Sequence[str]], known: set[str], start: int) -> Bucket:
    true = [list(dict.fromkeys(row["hashtags"])) for row in bucket]
    new = [[hashtag for hashtag in row if hashtag not in known] for row in true]
    days = np.mean([(_time(row) - start) / 86_400e6 for row in bucket])
    return Bucket(
        days=round(float(days), 2),
        rows=len(bucket),
        f1=round(float(exact_match_per_video(answers, true)["f1"].mean()), 2),
        new_uses=sum(map(len, new)),
        new_recommended=sum(len(set(row) & set(answer)) for row, answer in zip(new, answers)),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures both ways, and writes `freshness.json` and `freshness.png`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", help="with train, validation and test, one later than the other")
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--days", type=float, default=3.0, help="length of a bucket")
    given = parser.parse_args(arguments)
    splits, length = read_rows(given.data_dir), timedelta(days=given.days)
    ways = {"observing": True, "as trained": False}
    found = {name: measure(splits, length, observes) for name, observes in ways.items()}
    given.output_dir.mkdir(parents=True, exist_ok=True)
    content = {name: [asdict(bucket) for bucket in buckets] for name, buckets in found.items()}
    write_json(given.output_dir / "freshness.json", content)
    curves = {name: {bucket.days: bucket.f1 for bucket in buckets} for name, buckets in found.items()}
    plot_freshness(curves, "How a recommender ages", given.output_dir / "freshness.png")
    for name, buckets in found.items():
        rows = sum(bucket.rows for bucket in buckets)
        f1 = sum(bucket.f1 * bucket.rows for bucket in buckets) / rows
        new = sum(bucket.new_uses for bucket in buckets)
        share = 100 * sum(bucket.new_recommended for bucket in buckets) / max(new, 1)
        print(f"{name}: F1 {f1:.1f} over {rows} rows; {share:.1f} % of {new} uses of new hashtags recommended")


if __name__ == "__main__":
    main()
