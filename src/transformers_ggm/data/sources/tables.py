"""Tables of shorts: CSV, JSON Lines and Parquet files, read a few rows at a time."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features

from ...errors import DatasetError
from ..shorts import json_lines
from .files import LocalCopy, content_stamp, file_stamp, folder_of, is_http, is_url, open_file, suffix_of
from .rows import InferredRows, RawRows, Row, TypeInference, features_from_schema

# Types that the text of a CSV column is tried as, first to last; text is what remains.
_CSV_TYPES = (pa.int64(), pa.float64(), pa.bool_())
_BATCH_ROWS = 1024
# Clips inside a Parquet file can have many megabytes each, so that the number of rows read at once follows their size.
_BATCH_BYTES = 16 << 20
_BUFFER_BYTES = 1 << 20
# A larger Parquet file has clips inside, and is told from its next version without reading them all.
_DIGEST_BYTES = 64 << 20


def open_table(name: str) -> RawRows:
    """
    Opens a table by the extension of its name.

    Args:
        name (`str`): local path or URL of a `.csv`, `.tsv`, `.jsonl`, `.json` (lines too) or `.parquet` file. A remote
            text file, and any file behind HTTP, is copied to a temporary file; Parquet in other stores is read there.

    Raises:
        DatasetError: it cannot be read, has no rows, or its rows do not go together; names file and line.
    """
    suffix = suffix_of(name)
    copy = LocalCopy(name) if is_http(name) or (is_url(name) and suffix != ".parquet") else None
    path = name if copy is None else copy.path
    if suffix == ".parquet":
        table = ParquetTable(path, name)
    elif suffix in (".csv", ".tsv"):
        table = CsvTable(path, name, delimiter="\t" if suffix == ".tsv" else ",")
    else:
        table = JsonLinesTable(path, name)
    table.copy = copy
    if not table.num_rows:
        raise DatasetError(f"{name} has no rows.")
    return table


class CsvTable(RawRows):
    """
    A CSV or TSV file in UTF-8 with a header. Empty fields are missing values; a column without a name (an index) is
    left out. Columns of numbers or truth values only are read as such, but for video, description and hashtags.

    Args:
        path (`str`): where the file is.
        name (`str`): what to call it, and what relative paths of clips are relative to.
        delimiter (`str`): what stands between two fields.
    """

    def __init__(self, path: str, name: str, delimiter: str):
        self.path, self.name, self.delimiter = path, name, delimiter
        self.folder = folder_of(name)
        self.header = next((fields for _, fields in self._lines()), [])
        self.columns = [column for column in self.header if column]
        if len(set(self.columns)) < len(self.columns):
            raise DatasetError(f"{name} has two columns of the same name: {', '.join(map(repr, self.columns))}.")
        self.types, self.num_rows = self._infer()
        self.fingerprint = content_stamp(path)

    def read(self, start: int = 0, columns: list[str] | None = None) -> Iterator[tuple[str, Row]]:
        for number, fields in islice(self._lines(), start + 1, None):
            place = f"{self.name}, line {number}"
            if len(fields) != len(self.header):
                raise DatasetError(f"{place} has {len(fields)} fields, but the header has {len(self.header)}.")
            yield place, {column: field or None for column, field in zip(self.header, fields) if column}

    def features_of(self, columns: list[str]) -> Features:
        return features_from_schema(pa.schema([(column, self.types[column]) for column in columns]), self.name)

    def type_of(self, column: str) -> pa.DataType:
        return pa.string()

    def convert(self, column: str, value: Any) -> Any:
        return None if value is None else pa.scalar(value, pa.string()).cast(self.types[column]).as_py()

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        """Gives the header and the rows, each with the number of its last line."""
        try:
            with open_file(self.path) as file:
                lines = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
                reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
                yield from ((reader.line_num, fields) for fields in reader if fields)
        except csv.Error as error:
            raise DatasetError(f"{self.name}, line {reader.line_num} is not valid CSV: {error}.") from error
        except UnicodeDecodeError as error:
            raise DatasetError(f"{self.name} is not in UTF-8 ({error}): save it so.") from error

    def _infer(self) -> tuple[dict[str, pa.DataType], int]:
        possible = {column: list(_CSV_TYPES) for column in self.columns}
        filled, num_rows, rows = set(), 0, self.read()
        while batch := [row for _, row in islice(rows, _BATCH_ROWS)]:
            num_rows += len(batch)
            for column, kinds in possible.items():
                values = pa.array([row[column] for row in batch], pa.string())
                if values.null_count < len(values):
                    filled.add(column)
                    kinds[:] = [kind for kind in kinds if _can_cast(values, kind)]
        return {
            column: (kinds[0] if kinds else pa.string()) if column in filled else pa.null()
            for column, kinds in possible.items()
        }, num_rows


def _can_cast(values: pa.Array, kind: pa.DataType) -> bool:
    try:
        values.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


class JsonLinesTable(InferredRows):
    """
    A file with one JSON object per line, in UTF-8. A field that a row lacks is a missing value.

    Args:
        path (`str`): where the file is.
        name (`str`): what to call it, and what relative paths of clips are relative to.
    """

    def __init__(self, path: str, name: str):
        self.path, self.name = path, name
        self.folder = folder_of(name)
        self.inference = TypeInference()
        self.inference.add(self.read())
        self.num_rows = self.inference.num_rows
        self.columns = list(self.types)
        self.fingerprint = content_stamp(path)

    def read(self, start: int = 0, columns: list[str] | None = None) -> Iterator[tuple[str, Row]]:
        yield from islice(json_lines(self.path, self.name), start, None)


class ParquetTable(RawRows):
    """
    A Parquet file; messages count its rows from 0. Only the columns asked for are read, and whole groups of rows
    before the first one are passed over.

    Args:
        path (`str`): local path, or a URL of a store that can be read from any place.
        name (`str`): what to call it, and what relative paths of clips are relative to.
    """

    def __init__(self, path: str, name: str):
        self.path, self.name = path, name
        self.folder = folder_of(name)
        with self._open() as parquet:
            self.schema = parquet.schema_arrow
            metadata = parquet.metadata
            groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
            self.group_rows = [group.num_rows for group in groups]
            row_bytes = sum(group.total_byte_size for group in groups) // max(metadata.num_rows, 1)
        self.batch_rows = min(max(_BATCH_BYTES // max(row_bytes, 1), 1), _BATCH_ROWS)
        self.num_rows = metadata.num_rows
        self.columns = list(self.schema.names)
        digest = not is_url(path) and (is_http(name) or row_bytes * self.num_rows <= _DIGEST_BYTES)
        self.fingerprint = content_stamp(path) if digest else file_stamp(name)

    def read(self, start: int = 0, columns: list[str] | None = None) -> Iterator[tuple[str, Row]]:
        first_group = number = 0
        while first_group < len(self.group_rows) and number + self.group_rows[first_group] <= start:
            number += self.group_rows[first_group]
            first_group += 1
        groups = list(range(first_group, len(self.group_rows)))
        if not groups:
            return
        with self._open() as parquet:
            for batch in parquet.iter_batches(self.batch_rows, row_groups=groups, columns=columns):
                passed_over = min(max(start - number, 0), batch.num_rows)
                number += passed_over
                for row in batch.slice(passed_over).to_pylist():
                    yield f"{self.name}, row {number}", row
                    number += 1

    def features_of(self, columns: list[str]) -> Features:
        fields = [self.schema.field(column) for column in columns]
        return features_from_schema(pa.schema(fields, metadata=self.schema.metadata), self.name)

    def type_of(self, column: str) -> pa.DataType:
        return self.schema.field(column).type

    @contextmanager
    def _open(self) -> Iterator[pq.ParquetFile]:
        with open_file(self.path) as file:
            try:
                # Buffered, so that not all clips of a group of rows are in memory at once.
                with pq.ParquetFile(file, buffer_size=_BUFFER_BYTES, pre_buffer=False) as parquet:
                    yield parquet
            except (MemoryError, DatasetError):
                raise
            except Exception as error:  # whatever pyarrow and the file under it raise
                raise DatasetError(f"{self.name} cannot be read as Parquet: {error}.") from error
