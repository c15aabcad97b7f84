"""One pool that several threads search and change at once."""

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from retrieval_stand_ins import StandInProcessor, StandInRetriever
from transformers.modeling_outputs import BaseModelOutputWithPooling

from transformers_ggm.retrieval import HashtagPool, pool_rows
from transformers_ggm.retrieval.nearest import nearest_hashtags

SEARCHERS = 3
KEPT = [f"kept{number}" for number in range(40)]
PASSING = [f"passing{number}" for number in range(20)]


def vector_of(hashtag):
    return StandInRetriever().vector([ord(letter) for letter in hashtag])


@pytest.fixture
def pool():
    return HashtagPool.build(KEPT, StandInRetriever(), StandInProcessor(), progress_bar=False)


def change(pool, rounds):
    """Adds and removes, at the front of the pool too, so that rows get other numbers."""
    retriever, processor = StandInRetriever(), StandInProcessor()
    for turn in range(rounds):
        pool.add(PASSING, retriever, processor, progress_bar=False)
        pool.remove([KEPT[turn % 10], *PASSING[::2]])
        pool.add([KEPT[turn % 10]], retriever, processor, progress_bar=False)
        pool.remove(PASSING[1::2])


@pytest.mark.parametrize("dropped_at_once", [1000, 0], ids=["dropped", "masked"])
def test_searches_beside_changes_answer_as_before_or_after(pool, hurried, monkeypatch, dropped_at_once):
    """Would fail if a search met the names of one state and the vectors or the size of another."""
    monkeypatch.setattr(pool_rows, "_DROPPED_AT_ONCE", dropped_at_once)
    exact = {name: vector_of(name).half().float() for name in KEPT + PASSING}
    queries = torch.stack([vector_of(name) for name in KEPT[10:]])
    done = threading.Event()

    def search():
        searches = 0
        while not done.is_set() or not searches:
            scores, found = pool.search(queries, 3)
            for query, name, row, of_row in zip(queries, KEPT[10:], scores, found):
                # Never removed, and nearest to itself.
                assert of_row[0] == name
                for score, hashtag in zip(row, of_row):
                    assert score.item() == pytest.approx((query @ exact[hashtag]).item(), abs=1e-5)
            assert len(pool.hashtags) in (40, 60, 49, 50)
            searches += 1

    with ThreadPoolExecutor(SEARCHERS) as threads:
        searching = [threads.submit(search) for _ in range(SEARCHERS)]
        try:
            change(pool, 4)
        finally:
            done.set()
        for future in searching:
            future.result()
    assert sorted(pool.hashtags) == sorted(KEPT)


def test_changes_at_the_same_time_all_count(pool, hurried):
    """Would fail if two threads began with the same state, and the second put its own in the place of the first's."""
    names = [[f"new{thread}x{number}" for number in range(15)] for thread in range(4)]

    def add(own):
        for name in own:
            pool.add({name: 1, KEPT[0]: 2}, StandInRetriever(), StandInProcessor(), progress_bar=False)
            pool.add({KEPT[1]: 3}, StandInRetriever(), StandInProcessor(), progress_bar=False)
        pool.remove(own[:5])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add, names))
    counts = dict(zip(pool.hashtags, pool.counts))
    assert set(counts) == {*KEPT, *(name for own in names for name in own[5:])}
    assert counts[KEPT[0]] == 1 + 2 * 60
    assert counts[KEPT[1]] == 1 + 3 * 60
    for name, row in zip(pool.hashtags, pool.embeddings):
        assert torch.equal(row, vector_of(name).half().float())


def test_a_pool_can_be_searched_while_hashtags_are_encoded(pool):
    """Would fail if a search waited for the retriever to encode what another thread adds."""
    encoding, searched = threading.Event(), threading.Event()

    class Waiting(StandInRetriever):
        def get_hashtag_features(self, *args, **kwargs):
            encoding.set()
            assert searched.wait(timeout=60)
            return super().get_hashtag_features(*args, **kwargs)

    with ThreadPoolExecutor(1) as threads:
        adding = threads.submit(pool.add, ["new"], Waiting(), StandInProcessor(), progress_bar=False)
        assert encoding.wait(timeout=60)
        assert pool.search(vector_of(KEPT[0]), 1)[1] == [[KEPT[0]]]
        assert len(pool.copy()) == len(KEPT)
        searched.set()
        adding.result()
    assert "new" in pool


def test_a_pool_that_shrinks_after_its_size_was_asked_for(pool, monkeypatch):
    """Would fail if guidance asked for as many hashtags as there were a moment ago."""
    retriever = StandInRetriever()
    retriever.config = type("Config", (), {"query": "text"})
    retriever.get_query_features = lambda **kwargs: BaseModelOutputWithPooling(pooler_output=vector_of(KEPT[0])[None])
    original = HashtagPool.search

    def search(self, *args):
        pool.remove(KEPT[20:])
        return original(self, *args)

    monkeypatch.setattr(HashtagPool, "search", search)
    [found] = nearest_hashtags([None], ["words"], retriever, lambda **kwargs: {}, pool, 40)
    assert sorted(found) == sorted(KEPT)
    assert len(pool) == 20


@pytest.mark.parametrize("copied", [HashtagPool.copy, copy.deepcopy, lambda pool: pickle.loads(pickle.dumps(pool))])
def test_copies_are_changed_apart(pool, copied):
    """Would fail if a pool with its lock could not be copied or sent, or if a copy waited for the other's lock."""
    other = copied(pool)
    with pool._changing:
        other.add(["new"], StandInRetriever(), StandInProcessor(), progress_bar=False)
        other.remove([KEPT[0]])
    assert other.hashtags == [*KEPT[1:], "new"]
    assert pool.hashtags == KEPT
    assert other.search(vector_of("new"), 1)[1] == [["new"]]
