"""The indexes against a brute-force reference."""

import importlib.util

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from transformers_ggm.errors import PoolError
from transformers_ggm.retrieval.exact_index import ExactIndex
from transformers_ggm.retrieval.faiss_index import FaissIndex
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


@settings(deadline=None, max_examples=150)
@given(searches())
def test_exact_index_equals_brute_force(search):
    """If it failed, the exact index would miss a best row, give a wrong score, or order ties by chance."""
    rows, queries, k = search
    scores, found = ExactIndex(vectors(rows)).search(torch.from_numpy(queries), k)
    assert scores.dtype == torch.float32
    assert scores.shape == found.shape == (len(queries), k)
    assert (scores.tolist(), found.tolist()) == brute_force(rows, queries, k)


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


def test_unknown_index_is_refused():
    """If it failed, a misspelt index would fall back to another one or end in a KeyError."""
    with pytest.raises(PoolError, match="'exakt' is not an index: use one of 'exact', 'faiss'"):
        make_index("exakt", vectors(torch.ones(1, 1)))
