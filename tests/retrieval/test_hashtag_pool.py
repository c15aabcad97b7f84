"""The pool in memory: building, searching, adding, removing. Its files are in test_pool_files.py."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from retrieval_stand_ins import StandInProcessor, StandInRetriever
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.utils import logging

from transformers_ggm.errors import HashtagError, PoolError, RetrieverMismatchError
from transformers_ggm.retrieval import HashtagPool

HASHTAGS = ["snow", "ski", "toronto", "café", "東京", "o_o", "fyp"]
NAMES = st.text(alphabet="abcdé東", min_size=1, max_size=3)


def build(hashtags, retriever=None, **options):
    return HashtagPool.build(
        hashtags, retriever or StandInRetriever(), StandInProcessor(), progress_bar=False, **options
    )


def state(pool):
    return pool.hashtags, pool.counts, pool.embeddings.numpy().tobytes()


def test_build_encodes_every_hashtag_once_in_batches(retriever):
    """If it failed, a hashtag would get another one's vector, be encoded twice, or all would be one huge batch."""
    pool = build(HASHTAGS, retriever, batch_size=3)
    assert [len(batch) for batch in retriever.batches] == [3, 3, 1]
    assert pool.hashtags == list(pool) == HASHTAGS and sorted(retriever.encoded) == sorted(HASHTAGS)
    assert [len(tag) for tag in retriever.encoded] == [2, 3, 3, 3, 4, 4, 7]
    expected = torch.stack([retriever.vector([ord(letter) for letter in tag]) for tag in HASHTAGS])
    assert torch.equal(pool.embeddings, expected.half().float())
    assert pool.retriever_fingerprint == retriever.fingerprint()


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(NAMES, st.booleans(), st.integers(0, 5)), min_size=1, max_size=12))
def test_build_merges_duplicates_and_sums_counts(mentions):
    """If it failed, `#Snow` and `snow` would stand in a pool twice, or their counts would be lost."""
    expected: dict[str, int] = {}
    for name, _, _ in mentions:
        expected[name] = expected.get(name, 0) + 1
    from_list = build(["#" + name.upper() if upper else name for name, upper, _ in mentions])
    assert dict(zip(from_list.hashtags, from_list.counts)) == expected
    assert from_list.hashtags == list(expected)

    weighted = {("#" + name.upper() if upper else name): count for name, upper, count in mentions}
    from_mapping = build(weighted)
    for name in expected:
        total = sum(count for written, count in weighted.items() if written.lstrip("#").lower() == name)
        assert from_mapping.counts[from_mapping.hashtags.index(name)] == total


def test_build_leaves_a_training_retriever_as_it_was(retriever):
    """If it failed, a pool made between training steps would have dropout noise, or switch dropout off for good."""
    retriever.head = torch.nn.Linear(1, 1)
    retriever.train()
    retriever.head.eval()
    build(HASHTAGS, retriever)
    assert retriever.training
    assert not retriever.head.training


@pytest.mark.parametrize(
    ("hashtags", "message"),
    [
        (["snow", "two words", "2024"], "'two words', '2024'"),
        ([], "empty"),
        ("snow", r"give a list, \['snow'\]"),
        (["snow", None, ["ski"]], r"None, \['ski'\]"),
        ([f"no good {number}" for number in range(14)], "'no good 9' and 4 more"),
    ],
)
def test_build_names_what_is_no_hashtag(retriever, hashtags, message):
    """If it failed, one bad line of a hashtag list would stop a build without saying which, or get into the pool."""
    with pytest.raises(HashtagError, match=message):
        build(hashtags, retriever)
    assert not retriever.batches


@pytest.mark.parametrize("counts", [{"snow": -1}, {"snow": 1.5}, {"snow": True}, {"snow": "3"}])
def test_build_refuses_what_is_no_count(counts):
    """If it failed, saving would break later, far from the mistake."""
    with pytest.raises(PoolError, match="counts holds"):
        build(counts)


def test_numpy_counts_are_whole_numbers():
    """If it failed, counts out of pandas or numpy would be refused."""
    pool = build({"snow": np.int64(4)})
    assert pool.counts == [4]
    assert type(pool.counts[0]) is int


def test_build_refuses_batch_size_zero():
    """If it failed, the message would be that of `range`."""
    with pytest.raises(PoolError, match="batch_size=0"):
        build(HASHTAGS, batch_size=0)


def test_constructor_refuses_what_does_not_fit():
    """If it failed, names and vectors would be off against each other, or a NaN would come up in every search."""
    with pytest.raises(HashtagError, match="more than once: 'snow'"):
        HashtagPool(["snow", "#SNOW"], torch.eye(2))
    with pytest.raises(PoolError, match=r"embeddings has shape \(3, 2\)"):
        HashtagPool(["snow", "ski"], torch.ones(3, 2))
    with pytest.raises(PoolError, match="embeddings has shape"):
        HashtagPool(["snow"], torch.ones(5))
    with pytest.raises(PoolError, match="counts has 1 entries for 2 hashtags"):
        HashtagPool(["snow", "ski"], torch.eye(2), counts=[1])
    for value in (float("nan"), float("inf"), 1e6):
        with pytest.raises(PoolError, match="embeddings holds NaN"):
            HashtagPool(["snow"], torch.tensor([[value, 0.0]]))


def test_constructor_copies_the_embeddings():
    """If it failed, writing to the tensor later would change the pool, and its index only sometimes."""
    embeddings = torch.eye(2)
    pool = HashtagPool(["snow", "ski"], embeddings)
    embeddings.zero_()
    assert pool.search(torch.tensor([1.0, 0.0]), 1)[1] == [["snow"]]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_search_equals_brute_force(data):
    """If it failed, guidance would not be the nearest hashtags."""
    size, k = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 8))
    k = min(k, size)
    tags = [f"tag{number}" for number in range(size)]
    numbers = st.lists(st.integers(-2, 2), min_size=2, max_size=2)
    vectors = np.array(data.draw(st.lists(numbers, min_size=size, max_size=size)), dtype=np.float32)
    queries = np.array(data.draw(st.lists(numbers, min_size=1, max_size=3)), dtype=np.float32)
    scores, found = HashtagPool(tags, torch.from_numpy(vectors)).search(torch.from_numpy(queries), k)
    products = queries @ vectors.T
    order = np.argsort(-products, axis=1, kind="stable")[:, :k]
    assert found == [[tags[row] for row in rows] for rows in order]
    assert scores.tolist() == np.take_along_axis(products, order, 1).tolist()


def test_search_takes_one_vector_and_other_float_types():
    """If it failed, a model in half precision or a single video would need a detour to be looked up."""
    pool = build(HASHTAGS)
    query = pool.embeddings[2]
    for given_query in (query, query[None], query.double(), query.half(), query.clone().requires_grad_()):
        scores, found = pool.search(given_query, 1)
        assert found == [["toronto"]]
        assert scores.shape == (1, 1)
        assert scores.dtype == torch.float32
        assert not scores.requires_grad


@pytest.mark.parametrize(
    ("queries", "k", "message"),
    [
        (torch.ones(2, 8), 8, "k=8 is more than the 7 hashtags"),
        (torch.ones(2, 8), 0, "k=0"),
        (torch.ones(2, 8), -1, "k=-1"),
        (torch.ones(2, 8), 1.5, "k=1.5"),
        (torch.ones(2, 9), 1, r"\(2, 9\).*8 dimensions"),
        (torch.ones(2, 2, 8), 1, r"\(2, 2, 8\)"),
        (torch.full((1, 8), float("nan")), 1, "NaN"),
    ],
)
def test_search_refuses_what_it_cannot_answer(queries, k, message):
    """If it failed, a mistake would show as an error from inside torch or as a made-up ranking."""
    with pytest.raises(PoolError, match=message):
        build(HASHTAGS).search(queries, k)


def test_contains_normalises():
    """If it failed, a generated `#Snow` would be called novel beside a pool that knows `snow`."""
    pool = build(HASHTAGS)
    for known in ("snow", "#SNOW", "＃Snow", "CAFÉ", "cafe\u0301"):
        assert known in pool
    for unknown in ("rain", "not a tag", "", None, 3, ["snow"]):
        assert unknown not in pool


def test_add_encodes_new_hashtags_only_and_raises_counts(retriever, processor):
    """If it failed, adding one hashtag to a large pool would cost as much as building it, or lose counts."""
    pool = build({"snow": 3, "ski": 1}, retriever)
    retriever.batches.clear()
    pool.add({"#Snow": 2, "rain": 5, "Rain": 1}, retriever, processor, progress_bar=False)
    assert retriever.encoded == ["rain"]
    assert dict(zip(pool.hashtags, pool.counts)) == {"snow": 5, "ski": 1, "rain": 6}

    retriever.batches.clear()
    vectors = pool.embeddings
    pool.add(["ski", "ski"], retriever, processor)
    pool.add([], retriever, processor)
    assert not retriever.batches
    assert pool.counts == [5, 3, 6]
    assert torch.equal(pool.embeddings, vectors)


@settings(deadline=None, max_examples=50)
@given(st.sets(NAMES, min_size=1, max_size=8), st.sets(NAMES, max_size=8), st.integers(0, 99))
@pytest.mark.parametrize("index", ["exact", "faiss"])
def test_add_then_remove_gives_back_the_pool(index, old, new, seed):
    """If it failed, trying out hashtags would leave traces: another order, other vectors, other results."""
    if index == "faiss":
        pytest.importorskip("faiss", reason="FAISS is not installed: pip install transformers-ggm[faiss]")
    retriever, processor = StandInRetriever(), StandInProcessor()
    pool = build(sorted(old), retriever, index=index)
    query = torch.randn(2, retriever.dim, generator=torch.Generator().manual_seed(seed))
    before = state(pool), pool.search(query, len(pool))
    pool.add(sorted(new - old), retriever, processor, progress_bar=False)
    assert set(pool) == old | new
    pool.remove("#" + tag for tag in new - old)
    after = state(pool), pool.search(query, len(pool))
    assert after[0] == before[0]
    assert after[1][1] == before[1][1]
    assert torch.equal(after[1][0], before[1][0])


def test_add_grows_into_the_pool_that_build_makes(retriever, processor):
    """If it failed, a pool grown day by day would rank otherwise than one built from the same list at once."""
    grown = build(HASHTAGS[:4], retriever)
    grown.add(HASHTAGS[4:], retriever, processor, progress_bar=False)
    assert state(grown) == state(build(HASHTAGS, retriever))


def test_failed_changes_change_nothing(retriever, processor, monkeypatch):
    """If it failed, an error half-way would leave a pool whose names and vectors are off against each other."""
    pool = build(HASHTAGS, retriever)
    before = state(pool)
    with pytest.raises(PoolError, match="'rain', 'not a tag'"):
        pool.remove(["snow", "rain", "not a tag"])
    with pytest.raises(PoolError, match="leave the pool empty"):
        pool.remove(HASHTAGS)
    with pytest.raises(HashtagError, match="give a list"):
        pool.remove("snow")
    with pytest.raises(HashtagError, match="'not a tag'"):
        pool.add(["rain", "not a tag"], retriever, processor)
    monkeypatch.setattr(
        retriever,
        "get_hashtag_features",
        lambda **inputs: BaseModelOutputWithPooling(pooler_output=torch.full((1, 8), float("nan"))),
    )
    with pytest.raises(PoolError, match="NaN"):
        pool.add({"snow": 1, "rain": 1}, retriever, processor, progress_bar=False)
    assert state(pool) == before
    assert pool.search(pool.embeddings, 1)[1] == [[hashtag] for hashtag in HASHTAGS]


def test_copies_are_changed_apart(retriever, processor):
    """If it failed, one visitor's hashtags would turn up in the pool of all others."""
    pool = build(HASHTAGS[:4], retriever)
    before = state(pool)
    mine, yours = pool.copy(), pool.copy()
    mine.add({"fyp": 2, "snow": 3}, retriever, processor, progress_bar=False)
    yours.remove(["ski"])
    assert state(pool) == before
    assert mine.hashtags == [*HASHTAGS[:4], "fyp"] and mine.counts[0] == 4
    assert yours.hashtags == ["snow", *HASHTAGS[2:4]]
    query = retriever.vector([ord(letter) for letter in "fyp"])
    assert mine.search(query, 1)[1] == [["fyp"]]
    assert yours.retriever_fingerprint == pool.retriever_fingerprint
    pool.remove(["snow"])
    assert "snow" in mine and "snow" in yours


def test_remove_takes_hashtags_out_of_results():
    """If it failed, a hashtag taken off the pool (a banned one, say) would still be suggested."""
    pool = build(HASHTAGS)
    query = pool.embeddings[0]
    pool.remove(["#SNOW", "snow"])
    assert "snow" not in pool
    assert len(pool) == len(HASHTAGS) - 1
    assert all("snow" not in row for row in pool.search(query, len(pool))[1])
    pool.remove([])
    assert len(pool) == len(HASHTAGS) - 1


def test_another_retriever_is_refused(processor):
    """If it failed, vectors of two retrievers would be compared, which gives noise without any error."""
    pool = build(HASHTAGS, StandInRetriever("one"))
    other = StandInRetriever("another")
    with pytest.raises(RetrieverMismatchError, match=f"{pool.retriever_fingerprint}.*{other.fingerprint()}"):
        pool.check_retriever(other)
    with pytest.raises(RetrieverMismatchError):
        pool.add(["rain"], other, processor)
    assert not other.batches
    with pytest.raises(RetrieverMismatchError, match="does not say which retriever"):
        HashtagPool(["snow"], torch.ones(1, 8)).check_retriever(other)
    pool.check_retriever(StandInRetriever("one"))


def test_lists_handed_out_are_copies():
    """If it failed, sorting `pool.hashtags` in user code would give every vector another name."""
    pool = build(HASHTAGS)
    pool.hashtags.reverse()
    pool.counts.append(1)
    assert pool.hashtags == HASHTAGS
    assert len(pool.counts) == len(HASHTAGS)


def test_progress_bar_can_be_switched_off(capsys, monkeypatch, retriever, processor):
    """If it failed, building would write into a terminal that asked for quiet, or show nothing for minutes."""
    monkeypatch.setattr(logging, "_tqdm_active", True)
    HashtagPool.build(HASHTAGS, retriever, processor, progress_bar=False)
    assert not capsys.readouterr().err
    HashtagPool.build(HASHTAGS, retriever, processor)
    assert "Encoding hashtags" in capsys.readouterr().err


def test_capitals_reach_the_word_splitter(retriever, processor):
    """Would fail if the words that capitals show were lost when spellings become one, for those added later too."""
    processor.word_splitter = "wordfreq"
    pool = HashtagPool.build(iter(["firstsnow", "#FirstSnow", "Lake"]), retriever, processor)
    pool.add({"BigCity": 2, "lake": 1}, retriever, processor)
    assert retriever.encoded == ["lake", "#FirstSnow", "BigCity"]
    assert (pool.hashtags, pool.counts) == (["firstsnow", "lake", "bigcity"], [2, 2, 2])


@pytest.mark.parametrize("k, expected", [(1, ["c"]), (3, ["c", "a", "b"]), (9, ["c", "a", "b"])])
def test_most_used(k, expected):
    """Would fail if hashtags that were removed, or more than there are, were told, or equal ones not in pool order."""
    pool = HashtagPool(["gone", "a", "b", "c"], torch.eye(4), counts=[9, 2, 2, 3])
    pool.remove(["gone"])
    assert pool._rows.most_used(k) == expected
