"""
What recommending from many sources costs beside the generator, source by source: a Markdown table of milliseconds a
clip, alone and in batches, and what the index takes in memory.

    python benchmarks/bench_recommending.py
    python benchmarks/bench_recommending.py --num_posts 100000 --num_hashtags 10000

A pool of 100,000 hashtags and an index of 1,000,000 posts, with random vectors of 384 numbers, which is the worst case
for an approximate search; words and hashtags of the posts are drawn by Zipf's law. The text encoder has the size of
all-MiniLM-L6-v2 and random weights. Nothing of it has a meaning, only a cost.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import torch
from base_size import hashtags, tokenizer
from bench_pool import OwnMemory
from bench_suggesting import machine
from settings import WORDS
from torch.nn.functional import normalize
from transformers import BertConfig, BertModel

from transformers_ggm import HashtagPool, HashtagRanker, HashtagRankerConfig, PostIndex
from transformers_ggm.recommendation import (
    CandidateSource,
    Clues,
    EarlierPost,
    FrequentSource,
    HistorySource,
    PoolSource,
    PostsSource,
    Recommender,
    WordsSource,
    candidate_features,
    feature_names,
    gather_candidates,
)
from transformers_ggm.retrieval import TextEncoder

MINILM = {
    "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536,
    "vocab_size": 30_522, "max_position_embeddings": 512,
}  # fmt: skip
NUM_WORDS = 50_000
WORDS_OF_POST, HASHTAGS_OF_POST = 12, 3
NOW = datetime(2026, 6, 29, tzinfo=timezone.utc)


class RandomVectors:
    """Stands for a text encoder while the index is built, which encoding a million texts would take hours for."""

    def __init__(self, encoder: TextEncoder):
        self._encoder, self._generator = encoder, torch.Generator().manual_seed(0)

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """Unit vectors in random directions."""
        return normalize(torch.randn(len(texts), MINILM["hidden_size"], generator=self._generator), dim=-1)

    def fingerprint(self) -> str:
        """That of the encoder it stands for."""
        return self._encoder.fingerprint()


def text_encoder() -> TextEncoder:
    """A sentence encoder of MiniLM's size."""
    torch.manual_seed(0)
    return TextEncoder(BertModel(BertConfig(**MINILM)), tokenizer(MINILM["vocab_size"]), max_length=256)


def words(count: int) -> np.ndarray:
    """Words, the commonest first: those of the clip's description, then made-up ones."""
    known = list(dict.fromkeys(WORDS.split()))
    return np.array([*known, *(word[:8] for word in hashtags(count - len(known), seed=1))])


def posts(num_posts: int, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Tagged posts of the last years, one every minute."""
    generator, vocabulary = np.random.default_rng(0), words(NUM_WORDS)
    for start in range(0, num_posts, 10_000):
        size = min(10_000, num_posts - start)
        said = vocabulary[(generator.zipf(1.2, (size, WORDS_OF_POST)) - 1) % NUM_WORDS]
        tagged = (generator.zipf(1.3, (size, HASHTAGS_OF_POST)) - 1) % len(names)
        for number, (text, tags) in enumerate(zip(said, tagged), start):
            time = NOW - timedelta(minutes=num_posts - number)
            yield {
                "description": " ".join(text),
                "hashtags": sorted({names[tag] for tag in tags}),
                "time": time.isoformat(),
            }


def rows(batch_size: int, names: Sequence[str]) -> list[Clues]:
    """Clips, each with a text of its own and twenty earlier posts of its author."""
    history = [EarlierPost(tuple(names[n : n + 4]), NOW - timedelta(days=n)) for n in range(20)]
    made = Clues(WORDS, history=history, time=NOW)
    return [replace(made, description=f"{WORDS} {names[number]}") for number in range(batch_size)]


def milliseconds(work: Callable[[list[Clues]], Any], make_rows: Callable[[], list[Clues]], num_runs: int) -> float:
    """The least time for a row, of so many runs after one that warms up; rows are new in each."""
    times = []
    for _ in range(num_runs + 1):
        made = make_rows()
        started = time.perf_counter()
        work(made)
        times.append((time.perf_counter() - started) / len(made))
    return 1000 * min(times[1:])


def parts(recommender: Recommender) -> dict[str, Callable[[list[Clues]], Any]]:
    """What is timed, by name: each source alone, the features, the ranker, and all together."""
    sources, k = recommender.sources, recommender.k
    found = {}

    def features(batch: list[Clues]) -> Any:
        return candidate_features(sources, found[len(batch)], batch, recommender.counts)

    def prepared(work: Callable) -> Callable:
        def call(batch: list[Clues]) -> Any:
            if len(batch) not in found:
                found[len(batch)] = gather_candidates(sources, batch, k)
            return work(batch)

        return call

    def source_alone(source: CandidateSource) -> Callable:
        return lambda batch: source.candidates(batch, k)

    return {
        **{source.name: source_alone(source) for source in sources},
        "all sources": lambda batch: gather_candidates(sources, batch, k),
        "features": prepared(features),
        "features and ranker": prepared(lambda batch: recommender.rank(features(batch))),
        "all": recommender.recommend,
    }


def make_recommender(num_posts: int, num_hashtags: int) -> tuple[Recommender, list[str], list[str]]:
    """The recommender, its hashtags, and lines that tell what it took to make it."""
    encoder, names = text_encoder(), hashtags(num_hashtags)
    stand_in = RandomVectors(encoder)
    pool = HashtagPool(names, stand_in.encode(names), retriever_fingerprint=encoder.fingerprint())
    started = time.perf_counter()
    with OwnMemory() as memory:
        index = PostIndex.build(posts(num_posts, names), stand_in)
    index.encoder = encoder
    told = [
        f"{num_posts:,} posts were indexed in {time.perf_counter() - started:.0f} s, with at most"
        f" {memory.peak / 2**30:.1f} GB of memory of its own."
    ]
    counts = index.hashtag_counts()
    sources = [
        PoolSource(pool, encoder),
        PostsSource(index, by="dense"),
        PostsSource(index, by="sparse"),
        WordsSource(counts),
        HistorySource(),
        FrequentSource(counts),
    ]
    config = HashtagRankerConfig(features=feature_names(sources))
    return Recommender(sources, HashtagRanker(config).eval(), counts), names, told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num_posts", type=int, default=1_000_000, help="default: 1,000,000")
    parser.add_argument("--num_hashtags", type=int, default=100_000, help="default: 100,000")
    parser.add_argument("--batch_sizes", type=int, nargs="+", default=[1, 8], help="clips at a time (default: 1 8)")
    parser.add_argument("--num_runs", type=int, default=5, help="how often each part is measured (default: 5)")
    arguments = parser.parse_args()
    recommender, names, told = make_recommender(arguments.num_posts, arguments.num_hashtags)
    print(f"Measured on {machine()}.", "", *told, "", sep="\n")
    print("| milliseconds a clip | " + " | ".join(f"batch of {size}" for size in arguments.batch_sizes) + " |")
    print("|---|" + "---:|" * len(arguments.batch_sizes))
    for name, work in parts(recommender).items():
        cells = [
            milliseconds(work, lambda size=size: rows(size, names), arguments.num_runs)
            for size in arguments.batch_sizes
        ]
        print(f"| {name} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |", flush=True)


if __name__ == "__main__":
    main()
