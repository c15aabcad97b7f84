"""Clips that were decoded before, by the rows of their source: in a finished set, or in parts that are set aside."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import DatasetError
from .clip_stamps import changed_clips, has_changed
from .parts import COMPRESSION, Parts
from .shards import Assignment, shard_paths

# In the folder of a finished set: where each row of its source has gone, and what only preparation needs of it.
ROWS = "rows.parquet"
_ROWS_SCHEMA = pa.schema(
    {
        "source": pa.int8(),
        "split": pa.string(),
        "file_name": pa.string(),
        "error": pa.string(),
        "frame_hashes": pa.list_(pa.uint64()),
        "clip": pa.string(),
        "clip_stamp": pa.string(),
    }
)
_FROM_PARTS = ["file_name", "error", "frame_hashes", "clip", "clip_stamp"]
_DECODED = ["frames", "timestamps", "duration", "audio"]
# Few, as a row holds a whole clip.
_BATCH_ROWS = 16


def write_row_list(sources: Sequence[Parts], assignment: Assignment, path: Path) -> None:
    """Writes the list of all rows of a set, in the order of their sources."""
    names = pa.array([*assignment.names, None], pa.string())
    start = 0
    with pq.ParquetWriter(path, _ROWS_SCHEMA, compression=COMPRESSION) as writer:
        for number, parts in enumerate(sources):
            for batch in parts.batches(_FROM_PARTS):
                splits = assignment.splits[start : start + len(batch)]
                start += len(batch)
                columns = {name: batch.column(name) for name in _FROM_PARTS}
                columns |= {
                    "source": np.full(len(batch), number, np.int8),
                    "split": names.take(pa.array(splits % len(names))),
                }
                table = pa.table({name: columns[name] for name in _ROWS_SCHEMA.names})
                writer.write_table(table.cast(_ROWS_SCHEMA))


class DecodedSet:
    """
    The clips of a finished set.

    Args:
        folder (`Path`): the set.
        read (`list[str]`): columns that were read in the clips.

    Raises:
        DatasetError: an earlier version prepared it, which kept no list of its rows, or shards of it are missing.
    """

    def __init__(self, folder: Path, read: Sequence[str] = ()):
        if not (folder / ROWS).is_file():
            raise DatasetError(
                f"{folder} has no {ROWS}: an earlier version prepared it, or the file was taken away. To try rejected "
                "clips again, prepare into another `output_dir`."
            )
        self._folder = folder / "data"
        self._columns = [*_DECODED, *read]
        self._rows = pq.read_table(folder / ROWS)
        self._splits = self._rows["split"].to_pylist()
        self._stamps = list(zip(self._rows["clip"].to_pylist(), self._rows["clip_stamp"].to_pylist()))

    def num_rejected(self) -> int:
        """How many rows were rejected."""
        return len(self._rows) - self._rows["error"].null_count

    def changed(self) -> list[str]:
        """Clips that are in the set, and have changed since."""
        return changed_clips(stamp for stamp, split in zip(self._stamps, self._splits) if split is not None)

    def clips(self, source: int, start: int) -> Iterator[dict[str, Any] | None]:
        """
        What was decoded of the clips of a source from one of its rows on: `file_name` and the columns that preparation
        makes of a clip, `None` for rows that are not in the set, or whose clip has changed.

        Args:
            source (`int`): the number of the source.
            start (`int`): the number of the row.
        """
        rows = np.flatnonzero(self._rows["source"].to_numpy() == source)[start:].tolist()
        if not rows:
            return
        before = self._splits[: rows[0]]
        readers = {name: self._read(name, before.count(name)) for name in set(self._splits) - {None}}
        hashes, names = self._rows["frame_hashes"], self._rows["file_name"]
        for row in rows:
            split = self._splits[row]
            clip = None if split is None else next(readers[split])
            if clip is None or has_changed(*self._stamps[row]):
                yield None
            else:
                yield {**clip, "file_name": names[row].as_py(), "frame_hashes": hashes[row].as_py()}

    def _read(self, split: str, start: int) -> Iterator[dict[str, Any]]:
        for path in shard_paths(self._folder, split):
            with pq.ParquetFile(path) as file:
                if start >= file.metadata.num_rows:
                    start -= file.metadata.num_rows
                    continue
                for batch in file.iter_batches(_BATCH_ROWS, columns=self._columns):
                    yield from batch.slice(start).to_pylist()
                    start = max(0, start - len(batch))
        raise DatasetError(f"{self._folder} lacks rows of the split {split!r}: prepare into another `output_dir`.")


class DecodedParts:
    """
    The clips of parts that are set aside, so that others of the same source take their place.

    Args:
        parts ([`Parts`]): these.
        read (`list[str]`): columns that were read in the clips.
    """

    def __init__(self, parts: Parts, read: Sequence[str] = ()):
        self._parts = parts
        self._columns = [*_DECODED, *read, "file_name", "frame_hashes", "error", "clip", "clip_stamp"]

    def num_rejected(self) -> int:
        """How many rows were rejected."""
        return sum(len(batch) - batch.column("error").null_count for batch in self._parts.batches(["error"]))

    def changed(self) -> list[str]:
        """Clips that were not rejected, and have changed since."""
        return changed_clips(
            (row["clip"], row["clip_stamp"])
            for batch in self._parts.batches(["error", "clip", "clip_stamp"])
            for row in batch.to_pylist()
            if row["error"] is None
        )

    def clips(self, start: int) -> Iterator[dict[str, Any] | None]:
        """As [`DecodedSet.clips`]; `None` for rows that were rejected, or whose clip has changed."""
        for batch in self._parts.batches(self._columns, start, _BATCH_ROWS):
            for row in batch.to_pylist():
                stamp = row.pop("clip"), row.pop("clip_stamp")
                yield None if row["error"] is not None or has_changed(*stamp) else row
