"""
FAISS's indexes: the exact one, for pools of which a second copy fits into memory, and one over codes, for larger ones.

FAISS's own `IndexRefineFlat` keeps float32 vectors to refine with in memory; those here are the pool's, float16 and
memory-mapped (FAISS maps files of its own only, and cannot add to them). `IndexPQFastScan` takes no `IDSelector`, so
removed rows are passed over here, and `IndexIDMap` has no use where rows keep their indices.
"""

import importlib
import importlib.util
import math
import time
from collections.abc import Iterator, Sequence
from types import ModuleType

import numpy as np
import torch
from torch.nn.functional import normalize
from transformers.utils import logging
from transformers.utils.logging import tqdm

from ..errors import PoolError
from .exact_index import BestRows, ExactIndex, best_of
from .pool_vectors import PoolVectors

logger = logging.get_logger(__name__)

_BITS = 4  # of a code; FAISS's fast scan has no other
_TRAINING_ROWS = 16_384
_ROWS_AT_A_TIME = 16_384
# The number of candidates is found by trial: queries of either kind, for the 50 nearest of each, must recall so many.
_TRIALS = 32
_TRIAL_K = 50
_RECALL = 0.97
# Where a larger share of the rows would be candidates, the exact search is as quick.
_LARGEST_SHARE = 1 / 8
_PROGRESS_FROM = 250_000
# As many of the last rows are searched exactly, which takes some hundredths of a second.
_UNCODED = 2**16


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
    Inner products with every row by FAISS (`IndexFlatIP`), which is quicker than [`ExactIndex`] for single queries.
    The order of equal scores is FAISS's own.

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
        faiss = import_faiss()
        kept = None if removed is None else np.packbits(~removed, bitorder="little")
        params = None if kept is None else faiss.SearchParameters(sel=faiss.IDSelectorBitmap(kept))
        scores, rows = self._index.search(queries.contiguous().numpy(), min(k, self._index.ntotal), params=params)
        return torch.from_numpy(scores), torch.from_numpy(rows)


class CodedIndex:
    """
    Approximate search in two steps. FAISS (`IndexPQFastScan`) compares codes of two bits a dimension of every row and
    gives candidates; their inner products are then computed with the vectors themselves, so scores are exact. Codes
    take an eighth of the space of float16 and stay in memory; the vectors may be memory-mapped.

    How many candidates it takes is measured when the index is built, against exact search: for queries in random
    directions and for queries beside rows, 97% of the 50 nearest must be found.

    Args:
        vectors ([`PoolVectors`]): The rows to search.
        start (`int`), end (`int`): Index the rows from `start` up to `end`.

    Raises:
        PoolError: FAISS is not installed.

    Attributes:
        candidates (`int`): How many candidates a search for up to 50 rows takes; in proportion for more.
    """

    def __init__(self, vectors: PoolVectors, start: int, end: int):
        faiss = import_faiss()
        began = time.perf_counter()
        self.start, self.end = start, end
        self._vectors = vectors
        generator = torch.Generator().manual_seed(0)
        chosen = torch.randperm(len(self), generator=generator)[:_TRAINING_ROWS].sort().values
        sample = vectors.rows(chosen + start)
        # Pairs of dimensions share a code where they can.
        parts = vectors.dim // 2 if vectors.dim % 2 == 0 else vectors.dim
        self._codes = faiss.IndexPQFastScan(vectors.dim, parts, _BITS, faiss.METRIC_INNER_PRODUCT)
        self._codes.train(sample.numpy())
        kinds = _trial_queries(sample, generator)
        nearest = self._encode(torch.cat(kinds))
        needed = map(self._candidates_needed, kinds, nearest.split([len(kind) for kind in kinds]))
        self.candidates = max(_TRIAL_K, *needed)
        logger.info(
            f"Indexed {len(self):,} hashtags in {time.perf_counter() - began:.0f} s: "
            f"{self.candidates:,} candidates a search."
        )

    def __len__(self) -> int:
        return self.end - self.start

    def _encode(self, trials: torch.Tensor) -> torch.Tensor:
        """Adds all rows to the codes; gives the exact answers for `trials`, so that rows are read once for both."""
        best = BestRows(trials, _TRIAL_K)
        with tqdm(
            total=len(self), desc="Indexing hashtags", unit=" hashtags", disable=len(self) < _PROGRESS_FROM
        ) as progress:
            for first, rows in self._vectors.chunks(self.start, self.end, _ROWS_AT_A_TIME):
                self._codes.add(rows.numpy())
                best.look_at(first, rows)
                progress.update(len(rows))
        return best.result()[1] - self.start

    def _candidates_needed(self, queries: torch.Tensor, nearest: torch.Tensor) -> int:
        needed = math.ceil(_RECALL * nearest.numel())
        for taken in _growing(_TRIAL_K, len(self)):
            found = self._codes.search(queries.numpy(), taken)[1]
            places = [np.intersect1d(*rows, return_indices=True)[1] for rows in zip(found, nearest.numpy())]
            ranks = np.sort(np.concatenate(places))
            if len(ranks) >= needed:
                return int(ranks[needed - 1]) + 1
        return len(self)

    def search(
        self, queries: torch.Tensor, k: int, removed: np.ndarray | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See [`SearchIndex.search`]; gives fewer than `k` when there are fewer rows."""
        if removed is None:
            return self._search_all(queries, min(k, len(self)))
        there = len(self) - int(removed[self.start : self.end].sum())
        k = min(k, there)
        # Removed rows have codes too: so many more are searched for that enough of others are among them.
        for asked in _growing(math.ceil(k * len(self) / max(there, 1)), len(self)):
            scores, rows = self._search_all(queries, asked)
            gone = torch.from_numpy(removed)[rows]
            if (asked - gone.sum(dim=1) >= k).all():
                break
        return best_of(scores.masked_fill(gone, -torch.inf), rows, k)

    def _search_all(self, queries: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        taken = math.ceil(self.candidates * max(k, _TRIAL_K) / _TRIAL_K)
        if taken > _LARGEST_SHARE * len(self):
            return ExactIndex(self._vectors, self.start, self.end).search(queries, k)
        found = self._codes.search(queries.contiguous().numpy(), taken)[1] + self.start
        scores, rows = torch.empty(len(queries), k), torch.empty(len(queries), k, dtype=torch.int64)
        # In the order in which they lie in the file, and in which equal scores are ordered.
        for number, candidates in enumerate(torch.from_numpy(found).sort(dim=1).values):
            products = self._vectors.rows(candidates) @ queries[number]
            best, order = products.sort(descending=True, stable=True)
            scores[number], rows[number] = best[:k], candidates[order[:k]]
        return scores, rows


def _growing(first: int, limit: int) -> Iterator[int]:
    while first < limit:
        yield first
        first *= 2
    yield limit


def _trial_queries(sample: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries like none of the rows, and queries with a cosine similarity of 0.5 to a row."""
    directions = normalize(torch.randn(2 * _TRIALS, sample.shape[1], generator=generator), dim=1)
    chosen = torch.randint(len(sample), (_TRIALS,), generator=generator)
    beside = normalize(sample[chosen], dim=1) + math.sqrt(3) * directions[_TRIALS:]
    return directions[:_TRIALS], normalize(beside, dim=1)


class LayeredIndex:
    """
    [`CodedIndex`]es over one run of rows after the other, and an [`ExactIndex`] over the last rows. Rows that were
    added are coded when they are many. Layers that together are no longer than what comes after them are then coded
    anew as one, so that there are few layers, and a row is coded seldom.

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
