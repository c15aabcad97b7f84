"""Pools and indexes of posts that keep the first numbers of each vector, against a few lines of numpy."""

import json

import numpy as np
import pytest
import torch
from retrieval_stand_ins import StandInProcessor, StandInRetriever

from transformers_ggm import HashtagPool, PostIndex
from transformers_ggm.errors import CheckpointError, PoolError, PostIndexError
from transformers_ggm.retrieval import faiss_index, indexes
from transformers_ggm.retrieval.faiss_index import is_faiss_installed
from transformers_ggm.retrieval.pool_commands import build as build_by_command

WHOLE, DIM = 24, 6
RANDOM = np.random.default_rng(0)
VECTORS = RANDOM.normal(size=(200, WHOLE)).astype(np.float32)
QUERIES = RANDOM.normal(size=(7, WHOLE)).astype(np.float32)
HASHTAGS = [f"tag{number}" for number in range(len(VECTORS))]


def cut(vectors: np.ndarray, dim: int = DIM) -> np.ndarray:
    """The reference: the first numbers of each vector, divided by their length."""
    first = vectors[:, :dim]
    return first / np.linalg.norm(first, axis=1, keepdims=True)


def nearest(vectors: np.ndarray, names: list[str], k: int) -> tuple[np.ndarray, list[list[str]]]:
    scores = cut(QUERIES) @ cut(vectors).astype(np.float16).astype(np.float32).T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, axis=1), [[names[row] for row in rows] for rows in order]


def make_pool(**options) -> HashtagPool:
    return HashtagPool(HASHTAGS, torch.from_numpy(VECTORS), dim=DIM, **options)


def assert_searched_alike(pool: HashtagPool, vectors: np.ndarray, names: list[str]) -> None:
    scores, found = nearest(vectors, names, k=20)
    given, hashtags = pool.search(torch.from_numpy(QUERIES), k=20)
    assert hashtags == found
    np.testing.assert_allclose(given.numpy(), scores, atol=1e-6)


@pytest.mark.parametrize("index", ["exact", "faiss"])
def test_search_goes_by_the_first_numbers(index):
    """Would fail if other numbers were kept, lengths were left as they are, or queries were not cut likewise."""
    if index == "faiss" and not is_faiss_installed():
        pytest.skip("FAISS is not installed")
    pool = make_pool(index=index)
    assert (pool.dim, pool.whole_dim, tuple(pool.embeddings.shape)) == (DIM, WHOLE, (200, DIM))
    assert_searched_alike(pool, VECTORS, HASHTAGS)


@pytest.mark.skipif(not is_faiss_installed(), reason="FAISS is not installed")
def test_codes_are_of_the_first_numbers(monkeypatch):
    """Would fail if a large pool, which is searched by codes, were coded or asked by vectors of another width."""
    monkeypatch.setattr(indexes, "LARGE_FROM", 100)
    monkeypatch.setattr(faiss_index, "_UNCODED", 50)
    monkeypatch.setattr(faiss_index, "_LARGEST_SHARE", 1.0)
    monkeypatch.setattr(faiss_index.CodedIndex, "_candidates_needed", lambda index, *_: len(index))
    assert_searched_alike(make_pool(index="faiss"), VECTORS, HASHTAGS)


def test_changes_keep_to_the_first_numbers():
    """Would fail if what is added, put or left after a removal were whole, cut twice, or a copy lost its width."""
    start = HashtagPool(HASHTAGS[:100], torch.from_numpy(VECTORS[:100]), dim=DIM)
    pool = start.copy()
    pool.put(HASHTAGS[100:], torch.from_numpy(VECTORS[100:]), [1] * 100)
    pool.remove(HASHTAGS[50:90])
    kept = [*range(50), *range(90, 200)]
    assert_searched_alike(pool, VECTORS[kept], [HASHTAGS[row] for row in kept])
    pool.put(["new"], torch.from_numpy(VECTORS[50:51]), [1])
    kept.append(50)
    assert_searched_alike(pool, VECTORS[kept], [*(HASHTAGS[row] for row in kept[:-1]), "new"])
    assert len(start) == 100


def test_built_and_added_are_cut_alike(retriever, processor):
    """Would fail if a pool that grew had other vectors than one that was built at once."""
    parts = {"retriever": retriever, "processor": processor, "progress_bar": False}
    grown = HashtagPool.build(["snow", "lake"], dim=3, **parts)
    grown.add(["rain", "snow"], **parts)
    at_once = HashtagPool.build(["snow", "lake", "rain"], dim=3, **parts)
    assert torch.equal(grown.embeddings, at_once.embeddings)
    batches = [(HASHTAGS[rows], torch.from_numpy(VECTORS[rows])) for rows in (slice(9), slice(9, None))]
    assert torch.equal(HashtagPool.from_batches(batches, dim=DIM).embeddings, make_pool().embeddings)


def test_all_numbers_are_no_cut():
    """Would fail if asking for all numbers changed the vectors, or a pool that was not cut refused its queries."""
    whole = HashtagPool(HASHTAGS, torch.from_numpy(VECTORS))
    pool = HashtagPool(HASHTAGS, torch.from_numpy(VECTORS), dim=WHOLE)
    assert torch.equal(pool.embeddings, whole.embeddings) and pool.dim == pool.whole_dim == WHOLE
    queries = torch.from_numpy(QUERIES)
    assert torch.equal(pool.search(queries, 5)[0], whole.search(queries, 5)[0])


@pytest.mark.parametrize("dim", [0, -1, WHOLE + 1, 2.5, "6", True])
def test_numbers_that_cannot_be_kept_are_refused(dim, retriever, processor):
    """Would fail if nonsense were taken, or ended in a foreign error."""
    with pytest.raises(PoolError, match=f"dim={dim!r}"):
        HashtagPool(HASHTAGS, torch.from_numpy(VECTORS), dim=dim)
    with pytest.raises(PoolError, match=f"dim={dim!r}"):
        HashtagPool.build(["snow"], retriever, processor, progress_bar=False, dim=dim)
    with pytest.raises(PoolError, match=f"dim={dim!r}"):
        PostIndex.build(posts_of(VECTORS), Table(VECTORS), dim=dim)


def test_queries_are_whole():
    """Would fail if a query of some other model, or one that was cut already, were taken for the retriever's."""
    pool = make_pool()
    for width in (DIM, WHOLE - 1, WHOLE + 1):
        with pytest.raises(PoolError, match=rf"give \(q, {WHOLE}\)"):
            pool.search(torch.ones(1, width), 1)
    with pytest.raises(PoolError, match=f"{DIM} dimensions cannot be added to a pool of {WHOLE}"):
        pool.put(["new"], torch.ones(1, DIM), [1])
    assert "new" not in pool


def test_a_cut_pool_is_small_and_comes_back(tmp_path):
    """Would fail if whole vectors were saved, or a loaded pool did not know how wide its queries are."""
    pool = make_pool()
    pool.save_pretrained(tmp_path / "cut")
    HashtagPool(HASHTAGS, torch.from_numpy(VECTORS)).save_pretrained(tmp_path / "whole")
    sizes = [(tmp_path / name / "embeddings.safetensors").stat().st_size for name in ("cut", "whole")]
    assert sizes[1] - sizes[0] >= 200 * (WHOLE - DIM) * 2 - 8
    loaded = HashtagPool.from_pretrained(tmp_path / "cut")
    assert (loaded.dim, loaded.whole_dim) == (DIM, WHOLE)
    assert_searched_alike(loaded, VECTORS, HASHTAGS)


@pytest.mark.parametrize("whole_dim", [DIM - 1, "24", None])
def test_a_damaged_width_is_refused(tmp_path, whole_dim):
    """Would fail if a pool or an index whose file was changed were searched by vectors of another width."""
    make_pool().save_pretrained(tmp_path / "pool")
    PostIndex.build(posts_of(VECTORS), Table(VECTORS), dim=DIM).save_pretrained(tmp_path / "posts")
    for folder, name, load in (("pool", "pool.json", HashtagPool), ("posts", "posts.json", PostIndex)):
        file = tmp_path / folder / name
        file.write_text(json.dumps({**json.loads(file.read_text()), "whole_dim": whole_dim}))
        with pytest.raises(CheckpointError, match=f"whole_dim|{DIM} (of|numbers)"):
            load.from_pretrained(tmp_path / folder)


def test_files_of_earlier_versions_are_whole(tmp_path):
    """Would fail if pools and indexes that were saved before vectors could be cut were refused."""
    HashtagPool(HASHTAGS, torch.from_numpy(VECTORS)).save_pretrained(tmp_path / "pool")
    PostIndex.build(posts_of(VECTORS), Table(VECTORS)).save_pretrained(tmp_path / "posts")
    for file in (tmp_path / "pool" / "pool.json", tmp_path / "posts" / "posts.json"):
        description = json.loads(file.read_text())
        assert description.pop("whole_dim") == WHOLE
        file.write_text(json.dumps(description))
    assert HashtagPool.from_pretrained(tmp_path / "pool").whole_dim == WHOLE
    posts = PostIndex.from_pretrained(tmp_path / "posts")
    assert posts.search(vectors=torch.from_numpy(VECTORS[3:4]), k=1)[0][0].id == "3"


class Table:
    """An encoder that knows the vectors of some texts, which are their numbers."""

    def __init__(self, vectors: np.ndarray):
        self.vectors = vectors

    def encode(self, texts):
        return torch.from_numpy(self.vectors[[int(text) for text in texts]])

    def fingerprint(self):
        return "table"


def posts_of(vectors: np.ndarray, start: int = 0) -> list[dict]:
    return [
        {"id": str(row), "description": str(row), "hashtags": ["snow"]} for row in range(start, start + len(vectors))
    ]


def found_by(index: PostIndex) -> list[list[str]]:
    return [[post.id for post in row] for row in index.search(vectors=torch.from_numpy(QUERIES), k=20)]


def test_posts_are_found_by_the_first_numbers(tmp_path):
    """Would fail if an index cut other numbers, or did not when posts are added, removed, saved or loaded."""
    encoder, ids = Table(VECTORS), [str(row) for row in range(200)]
    index = PostIndex.build(posts_of(VECTORS[:150]), encoder, dim=DIM)
    assert found_by(index) == nearest(VECTORS[:150], ids, 20)[1]
    index.add(posts_of(VECTORS[150:], 150))
    assert found_by(index) == nearest(VECTORS, ids, 20)[1]
    index.remove(ids[10:60])
    kept = [*range(10), *range(60, 200)]
    expected = nearest(VECTORS[kept], [ids[row] for row in kept], 20)[1]
    assert found_by(index) == expected
    index.save_pretrained(tmp_path / "posts")
    loaded = PostIndex.from_pretrained(tmp_path / "posts", encoder=encoder)
    assert found_by(loaded) == expected
    assert loaded.search(["77"], k=1)[0][0].id == "77"
    loaded.add([{"id": "again", "description": "77", "hashtags": ["lake"]}])
    assert [post.id for post in loaded.search(["77"], k=2)[0]] == ["77", "again"]
    with pytest.raises(PostIndexError, match=rf"give \(q, {WHOLE}\)"):
        loaded.search(vectors=torch.ones(1, DIM))


def test_an_index_without_vectors_has_none_to_cut():
    """Would fail if a number that means nothing were taken without a word."""
    with pytest.raises(PostIndexError, match="`dim`"):
        PostIndex.build(posts_of(VECTORS[:2]), dim=DIM)


def test_a_store_keeps_whole_vectors_and_its_readers_cut_them(tmp_path):
    """Would fail if a store took cut vectors for whole ones, or what is added later were not cut by its readers."""
    pytest.importorskip("sqlalchemy")
    from transformers_ggm.retrieval.pool_store import PoolReader, PoolStore

    parts = (StandInRetriever(), StandInProcessor())
    store = PoolStore(f"sqlite:///{tmp_path}/pool.db")
    with pytest.raises(PoolError, match="3 of the 8 numbers"):
        store.put(HashtagPool.build(["snow"], *parts, progress_bar=False, dim=3))
    store.put(HashtagPool.build(["snow", "lake"], *parts, progress_bar=False))
    reader = PoolReader(store, dim=3)
    store.add(["rain"], *parts)
    store.remove(["lake"])
    assert reader.refresh()
    expected = HashtagPool.build(["snow", "rain"], *parts, progress_bar=False, dim=3)
    assert reader.pool.hashtags == expected.hashtags and (reader.pool.dim, reader.pool.whole_dim) == (3, 8)
    torch.testing.assert_close(reader.pool.embeddings, expected.embeddings, atol=1e-3, rtol=0)
    assert PoolReader(store).pool.dim == 8


def test_the_command_builds_a_cut_pool(tmp_path, monkeypatch):
    """Would fail if `ggm pool build --dim` did not cut."""
    from transformers_ggm.retrieval import pool_commands

    monkeypatch.setattr(pool_commands, "load_retriever", lambda name: (StandInRetriever(), StandInProcessor()))
    build_by_command({"snow": 2}, "retriever", tmp_path / "pool", dim=3)
    assert HashtagPool.from_pretrained(tmp_path / "pool").dim == 3
