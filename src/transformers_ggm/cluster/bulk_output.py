"""
A folder that bulk work is written to, of which each row is there once however often the work was cut off.

One process, the driver, writes it: what actors have made comes to it as tables. An actor whose driver was killed can
so add nothing behind the back of the next one, as it could if actors wrote; and a file is there whole or not at all.
Ray's own checkpoints of datasets are written by its tasks: what was killed before their first file was full is lost
with default settings, and resuming needs a core for an actor of its own that waits for ever where there is none.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DatasetError, OutputError
from ..utils.file_locks import alone_with
from ..utils.files import check_output_folder, write_json
from .part_files import PartFiles, write_table

MADE_FROM = "made_from.json"
REJECTS = "rejects.parquet"
REJECTS_SCHEMA = pa.schema({"id": pa.string(), "error": pa.string()})
# What waits for a part, at most.
_PART_ROWS = 4096
_PART_SECONDS = 10.0


class BulkOutput(PartFiles):
    """
    The folder: `part-*.parquet` with the rows, `rejects.parquet` with the ids of those that failed and why
    (`id` and `error`, both strings), and `made_from.json`.

    Attributes:
        done (`set[str]`): ids of the rows that are there.
        rejects (`dict[str, str]`): reasons by the ids of those that failed.
    """

    def __init__(self, folder: Path):
        super().__init__(folder, _PART_ROWS, _PART_SECONDS)
        self.done = {row for part in self._parts for row in _ids_of(part)}
        known = _read(folder / REJECTS).to_pylist() if (folder / REJECTS).is_file() else []
        # One that was retried well just before a kill is in a part already.
        self.rejects = {row["id"]: row["error"] for row in known if row["id"] not in self.done}
        self._rejects_changed = len(self.rejects) < len(known)

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
            check_made_from(folder, made_from)
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
        self.write_when_due()

    def write(self) -> None:
        """Writes what was added."""
        super().write()
        if self._rejects_changed:
            # After the part: one that is in neither would be lost.
            rows = [{"id": name, "error": error} for name, error in self.rejects.items()]
            write_table(pa.Table.from_pylist(rows, REJECTS_SCHEMA), self.folder / REJECTS)
            self._rejects_changed = False


def _read(path: Path, columns: list[str] | None = None) -> pa.Table:
    try:
        return pq.read_table(path, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(
            f"{path} cannot be read ({error}): remove it, and what stood in it is done again."
        ) from error


def _ids_of(part: Path) -> list[str]:
    return _read(part, ["id"])["id"].to_pylist()


def check_made_from(folder: Path, made_from: Mapping[str, Any]) -> None:
    """
    Notes in a new folder what is made from what, or checks that it is the same in one that is there.

    Raises:
        `OutputError`: The folder holds other files, or what is in it was made from something else; says what differs.
    """
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
