"""The exact search: every vector is scored, a few at a time."""

import numpy as np
import torch

from .pool_vectors import PoolVectors

# So many scores are held at a time (64 MB), however many rows and queries there are.
_SCORES_AT_A_TIME = 2**24


class ExactIndex:
    """
    Inner products with every row, by one matrix product for the whole batch of queries and some hundred rows after the
    other, so that no more of the rows than these are ever float32.

    Equal scores are ordered by row number, so that the answer does not depend on how a top-k happens to be computed.

    Args:
        vectors ([`PoolVectors`]): The rows to search.
        start (`int`, defaults to 0), end (`int`, *optional*): Search only the rows from `start` up to `end`.

    Example:

    ```python
    >>> import torch
    >>> from transformers_ggm.retrieval.exact_index import ExactIndex
    >>> from transformers_ggm.retrieval.pool_vectors import PoolVectors

    >>> index = ExactIndex(PoolVectors.collect([torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])]))
    >>> scores, rows = index.search(torch.tensor([[0.0, 2.0]]), k=2)
    >>> rows.tolist(), scores.tolist()
    ([[1, 2]], [[2.0, 2.0]])

    ```
    """

    def __init__(self, vectors: PoolVectors, start: int = 0, end: int | None = None):
        self._vectors, self._start, self._end = vectors, start, len(vectors) if end is None else end

    def search(
        self, queries: torch.Tensor, k: int, removed: np.ndarray | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See [`SearchIndex.search`]."""
        best = BestRows(queries, k, removed)
        for first, rows in self._vectors.chunks(self._start, self._end):
            best.look_at(first, rows)
        return best.result()


class BestRows:
    """
    The best rows so far, while rows pass by.

    Args:
        queries (`torch.Tensor` of shape `(q, d)`): float32.
        k (`int`): How many to keep.
        removed (`np.ndarray` of bool, *optional*): Rows that are left out.
    """

    def __init__(self, queries: torch.Tensor, k: int, removed: np.ndarray | None = None):
        self._queries, self._k, self._removed = queries, k, removed
        self._scores = torch.empty(len(queries), 0)
        self._rows = torch.empty(len(queries), 0, dtype=torch.int64)
        self._waiting: list[torch.Tensor] = []
        self._waiting_from = self._next = 0

    def look_at(self, first: int, rows: torch.Tensor) -> None:
        """Takes in rows `(m, d)`, float32, of which the first has number `first`: those after the last ones."""
        scores = self._queries @ rows.T
        if self._removed is not None:
            scores[:, torch.from_numpy(self._removed[first : first + len(rows)])] = -torch.inf
        if not self._waiting:
            self._waiting_from = first
        self._waiting.append(scores)
        self._next = first + len(rows)
        if (self._next - self._waiting_from) * len(self._queries) >= _SCORES_AT_A_TIME:
            self._choose()

    def result(self) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Scores `(q, k)` and row indices `(q, k)`, best first, equal scores by row index; fewer when there are fewer.
        """
        self._choose()
        return self._scores, self._rows

    def _choose(self) -> None:
        if self._waiting:
            rows = torch.arange(self._waiting_from, self._next).expand(len(self._queries), -1)
            scores = torch.cat([self._scores, *self._waiting], dim=1)
            self._waiting = []
            # The best of before come first, those with equal scores by row number: so positions order ties by row.
            self._scores, self._rows = best_of(scores, torch.cat([self._rows, rows], dim=1), self._k)


def best_of(scores: torch.Tensor, rows: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """
    The `k` best of `scores` `(q, m)`, or all when there are fewer, and the `rows` `(q, m)` that stand in their places:
    best first, equal scores in the order of their places.
    """
    k = min(k, scores.shape[1])
    # `topk` picks any of the places that tie for the last ones, so it only gives the threshold: every place above
    # it is in, and of the places that equal it the first ones fill what is left.
    threshold = scores.topk(k, dim=1).values[:, -1:]
    above = scores > threshold
    places_left = k - above.sum(dim=1, keepdim=True)
    equal = scores == threshold
    chosen = above | (equal & (equal.cumsum(dim=1) <= places_left))
    places = chosen.nonzero()[:, 1].view(len(scores), k)
    best, order = scores.gather(1, places).sort(dim=1, descending=True, stable=True)
    return best, rows.gather(1, places.gather(1, order))
