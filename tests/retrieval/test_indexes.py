"""The indexes against a brute-force reference."""

import importlib.util

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from transformers_ggm.errors import PoolError
from transformers_ggm.retrieval import exact_index, indexes, pool_vectors
from transformers_ggm.retrieval.exact_index import ExactIndex
from transformers_ggm.retrieval.faiss_index import FaissIndex, LayeredIndex
from transformers_ggm.retrieval.indexes import make_index
from transformers_ggm.retrieval.pool_vectors import PoolVectors

# Small whole numbers: their inner products are exact in float32, and ties are frequent.
WHOLE = st.integers(-2, 2).map(float)


def vectors(rows) -> PoolVectors:
    return PoolVectors.collect([torch.as_tensor(rows)])


def brute_force(rows: np.ndarray, queries: np.ndarray, k: int) -> tuple[list[list[float]], list[list[int]]]:
    """Independent of the code under test: every product by itself, sorted by score and then by row number."""
    ranked = [sorted((-float(query @ row), number) for number, row in enumerate(rows))[:k] for query in queries]
    return [[-score for score, _ in row] for row in ranked], [[number for _, number in row] for row in ranked]


@st.composite
def searches(draw):
    n, d, q = draw(st.integers(1, 30)), draw(st.integers(1, 4)), draw(st.integers(0, 4))
    rows = draw(npst.arrays(np.float32, (n, d), elements=WHOLE))
    queries = draw(npst.arrays(np.float32, (q, d), elements=WHOLE))
    return rows, queries, draw(st.integers(1, n))


@settings(deadline=None, max_examples=100)
@given(searches(), st.integers(1, 40), st.integers(1, 9), st.integers(1, 5))
def test_exact_index_equals_brute_force(search, scores_at_a_time, numbers_at_a_time, blocks):
    """
    If it failed, the exact index would miss a best row, give a wrong score, or order ties by chance, as soon as a pool
    is more than it looks at in one go.
    """
    rows, queries, k = search
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact_index, "_SCORES_AT_A_TIME", scores_at_a_time)
        patch.setattr(pool_vectors, "_NUMBERS_AT_A_TIME", numbers_at_a_time)
        index = ExactIndex(PoolVectors(torch.from_numpy(rows).half().tensor_split(blocks)))
        scores, found = index.search(torch.from_numpy(queries), k)
    assert scores.dtype == torch.float32
    assert scores.shape == found.shape == (len(queries), k)
    assert (scores.tolist(), found.tolist()) == brute_force(rows, queries, k)


@settings(deadline=None, max_examples=80)
@given(searches(), st.data())
@pytest.mark.parametrize("name", ["exact", "faiss"])
def test_removed_rows_are_not_found(name, search, data):
    """If it failed, a banned hashtag would come back, or take the place of another one."""
    if name == "faiss":
        pytest.importorskip("faiss", reason="FAISS is not installed: pip install transformers-ggm[faiss]")
    rows, queries, k = search
    removed = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))), bool)
    removed[data.draw(st.permutations(range(len(rows))))[:k]] = False
    scores, found = make_index(name, vectors(rows)).search(torch.from_numpy(queries), k, removed)
    remaining = np.flatnonzero(~removed)
    expected_scores, expected = brute_force(rows[remaining], queries, k)
    assert scores.tolist() == expected_scores
    if name == "exact":
        assert found.tolist() == [remaining[of_query].tolist() for of_query in expected]
    assert not removed[found.numpy()].any()


def test_exact_index_orders_many_ties_by_row():
    """If it failed, equal scores in a large pool would come in the order that a parallel top-k happens to find."""
    index = ExactIndex(vectors(torch.ones(5000, 3)))
    _, rows = index.search(torch.ones(2, 3), 700)
    assert rows.tolist() == [list(range(700))] * 2


def test_faiss_agrees_with_exact():
    """If it failed, choosing `index="faiss"` would change what a pool finds."""
    pytest.importorskip("faiss", reason="FAISS is not installed: pip install transformers-ggm[faiss]")
    generator = torch.Generator().manual_seed(3)
    rows = torch.nn.functional.normalize(torch.randn(500, 16, generator=generator), dim=1)
    # A strided view, as slicing in user code may give: FAISS reads raw memory.
    queries = torch.randn(7, 32, generator=generator)[:, ::2]
    exact_scores, exact_rows = ExactIndex(vectors(rows)).search(queries, 20)
    faiss_scores, faiss_rows = FaissIndex(vectors(rows)).search(queries, 20)
    assert faiss_rows.tolist() == exact_rows.tolist()
    torch.testing.assert_close(faiss_scores, exact_scores)


def test_faiss_missing_says_what_to_install(monkeypatch):
    """If it failed, choosing FAISS without having it would end in a bare ImportError."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PoolError, match=r"pip install transformers-ggm\[faiss\]"):
        FaissIndex(vectors(torch.ones(2, 2)))


def test_auto_chooses_by_size_and_by_what_is_installed(monkeypatch):
    """If it failed, small pools would lose exactness, large ones take seconds a search, or FAISS be required."""
    pytest.importorskip("faiss", reason="FAISS is not installed: pip install transformers-ggm[faiss]")
    rows = torch.randn(600, 8, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(indexes, "LARGE_FROM", 600)
    assert isinstance(make_index("auto", vectors(rows[:599])), ExactIndex)
    assert isinstance(make_index("faiss", vectors(rows[:599])), FaissIndex)
    assert isinstance(make_index("exact", vectors(rows)), ExactIndex)
    assert isinstance(make_index("auto", vectors(rows)), LayeredIndex)
    assert isinstance(make_index("faiss", vectors(rows)), LayeredIndex)
    warnings = []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(indexes.logger, "warning_once", warnings.append)
    assert isinstance(make_index("auto", vectors(rows)), ExactIndex)
    assert "600 hashtags" in warnings[0] and "pip install transformers-ggm[faiss]" in warnings[0]


def test_unknown_index_is_refused():
    """If it failed, a misspelt index would fall back to another one or end in a KeyError."""
    with pytest.raises(PoolError, match="'exakt' is not an index: use one of 'exact', 'faiss'"):
        make_index("exakt", vectors(torch.ones(1, 1)))
