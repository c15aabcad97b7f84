"""An index of posts in parts: encoded by actors, written one after the other, and joined at the end."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ..errors import CheckpointError
from ..retrieval import TextEncoder
from ..retrieval.post_files import PostContents
from ..retrieval.post_reading import check_ids, read_batches
from ..retrieval.post_table import SCHEMA, Vocabulary
from ..retrieval.sparse_index import NUM_TERMS, scipy_sparse
from .part_files import PartFiles
from .sent_rows import unpacked_rows

# What waits for a part, at most.
_PART_POSTS = 65_536
_PART_SECONDS = 30.0


class PostEncoder:
    """
    The stage that makes rows of an index of posts: with their hashtags by name, as `terms` and `counts` the terms of
    their words, and as `vector` the float16 numbers of an encoder.

    Args:
        text_encoder (`str`, *optional*): folder or Hub id; without one there are no vectors.
        fingerprint (`str`): of that encoder, as the driver knows it.
        store_text (`bool`): whether words are kept.
        device (`str`): that it works on, such as `"cuda"`.

    Raises:
        `CheckpointError`: There is no such encoder here, or another one.
    """

    def __init__(self, text_encoder: str | None, fingerprint: str, store_text: bool, device: str):
        self._encoder = None if text_encoder is None else TextEncoder.from_pretrained(text_encoder)
        if self._encoder is not None:
            if self._encoder.fingerprint() != fingerprint:
                raise CheckpointError(f"{text_encoder} is not the same on all machines: give one that all share.")
            self._encoder.model.to(device)
        self._store_text = store_text

    def __call__(self, block: pa.Table) -> pa.Table:
        vocabulary = Vocabulary()
        numbers, posts = zip(*unpacked_rows(block))
        tables, vectors, terms = read_batches(posts, self._encoder, True, self._store_text, vocabulary, numbers[0])
        table = pa.concat_tables(tables).combine_chunks()
        lists = pa.concat_arrays(table["hashtags"].chunks)
        names = pa.array(vocabulary.hashtags, pa.large_string()).take(lists.values)
        hashtags = pa.LargeListArray.from_arrays(lists.offsets, names)
        table = table.set_column(table.column_names.index("hashtags"), "hashtags", hashtags)
        offsets = pa.array(terms.indptr, pa.int64())
        table = table.append_column(
            "terms", pa.LargeListArray.from_arrays(offsets, pa.array(terms.indices, pa.int32()))
        )
        table = table.append_column(
            "counts", pa.LargeListArray.from_arrays(offsets, pa.array(terms.data, pa.float32()))
        )
        if vectors is None:
            return table
        numbers = torch.cat(list(vectors.kept(None))).numpy().reshape(-1)
        return table.append_column("vector", pa.FixedSizeListArray.from_arrays(pa.array(numbers), vectors.dim))


class PostParts(PartFiles):
    """
    The parts of an index, with the rows that [`PostEncoder`] makes, in the order of the posts.

    Args:
        folder (`Path`): where; there already.
    """

    def __init__(self, folder: Path):
        super().__init__(folder, _PART_POSTS, _PART_SECONDS)

    @property
    def num_posts(self) -> int:
        """How many posts are there."""
        return sum(pq.read_metadata(part).num_rows for part in self._parts)

    def joined(self, encoder_fingerprint: str) -> PostContents:
        """
        What an index of all of them holds. Its vectors are read part by part, when they are gone through.

        Raises:
            `PostIndexError`: Two posts have one id.
        """
        vocabulary, tables, terms = Vocabulary(), [], []
        for part in self._parts:
            table = pq.read_table(part, columns=[name for name in self._schema.names if name != "vector"])
            terms.append(_term_counts(table))
            table = table.drop_columns(["terms", "counts"])
            tables.append(_with_numbers(table, vocabulary))
        table = pa.concat_tables(tables)
        check_ids(table)
        schema = self._schema
        has_vectors = "vector" in schema.names
        dim = schema.field("vector").type.list_size if has_vectors else 0
        return PostContents(
            table=table,
            hashtags=vocabulary.hashtags,
            vectors=self._vectors() if has_vectors else None,
            dim=dim,
            whole_dim=dim,
            counts=scipy_sparse().vstack(terms, format="csr"),
            encoder_fingerprint=encoder_fingerprint,
        )

    @property
    def _schema(self) -> pa.Schema:
        return pq.read_schema(self._parts[0])

    def _vectors(self) -> Iterator[torch.Tensor]:
        for part in self._parts:
            with pq.ParquetFile(part) as file:
                for batch in file.iter_batches(columns=["vector"]):
                    column = batch.column("vector")
                    numbers = column.flatten().to_numpy(zero_copy_only=False)
                    yield torch.from_numpy(numbers.reshape(len(column), -1).copy())


def _with_numbers(table: pa.Table, vocabulary: Vocabulary) -> pa.Table:
    """With the hashtags by number, those that are new at the end of the vocabulary."""
    lists = pa.concat_arrays(table["hashtags"].chunks)
    numbers = pa.array(vocabulary.numbers_of(lists.values.to_pylist()), pa.int32())
    column = table.column_names.index("hashtags")
    return table.set_column(column, SCHEMA.field("hashtags"), pa.LargeListArray.from_arrays(lists.offsets, numbers))


def _term_counts(table: pa.Table):
    terms, counts = (pa.concat_arrays(table[name].chunks) for name in ("terms", "counts"))
    arrays = counts.values.to_numpy(), terms.values.to_numpy(), terms.offsets.to_numpy()
    return scipy_sparse().csr_matrix(arrays, (table.num_rows, NUM_TERMS), dtype=np.float32)
