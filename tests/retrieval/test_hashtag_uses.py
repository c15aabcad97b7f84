"""Counting uses over time: exact in any order, and kept with the pool."""

import math
import pickle
from datetime import datetime, timedelta, timezone

import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from transformers_ggm.errors import CheckpointError, HashtagError, InputError
from transformers_ggm.retrieval import HashtagPool, HashtagUses
from transformers_ggm.retrieval.hashtag_uses import HALF_LIVES
from transformers_ggm.retrieval.pool_files import USES_FILE

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def post(hashtags, minutes=0, **others):
    return {"hashtags": hashtags, "time": START + timedelta(minutes=minutes), **others}


POSTS = st.lists(
    st.builds(
        post,
        st.lists(st.sampled_from(["snow", "#Snow", "SNOW", "lake", "#heat"]), max_size=3),
        st.integers(0, 60 * 24 * 90),
        language=st.sampled_from(["", "en", "ja"]),
        country=st.sampled_from(["", "CA"]),
    ),
    min_size=1,
    max_size=12,
)
NOW = START + timedelta(days=100)


def counted(posts, scope):
    """The counters, by a loop over all uses."""
    found: dict[str, dict[str, float]] = {}
    for each in posts:
        if scope not in ("", f"language={each['language']}", f"country={each['country']}"):
            continue
        for hashtag in {hashtag.lstrip("#").lower() for hashtag in each["hashtags"]}:
            of_one = found.setdefault(hashtag, dict.fromkeys(HALF_LIVES, 0.0))
            for name, half_life in HALF_LIVES.items():
                of_one[name] += 0.5 ** ((NOW - each["time"]) / half_life)
    return found


@settings(max_examples=60, deadline=None)
@given(posts=POSTS, order=st.randoms(use_true_random=False), size=st.integers(1, 5))
def test_counters_are_those_of_a_loop_in_any_order_and_chunks(posts, order, size):
    """Would fail if a use that comes late, or in another chunk, counted more or less than it should."""
    shuffled = order.sample(posts, len(posts))
    uses = HashtagUses()
    for start in range(0, len(posts), size):
        uses.observe(shuffled[start : start + size])
    for scope in ("", "language=en", "country=CA"):
        expected = counted(posts, scope)
        for hashtag in ("snow", "lake", "heat"):
            values = uses.decayed(hashtag, NOW, scope)
            wanted = expected.get(hashtag, dict.fromkeys(HALF_LIVES, 0.0))
            assert all(math.isclose(values[name], wanted[name], rel_tol=1e-9, abs_tol=1e-12) for name in HALF_LIVES)


def own_entries(uses, hashtags):
    return sorted(entry for entry in uses.entries() if entry[0] in hashtags)


@settings(max_examples=40, deadline=None)
@given(posts=POSTS, later=POSTS, below=st.sampled_from([0.1, 0.3, 1.0, 3.0]))
def test_what_is_hardly_used_is_forgotten_and_nothing_else(posts, later, below):
    """Would fail if pruning forgot or changed what is used, kept what is not, or later uses were counted otherwise."""
    uses, before = HashtagUses(), HashtagUses()
    uses.observe(posts)
    before.observe(posts)
    same = uses.copy()
    month = {tag: uses.decayed(tag, NOW)["month"] for tag in uses.hashtags.values()}
    kept = {tag for tag, count in month.items() if count >= below}
    assert uses.prune(below, NOW) == len(month) - len(kept)
    assert set(uses.hashtags.values()) == kept == set(uses.all_spellings())
    assert sorted(uses.entries()) == own_entries(before, kept)
    assert all(uses.spellings(tag) == before.spellings(tag) for tag in kept)
    assert sorted(same.entries()) == sorted(before.entries())
    fresh = HashtagUses()
    for each in (uses, before, fresh):
        each.observe(later)
    assert own_entries(uses, kept) == own_entries(before, kept)
    new = {entry[0] for entry in fresh.entries()} - kept
    assert own_entries(uses, new) == own_entries(fresh, new) and uses.prune(below, NOW + timedelta(days=9999)) >= 0
    assert len(uses) == len(uses.hashtags) == 0


def test_memory_does_not_grow_with_hashtags_of_the_past():
    """Would fail if a name, a number or a row of each hashtag that was ever used stayed."""
    uses, rounds = HashtagUses(), 12
    for number in range(rounds):
        start = START - timedelta(days=200 * (rounds - number))
        uses.observe(
            [{"hashtags": [f"event{number:02}of{each}" for each in range(50)], "time": start, "language": "en"}]
        )
        uses.prune(now=start)
        assert len(uses) == 50
        if number == 1:
            size = len(pickle.dumps(uses))
    assert len(pickle.dumps(uses)) < 1.1 * size


@pytest.mark.parametrize(("below", "now"), [(0, NOW), (-1, NOW), (math.nan, NOW), (1, datetime(2026, 1, 1))])
def test_pruning_that_makes_no_sense_is_refused(below, now):
    """Would fail if a mistake forgot everything, or was taken for nothing to do."""
    with pytest.raises(InputError):
        HashtagUses().prune(below, now)


def test_first_uses_and_spellings_are_kept():
    """Would fail if the commonest spelling, or since when a hashtag is used, were lost."""
    uses = HashtagUses()
    uses.observe([post(["#FirstSnow", "#firstsnow"], 9), post(["firstsnow"], 3), post(["FirstSnow"], 5)])
    assert uses.spellings("firstsnow") == {"FirstSnow": 2, "firstsnow": 1}
    (first,), (last,) = uses.counters.first, uses.counters.last
    assert last - first == 6 * 60 * 10**6 and len(uses) == 1 and uses.earliest == first


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        ({"hashtags": ["snow"], "time": "2026-01-01T00:00:00"}, InputError, "has no zone"),
        ({"hashtags": ["snow"]}, InputError, "post 1 has no time"),
        ({"hashtags": ["snow"], "time": NOW + timedelta(hours=1)}, InputError, "in the future"),
        ({"hashtags": ["no tag"], "time": START}, HashtagError, "'no tag', which is no hashtag"),
        ({"hashtags": [3], "time": START}, HashtagError, "3, which is no hashtag"),
        ({"hashtags": "snow", "time": START}, InputError, "give a list"),
        ("snow", InputError, "post 1 is a str"),
    ],
)
def test_bad_posts_are_refused_and_nothing_is_counted(bad, error, message):
    """Would fail if half of a call were counted, so that it could neither be repeated nor left."""
    pool = HashtagPool(["snow"], torch.ones(1, 1))
    with pytest.raises(error, match=message):
        pool.observe([post(["snow"]), bad], now=NOW)
    assert len(pool.uses) == 0 and pool.counts == [1]


def test_a_pool_keeps_its_uses(tmp_path):
    """Would fail if what is on the rise were forgotten by saving, or an older pool could not be loaded."""
    pool = HashtagPool(["snow", "lake"], torch.eye(2))
    pool.save_pretrained(tmp_path / "old")
    assert len(HashtagPool.from_pretrained(tmp_path / "old").uses) == 0
    assert pool.observe([(["#Snow", "#heat"], START, "en", "CA")]) == {"snow": 1, "heat": 1}
    pool.save_pretrained(tmp_path / "old")
    loaded = HashtagPool.from_pretrained(tmp_path / "old")
    assert loaded.counts == [2, 1] and loaded.uses.spellings("snow") == {"Snow": 1}
    assert sorted(loaded.uses.entries()) == sorted(pool.uses.entries()) and "heat" in loaded.uses
    loaded.observe([post(["snow"], 60)])
    assert loaded.uses.decayed("snow", START + timedelta(hours=1))["hour"] == pytest.approx(1.5)
    loaded.remove(["snow"])
    assert "snow" not in loaded.uses and "heat" in loaded.uses


def test_copies_are_counted_apart():
    """Would fail if what one visitor observes were counted for all."""
    pool = HashtagPool(["snow"], torch.ones(1, 1))
    pool.observe([post(["snow"])])
    mine, sent = pool.copy(), pickle.loads(pickle.dumps(pool))
    mine.observe([post(["snow"]), post(["rain"])])
    pool.copy()
    pool.observe([post(["heat"])])
    pool.uses.remove(["heat"])
    assert "heat" not in mine.uses
    assert len(pool.uses) == 1 and int(pool.uses.counters.uses[0]) == 1 and len(sent.uses) == 1


def test_damaged_uses_are_refused(tmp_path):
    """Would fail if uses of another pool were taken for this one's."""
    pool = HashtagPool(["snow"], torch.ones(1, 1))
    pool.observe([post(["snow"])])
    pool.save_pretrained(tmp_path / "pool")
    table = pq.read_table(tmp_path / "pool" / USES_FILE)
    pq.write_table(table.slice(0, 0), tmp_path / "pool" / USES_FILE)
    with pytest.raises(CheckpointError, match=USES_FILE):
        HashtagPool.from_pretrained(tmp_path / "pool")


def test_hashtags_with_vectors_are_put_at_once():
    """Would fail if what a store says of hashtags were added to what is there, instead of taken for it."""
    pool = HashtagPool(["snow", "lake"], torch.eye(2), counts=[3, 1])
    pool.put(["snow", "heat"], torch.tensor([[9.0, 9.0], [0.5, 0.5]]), [5, 7], removed=["lake", "rain"])
    assert pool.hashtags == ["snow", "heat"] and pool.counts == [5, 7]
    assert pool.embeddings.tolist() == [[1.0, 0.0], [0.5, 0.5]]
