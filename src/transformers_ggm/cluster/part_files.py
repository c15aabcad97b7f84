"""A folder of Parquet files that one process adds to: each is there whole or not at all, also after a kill."""

import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..utils.files import replacing


class PartFiles:
    """
    The parts, `part-*.parquet`, in the order in which they were written.

    Args:
        folder (`Path`): where; there already. What a process that was killed was writing is removed.
        max_rows (`int`), max_seconds (`float`): a part is written when so many rows wait for it, or after so many
            seconds: what a kill can cost.
    """

    def __init__(self, folder: Path, max_rows: int, max_seconds: float):
        self.folder = folder
        for leftover in folder.glob(".*.partial-*"):
            leftover.unlink()
        self._parts = sorted(folder.glob("part-*.parquet"))
        self._max_rows, self._max_seconds = max_rows, max_seconds
        self._waiting: list[pa.Table] = []
        self._last_write = time.monotonic()

    def add(self, rows: pa.Table) -> None:
        """Adds rows, which are written with others soon."""
        self._waiting.append(rows)
        self.write_when_due()

    def write_when_due(self) -> None:
        """Writes what was added, if it is much or has waited for long."""
        late = time.monotonic() - self._last_write > self._max_seconds
        if late or sum(table.num_rows for table in self._waiting) >= self._max_rows:
            self.write()

    def write(self) -> None:
        """Writes what was added."""
        if self._waiting:
            number = int(self._parts[-1].stem.rpartition("-")[2]) + 1 if self._parts else 0
            part = self.folder / f"part-{number:06d}.parquet"
            write_table(pa.concat_tables(self._waiting), part)
            self._parts.append(part)
            self._waiting = []
        self._last_write = time.monotonic()


def write_table(table: pa.Table, path: Path) -> None:
    """Writes a Parquet file, whole or not at all."""
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
