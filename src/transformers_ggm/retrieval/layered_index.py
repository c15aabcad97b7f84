"""An index that can be added to at once: codes for most rows, exact search for the last ones."""

from collections.abc import Sequence

import numpy as np
import torch

from .coded_index import CodedIndex
from .exact_index import ExactIndex, best_of
from .pool_vectors import PoolVectors

# As many of the last rows are searched exactly, which takes some hundredths of a second.
_UNCODED = 2**16


class LayeredIndex:
    """
    [`CodedIndex`]es over one run of rows after the other, and an [`ExactIndex`] over the last rows. Rows that were added
    are coded when they are many. Layers that together are no longer than what comes after them are then coded anew as
    one, so that there are few layers, and a row is coded seldom.

    Args:
        vectors ([`PoolVectors`]): The rows to search.
        layers (`Sequence[CodedIndex]`, *optional*): Those of an index over the first of these rows.

    Raises:
        PoolError: FAISS is not installed.
    """

    def __init__(self, vectors: PoolVectors, layers: Sequence[CodedIndex] = ()):
        self.layers = list(layers)
        coded = self.layers[-1].end if self.layers else 0
        if len(vectors) - coded > _UNCODED:
            while self.layers and len(self.layers[-1]) <= len(vectors) - coded:
                coded = self.layers.pop().start
            self.layers.append(CodedIndex(vectors, coded, len(vectors)))
            coded = len(vectors)
        self._parts = [*self.layers, ExactIndex(vectors, coded)]

    def search(
        self, queries: torch.Tensor, k: int, removed: np.ndarray | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See [`SearchIndex.search`]."""
        scores, rows = zip(*(part.search(queries, k, removed) for part in self._parts))
        return best_of(torch.cat(scores, dim=1), torch.cat(rows, dim=1), k)
