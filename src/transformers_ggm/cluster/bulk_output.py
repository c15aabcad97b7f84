"""
A folder that bulk work is written to, of which each row is there once however often the work was cut off.

One process, the driver, writes it: what actors have made comes to it as tables. An actor whose driver was killed can
so add nothing behind the back of the next one, as it could if actors wrote; and a file is there whole or not at all.
Ray's own checkpoints of datasets are written by its tasks: what was killed before their first file was full is lost
with default settings, and resuming needs a core for an actor of its own that waits for ever where there is none.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DatasetError, OutputError
from ..utils.file_locks import alone_with
from ..utils.files import check_output_folder, replacing, write_json

MADE_FROM = "made_from.json"
REJECTS = "rejects.parquet"
REJECTS_SCHEMA = pa.schema({"id": pa.string(), "error": pa.string()})
_PARTS = "part-*.parquet"
# A part is written when so many rows wait for it, or after so many seconds: what a kill can cost.
_PART_ROWS = 4096
_PART_SECONDS = 10.0


class BulkOutput:
    """
    The folder: `part-*.parquet` with the rows, `rejects.parquet` with the ids of those that failed and why
    (`id` and `error`, both strings), and `made_from.json`.

    Attributes:
        done (`set[str]`): ids of the rows that are there.
        rejects (`dict[str, str]`): reasons by the ids of those that failed.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        for leftover in folder.glob(".*.partial-*"):  # of a process that was killed while it wrote
            leftover.unlink()
        self._parts = sorted(folder.glob(_PARTS))
        self.done = {row for part in self._parts for row in _ids_of(part)}
        known = _read(folder / REJECTS).to_pylist() if (folder / REJECTS).is_file() else []
        # One that was retried well just before a kill is in a part already.
        self.rejects = {row["id"]: row["error"] for row in known if row["id"] not in self.done}
        self._waiting: list[pa.Table] = []
        self._rejects_changed = len(self.rejects) < len(known)
        self._last_write = time.monotonic()

    @classmethod
    @contextmanager
    def opened(cls, folder: Path, made_from: Mapping[str, Any]) -> Iterator["BulkOutput"]:
        """
        Opens the folder, or makes it, for this process alone. What was added is written at the end, too, whether all
        went well or not.

        Args:
            folder (`Path`): where.
            made_from (`dict`): what the rows depend on, as JSON has it: the fingerprint of a model, settings.

        Raises:
            `OutputError`: It cannot be written, holds other files, or rows that were made from something else; says
                what differs.
            `DatasetError`: Another process is at it, or a file in it cannot be read.
        """
        check_output_folder(folder, "output")
        with alone_with(folder, folder / ".lock"):
            _check_made_from(folder, made_from)
            output = cls(folder)
            try:
                yield output
            finally:
                output.write()

    def add(self, rows: pa.Table) -> None:
        """
        Adds rows, which are written with others soon.

        Args:
            rows (`pyarrow.Table`): with `id` and `error` (strings; a row with an error is a reject, and nothing else
                of it is kept), and further columns, the same every time. Rows that are there already are left out.
        """
        good = []
        for number, (name, error) in enumerate(zip(rows["id"].to_pylist(), rows["error"].to_pylist())):
            if name in self.done:
                continue
            if error is None:
                good.append(number)
                self.done.add(name)
                self._rejects_changed |= self.rejects.pop(name, None) is not None
            else:
                self.rejects[name] = error
                self._rejects_changed = True
        if good:
            self._waiting.append(rows.drop_columns(["error"]).take(good))
        late = time.monotonic() - self._last_write > _PART_SECONDS
        if late or sum(table.num_rows for table in self._waiting) >= _PART_ROWS:
            self.write()

    def write(self) -> None:
        """Writes what was added."""
        if self._waiting:
            number = int(self._parts[-1].stem.rpartition("-")[2]) + 1 if self._parts else 0
            part = self.folder / f"part-{number:06d}.parquet"
            _write(pa.concat_tables(self._waiting), part)
            self._parts.append(part)
            self._waiting = []
        if self._rejects_changed:
            # After the part: one that is in neither would be lost.
            rows = [{"id": name, "error": error} for name, error in self.rejects.items()]
            _write(pa.Table.from_pylist(rows, REJECTS_SCHEMA), self.folder / REJECTS)
            self._rejects_changed = False
        self._last_write = time.monotonic()


def _write(table: pa.Table, path: Path) -> None:
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def _read(path: Path, columns: list[str] | None = None) -> pa.Table:
    try:
        return pq.read_table(path, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(
            f"{path} cannot be read ({error}): remove it, and what stood in it is done again."
        ) from error


def _ids_of(part: Path) -> list[str]:
    return _read(part, ["id"])["id"].to_pylist()


def _check_made_from(folder: Path, made_from: Mapping[str, Any]) -> None:
    file = folder / MADE_FROM
    if not file.is_file():
        if any(not path.name.startswith(".") for path in folder.iterdir()):
            raise OutputError(f"`output` {folder} holds other files, and no {MADE_FROM}: give a new or empty folder.")
        write_json(file, dict(made_from))
        return
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OutputError(f"{file} cannot be read ({error}): give another folder.") from error
    # As JSON gives it back.
    now = json.loads(json.dumps(dict(made_from)))
    different = [name for name in {**known, **now} if known.get(name) != now.get(name)]
    if different:
        told = ", ".join(f"{name} {_short(known.get(name))}, and not {_short(now.get(name))}" for name in different)
        raise OutputError(
            f"What is in {folder} was made with {told}: go on with the same, or give another folder as `output`."
        )


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:80]}..."
