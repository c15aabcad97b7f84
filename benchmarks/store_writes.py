"""How many changes a second the writers of a pool store make together."""

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

import torch
from bench_uses import made_posts
from row_costs import WIDTH, processor_seconds
from torch.nn.functional import normalize

from transformers_ggm import HashtagPool
from transformers_ggm.retrieval.pool_store import PoolReader, PoolStore

# Seconds within which all writers are ready.
READY = 2.0


def fill(url: str, num_hashtags: int) -> PoolStore:
    """A store with hashtags of random vectors."""
    store = PoolStore(url)
    vectors = normalize(torch.randn(num_hashtags, WIDTH), dim=1)
    store.put(HashtagPool([f"tag{row}" for row in range(num_hashtags)], vectors, retriever_fingerprint="random"))
    return store


@contextmanager
def writing_processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that have loaded all that they need."""
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as processes:
        # As long as each of them takes to load, so that none does the work of two.
        list(processes.map(time.sleep, [READY] * count))
        yield processes


def _write(url: str, number: int, posts_a_change: int, begin: float, seconds: float) -> int:
    """How many changes one writer made."""
    store = PoolStore(url)
    posts = made_posts(20 * posts_a_change, 10_000, seed=number)
    changes = [posts[start : start + posts_a_change] for start in range(0, len(posts), posts_a_change)]
    time.sleep(max(0.0, begin - time.time()))
    end, count = begin + seconds, 0
    while time.time() < end:
        store.observe(changes[count % len(changes)])
        count += 1
    return count


def changes_a_second(
    processes: ProcessPoolExecutor, url: str, num_writers: int, posts_a_change: int, seconds: float
) -> float:
    """
    Transactions a second of all writers together.

    Args:
        processes: see [`writing_processes`].
        url (`str`): of a store.
        num_writers (`int`): processes that write at once.
        posts_a_change (`int`): posts that each transaction counts the hashtags of.
        seconds (`float`): how long they write.
    """
    begin = time.time() + READY
    writers = [processes.submit(_write, url, number, posts_a_change, begin, seconds) for number in range(num_writers)]
    return sum(writer.result() for writer in writers) / seconds


def reading(store: PoolStore) -> tuple[float, float]:
    """Seconds of processor time until a reader has the store's pool, and until it has one change more."""
    loading, reader = processor_seconds(lambda: PoolReader(store))
    store.observe([(["tag1"], "2026-06-29T16:30:37Z")])
    return loading, processor_seconds(reader.refresh)[0]
