"""
Pools too large for a dictionary of names, for vectors in memory or for exact search: what is large is made small here,
so that a few dozen hashtags are.
"""

import os
import shutil
import sys
import tempfile

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mapped_files import mapped_file
from retrieval_stand_ins import StandInProcessor, StandInRetriever

from transformers_ggm.errors import CheckpointError, HashtagError, PoolError
from transformers_ggm.retrieval import (
    HashtagPool,
    faiss_index,
    hashtag_pool,
    hashtag_table,
    indexes,
    pool_files,
    pool_rows,
    pool_vectors,
)

NAMES = [f"tag{number}" for number in range(60)] + ["café", "東京"]


def make_large(patch: pytest.MonkeyPatch, size: int = 30) -> None:
    """Everything that is done for large pools is done from so many hashtags on, and FAISS finds all candidates."""
    patch.setattr(hashtag_table, "_IN_DICTIONARY", size)
    patch.setattr(pool_rows, "_DROPPED_AT_ONCE", size)
    patch.setattr(hashtag_pool, "_ROWS_AT_A_TIME", 7)
    patch.setattr(indexes, "LARGE_FROM", size)
    patch.setattr(faiss_index, "_UNCODED", 20)
    patch.setattr(faiss_index, "_LARGEST_SHARE", 1.0)
    patch.setattr(faiss_index.CodedIndex, "_candidates_needed", lambda index, *_: len(index))
    for module in (pool_vectors, pool_files):
        patch.setattr(module, "MAPPED_FROM", 16 * size)
    patch.setattr(pool_vectors, "_JOINED_BELOW", 64)


@pytest.fixture
def large(monkeypatch):
    make_large(monkeypatch)


class PlainPool:
    """What a pool is to do, in the plainest way."""

    def __init__(self):
        self.vectors: dict[str, np.ndarray] = {}
        self.counts: dict[str, int] = {}

    def add(self, hashtags, retriever):
        for name in hashtags:
            vector = retriever.vector([ord(letter) for letter in name]).half().float().numpy()
            self.vectors.setdefault(name, vector)
            self.counts[name] = self.counts.get(name, 0) + 1

    def remove(self, hashtags):
        for name in hashtags:
            del self.vectors[name], self.counts[name]

    def check(self, pool, query, k):
        assert pool.hashtags == list(pool) == list(self.vectors)
        assert pool.counts == list(self.counts.values())
        assert np.array_equal(pool.embeddings.numpy(), np.stack(list(self.vectors.values())))
        assert len(pool) == len(self.vectors)
        assert all((name in pool) == (name in self.vectors) for name in NAMES)
        k = min(k, len(pool))
        products = {name: float(query.numpy() @ vector) for name, vector in self.vectors.items()}
        best = sorted(products, key=products.get, reverse=True)[:k]
        scores, found = pool.search(query, k)
        assert found == [best]
        np.testing.assert_allclose(scores[0], [products[name] for name in best], atol=1e-5)


CHANGES = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "save"]), st.sets(st.sampled_from(NAMES), max_size=30)), max_size=6
)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, len(NAMES)), CHANGES, st.integers(1, 60))
@pytest.mark.parametrize("index", ["exact", "faiss"])
def test_changes_are_those_of_a_plain_pool(index, size, changes, k):
    """If it failed, a large pool that lives for days would lose hashtags, mix up vectors, or miss what is new."""
    if index == "faiss":
        pytest.importorskip("faiss", reason="FAISS is not installed: pip install transformers-ggm[faiss]")
    retriever, processor = StandInRetriever(), StandInProcessor()
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        make_large(patch)
        pool = HashtagPool.build(NAMES[:size], retriever, processor, index=index, progress_bar=False)
        plain = PlainPool()
        plain.add(NAMES[:size], retriever)
        query = torch.randn(8, generator=torch.Generator().manual_seed(size))
        plain.check(pool, query, k)
        for change, names in changes:
            before, state = pool, (pool.hashtags, pool.counts)
            pool = pool.copy()
            if change == "add":
                pool.add(sorted(names), retriever, processor, progress_bar=False)
                plain.add(sorted(names), retriever)
            elif change == "remove":
                gone = [name for name in names if name in plain.vectors][: len(pool) - 1]
                pool.remove(gone)
                plain.remove(gone)
            else:
                pool.save_pretrained(f"{folder}/pool", create_model_card=False)
                pool = HashtagPool.from_pretrained(f"{folder}/pool", index=index)
            plain.check(pool, query, k)
            assert (before.hashtags, before.counts) == state


def random_batches(size: int = 60):
    names, vectors = NAMES[:size], torch.randn(size, 8, generator=torch.Generator().manual_seed(4))
    vectors = torch.nn.functional.normalize(vectors, dim=1)
    return [(names[start : start + 9], vectors[start : start + 9]) for start in range(0, size, 9)]


@pytest.mark.parametrize("threshold", [30, 1000])
def test_batches_make_the_pool_that_all_at_once_makes(monkeypatch, threshold):
    """If it failed, a pool too large for memory would be another one than the same pool made in memory."""
    make_large(monkeypatch, threshold)
    batches = random_batches()
    pool = HashtagPool.from_batches(iter(batches), "abc", index="exact")
    names, vectors = [name for part, _ in batches for name in part], torch.cat([part for _, part in batches])
    expected = HashtagPool(names, vectors, retriever_fingerprint="abc", index="exact")
    assert (pool.hashtags, pool.counts, pool.retriever_fingerprint) == (names, [1] * 60, "abc")
    assert torch.equal(pool.embeddings, expected.embeddings)
    assert pool.search(vectors[:3], 5)[1] == expected.search(vectors[:3], 5)[1]
    counted = HashtagPool.from_batches([(["a"], torch.ones(1, 2), [3]), (pa.array(["b"]), torch.ones(1, 2))])
    assert (counted.hashtags, counted.counts) == (["a", "b"], [3, 1])


@pytest.mark.parametrize(
    ("batches", "error", "message"),
    [
        ([], HashtagError, "hashtags is empty"),
        ([([], torch.ones(0, 2))], HashtagError, "hashtags is empty"),
        ([(["a", "b"], torch.ones(1, 2))], PoolError, "1 embeddings for 2 hashtags"),
        ([(["a"], torch.ones(1, 2)), (["#A"], torch.ones(1, 2))], HashtagError, "more than once: 'a'"),
        ([(["a"], torch.ones(1, 2)), (["two words"], torch.ones(1, 2))], HashtagError, "'two words'"),
        ([(["a"], torch.ones(1, 2)), (["b"], torch.ones(1, 3))], PoolError, r"shape \(1, 3\)"),
        ([(["a"], torch.ones(1, 2), [1, 2])], PoolError, "counts has 2 entries for 1"),
        ([(["a"], torch.ones(1, 2), [-1])], PoolError, "counts holds -1"),
    ],
)
def test_batches_that_do_not_fit_are_refused(batches, error, message):
    """If it failed, hours of encoding could end in a pool whose names and vectors are off against each other."""
    with pytest.raises(error, match=message):
        HashtagPool.from_batches(batches)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_large_pools_stay_in_their_file(large, tmp_path, monkeypatch):
    """If it failed, loading ten million hashtags would need the memory for all of their vectors."""
    folder = tmp_path / "pool"
    pool = HashtagPool.from_batches(random_batches(), index="exact")
    pool.save_pretrained(folder)
    loaded = HashtagPool.from_pretrained(folder, index="exact")
    [block] = loaded._rows.vectors.blocks
    assert mapped_file(block) == str(folder / "embeddings.safetensors")
    query = pool.embeddings[:2]
    expected = pool.search(query, 5)
    # Over the very file that it is mapped from.
    loaded.remove(["tag59"])
    loaded.save_pretrained(folder)
    assert os.listdir(tmp_path) == ["pool"]
    again = HashtagPool.from_pretrained(folder, index="exact")
    shutil.rmtree(folder)
    for one in (loaded, again):
        assert one.hashtags == pool.hashtags[:59]
        assert torch.equal(one.embeddings, pool.embeddings[:59])
    again.add(["tag59"], *trusted(again, monkeypatch), progress_bar=False)
    assert again._rows.vectors.blocks[0].data_ptr() != block.data_ptr()
    assert len(again) == 60
    assert pool.search(query, 5)[1] == expected[1]


def trusted(pool, monkeypatch):
    retriever = StandInRetriever()
    monkeypatch.setattr(pool, "retriever_fingerprint", retriever.fingerprint())
    return retriever, StandInProcessor()


@pytest.mark.parametrize("name", ["hashtags.parquet", "embeddings.safetensors"])
def test_changed_large_files_are_refused(large, tmp_path, name):
    """If it failed, a file that is only mapped would escape the check of its content."""
    HashtagPool.from_batches(random_batches(), index="exact").save_pretrained(tmp_path / "pool")
    content = bytearray((tmp_path / "pool" / name).read_bytes())
    content[-20] ^= 1
    (tmp_path / "pool" / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"{name} is not the file that pool\.json was saved with"):
        HashtagPool.from_pretrained(tmp_path / "pool")


def test_adding_to_a_large_pool_touches_little(large, monkeypatch):
    """If it failed, adding a thousand hashtags to ten million would copy gigabytes or build the index anew."""
    pytest.importorskip("faiss", reason="FAISS is not installed: pip install transformers-ggm[faiss]")
    pool = HashtagPool.from_batches(random_batches(45))
    retriever, processor = trusted(pool, monkeypatch)
    layers, blocks, table = pool._rows.index.layers, pool._rows.vectors.blocks, pool._rows.names._table
    monkeypatch.setattr(faiss_index.CodedIndex, "__init__", None)
    monkeypatch.setattr(hashtag_table.NameTable, "__init__", None)
    mine = pool.copy()
    mine.add(["new", "tag3"], retriever, processor, progress_bar=False)
    assert retriever.encoded == ["new"]
    assert mine._rows.index.layers == layers
    assert mine._rows.vectors.blocks[0] is blocks[0]
    assert mine._rows.names._table is table
    assert mine.search(retriever.vector([ord(letter) for letter in "new"]), 1)[1] == [["new"]]
    mine.remove(["tag7", "new"])
    assert mine._rows.index.layers == layers
    assert "tag7" not in mine and "tag7" in pool
    assert "new" not in mine.search(torch.ones(8), 44)[1][0]
