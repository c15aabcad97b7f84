"""What each part of a pool and of an index of posts costs at a size: memory, building, and a query."""

import ctypes
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from bench_recommending import posts, words
from torch.nn.functional import normalize

from transformers_ggm import HashtagPool, PostIndex
from transformers_ggm.retrieval import HashtagUses
from transformers_ggm.retrieval.exact_index import ExactIndex
from transformers_ggm.retrieval.faiss_index import CodedIndex
from transformers_ggm.retrieval.pool_vectors import PoolVectors

WIDTH = 384
# Of the vectors where they are not what is measured.
NARROW = 8
# As many names have posts to choose from, and so many rows are made at a time.
NUM_NAMES, BATCH = 20_000, 10_000
QUERIES, K = 20, 50


@dataclass(frozen=True)
class Costs:
    """
    Of one part at one size.

    Args:
        memory (`int`): bytes of the process's own.
        building (`float`): seconds of processor time.
        query (`float` or `None`): seconds of processor time of one, where the part is searched by itself.
    """

    memory: int
    building: float
    query: float | None = None


class NarrowVectors:
    """Stands for a text encoder."""

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """Unit vectors, of which there is little."""
        return normalize(torch.ones(len(texts), NARROW), dim=1)

    def fingerprint(self) -> str:
        """Of no encoder."""
        return "narrow"


def random_vectors(size: int) -> PoolVectors:
    """Float16, as a pool keeps them."""
    generator = torch.Generator().manual_seed(0)
    starts = range(0, size, BATCH)
    drawn = (torch.randn(min(BATCH, size - start), WIDTH, generator=generator) for start in starts)
    return PoolVectors([normalize(some, dim=1).half() for some in drawn])


def names_and_counts(size: int) -> HashtagPool:
    """A pool with narrow vectors."""

    def batches() -> Iterator[tuple[list[str], torch.Tensor]]:
        for start in range(0, size, BATCH):
            names = [f"hashtag{row}" for row in range(start, min(start + BATCH, size))]
            yield names, NarrowVectors().encode(names)

    return HashtagPool.from_batches(batches(), "narrow", "exact")


def uses(size: int) -> HashtagUses:
    """Of hashtags that one language and one country use."""
    counted = HashtagUses()
    fields = {"time": "2026-06-29T16:30:37Z", "language": "en", "country": "US"}
    for start in range(0, size, BATCH):
        rows = range(start, min(start + BATCH, size))
        counted.observe({"hashtags": [f"hashtag{row}"], **fields} for row in rows)
    return counted


def made_posts(size: int) -> Iterator[dict[str, Any]]:
    """Tagged posts."""
    return posts(size, [f"hashtag{row}" for row in range(NUM_NAMES)])


def post_rows(size: int) -> PostIndex:
    """Ids, hashtags and times, with narrow vectors."""
    return PostIndex.build(made_posts(size), NarrowVectors(), sparse=False)


def post_terms(size: int) -> PostIndex:
    """Ids, hashtags and times, with terms, which the first search turns round."""
    index = PostIndex.build(made_posts(size))
    index.search(["the first snow"], k=K, by="sparse")
    return index


def nearest(index: ExactIndex | CodedIndex) -> int:
    """Queries by vectors in random directions, one at a time; how many."""
    generator = torch.Generator().manual_seed(1)
    for query in normalize(torch.randn(QUERIES, WIDTH, generator=generator), dim=1).split(1):
        index.search(query, K)
    return QUERIES


def most_alike(index: PostIndex) -> int:
    """Queries by twelve words each, one at a time; how many."""
    generator, vocabulary = np.random.default_rng(1), words(50_000)
    for _ in range(QUERIES):
        text = " ".join(vocabulary[(generator.zipf(1.2, 12) - 1) % len(vocabulary)])
        index.search([text], k=K, by="sparse")
    return QUERIES


def with_one_more(index: PostIndex) -> int:
    """One query after a post has been added, from when on terms weigh otherwise."""
    index.add([{"description": "the first snow", "hashtags": ["snow"]}])
    index.search(["the first snow"], k=K, by="sparse")
    return 1


# What a part is called, what makes it, and what searches it.
PARTS: dict[str, tuple[Callable[[int], Any], Callable[[Any], int] | None]] = {
    "hashtag: name and count": (names_and_counts, None),
    "hashtag: uses over time": (uses, None),
    f"vector of {WIDTH} numbers, float16, exact search": (lambda size: ExactIndex(random_vectors(size)), nearest),
    f"vector of {WIDTH} numbers, with codes": (lambda size: CodedIndex(random_vectors(size), 0, size), nearest),
    "post: id, hashtags, time": (post_rows, None),
    "post: id, hashtags, time, and terms": (post_terms, most_alike),
    "the same, when a post has just been added": (post_terms, with_one_more),
}


def own_memory() -> int:
    """Bytes that this process has for itself, after it has given back what it does not need (on Linux)."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) * 1024


def processor_seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """What it takes of this process and all its threads, and what it gives."""
    started = time.process_time()
    made = work()
    return time.process_time() - started, made


def costs(part: str, size: int, runs: int) -> Costs:
    """
    Measures one part.

    Args:
        part (`str`): a key of `PARTS`.
        size (`int`): its rows.
        runs (`int`): how often queries are measured, of which the least counts.
    """
    make, search = PARTS[part]
    make(size // 2)  # loads what the part needs of libraries
    before = own_memory()
    building, made = processor_seconds(lambda: make(size))
    memory = own_memory() - before
    if search is None:
        return Costs(memory, building)
    searches = [processor_seconds(lambda: search(made)) for _ in range(1 + runs)]
    return Costs(memory, building, min(seconds / queries for seconds, queries in searches))
