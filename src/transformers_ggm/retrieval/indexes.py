"""Search indexes over the vectors of a hashtag pool. An index lives in memory only: it is never read from a file."""

import importlib
import importlib.util
from typing import Protocol

import torch

from ..errors import PoolError


class SearchIndex(Protocol):
    """What a pool needs of an index: the `k` rows with the largest inner product."""

    def search(self, queries: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Args:
            queries (`torch.Tensor` of shape `(q, d)`, float32, on the CPU): One query a row.
            k (`int`): How many rows to return, at most the number of indexed rows.

        Returns:
            `tuple`: scores `(q, k)` float32 and row numbers `(q, k)` int64, best first.
        """


class ExactIndex:
    """
    Inner products with every row, by one matrix product for the whole batch of queries.

    Equal scores are ordered by row number, so that the answer does not depend on how a top-k happens to be computed.

    Args:
        embeddings (`torch.Tensor` of shape `(n, d)`, float32, on the CPU): The rows to search. Kept, not copied.

    Example:

    ```python
    >>> import torch
    >>> from transformers_ggm.retrieval.indexes import ExactIndex
    >>> index = ExactIndex(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]))
    >>> scores, rows = index.search(torch.tensor([[0.0, 2.0]]), k=2)
    >>> rows.tolist(), scores.tolist()
    ([[1, 2]], [[2.0, 2.0]])

    ```
    """

    def __init__(self, embeddings: torch.Tensor):
        self.embeddings = embeddings

    def search(self, queries: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        """See [`SearchIndex.search`]."""
        scores = queries @ self.embeddings.T
        # `topk` picks any of the rows that tie for the last places, so it only gives the threshold: every row above
        # it is in, and of the rows that equal it the first ones fill the places that are left.
        threshold = scores.topk(k, dim=1).values[:, -1:]
        above = scores > threshold
        places_left = k - above.sum(dim=1, keepdim=True)
        equal = scores == threshold
        chosen = above | (equal & (equal.cumsum(dim=1) <= places_left))
        rows = chosen.nonzero()[:, 1].view(len(queries), k)
        best, order = scores.gather(1, rows).sort(dim=1, descending=True, stable=True)
        return best, rows.gather(1, order)


class FaissIndex:
    """
    The same inner products from FAISS (`IndexFlatIP`), which is quicker on large pools. The order of equal scores is
    FAISS's own.

    Args:
        embeddings (`torch.Tensor` of shape `(n, d)`, float32, on the CPU): The rows to search. FAISS copies them.

    Raises:
        PoolError: FAISS is not installed.
    """

    def __init__(self, embeddings: torch.Tensor):
        if importlib.util.find_spec("faiss") is None:
            raise PoolError(
                "index='faiss' needs FAISS, which is not installed: run `pip install transformers-ggm[faiss]`, "
                "or use index='exact'."
            )
        # Not by a statement, which transformers would take for a requirement of code that comes with a checkpoint.
        faiss = importlib.import_module("faiss")
        self._index = faiss.IndexFlatIP(embeddings.shape[1])
        self._index.add(embeddings.contiguous().numpy())

    def search(self, queries: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        """See [`SearchIndex.search`]."""
        scores, rows = self._index.search(queries.contiguous().numpy(), k)
        return torch.from_numpy(scores), torch.from_numpy(rows)


INDEXES: dict[str, type[SearchIndex]] = {"exact": ExactIndex, "faiss": FaissIndex}


def make_index(name: str, embeddings: torch.Tensor) -> SearchIndex:
    """
    Builds the index called `name` over `embeddings` `(n, d)`.

    Raises:
        PoolError: There is no index of that name, or its library is not installed.
    """
    if name not in INDEXES:
        raise PoolError(f"index={name!r} is not an index: use one of {', '.join(map(repr, INDEXES))}.")
    return INDEXES[name](embeddings)
