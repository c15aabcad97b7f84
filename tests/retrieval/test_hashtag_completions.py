"""Known hashtags by how they begin."""

import pickle
import threading

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from transformers_ggm.retrieval import HashtagPool
from transformers_ggm.retrieval.hashtag_completions import HashtagCompletions

NAMES = st.text(st.sampled_from("ab\u00e4\u0431\u732b\U0001f408\U0010ffff"), min_size=1, max_size=4)


@given(hashtags=st.lists(NAMES, unique=True, max_size=30), beginning=NAMES)
def test_the_first_that_begins_so(hashtags, beginning):
    """Would fail if a hashtag that begins otherwise, or a less likely one, were given, or one were not found."""
    expected = next((tag for tag in hashtags if tag.startswith(beginning)), None)
    assert HashtagCompletions(hashtags).likely(beginning) == expected


@pytest.mark.parametrize("beginning", ["", "sk\ufffd"])
def test_of_anything(beginning):
    """Would fail if what tokens cut within a character decode to, or nothing at all, could not be looked up."""
    assert HashtagCompletions(["snow", "ski"]).likely(beginning) == ("snow" if not beginning else None)
    assert HashtagCompletions([]).likely(beginning) is None


def pool_of(*hashtags, counts=None):
    return HashtagPool(hashtags, torch.ones(len(hashtags), 2), counts)


def test_the_most_used_hashtag_is_likely():
    """Would fail if the order of a pool counted, and not its uses, or another pool's hashtags were guessed."""
    assert pool_of("snow", "snowboard", counts=[1, 5]).likely("sn") == "snowboard"
    assert pool_of("snow", "snowboard").likely("sn") == "snow"
    assert pool_of("ski").likely("sn") is None


def test_made_anew_where_a_pool_has_changed_much():
    """Would fail if each change of a pool cost a sort, or hashtags that came meanwhile were never guessed."""
    pool = pool_of(*(f"tag{number}" for number in range(20)))
    assert pool.likely("t") == "tag0"
    pool.put(["snow"], torch.ones(1, 2), [1])
    assert pool.likely("sno") is None
    pool.put(["ski", "sun"], torch.ones(2, 2), [1, 1])
    assert pool.likely("sno") == "snow"


def test_copies_sort_once(monkeypatch):
    """Would fail if every visitor of an app, each with a copy of the pool, had its hashtags sorted again."""
    pool, made = pool_of("snow", "ski"), []
    original = HashtagCompletions.__init__
    monkeypatch.setattr(HashtagCompletions, "__init__", lambda *args: made.append(1) or original(*args))
    assert [each.likely("sn") for each in (pool.copy(), pool, pool.copy(), pool)] == ["snow"] * 4 and len(made) == 1


def test_sent_to_another_process():
    """Would fail if a pool that was asked could not be sent, or guessed nothing then."""
    pool = pool_of("snow", "ski")
    assert pool.likely("sn") == pickle.loads(pickle.dumps(pool)).likely("sn") == "snow"


def test_several_threads_ask_at_once():
    """Would fail if a thread got the completions of another thread's pool."""
    pools = {name: pool_of(f"a{name}") for name in "xyz"}
    wrong = []

    def ask(name):
        wrong.extend(name for _ in range(300) if pools[name].likely("a") != f"a{name}")

    threads = [threading.Thread(target=ask, args=(name,)) for name in pools]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
