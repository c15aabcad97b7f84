"""What a call of the pipeline is given: one item, or several in one of the forms in which libraries keep them."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset
from transformers.pipelines.pt_utils import KeyDataset

from ..errors import InputError
from ..processing import Media
from ..processing.media import is_media_source
from .inputs import FIELDS, is_stored_file
from .opened_clips import is_opened_clip


class Items(Dataset):
    """Something with a length and numbered items as a dataset of torch, which the base class knows to go through.

    Args:
        items: What has the items.
        is_sequence (`bool`, defaults to `False`): Whether it stands for a list, whose results are a list, too.
    """

    def __init__(self, items: Any, is_sequence: bool = False):
        self.items = items
        self.is_sequence = is_sequence

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


def as_items(inputs: Any) -> Any:
    """
    Inputs as the base class takes several items (a list, a dataset of torch or a generator), or the one item as it is.

    Files in columns of `datasets` are not opened by it, which would need torchcodec: they are read as all others are.

    Raises:
        `InputError`: They are splits of a dataset, or an array of neither frames nor items.
    """
    if _is_one(inputs):
        return inputs
    if isinstance(inputs, np.ndarray):
        return _array_items(inputs)
    if isinstance(inputs, torch.Tensor):
        return list(inputs) if inputs.ndim == 5 else inputs
    for find in (_of_datasets, _of_torch, _of_tables):
        found = find(inputs)
        if found is not None:
            return found
    if isinstance(inputs, Iterator) or (isinstance(inputs, Iterable) and not hasattr(inputs, "__len__")):
        return (item for item in inputs)
    if isinstance(inputs, Iterable):
        return list(inputs)
    if hasattr(inputs, "__len__") and hasattr(inputs, "__getitem__"):
        return Items(inputs)
    return inputs


def is_list(value: Any) -> bool:
    """Whether something stands for a list: it has a length and values, and is neither text nor a mapping."""
    return isinstance(value, Iterable) and hasattr(value, "__len__") and not isinstance(value, (str, bytes, Mapping))


def with_values(items: Any, name: str, values: Iterable) -> list[dict[str, Any]]:
    """
    Items, each with the value of a field at its place in a list.

    Args:
        items: What [`as_items`] makes of a list or its like.
        name (`str`): The field, such as `"description"`.
        values (`Iterable`): As many. An item that has the field keeps its own.

    Raises:
        `InputError`: There are more or fewer, or `items` is one item or a stream.
    """
    if not (isinstance(items, list) or (isinstance(items, Items) and items.is_sequence)):
        raise InputError(
            f"`{name}` is a list, but what it is for is not: pass one string for one item or for all of a stream"
            f' or data set, or items of the form {{"video": ..., "{name}": ...}}.'
        )
    values = list(values)
    if len(values) != len(items):
        raise InputError(f"There are {len(values)} {name}s for {len(items)} items: give one for each.")
    return [{name: value, **_as_fields(item, name)} for item, value in zip(items, values)]


def _as_fields(item: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(item, Mapping) or is_stored_file(item):
        return {"video": item}
    return {field: value for field, value in item.items() if field != name or value is not None}


def _is_one(inputs: Any) -> bool:
    datasets = sys.modules.get("datasets")
    if datasets is not None and isinstance(inputs, (datasets.DatasetDict, datasets.IterableDatasetDict)):
        raise InputError(
            f"These are the splits {', '.join(map(repr, inputs))}: pass one of them, as in"
            f" data[{next(iter(inputs), 'train')!r}]."
        )
    return isinstance(inputs, (Mapping, Media)) or is_media_source(inputs) or is_opened_clip(inputs)


def _array_items(array: np.ndarray) -> Any:
    if array.dtype.kind in "OU" and array.ndim < 2:
        return array.tolist()
    if array.dtype.kind == "S":
        raise InputError(
            "This is an array of bytes, which loses zeros at their ends: pass a list of paths, or of the clips' bytes."
        )
    if array.ndim == 5:
        return list(array)
    if array.ndim != 4 or array.dtype.kind == "O":
        raise InputError(
            f"This is an array of the type {array.dtype} and the shape {array.shape}: pass the frames of one clip as"
            " (f, h, w, 3) uint8, those of several as (b, f, h, w, 3), or an array (b,) of paths."
        )
    return array


def _of_datasets(inputs: Any) -> Any:
    """What `datasets` has, its files unopened."""
    # Who has one of its datasets has imported it: it is not needed otherwise.
    datasets = sys.modules.get("datasets")
    if datasets is None:
        return None
    if isinstance(inputs, datasets.Dataset):
        return Items(_unopened(inputs, datasets))
    if isinstance(inputs, KeyDataset) and isinstance(inputs.dataset, datasets.Dataset):
        return KeyDataset(_unopened(inputs.dataset, datasets), inputs.key)
    if isinstance(inputs, datasets.arrow_dataset.Column):
        return Items(_unopened_column(inputs, datasets), is_sequence=True)
    if isinstance(inputs, (datasets.IterableDataset, datasets.iterable_dataset.IterableColumn)):
        rows = _unopened_stream(inputs, datasets)
        return (item for item in rows)
    return None


def _unopened(dataset: Any, datasets: Any) -> Any:
    for name, feature in (dataset.features or {}).items():
        if isinstance(feature, (datasets.Video, datasets.Audio)) and feature.decode:
            dataset = dataset.cast_column(name, replace(feature, decode=False))
    return dataset


def _unopened_column(column: Any, datasets: Any) -> Any:
    whole = column.source
    is_dataset = isinstance(whole, datasets.Dataset)
    return (_unopened(whole, datasets) if is_dataset else _unopened_column(whole, datasets))[column.column_name]


def _unopened_stream(stream: Any, datasets: Any) -> Any:
    if isinstance(stream, datasets.IterableDataset):
        return stream if stream.features is None else _unopened(stream, datasets)
    return _unopened_stream(stream.source, datasets)[stream.column_name]


def _of_torch(inputs: Any) -> Any:
    """What torch goes through; batches of a loader become their items."""
    if isinstance(inputs, DataLoader):
        if inputs.batch_sampler is None and inputs.batch_size is None:
            return (item for item in inputs)
        return (item for batch in inputs for item in _batch_items(batch))
    if isinstance(inputs, IterableDataset):
        return (item for item in inputs)
    return inputs if isinstance(inputs, Dataset) else None


def _batch_items(batch: Any) -> Iterable:
    if isinstance(batch, Mapping):
        return [dict(zip(batch, values)) for values in zip(*batch.values())]
    return batch


def _of_tables(inputs: Any) -> Any:
    """Rows and columns of pandas, pyarrow and polars, without importing any of them; a missing value is `None`."""
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(inputs, pandas.DataFrame):
        return [_known(row, pandas) for row in inputs.to_dict("records")]
    if pandas is not None and isinstance(inputs, pandas.Series) and set(FIELDS) & {*map(str, inputs.index)}:
        return _known(inputs.to_dict(), pandas)
    if pandas is not None and isinstance(inputs, (pandas.Series, pandas.Index, pandas.api.extensions.ExtensionArray)):
        return [None if _is_missing(value, pandas) else value for value in inputs.tolist()]
    for name in ("to_pylist", "to_dicts"):
        if callable(getattr(inputs, name, None)):
            return getattr(inputs, name)()
    return None


def _known(row: Mapping, pandas: Any) -> dict:
    return {name: value for name, value in row.items() if not _is_missing(value, pandas)}


def _is_missing(value: Any, pandas: Any) -> bool:
    return value is pandas.NA or value is pandas.NaT or (isinstance(value, float) and value != value)
