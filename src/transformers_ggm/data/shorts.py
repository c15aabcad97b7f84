"""Reading a folder of shorts in the Hub's folder convention."""

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Dataset, DatasetDict
from transformers.utils import logging

from ..errors import DatasetError
from ..processing.hashtag_fields import DroppedHashtags, read_hashtags
from ..utils.file_names import as_on_disk, readable_name, storable_path, whole_texts
from ..utils.opening import local_name, open_named
from .clip_files import clips_not_among, examples_of

logger = logging.get_logger(__name__)

SPLITS = ("train", "validation", "test")
METADATA = "metadata.jsonl"
# Columns that prepared rows have beside those of the metadata.
RESERVED = {"video", "error"} | {
    f"{name}{suffix}" for name in ("frames", "retriever_frames", "input_features") for suffix in ("", "_shape")
}


def load_shorts(data_dir: str | Path) -> DatasetDict:
    r"""
    Loads `DIR/{train,validation,test}/metadata.jsonl` and the clips beside it.

    Args:
        data_dir (`str` or `Path`): a folder with at least one of the three splits. Each line of a `metadata.jsonl` is
            a JSON object with `hashtags` (a list of strings, or any other form that
            [`~processing.hashtag_fields.read_hashtags`] reads), optionally `file_name` (relative to the split's
            folder) and `description`, and any further fields, which are kept.

    Returns:
        `datasets.DatasetDict`: one dataset per split with the columns `video` (absolute path, the `file://` URL of one
        that is not UTF-8, `None` without a `file_name`), `description` (`""` where there is none), `hashtags`
        (normalised, without '#', each once) and the further fields. A warning tells how many entries are no hashtags
        and were left out, with examples.

    Raises:
        DatasetError: no such folder, no `metadata.jsonl`, a line that is no JSON object, a missing or wrong field, a
            field whose type differs between rows, or a row without its file; names file and, but for types, line.

    Example:

    ```python
    >>> import json, pathlib, tempfile
    >>> from transformers_ggm import load_shorts
    >>> folder = tempfile.TemporaryDirectory()
    >>> train = pathlib.Path(folder.name, "train")
    >>> train.mkdir()
    >>> row = {"description": "first snow", "hashtags": ["#Snow", "winter"]}
    >>> _ = (train / "metadata.jsonl").write_text(json.dumps(row))
    >>> load_shorts(folder.name)["train"][0]
    {'video': None, 'description': 'first snow', 'hashtags': ['snow', 'winter']}

    ```
    """
    shorts, dropped = read_shorts(data_dir)
    if dropped:
        logger.warning(f"{data_dir}: {dropped}")
    return shorts


def read_shorts(data_dir: str | Path) -> tuple[DatasetDict, DroppedHashtags]:
    """Does what [`load_shorts`] does, and gives the count of what is no hashtag in place of a warning."""
    data_dir = Path(data_dir)
    if not data_dir.is_dir():
        raise DatasetError(f"`data_dir` {data_dir} is no folder.")
    splits = {split: data_dir / split / METADATA for split in SPLITS if (data_dir / split).is_dir()}
    if not splits:
        raise DatasetError(f"{data_dir} has none of the folders {', '.join(SPLITS)}.")
    dropped = DroppedHashtags()
    shorts = {split: _load_split(path, dropped) for split, path in splits.items()}
    return DatasetDict(shorts), dropped


def _load_split(metadata: Path, dropped: DroppedHashtags) -> Dataset:
    rows = list(_read_rows(metadata, dropped))
    unnamed = clips_not_among(metadata.parent, (local_name(row["video"]) for row in rows if row["video"] is not None))
    if unnamed:
        logger.warning(
            f"{len(unnamed)} clips in {metadata.parent} are left out, since no row of {METADATA} names them:"
            f" {examples_of(unnamed)}."
        )
    return _to_dataset(rows, metadata)


def _to_dataset(rows: list[dict[str, Any]], metadata: Path) -> Dataset:
    # Dataset.from_list takes the columns of the first row: a further field need not be in that one.
    columns = dict.fromkeys(name for row in rows for name in row)
    try:
        return Dataset.from_dict({name: [row.get(name) for row in rows] for name in columns})
    except (pa.ArrowException, OverflowError) as error:
        raise DatasetError(f"{metadata}: a field has values of different types in different rows: {error}") from error


def _read_rows(metadata: Path, dropped: DroppedHashtags) -> Iterator[dict[str, Any]]:
    if not metadata.is_file():
        raise DatasetError(
            f"{metadata.parent} has no {METADATA}; see the README on how to lay out a folder of shorts."
        )
    count = 0
    for place, row in json_lines(metadata):
        count += 1
        yield _read_row(row, place, metadata.parent, dropped)
    if count == 0:
        raise DatasetError(f"{metadata} has no rows.")


def json_lines(path: str | Path, name: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """
    Reads a file of JSON lines in UTF-8: the one reader of metadata. A byte order mark and lines of nothing but spaces
    are passed over.

    Args:
        path (`str` or `Path`): where the file is.
        name (`str`, *optional*, defaults to `path`): what to call it.

    Returns:
        Iterator of places (file and line, for messages) and rows.

    Raises:
        DatasetError: it cannot be read, or a line is no JSON object; names file and line.
    """
    with io.BufferedReader(open_named(os.fspath(path), DatasetError)) as file:
        for number, line in enumerate(file, start=1):
            if line.strip(b"\xef\xbb\xbf \t\r\n"):
                place = f"{name or path}, line {number}"
                yield place, parse_object(line, place)


def parse_object(text: bytes, place: str) -> dict[str, Any]:
    """
    Reads one JSON object in UTF-8, with or without a byte order mark.

    Raises:
        DatasetError: it is not one; names `place`.
    """
    try:
        row = json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{place} is not valid JSON: {error}. Write one object per line.") from error
    if not isinstance(row, dict):
        raise DatasetError(f"{place} is not a JSON object: write one object per line.")
    return row


def _read_row(row: dict[str, Any], place: str, folder: Path, dropped: DroppedHashtags) -> dict[str, Any]:
    file_name = row.pop("file_name", None)
    row = whole_texts(row)
    description = row.pop("description", None)
    if "hashtags" not in row:
        raise DatasetError(f"{place}: there is no `hashtags`, which must be a list of strings, [] for none.")
    found = read_hashtags(row.pop("hashtags"))
    dropped.add(found.dropped)
    if not isinstance(description, (str, type(None))):
        raise DatasetError(f"{place}: `description` must be a string.")
    if not isinstance(file_name, (str, type(None))):
        raise DatasetError(f"{place}: `file_name` must be a string.")
    if reserved := sorted(RESERVED.intersection(row)):
        raise DatasetError(f"{place}: rename the field {reserved[0]!r}, a name that prepared data use themselves.")
    video = None
    if file_name is not None:
        video = as_on_disk(str(folder), file_name)
        if not os.path.isfile(video):
            raise DatasetError(f"{place}: the file {readable_name(video)} does not exist.")
        video = storable_path(video)
    return {"video": video, "description": description or "", "hashtags": found.hashtags, **row}
