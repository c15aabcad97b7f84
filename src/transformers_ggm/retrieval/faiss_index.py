"""FAISS's exact index, for pools of which a second copy fits into memory."""

import importlib
import importlib.util
from types import ModuleType

import numpy as np
import torch

from ..errors import PoolError
from .exact_index import best_of
from .pool_vectors import PoolVectors


def is_faiss_installed() -> bool:
    """Whether FAISS can be imported."""
    return importlib.util.find_spec("faiss") is not None


def import_faiss() -> ModuleType:
    """
    FAISS.

    Raises:
        PoolError: It is not installed.
    """
    if not is_faiss_installed():
        raise PoolError(
            "index='faiss' needs FAISS, which is not installed: run `pip install transformers-ggm[faiss]`, "
            "or use index='exact'."
        )
    # Not by a statement, which transformers would take for a requirement of code that comes with a checkpoint.
    return importlib.import_module("faiss")


class FaissIndex:
    """
    Inner products with every row by FAISS (`IndexFlatIP`), which is quicker than [`ExactIndex`] for single queries. The
    order of equal scores is FAISS's own.

    Args:
        vectors ([`PoolVectors`]): The rows to search. FAISS copies them as float32.

    Raises:
        PoolError: FAISS is not installed.
    """

    def __init__(self, vectors: PoolVectors):
        self._index = import_faiss().IndexFlatIP(vectors.dim)
        for _, rows in vectors.chunks():
            self._index.add(rows.numpy())

    def search(
        self, queries: torch.Tensor, k: int, removed: np.ndarray | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See [`SearchIndex.search`]."""
        spare = 0 if removed is None else int(removed.sum())
        found = self._index.search(queries.contiguous().numpy(), min(k + spare, self._index.ntotal))
        scores, rows = map(torch.from_numpy, found)
        if removed is None:
            return scores, rows
        return best_of(scores.masked_fill(torch.from_numpy(removed)[rows], -torch.inf), rows, k)
