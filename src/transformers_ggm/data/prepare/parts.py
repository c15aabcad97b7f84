"""First pass: every clip decoded, in Parquet files of so many rows, in the order of the source."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features, List, Value
from tqdm.auto import tqdm

from ...utils.files import write_text
from ..prepared import clip_features
from ..sources import ShortsSource

# Rows that are written at a time: what is held in memory.
ROW_GROUP = 16
COMPRESSION = "zstd"
# Marks a source that was read to its end; in it, how many rows there were.
END = "rows.txt"


@dataclass(frozen=True)
class Parts:
    """
    The parts of one source.

    Args:
        folder (`Path`): where they are.
        further (`Features`): the columns that are the source's own, and those that reading adds.
        sampling_rate (`int`): of the stored sound, in Hz.
        rows_per_part (`int`): of all but the last.
    """

    folder: Path
    further: Features
    sampling_rate: int
    rows_per_part: int

    @cached_property
    def features(self) -> Features:
        """All columns: those of a prepared row, and what only the second pass needs."""
        return Features(
            {
                "file_name": Value("string"),
                "description": Value("large_string"),
                "hashtags": List(Value("string")),
                "dropped_hashtags": List(Value("string")),
                **self.further,
                **clip_features(self.sampling_rate),
                "has_audio": Value("bool"),
                "frame_hashes": List(Value("uint64")),
                "error": Value("string"),
                "clip": Value("string"),
                "clip_stamp": Value("string"),
            }
        )

    def path(self, number: int) -> Path:
        return self.folder / f"part-{number:06d}.parquet"

    def paths(self) -> list[Path]:
        return sorted(self.folder.glob("part-*.parquet"))

    @property
    def is_complete(self) -> bool:
        return (self.folder / END).is_file()

    def num_finished(self) -> int:
        """How many parts are there from the first one on without a gap."""
        number = 0
        while self.path(number).is_file():
            number += 1
        return number

    def num_rows(self) -> int:
        """Rows of a complete source."""
        return int((self.folder / END).read_text())

    def batches(self, columns: list[str], start: int = 0, batch_size: int = 1024) -> Iterator[pa.RecordBatch]:
        """Some columns of all rows from row `start` on, in order."""
        first, skipped = divmod(start, self.rows_per_part)
        for path in self.paths()[first:]:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=batch_size, columns=columns):
                    yield batch.slice(skipped)
                    skipped = max(0, skipped - len(batch))


def write_parts(
    source: ShortsSource, parts: Parts, prepared: Callable[[int], Iterator[dict[str, Any]]], description: str
) -> None:
    """
    Writes the parts that are not there yet.

    Args:
        source ([`ShortsSource`]): the rows.
        parts ([`Parts`]): where they go.
        prepared (`Callable`): gives the rows from a number on as they are to be written, in their order.
        description (`str`): of the progress bar.
    """
    if parts.is_complete:
        return
    parts.folder.mkdir(parents=True, exist_ok=True)
    number = parts.num_finished()
    done = number * parts.rows_per_part
    rows = prepared(done)
    with tqdm(total=source.num_rows, initial=done, desc=description, unit="clip", smoothing=0.05) as progress:
        while count := write_part(islice(rows, parts.rows_per_part), parts.path(number), parts, progress):
            done, number = done + count, number + 1
            if count < parts.rows_per_part:
                break
    write_text(parts.folder / END, str(done))


def write_part(rows: Iterator[dict[str, Any]], path: Path, parts: Parts, progress: tqdm) -> int:
    """Writes rows to one file, a row group at a time, and gives their number; without a row there is no file."""
    group = list(islice(rows, ROW_GROUP))
    if not group:
        return 0
    count = 0
    temporary = path.with_suffix(".partial")
    schema = parts.features.arrow_schema
    with pq.ParquetWriter(temporary, schema, compression=COMPRESSION) as writer:
        while group:
            writer.write_table(_table(group, parts.further, schema))
            count += len(group)
            progress.update(len(group))
            group = list(islice(rows, ROW_GROUP))
    os.replace(temporary, path)
    return count


def _table(rows: list[dict[str, Any]], further: Features, schema: pa.Schema) -> pa.Table:
    # Only these fields need to be encoded: datasets asks for torchcodec even where a sound is bytes
    # already.
    encoded = [
        {**row, **further.encode_example({name: row[name] for name in further}), "has_audio": row["audio"] is not None}
        for row in rows
    ]
    return pa.Table.from_pylist(encoded, schema)
