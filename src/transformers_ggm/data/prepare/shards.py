"""Second pass: the rows of the first one, divided among the splits, in shards that `datasets` finds."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features
from tqdm.auto import tqdm

from ..sources.files import content_stamp
from .parts import COMPRESSION, ROW_GROUP, Parts

# Columns of a part that a prepared row has no use for.
_ONLY_IN_PARTS = ("dropped_hashtags", "has_audio", "frame_hashes", "error", "clip", "clip_stamp")
_STAMP_LENGTH = 16


@dataclass(frozen=True)
class Assignment:
    """
    Where every row goes.

    Args:
        names (`list[str]`): of the splits.
        splits (`np.ndarray`): (n,) int8, an index into `names` for each row of all parts in turn, -1 for a row that is
            left out.
        kept_hashtags (`frozenset[str]`, *optional*): the only hashtags that rows keep; `None` keeps all.
    """

    names: Sequence[str]
    splits: np.ndarray
    kept_hashtags: frozenset[str] | None = None

    def counts(self) -> dict[str, int]:
        """Rows of each split that has any."""
        counts = {name: int((self.splits == number).sum()) for number, name in enumerate(self.names)}
        return {name: count for name, count in counts.items() if count}

    def digest(self) -> str:
        """A short name for this assignment, another one for any other."""
        content = [json.dumps(list(self.names)), json.dumps(self.kept_hashtags and sorted(self.kept_hashtags))]
        digest = hashlib.sha256("\n".join(content).encode())
        digest.update(self.splits.tobytes())
        return digest.hexdigest()[:16]

    def hashtags_of(self, hashtags: Sequence[str]) -> list[str]:
        """Those of a row's hashtags that it keeps."""
        return [tag for tag in hashtags if self.kept_hashtags is None or tag in self.kept_hashtags]


def num_shards(num_rows: int, rows_per_shard: int) -> int:
    """How many shards a split has."""
    return -(-num_rows // rows_per_shard)


def shard_paths(folder: Path, split: str) -> list[Path]:
    """The shards of a split, in order."""
    return sorted(folder.glob(f"{split}-*.parquet"))


def stamp_shards(folder: Path, splits: Sequence[str]) -> dict[str, dict[str, Any]]:
    """
    Puts a stamp of each split's content behind the names of its shards: `datasets` keeps what it has read of a folder,
    and takes other files for the same where their names are.

    Args:
        folder (`Path`): the finished shards.
        splits (`list[str]`): what is in them.

    Returns:
        `dict[str, dict]`: of each split the `rows` and `shards` that are there, and the `stamp`.
    """
    found = {}
    for split in splits:
        paths = shard_paths(folder, split)
        digest = hashlib.sha256("".join(content_stamp(str(path)) for path in paths).encode())
        stamp = digest.hexdigest()[:_STAMP_LENGTH]
        num_rows = sum(pq.read_metadata(path).num_rows for path in paths)
        for path in paths:
            os.replace(path, path.with_name(f"{path.stem}-{stamp}.parquet"))
        found[split] = {"rows": num_rows, "shards": len(paths), "stamp": stamp}
    return found


def write_shards(sources: Sequence[Parts], assignment: Assignment, folder: Path, rows_per_shard: int) -> None:
    """
    Copies the rows into shards, in their order and in one pass. Shards that are there already are not written again,
    and row groups that lie in such shards only are not read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    features = Features({name: kind for name, kind in sources[0].features.items() if name not in _ONLY_IN_PARTS})
    shards, shard_of_row = plan_shards(assignment, folder, rows_per_shard, features)
    num_rows = int((assignment.splits >= 0).sum())
    num_missing = int((shard_of_row >= 0).sum())
    with tqdm(total=num_rows, initial=num_rows - num_missing, desc="Writing shards", unit="clip") as progress:
        for numbers, rows in _row_groups(sources, list(features), shard_of_row):
            rows = _with_kept_hashtags(rows, assignment)
            for number in np.unique(numbers[numbers >= 0]):
                shards[number].write(rows.take(np.flatnonzero(numbers == number)))
            progress.update(int((numbers >= 0).sum()))


def plan_shards(
    assignment: Assignment, folder: Path, rows_per_shard: int, features: Features
) -> tuple[list["Shard"], np.ndarray]:
    """The shards of all splits, and for each row the number of the one to write it to, -1 where it is there."""
    shards: list[Shard] = []
    shard_of_row = np.full(len(assignment.splits), -1, dtype=np.int32)
    for split, count in assignment.counts().items():
        rows = np.flatnonzero(assignment.splits == assignment.names.index(split))
        total = num_shards(count, rows_per_shard)
        for number in range(total):
            own = rows[number * rows_per_shard : (number + 1) * rows_per_shard]
            path = folder / f"{split}-{number:05d}-of-{total:05d}.parquet"  # the form that `datasets` looks for
            if not path.is_file():
                shard_of_row[own] = len(shards)
            shards.append(Shard(path, features.arrow_schema, len(own)))
    return shards, shard_of_row


class Shard:
    """
    One shard under way; it gets its name when its last row is written.

    Args:
        path (`Path`): its name.
        schema (`pa.Schema`): its columns.
        num_rows (`int`): how many rows it will have.
    """

    def __init__(self, path: Path, schema: pa.Schema, num_rows: int):
        self.path = path
        self.schema = schema
        self.num_missing = num_rows
        self._waiting: list[pa.Table] = []
        self._writer: pq.ParquetWriter | None = None

    def write(self, rows: pa.Table) -> None:
        """Takes the next rows."""
        self._waiting.append(rows)
        self.num_missing -= len(rows)
        if self.num_missing == 0 or sum(len(table) for table in self._waiting) >= ROW_GROUP:
            self._write_row_group()
        if self.num_missing == 0:
            self._writer.close()
            os.replace(self._temporary, self.path)

    @property
    def _temporary(self) -> Path:
        return self.path.with_suffix(".partial")

    def _write_row_group(self) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._temporary, self.schema, compression=COMPRESSION)
        rows = pa.concat_tables(self._waiting).cast(self.schema)
        self._writer.write_table(rows, row_group_size=ROW_GROUP)
        self._waiting = []


def _row_groups(
    sources: Sequence[Parts], columns: list[str], shard_of_row: np.ndarray
) -> Iterator[tuple[np.ndarray, pa.Table]]:
    """The row groups of all parts that have a row to write, with the shard's number for each row."""
    start = 0
    for path in (path for parts in sources for path in parts.paths()):
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                numbers = shard_of_row[start : start + file.metadata.row_group(group).num_rows]
                start += len(numbers)
                if (numbers >= 0).any():
                    yield numbers, file.read_row_group(group, columns=columns)


def _with_kept_hashtags(rows: pa.Table, assignment: Assignment) -> pa.Table:
    column = rows.column_names.index("hashtags")
    hashtags = [assignment.hashtags_of(tags) for tags in rows.column(column).to_pylist()]
    return rows.set_column(column, "hashtags", pa.array(hashtags, pa.list_(pa.string())))
