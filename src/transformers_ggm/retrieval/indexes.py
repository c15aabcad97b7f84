"""
Search indexes over the vectors of a hashtag pool, chosen by name and size. An index lives in memory only: it is never
read from a file.
"""

from typing import Protocol

import numpy as np
import torch
from transformers.utils import logging

from ..errors import PoolError
from .exact_index import ExactIndex
from .faiss_index import FaissIndex, LayeredIndex, is_faiss_installed
from .pool_vectors import PoolVectors

logger = logging.get_logger(__name__)

INDEXES = ("exact", "faiss", "auto")
# With fewer hashtags than this the exact search takes some hundredths of a second.
LARGE_FROM = 250_000


class SearchIndex(Protocol):
    """What a pool needs of an index: the `k` rows with the largest inner product."""

    def search(
        self, queries: torch.Tensor, k: int, removed: np.ndarray | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Args:
            queries (`torch.Tensor` of shape `(q, d)`, float32, on the CPU): One query a row.
            k (`int`): How many rows to return, at most the number of indexed rows that are not removed.
            removed (`np.ndarray` of bool, *optional*): For each row whether it must not be found.

        Returns:
            `tuple`: scores `(q, k)` float32 and row indices `(q, k)` int64, best first.
        """


def make_index(name: str, vectors: PoolVectors, grown_from: SearchIndex | None = None) -> SearchIndex:
    """
    Builds the index called `name` over `vectors`.

    Args:
        name (`str`): `"exact"`; `"faiss"`, which is exact up to [`LARGE_FROM`] rows and beyond that works on codes; or
            `"auto"`, `"exact"` for few rows and `"faiss"` for many, where it is installed.
        vectors ([`PoolVectors`]): The rows.
        grown_from (`SearchIndex`, *optional*): The index of the pool before rows were added at its end; what can be
            used of it need not be built again.

    Raises:
        PoolError: There is no index of that name, or its library is not installed.
    """
    if name not in INDEXES:
        raise PoolError(f"index={name!r} is not an index: use one of {', '.join(map(repr, INDEXES))}.")
    large = len(vectors) >= LARGE_FROM
    if name == "exact" or (name == "auto" and not large):
        return ExactIndex(vectors)
    if name == "auto" and not is_faiss_installed():
        logger.warning_once(
            f"The hashtag pool has {len(vectors):,} hashtags, and each search goes through all of them, since FAISS "
            "is not installed: run `pip install transformers-ggm[faiss]`, or pass index='exact' to have it so."
        )
        return ExactIndex(vectors)
    if not large:
        return FaissIndex(vectors)
    return LayeredIndex(vectors, grown_from.layers if isinstance(grown_from, LayeredIndex) else ())
