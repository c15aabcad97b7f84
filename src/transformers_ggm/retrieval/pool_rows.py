"""What a hashtag pool holds at one moment."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from transformers.utils import logging

from ..errors import PoolError
from .hashtag_spellings import Spellings
from .hashtag_table import HashtagNames, check_any, checked_counts, first_spellings, named, normalized_hashtags
from .hashtag_uses import HashtagUses
from .indexes import SearchIndex, make_index
from .pool_files import PoolContents
from .pool_vectors import PoolVectors

logger = logging.get_logger(__name__)

# Up to so many rows, those of removed hashtags are dropped at once; beyond that, when they are half of all.
_DROPPED_AT_ONCE = 250_000


@dataclass(frozen=True)
class PoolRows:
    """
    One entry a row in each part. Neither this nor any of its parts is ever written into, so that a search goes on with
    what it began with while the pool changes, and copies share what they have in common.

    Attributes:
        names ([`HashtagNames`]), counts (`np.ndarray` of int64), vectors ([`PoolVectors`]): of the hashtags.
        index ([`SearchIndex`]): over the vectors.
        index_name (`str`): which kind it is, see [`HashtagPool`].
    """

    names: HashtagNames
    counts: np.ndarray
    vectors: PoolVectors
    index: SearchIndex
    index_name: str

    @classmethod
    def make(
        cls,
        names: HashtagNames,
        counts: np.ndarray,
        vectors: PoolVectors,
        index_name: str,
        grown_from: SearchIndex | None = None,
    ) -> "PoolRows":
        """Rows with their index, which may be that of fewer rows grown."""
        return cls(names, counts, vectors, make_index(index_name, vectors, grown_from), index_name)

    def kept_counts(self) -> np.ndarray:
        return self.counts if self.names.kept is None else self.counts[self.names.kept]

    def most_used(self, k: int) -> list[str]:
        """The hashtags with the highest counts, highest first; equal ones in pool order."""
        order = np.argsort(-self.kept_counts(), kind="stable")[:k]
        return self.names.arrow().take(order).to_pylist()

    def kept_vectors(self) -> Iterator[torch.Tensor]:
        return self.vectors.kept(self.names.kept)

    def contents(self, retriever_fingerprint: str, uses: HashtagUses, spellings: Spellings) -> PoolContents:
        """What the folder of a pool with these rows is to hold."""
        return PoolContents(
            self.names.arrow(),
            self.kept_counts(),
            self.kept_vectors(),
            self.vectors.dim,
            self.vectors.whole_dim,
            retriever_fingerprint,
            uses,
            spellings,
        )

    def counted(self, rows: Sequence[int], uses: Sequence[int] | np.ndarray) -> "PoolRows":
        """
        With more uses of some rows.

        Raises:
            PoolError: The counts would be too large together.
        """
        raised = self.counts.copy()
        raised[rows] += np.asarray(uses, np.int64)
        return replace(self, counts=checked_counts(raised, len(raised)))

    def followed_by(self, names: Sequence[str], counts: np.ndarray, vectors: PoolVectors) -> "PoolRows":
        """
        With more rows at the end.

        Raises:
            PoolError: The vectors have another width, or the counts would be too large together.
        """
        all_counts = np.concatenate([self.counts, counts])
        return self.make(
            self.names.followed_by(names),
            checked_counts(all_counts, len(all_counts)),
            self.vectors.followed_by(vectors),
            self.index_name,
            grown_from=self.index,
        )

    def without(self, rows: Sequence[int]) -> "PoolRows":
        """
        Without some rows.

        Raises:
            PoolError: None would be left.
        """
        if len(set(rows)) == len(self.names):
            raise PoolError("removing these hashtags would leave the pool empty. Nothing was removed.")
        if not rows:
            return self
        names = self.names.without(rows)
        if names.num_rows > _DROPPED_AT_ONCE and 2 * len(names) > names.num_rows:
            return replace(self, names=names)
        vectors = self.vectors.without(names.kept)
        return self.make(HashtagNames(names.arrow()), self.counts[names.kept], vectors, self.index_name)

    def search(self, queries: torch.Tensor, k: int) -> tuple[torch.Tensor, list[list[str]]]:
        """
        The nearest rows, as [`HashtagPool.search`] gives them.

        Raises:
            PoolError: `k` is out of range, or the queries have another width or are not finite.
        """
        size, dim = len(self.names), self.vectors.whole_dim
        if not isinstance(k, Integral) or k < 1:
            raise PoolError(f"k={k!r}: ask for a whole number of hashtags, 1 or more.")
        if k > size:
            raise PoolError(f"k={k} is more than the {size} hashtags of the pool: ask for at most {size}.")
        queries = torch.as_tensor(queries).detach().to("cpu", torch.float32)
        if queries.ndim == 1:
            queries = queries[None]
        if queries.ndim != 2 or queries.shape[1] != dim:
            raise PoolError(
                f"queries has shape {tuple(queries.shape)}, but the vectors of the pool have {dim} dimensions: "
                f"give (q, {dim}), as made by the retriever of the pool."
            )
        if not queries.isfinite().all():
            raise PoolError("queries holds NaN or infinity: check the retriever's outputs.")
        scores, found = self.index.search(self.vectors.cut(queries), int(k), self.names.removed)
        return scores, [[self.names[row] for row in of_query] for of_query in found.tolist()]


def read_rows(contents: PoolContents, folder: Path) -> tuple[pa.LargeStringArray, np.ndarray, PoolVectors]:
    """
    Names, counts and vectors of a pool as it was read; of one that an earlier version saved with several spellings of
    one hashtag, each hashtag once.

    Raises:
        HashtagError, PoolError: They are no names, counts or vectors that a pool can have.
    """
    names = normalized_hashtags(contents.hashtags)
    check_any(names)
    counts = checked_counts(contents.counts, len(names))
    vectors = PoolVectors(contents.embeddings, contents.whole_dim)
    vectors.check_finite()
    first = first_spellings(contents.hashtags, names)
    if first is None or first.all():
        return names, counts, vectors
    logger.warning(
        f"{folder} has {(~first).sum()} hashtags that are other spellings of some before them "
        f"({named(contents.hashtags.filter(pa.array(~first)).to_pylist())}): their counts are added to"
        " those. Save the pool to keep it so."
    )
    return merged_rows(names, counts, vectors, first)


def merged_rows(
    names: pa.LargeStringArray, counts: np.ndarray, vectors: PoolVectors, first: np.ndarray
) -> tuple[pa.LargeStringArray, np.ndarray, PoolVectors]:
    """The rows that are the first of their hashtag, with the counts of all its rows."""
    sums = np.zeros(len(names), np.int64)
    places = names.dictionary_encode().indices.to_numpy()
    np.add.at(sums, np.unique(places, return_index=True)[1][places], counts)
    return names.filter(pa.array(first)), sums[first], vectors.without(first)
