"""
What recommending from many sources costs, source by source, and what it adds to the fast setting of `make bench`:
Markdown tables of milliseconds a clip, alone and in batches.

    python benchmarks/bench_recommending.py --output docs/performance.md
    python benchmarks/bench_recommending.py --num_posts 100000 --num_hashtags 10000

A pool of 100,000 hashtags and an index of 1,000,000 posts, with random vectors of 384 numbers, which is the worst case
for an approximate search; words and hashtags of the posts are drawn by Zipf's law. The text encoder has the size of
all-MiniLM-L6-v2 and random weights. Nothing of it has a meaning, only a cost. The least of several runs counts; the
pipelines without and with the recommender take turns. Between its marks, the page is written anew.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from base_size import hashtags, tokenizer, write_checkpoint
from bench_decoding import render_clip
from bench_pool import OwnMemory, timed
from bench_throughput import Timed
from measured_page import check_page, machine, write_sections
from settings import FAST, WORDS, pipeline_of, suggesting
from torch.nn.functional import normalize
from transformers import BertConfig, BertModel
from transformers.utils import logging

from transformers_ggm import (
    HashtagPool,
    HashtagRanker,
    HashtagRankerConfig,
    HashtagRetriever,
    HashtagRetrieverProcessor,
    PostIndex,
)
from transformers_ggm.recommendation import (
    CandidateSource,
    Clues,
    EarlierPost,
    FrequentSource,
    GeneratorSource,
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
SECTION = "recommending"


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


def parts(recommender: Recommender) -> dict[str, Callable[[list[Clues]], Any]]:
    """What is timed, by name: each source alone, all of them, the features with the ranker, and all together."""
    sources, k = recommender.sources, recommender.k
    asked: dict[int, Any] = {}

    def rank(batch: list[Clues]) -> Any:
        if len(batch) not in asked:
            asked[len(batch)] = gather_candidates(sources, batch, k)
        return recommender.rank(candidate_features(sources, asked[len(batch)], batch, recommender.counts))

    def alone(source: CandidateSource) -> Callable:
        return lambda batch: source.candidates(batch, k)

    return {
        **{f"`{source.name}`": alone(source) for source in sources},
        "all sources": lambda batch: gather_candidates(sources, batch, k),
        "features and ranker": rank,
        "**sources and ranker**": recommender.recommend,
    }


def milliseconds(work: Callable[[list[Clues]], Any], batch_size: int, names: Sequence[str], num_runs: int) -> float:
    """For a clip, in the fastest of so many runs after one that warms up. Clips are new in each."""
    work(rows(batch_size, names))
    runs = [Timed(partial(work, rows(batch_size, names))) for _ in range(num_runs)]
    for run in runs:
        run.once()
    return 1000 * min(run.seconds for run in runs) / batch_size


def make_recommender(num_posts: int, names: list[str]) -> tuple[Recommender, str]:
    """The recommender, not fitted, and what it took to make it."""
    encoder = text_encoder()
    stand_in = RandomVectors(encoder)
    pool = HashtagPool(names, stand_in.encode(names), retriever_fingerprint=encoder.fingerprint())
    with OwnMemory() as memory:
        seconds, index = timed(PostIndex.build, posts(num_posts, names), stand_in)
    index.encoder = encoder
    counts = index.hashtag_counts()
    sources = [
        PoolSource(pool, encoder),
        PostsSource(index, by="dense"),
        PostsSource(index, by="sparse"),
        WordsSource(counts),
        HistorySource(),
        FrequentSource(counts),
    ]
    made = (
        f"{len(names):,} hashtags, {num_posts:,} posts, which were indexed in {seconds / 60:.1f} minutes with at most"
        f" {memory.peak / 2**30:.1f} GB beside what is memory-mapped."
    )
    return with_ranker(sources, counts), made


def with_ranker(sources: list[CandidateSource], counts: dict[str, int]) -> Recommender:
    """A recommender whose ranker is equally unsure of all candidates."""
    config = HashtagRankerConfig(features=feature_names(sources))
    return Recommender(sources, HashtagRanker(config).eval(), counts)


def table(recommender: Recommender, batch_sizes: list[int], names: list[str], num_runs: int) -> list[str]:
    """Lines of a Markdown table, one for each part of the recommender."""
    lines = ["| milliseconds a clip | " + " | ".join(f"batch of {size}" for size in batch_sizes) + " |"]
    lines.append("|---|" + "---:|" * len(batch_sizes))
    for name, work in parts(recommender).items():
        cells = [f"{milliseconds(work, size, names, num_runs):.1f}" for size in batch_sizes]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    return lines


def share_of_the_fast_setting(
    recommender: Recommender, folder: Path, batch_sizes: list[int], num_runs: int
) -> list[str]:
    """Lines of a Markdown table: the fast setting of `make bench` without and with the recommender."""
    checkpoint = folder / "one"
    write_checkpoint(checkpoint, shared_vision=True, pool_size=len(recommender.sources[0].pool))
    retriever = HashtagRetriever.from_pretrained(checkpoint / "retriever")
    processor = HashtagRetrieverProcessor.from_pretrained(checkpoint / "retriever")
    clip = render_clip(folder / "clip.mp4", 7.5, 60)
    plain = pipeline_of(FAST, checkpoint, clip)
    own = [PoolSource(plain.hashtag_pool, retriever, processor), GeneratorSource(plain.model, plain.processor)]
    everything = with_ranker([*own, *recommender.sources], recommender.counts)
    recommending = pipeline_of(FAST, checkpoint, clip, recommender=everything)
    lines = ["| seconds a clip | fast setting | with sources and ranker | added |", "|---|---:|---:|---:|"]
    for size in batch_sizes:
        setting = replace(FAST, batch_size=size)
        ways = [Timed(suggesting(suggest, clip, setting)) for suggest in (plain, recommending)]
        for _ in range(num_runs + 1):
            for way in ways:
                way.once()
        for name, unit in (("", "seconds"), (", processor time", "processor_seconds")):
            before, after = (getattr(way, unit) / size for way in ways)
            lines.append(f"| batch of {size}{name} | {before:.2f} | {after:.2f} | {after / before - 1:.0%} |")
            print(lines[-1], flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num_posts", type=int, default=1_000_000, help="default: 1,000,000")
    parser.add_argument("--num_hashtags", type=int, default=100_000, help="default: 100,000")
    parser.add_argument("--batch_sizes", type=int, nargs="+", default=[1, 8], help="clips at a time (default: 1 8)")
    parser.add_argument("--num_runs", type=int, default=5, help="how often each part is measured (default: 5)")
    parser.add_argument("--output", type=Path, help=f"a page with the marks of {SECTION} to write into")
    arguments = parser.parse_args()
    check_page(parser, arguments.output, [SECTION])
    logging.set_verbosity_error()
    sizes, num_runs, names = arguments.batch_sizes, arguments.num_runs, hashtags(arguments.num_hashtags)
    recommender, made = make_recommender(arguments.num_posts, names)
    with tempfile.TemporaryDirectory() as scratch:
        lines = [f"Measured on {machine()}: {made}", "", *table(recommender, sizes, names, num_runs), ""]
        lines += share_of_the_fast_setting(recommender, Path(scratch), sizes, num_runs)
    print("", *lines, sep="\n")
    if arguments.output:
        write_sections(arguments.output, {SECTION: lines})


if __name__ == "__main__":
    main()
