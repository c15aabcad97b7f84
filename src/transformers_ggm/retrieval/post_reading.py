"""Posts as they come, some thousand at a time: their tables, vectors and terms."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch.nn.functional import normalize

from ..errors import PostIndexError
from .hashtag_table import named
from .pool_vectors import PoolVectors
from .post_encoders import field_read_by
from .post_table import batched_posts, post_table, post_text
from .sparse_index import SparseIndex, scipy_sparse

_POSTS_AT_A_TIME = 4096
# Of posts whose pictures or sounds are encoded: decoded, they are large.
_CLIPS_AT_A_TIME = 64


def read_batches(posts, encoder, sparse, store_text, vocabulary, first_number, dim=None):
    """
    Tables, vectors (or `None`; of each the first `dim` numbers) and term counts (or `None`) of posts, which pass by
    once.
    """
    tables: list[pa.Table] = []
    terms: list[SparseIndex] = []
    field = field_read_by(encoder)
    size = _POSTS_AT_A_TIME if field == "text" else _CLIPS_AT_A_TIME

    def vectors() -> Iterator[torch.Tensor]:
        number = first_number
        for batch in batched_posts(posts, size):
            tables.append(post_table(batch, vocabulary, number, store_text))
            number += len(batch)
            texts = list(map(post_text, batch))
            if sparse:
                terms.append(SparseIndex.of_texts(texts))
            if encoder is not None:
                inputs = texts if field == "text" else [post.get(field) for post in batch]
                yield _checked_vectors(encoder.encode(inputs), len(inputs))

    collected = None
    rows = vectors()
    first = next(rows, None)
    if first is not None:
        collected = PoolVectors.collect(_chained(first, rows), dim)
    return tables, collected, _stacked(terms)


def _checked_vectors(vectors: torch.Tensor, count: int) -> torch.Tensor:
    """Vectors of length 1 of so many posts."""
    if vectors.ndim != 2 or len(vectors) != count or not vectors.isfinite().all():
        raise PostIndexError(
            f"the encoder gave {tuple(vectors.shape)} for {count} posts, or numbers that are not finite: it has to"
            " give one vector for each."
        )
    return normalize(vectors.float(), dim=-1)


def _chained(first: torch.Tensor, rest: Iterator[torch.Tensor]) -> Iterator[torch.Tensor]:
    yield first
    yield from rest


def _stacked(terms: list[SparseIndex]):
    if not terms:
        return None
    return scipy_sparse().vstack([part.counts for part in terms], format="csr")


def check_ids(table: pa.Table) -> None:
    counted = pc.value_counts(table["id"].combine_chunks())
    twice = counted.filter(pc.greater(counted.field("counts"), 1)).field("values").to_pylist()
    if twice:
        raise PostIndexError(
            f"there is more than one post of each of these ids: {named(twice)}. Give each one its own."
        )
