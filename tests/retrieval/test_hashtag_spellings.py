"""How hashtags are written, and that pools know it wherever they go."""

from collections import Counter

import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from retrieval_stand_ins import StandInProcessor, StandInRetriever

from transformers_ggm import HashtagPool
from transformers_ggm.processing.hashtags import normalize_hashtag
from transformers_ggm.retrieval.hashtag_spellings import commonest_spelling, written_spellings

PARTS = (StandInRetriever(), StandInProcessor())
SPELLINGS = [
    "snow",
    "#Snow",
    "SNOW",
    "#snow",
    "FirstSnow",
    "firstsnow",
    "FIRSTSNOW",
    "＃ＳＮＯＷ",
    "Straße",
    "strasse",
]


def state(pool, *others):
    return {tag: pool.spelling(tag) for tag in (*pool.hashtags, *others)}, pool.spellings, pool.uses.all_spellings()


def plainly_commonest(written):
    """Every mention counted by itself: the commonest spelling of each hashtag, of several that in lower case."""
    by_name = {}
    for tag, count in written:
        by_name.setdefault(normalize_hashtag(tag), Counter()).update({tag.lstrip("#＃"): count})
    return {name: min(counts, key=lambda tag: (-counts[tag], tag != name, tag)) for name, counts in by_name.items()}


@given(st.lists(st.tuples(st.sampled_from(SPELLINGS), st.integers(1, 4)), min_size=1, max_size=12), st.integers(0, 12))
def test_the_commonest_spelling_is_that_of_a_plain_count(written, place):
    """Would fail if lists, posts and what was there before did not count together, each use once."""
    lists, posts = written[:place], written[place:]
    pool = HashtagPool.build(["other"], *PARTS, progress_bar=False)
    for tag, count in lists:
        pool.add({tag: count}, *PARTS, progress_bar=False)
    time = "2026-01-01T08:00:00Z"
    pool.observe([([tag], time) for tag, count in posts for _ in range(count)])
    assert {name: pool.spelling(name) for name in plainly_commonest(written)} == plainly_commonest(written)


def test_pools_made_in_any_way_know_the_spellings_of_their_lists():
    """Would fail if a constructor lost the capitals of a list, or took those of one hashtag for another's."""
    built = HashtagPool.build({"#FirstSnow": 3, "firstsnow": 2, "lake": 1}, *PARTS, progress_bar=False)
    plain = HashtagPool(["#FirstSnow", "lake"], torch.eye(2), [5, 1])
    batches = HashtagPool.from_batches([(["lake"], torch.ones(1, 2)), (["FirstSnow"], torch.ones(1, 2), [4])])
    for pool in (built, plain, batches, plain.copy()):
        assert (pool.spelling("#FIRSTSNOW"), pool.spelling("lake"), pool.spelling("Elsewhere")) == (
            "FirstSnow",
            "lake",
            "elsewhere",
        )
    assert "firstsnow" in built and built.hashtags == ["firstsnow", "lake"]
    built.remove(["firstsnow"])
    assert built.spelling("firstsnow") == "firstsnow" and not built.spellings


def test_files_keep_the_spellings(tmp_path):
    """Would fail if saving and loading lost one, other programs could not read the commonest, or old files failed."""
    pool = HashtagPool(["#FirstSnow", "lake", "NASA"], torch.eye(3), [3, 2, 1], retriever_fingerprint="r1")
    pool.observe([(["firstsnow", "Lake", "#HeatWave"], "2026-01-01T08:00:00Z")])
    pool.save_pretrained(tmp_path / "pool", create_model_card=False)
    loaded = HashtagPool.from_pretrained(tmp_path / "pool")
    assert state(loaded, "heatwave") == state(pool, "heatwave")
    assert loaded.spelling("heatwave") == "HeatWave"
    table = pq.read_table(tmp_path / "pool" / "hashtags.parquet")
    assert (
        table["spelling"].to_pylist() == [pool.spelling(tag) for tag in pool.hashtags] == ["FirstSnow", "lake", "NASA"]
    )
    HashtagPool(["snow"], torch.eye(1)).save_pretrained(tmp_path / "old", create_model_card=False)
    assert pq.read_table(tmp_path / "old" / "hashtags.parquet").column_names == ["hashtag", "count"]
    assert HashtagPool.from_pretrained(tmp_path / "old").spelling("SNOW") == "snow"


def test_a_store_keeps_the_spellings(tmp_path):
    """Would fail if capitals were lost on the way into a store, out of it, or to its readers."""
    stores = pytest.importorskip("transformers_ggm.retrieval.pool_store", exc_type=ImportError)
    store, pool = (
        stores.PoolStore(f"sqlite:///{tmp_path}/pool.db"),
        HashtagPool.build({"#FirstSnow": 3, "lake": 1}, *PARTS, progress_bar=False),
    )
    store.put(pool)
    reader = stores.PoolReader(store)
    for each in (pool, store):
        each.observe([(["Lake", "HeatWave"], "2026-01-01T08:00:00Z")])
        each.add(["#RoadTrip", "LAKE", "LAKE"], *PARTS, progress_bar=False)
    reader.refresh()
    assert (
        state(reader.pool, "heatwave") == state(pool, "heatwave") == state(stores.PoolReader(store).pool, "heatwave")
    )
    assert (pool.spelling("lake"), pool.spelling("roadtrip")) == ("LAKE", "RoadTrip")
    for each in (pool, store):
        each.remove(["roadtrip"])
    reader.refresh()
    assert state(reader.pool) == state(pool) and pool.spelling("roadtrip") == "roadtrip"


def test_what_is_kept_of_a_list_is_what_differs():
    """Would fail if a pool of millions in lower case kept each of them a second time."""
    assert written_spellings(["snow", "#lake", "2026a"]) == {}
    assert commonest_spelling("snow", {}) == "snow"
