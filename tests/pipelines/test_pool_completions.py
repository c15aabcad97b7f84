"""Completions follow the pool of a call, and not each of its changes."""

import threading

import torch

from transformers_ggm.pipelines.pool_completions import PoolCompletions
from transformers_ggm.retrieval import HashtagPool


def pool_of(*hashtags, counts=None):
    return HashtagPool(hashtags, torch.ones(len(hashtags), 2), counts)


def test_the_most_used_hashtag_is_likely():
    """Would fail if the order of a pool counted, and not its uses, or another pool's hashtags were guessed."""
    completions = PoolCompletions()
    assert completions.of(pool_of("snow", "snowboard", counts=[1, 5])).likely("sn") == "snowboard"
    assert completions.of(pool_of("snow", "snowboard")).likely("sn") == "snow"
    assert completions.of(pool_of("ski")).likely("sn") is None


def test_made_anew_where_a_pool_has_changed_much():
    """Would fail if each change of a pool cost a sort, or hashtags that came meanwhile were never guessed."""
    pool = pool_of(*(f"tag{number}" for number in range(20)))
    completions = PoolCompletions()
    first = completions.of(pool)
    pool.put(["snow"], torch.ones(1, 2), [1])
    assert completions.of(pool) is first
    pool.put(["ski", "sun"], torch.ones(2, 2), [1, 1])
    assert completions.of(pool).likely("sno") == "snow"


def test_several_threads_ask_at_once():
    """Would fail if a thread got the completions of another thread's pool."""
    completions = PoolCompletions()
    pools = {name: pool_of(f"a{name}") for name in "xyz"}
    wrong = []

    def ask(name):
        wrong.extend(name for _ in range(300) if completions.of(pools[name]).likely("a") != f"a{name}")

    threads = [threading.Thread(target=ask, args=(name,)) for name in pools]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
