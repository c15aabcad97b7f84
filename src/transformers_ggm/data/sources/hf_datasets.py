"""Rows of `datasets` objects, never decoding their media."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from datasets import Dataset, Features, IterableDataset

from ...errors import DatasetError
from ...processing.media.extensions import CLIP_EXTENSIONS
from .rows import InferredRows, RawRows, Row, TypeInference
from .tars import CLIP

# Few, as rows can hold whole clips and a dataset with an index mapping copies them.
_BATCH_ROWS = 16
# How many rows of a streaming dataset without features are read to know them.
_FIRST_ROWS = 64


class DatasetRows(RawRows):
    """
    Rows of a `datasets.Dataset`, read from its Arrow tables: formats and transforms set on it do not count.

    Args:
        dataset (`datasets.Dataset`): any, with or without features of media.
        name (`str`): what to call it.
        folder (`str`): what relative paths are relative to.
    """

    def __init__(self, dataset: Dataset, name: str, folder: str):
        self.dataset, self.name, self.folder = dataset.with_format("arrow"), name, folder
        self.num_rows, self.fingerprint = len(dataset), dataset._fingerprint
        self.features = Features(flatten_sample(dataset.features))
        self.columns = list(self.features)

    def read(self, start: int = 0, columns: list[str] | None = None) -> Iterator[tuple[str, Row]]:
        if start >= self.num_rows:
            return
        dataset = self.dataset.select(range(start, self.num_rows))
        if columns is not None and set(columns) <= set(dataset.column_names):
            dataset = dataset.select_columns(columns)
        number = start
        for table in dataset.iter(_BATCH_ROWS):
            for index in range(len(table)):
                yield f"{self.name}, row {number}", flatten_sample(table.slice(index, 1).to_pylist()[0])
                number += 1

    def features_of(self, columns: list[str]) -> Features:
        return Features({column: self.features[column] for column in columns})


class TypedStreamRows(RawRows):
    """
    Rows of a `datasets.IterableDataset` that has features. Nothing is read before the first row is asked for.

    Args: as for [`DatasetRows`].
    """

    num_rows = None

    def __init__(self, dataset: IterableDataset, name: str, folder: str):
        self.dataset, self.name, self.folder = dataset.with_format(None).decode(False), name, folder
        self.features = Features(flatten_sample(dataset.features))
        self.columns = list(self.features)
        self.fingerprint = _stream_stamp(dataset)

    def read(self, start: int = 0, columns: list[str] | None = None) -> Iterator[tuple[str, Row]]:
        return _read_stream(self.dataset, self.name, start)

    def features_of(self, columns: list[str]) -> Features:
        return Features({column: self.features[column] for column in columns})


class UntypedStreamRows(InferredRows):
    """
    Rows of a `datasets.IterableDataset` without features: the first rows are read to know their types.

    Args: as for [`DatasetRows`].

    Raises:
        DatasetError: it has no rows, or the first ones do not go together.
    """

    num_rows = None

    def __init__(self, dataset: IterableDataset, name: str, folder: str):
        self.dataset, self.name, self.folder = dataset.with_format(None), name, folder
        first = [(place, _without_bytes(row)) for place, row in islice(self.read(), _FIRST_ROWS)]
        if not first:
            raise DatasetError(f"{name} has no rows.")
        self.inference = TypeInference()
        self.inference.add(first)
        self.columns = list(self.types)
        self.fingerprint = _stream_stamp(dataset) + repr(first)

    def read(self, start: int = 0, columns: list[str] | None = None) -> Iterator[tuple[str, Row]]:
        return _read_stream(self.dataset, self.name, start)


def open_dataset(dataset: Dataset | IterableDataset, name: str, folder: str) -> RawRows:
    """Opens one split."""
    if isinstance(dataset, Dataset):
        if not len(dataset):
            raise DatasetError(f"{name} has no rows.")
        return DatasetRows(dataset, name, folder)
    return (UntypedStreamRows if dataset.features is None else TypedStreamRows)(dataset, name, folder)


def flatten_sample(sample: Row) -> Row:
    """
    Puts the fields of a sample's JSON beside its clip, which becomes `mp4` whichever its extension, where `datasets`
    read it from a WebDataset tar; works for the features of such a dataset too, and gives any other row as it is.

    Example:

    ```python
    >>> from transformers_ggm.data.sources.hf_datasets import flatten_sample
    >>> flatten_sample({"mp4": b"...", "json": {"hashtags": ["lake"]}, "__key__": "clip7", "__url__": "shorts.tar"})
    {'hashtags': ['lake'], 'mp4': b'...'}

    ```
    """
    if "__key__" not in sample or "__url__" not in sample:
        return sample
    members = {
        CLIP if name.lower() in CLIP_EXTENSIONS else name: value
        for name, value in sample.items()
        if name not in ("json", "__key__", "__url__")
    }
    fields = sample.get("json")
    if not isinstance(fields, (dict, type(None))):
        return {"json": fields, **members}
    return {**(fields or {}), **members}


def _read_stream(dataset: IterableDataset, name: str, start: int) -> Iterator[tuple[str, Row]]:
    rows, number = iter(dataset.skip(start) if start else dataset), start
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except (MemoryError, DatasetError):
            raise
        except Exception as error:  # of whatever makes the rows: a store, a decoder, the user's own generator
            raise DatasetError(
                f"{name}, row {number} cannot be read ({type(error).__name__}: {error}): check that it can be reached"
                " and has the features of the dataset."
            ) from error
        yield f"{name}, row {number}", flatten_sample(row)
        number += 1


def _stream_stamp(dataset: IterableDataset) -> str:
    info = dataset.info
    told = (info.builder_name, info.dataset_name, info.config_name, info.version, dataset.split, dataset.num_shards)
    return repr([str(item) for item in (*told, dataset.features)])


def _without_bytes(value: Any) -> Any:
    """Replaces clips in a row by empty ones of the same type."""
    if isinstance(value, dict):
        return {name: _without_bytes(item) for name, item in value.items()}
    return b"" if isinstance(value, (bytes, bytearray, memoryview)) else value
