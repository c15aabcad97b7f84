"""FAISS on codes, alone and in layers, against the exact search."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from transformers_ggm.retrieval import faiss_index
from transformers_ggm.retrieval.exact_index import ExactIndex
from transformers_ggm.retrieval.faiss_index import CodedIndex, LayeredIndex
from transformers_ggm.retrieval.pool_vectors import PoolVectors

pytest.importorskip("faiss", reason="FAISS is not installed: pip install transformers-ggm[faiss]")


def drawn(kind: str, size: int, dim: int, seed: int = 0) -> torch.Tensor:
    """Unit vectors in random directions, or in clusters off the origin as those of real hashtags."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(size, dim, generator=generator)
    if kind == "clustered":
        centres = torch.randn(100, dim, generator=generator) + torch.randn(dim, generator=generator)
        rows = rows / 2 + centres[torch.randint(100, (size,), generator=generator)]
    return normalize(rows, dim=1)


def recall(found: torch.Tensor, exact: torch.Tensor) -> float:
    shares = [len(set(row) & set(true)) / len(true) for row, true in zip(found.tolist(), exact.tolist())]
    return float(np.mean(shares))


def queries_beside(rows: torch.Tensor) -> torch.Tensor:
    noise = torch.randn(rows.shape, generator=torch.Generator().manual_seed(9))
    return normalize(rows + 1.2 * normalize(noise, dim=1), dim=1)


@pytest.mark.parametrize("kind", ["uniform", "clustered"])
@pytest.mark.parametrize("dim", [64, 31])
def test_recall_is_what_is_promised(kind, dim):
    """If it failed, a large pool would miss more of the nearest hashtags than its page says, or score them wrongly."""
    rows = drawn(kind, 10_000, dim)
    vectors = PoolVectors.collect([rows[:6_000], rows[6_000:]])
    index = CodedIndex(vectors, 0, len(vectors))
    assert index.candidates < len(vectors) / 8, "the exact search would have answered"
    for queries in (drawn("uniform", 60, dim, seed=5), queries_beside(rows[:60])):
        scores, found = index.search(queries, 50)
        assert recall(found, ExactIndex(vectors).search(queries, 50)[1]) >= 0.95
        assert scores.shape == found.shape == (60, 50)
        products = torch.einsum("qd,qkd->qk", queries, vectors.rows(found.flatten()).view(60, 50, dim))
        torch.testing.assert_close(scores, products)
        assert (scores.diff(dim=1) <= 0).all()


def test_only_its_own_rows_are_found():
    """If it failed, layers would find rows twice or under a wrong number."""
    rows = drawn("uniform", 12_000, 32)
    vectors = PoolVectors([rows[:5_000].half(), rows[5_000:].half()])
    index = CodedIndex(vectors, 2_000, 10_000)
    scores, found = index.search(rows[[2_000, 9_999, 0]], 1)
    assert found[:2].flatten().tolist() == [2_000, 9_999]
    assert 2_000 <= found[2] < 10_000
    assert scores[0] == pytest.approx(1, abs=1e-2)


def test_many_removed_neighbours_leave_places_to_others(monkeypatch):
    """If it failed, removing all hashtags of a theme would leave a query for it with nothing."""
    rows = drawn("uniform", 12_000, 32)
    vectors = PoolVectors.collect([rows])
    index = CodedIndex(vectors, 0, len(vectors))
    query = rows[:2]
    nearest = ExactIndex(vectors).search(query, 300)[1]
    removed = np.zeros(len(vectors), bool)
    removed[nearest.numpy().flatten()] = True
    # Whatever it takes: this is not about when the exact search takes over.
    monkeypatch.setattr(faiss_index, "_LARGEST_SHARE", 1.0)
    found = index.search(query, 50, removed)[1]
    assert not removed[found.numpy()].any()
    assert recall(found, ExactIndex(vectors).search(query, 50, removed)[1]) >= 0.95


def test_unusual_searches():
    """If it failed, no query, all rows, or nothing left to find would end in an error from inside FAISS."""
    rows = drawn("uniform", 3_000, 16)
    vectors = PoolVectors.collect([rows])
    index = CodedIndex(vectors, 0, len(vectors))
    assert [part.shape for part in index.search(rows[:0], 7)] == [(0, 7)] * 2
    found = index.search(rows[:2], 3_000)[1]
    assert torch.equal(found, ExactIndex(vectors).search(rows[:2], 3_000)[1])
    assert [part.shape for part in index.search(rows[:2], 5, np.ones(3_000, bool))] == [(2, 0)] * 2
    removed = np.ones(3_000, bool)
    removed[[5, 9]] = False
    assert sorted(index.search(rows[:1], 5, removed)[1][0].tolist()) == [5, 9]


def test_layers_grow_without_coding_all_anew(monkeypatch):
    """If it failed, adding to a large pool would take minutes each time, or every search ever longer."""
    monkeypatch.setattr(faiss_index, "_UNCODED", 500)
    rows = drawn("uniform", 12_000, 32)
    index, runs = LayeredIndex(PoolVectors.collect([rows[:8_000]])), []
    first = index.layers[0]
    for end in range(8_400, 12_001, 400):
        index = LayeredIndex(PoolVectors.collect([rows[:end]]), index.layers)
        runs.append([(layer.start, layer.end) for layer in index.layers])
        assert index.layers[0] is first
        assert end - index.layers[-1].end <= 500
    assert len(runs[-1]) <= 4
    for before, after in pairwise(runs):
        assert after[-1][0] in {start for start, _ in before} | {end for _, end in before}
    assert all(one[1] == other[0] for of_size in runs for one, other in pairwise(of_size))
    vectors = PoolVectors.collect([rows])
    queries = drawn("uniform", 40, 32, seed=3)
    assert recall(index.search(queries, 50)[1], ExactIndex(vectors).search(queries, 50)[1]) >= 0.95
    newest = index.search(rows[-40:], 1)[1].flatten()
    assert newest.tolist() == list(range(11_960, 12_000))


@pytest.mark.contract
def test_why_faiss_does_not_do_it_alone():
    """Would fail if FAISS could leave removed rows out of a fast scan by itself, or refined by float16 vectors: what
    is done here beside it would then be needless."""
    faiss = faiss_index.import_faiss()
    rows = torch.randn(256, 8, generator=torch.manual_seed(0)).numpy()
    codes = faiss.IndexPQFastScan(8, 4, 4, faiss.METRIC_INNER_PRODUCT)
    codes.train(rows)
    refined = faiss.IndexRefineFlat(codes)
    refined.add(rows)
    kept = faiss.SearchParameters(sel=faiss.IDSelectorRange(0, 128))
    with pytest.raises(RuntimeError, match="IndexFastScan"):
        codes.search(rows[:1], 3, params=kept)
    assert faiss.downcast_index(refined.refine_index).code_size == 4 * 8
