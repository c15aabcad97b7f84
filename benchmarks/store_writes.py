"""How many changes a second the writers of a pool store make together."""

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

import numpy as np
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


def _write(url: str, number: int, posts_a_change: int, begin: float, seconds: float) -> tuple[int, float]:
    """How many changes one writer made, and the processor time that it took for them."""
    store = PoolStore(url)
    posts = made_posts(20 * posts_a_change, 10_000, seed=number)
    changes = [posts[start : start + posts_a_change] for start in range(0, len(posts), posts_a_change)]
    time.sleep(max(0.0, begin - time.time()))
    end, count, before = begin + seconds, 0, time.process_time()
    while time.time() < end:
        store.observe(changes[count % len(changes)])
        count += 1
    return count, time.process_time() - before


def changes_a_second(
    processes: ProcessPoolExecutor, url: str, num_writers: int, posts_a_change: int, seconds: float
) -> tuple[float, float]:
    """
    Transactions a second of all writers together, and seconds of a writer's processor time for each.

    Args:
        processes: see [`writing_processes`].
        url (`str`): of a store.
        num_writers (`int`): processes that write at once.
        posts_a_change (`int`): posts that each transaction counts the hashtags of.
        seconds (`float`): how long they write.
    """
    begin = time.time() + READY
    writers = [processes.submit(_write, url, number, posts_a_change, begin, seconds) for number in range(num_writers)]
    count, spent = np.sum([writer.result() for writer in writers], axis=0)
    return count / seconds, spent / max(count, 1)


def reading(store: PoolStore) -> tuple[float, float]:
    """Seconds of processor time until a reader has the store's pool, and until it has one change more."""
    loading, reader = processor_seconds(lambda: PoolReader(store))
    store.observe([(["tag1"], "2026-06-29T16:30:37Z")])
    return loading, processor_seconds(reader.refresh)[0]
