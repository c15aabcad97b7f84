"""Rows on their way from one actor to the next."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

# A block as Ray takes it: `row`, what rows are known by (ids, or numbers in a source), and `item`, as many `SentRow`.
PackedRows = dict[str, np.ndarray]


@dataclass(frozen=True)
class SentRow:
    """A row on its way to the next actor: Ray sends objects of a class as they are, but makes columns of dicts."""

    fields: Any


def packed_rows(keys: Sequence[int] | Sequence[str], rows: Iterable[Any]) -> PackedRows:
    """
    Packs rows for Ray.

    Args:
        keys (`Sequence[int]` or `Sequence[str]`): what the rows are known by.
        rows (`Iterable`): as many, of any kind that can be sent to another process.
    """
    sent = np.empty(len(keys), object)
    sent[:] = [SentRow(row) for row in rows]
    return {"row": np.asarray(keys), "item": sent}


def unpacked_rows(block: pa.Table) -> Iterator[tuple[Any, Any]]:
    """The keys and the rows of a block that [`packed_rows`] made, as Ray hands it to the next actor."""
    return ((key, sent.fields) for key, sent in zip(block["row"].to_pylist(), block["item"].to_pylist()))
