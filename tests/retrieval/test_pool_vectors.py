"""Vectors in memory and in memory-mapped files."""

import os
import sys
import tempfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mapped_files import mapped_file

from transformers_ggm.errors import PoolError
from transformers_ggm.retrieval import pool_vectors
from transformers_ggm.retrieval.pool_vectors import PoolVectors


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 5), st.integers(1, 30), st.data())
def test_blocks_are_one_matrix(sizes, dim, at_a_time, data):
    """If it failed, a row would be lost, doubled or taken for another where two blocks or chunks meet."""
    matrix = torch.arange(sum(sizes) * dim).view(-1, dim).half()
    blocks = matrix.split(sizes)
    vectors = PoolVectors(blocks)
    assert (len(vectors), vectors.dim) == matrix.shape
    start, end = sorted(data.draw(st.tuples(st.integers(0, len(matrix)), st.integers(0, len(matrix)))))
    chunks = [(first, rows.clone()) for first, rows in vectors.chunks(start, end, at_a_time)]
    assert all(len(rows) <= at_a_time and rows.dtype == torch.float32 for _, rows in chunks)
    for first, rows in chunks:
        assert torch.equal(rows, matrix[first : first + len(rows)].float())
    assert sum(len(rows) for _, rows in chunks) == end - start

    numbers = torch.tensor(data.draw(st.lists(st.integers(0, len(matrix) - 1), max_size=9)), dtype=torch.int64)
    assert torch.equal(vectors.rows(numbers), matrix[numbers].float())

    keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(matrix), max_size=len(matrix))))
    assert torch.equal(torch.cat(list(vectors.kept(keep))), matrix[torch.from_numpy(keep)])
    assert torch.equal(torch.cat(list(vectors.kept(None))), matrix)

    grown = PoolVectors(blocks[:1])
    for block in blocks[1:]:
        grown = grown.followed_by(PoolVectors([block]))
    assert torch.equal(torch.cat(grown.blocks), matrix)
    assert len(grown.blocks) == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_many_vectors_go_to_a_file_that_vanishes(monkeypatch, tmp_path):
    """If it failed, building a large pool would need the memory for all its vectors, or leave gigabytes behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(pool_vectors, "MAPPED_FROM", 1000)
    rows = torch.randn(100, 8)
    few, many = PoolVectors.collect([rows[:20]]), PoolVectors.collect(rows.split(7))
    assert mapped_file(few.blocks[0]) is None
    assert mapped_file(many.blocks[0]).startswith(str(tmp_path))
    assert os.listdir(tmp_path) == []
    assert torch.equal(many.blocks[0], rows.half())
    # Small additions must not read the file into memory.
    monkeypatch.setattr(pool_vectors, "_JOINED_BELOW", 1000)
    grown = many.followed_by(few).followed_by(few)
    assert grown.blocks[0] is many.blocks[0]
    assert [len(block) for block in grown.blocks] == [100, 40]


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ([], "embeddings is empty"),
        ([torch.ones(3)], r"shape \(3,\): give \(n, d\)"),
        ([torch.ones(2, 0)], r"shape \(2, 0\)"),
        ([torch.ones(2, 3), torch.ones(2, 4)], r"shape \(2, 4\): give \(n, 3\)"),
        ([torch.ones(2, 3), torch.tensor([[1.0, float("nan"), 0.0]])], "NaN"),
        ([torch.tensor([[float("inf")]]), torch.ones(2, 1)], "infinity"),
        ([torch.tensor([[float("inf"), -float("inf")]])], "infinity"),
        ([torch.tensor([[1e6, 0.0]])], "beyond float16"),
    ],
)
def test_what_is_no_matrix_is_refused(chunks, message):
    """If it failed, a mistake in one batch of many would come up as noise in searches, or as an error from numpy."""
    with pytest.raises(PoolError, match=message):
        PoolVectors.collect(chunks)
    with pytest.raises(PoolError, match="vectors of 2 dimensions cannot be added to a pool of 3"):
        PoolVectors([torch.ones(1, 3).half()]).followed_by(PoolVectors([torch.ones(1, 2).half()]))


def test_largest_numbers_are_finite():
    """If it failed, vectors of large but valid numbers would be taken for infinite ones."""
    assert len(PoolVectors.collect([torch.full((3000, 64), 65504.0)])) == 3000
