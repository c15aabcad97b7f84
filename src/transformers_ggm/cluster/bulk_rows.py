"""The rows of bulk work: what is known of each clip, and where it lies; no clip is read for them."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa

from ..data.clip_files import METADATA_FILES, FolderContents
from ..data.sources.columns import DESCRIPTION_COLUMNS, VIDEO_COLUMNS
from ..data.sources.files import expand_pattern, is_url, join_name, local_name, suffix_of
from ..data.sources.metadata import FolderMetadata
from ..data.sources.rows import RawRows, Row
from ..data.sources.shorts_source import TABLE_SUFFIXES
from ..data.sources.tables import ParquetTable, open_table
from ..data.sources.tars import CLIP
from ..errors import DatasetError
from ..pipelines.inputs import CLUES
from ..pipelines.tag_folder import clues_of_clips
from ..processing.media.extensions import clip_extension
from ..recommendation.clues import EarlierPost
from ..utils.file_names import readable_name
from ..utils.opening import foreign, shown_name
from .actor_stages import block_rows
from .clip_references import TarReferences

BLOCK_SCHEMA = pa.schema({"id": pa.string(), "item": pa.string()})


def bulk_rows(source: str | os.PathLike) -> Iterator[Row]:
    """
    Reads what there is to do, without any clip.

    Args:
        source (`str` or `os.PathLike`): one of

            - a folder of clips, with their words in a `metadata.jsonl` (`.csv`, `.parquet`) where there is one, as
              [`tag_folder`] reads it; also as a URL of an object store (`s3://bucket/clips`);
            - a table `.jsonl`, `.csv` or `.parquet`, or a pattern of tables, local or in a store: a column `video`,
              `file_name`, `path` or `url` names the clips, or has their bytes (Parquet); `description`, `caption` or
              `text` the words, and `transcript`, `screen_text`, `history`, `time`, `language` and `country` the clues;
            - WebDataset tars: one, a pattern such as `"s3://bucket/clips-{000..099}.tar"`, or a folder of them.

    Returns:
        Iterator of `dict` with `id` (`str`), `video` (path, URL, where it lies within a file, or `None`) and, where
        known, `description` and clues. The id is the clip's `file_name` in a folder; in a table the row's `id` or what
        it calls its clip, else the table's name and the row's number; in tars `TAR/KEY`.

    Raises:
        `DatasetError`: There is nothing of these kinds, it cannot be read, or two rows have the same id.

    Example:

    ```python
    >>> import pathlib, tempfile
    >>> from transformers_ggm.cluster.bulk_rows import bulk_rows

    >>> table = pathlib.Path(tempfile.mkdtemp(), "clips.jsonl")
    >>> _ = table.write_text('{"url": "s3://clips/a.mp4", "caption": "first snow", "language": "en"}')
    >>> next(bulk_rows(table))
    {'id': 's3://clips/a.mp4', 'video': 's3://clips/a.mp4', 'description': 'first snow', 'language': 'en'}

    ```
    """
    seen: set[str] = set()
    name = local_name(os.fspath(source))
    # Absolute, since actors work in other folders.
    for row in _rows(name if is_url(name) else os.path.abspath(name)):
        row["id"] = readable_name(row["id"])
        if row["id"] in seen:
            raise DatasetError(
                f"{source} has two rows of the id {row['id']!r}: leave one out, or give all rows a column `id`."
            )
        seen.add(row["id"])
        yield row


def blocks_of(rows: Iterable[Row], num_actors: int) -> list[pa.Table]:
    """
    Rows as blocks for [`stream_through`]: of 64, and of fewer where some actors would get none.

    Args:
        rows (`Iterable[dict]`): as of [`bulk_rows`].
        num_actors (`int`): that the blocks are shared out to.

    Returns:
        `list[pyarrow.Table]`: with `id` and `item` (strings), the latter the whole row as JSON: see [`rows_of`].
    """
    pairs = [(row["id"], json.dumps(row, default=_as_json)) for row in rows]
    size = block_rows(len(pairs), num_actors)
    return [pa.table(list(zip(*pairs[start : start + size])), BLOCK_SCHEMA) for start in range(0, len(pairs), size)]


def rows_of(block: pa.Table) -> list[Row]:
    """The rows of a block, with times and histories as JSON has them."""
    return [json.loads(item) for item in block["item"].to_pylist()]


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, EarlierPost):
        return asdict(value)
    raise DatasetError(f"{value!r} is a {type(value).__name__}: give texts, numbers, lists or times.")


def _rows(name: str) -> Iterator[Row]:
    suffix = suffix_of(name)
    if not is_url(name) and os.path.isdir(name):
        tars = sorted(str(path) for path in Path(name).iterdir() if path.suffix.lower() == ".tar")
        return _tar_rows(tars) if tars else _folder_rows(Path(name))
    if suffix == ".tar":
        return _tar_rows(expand_pattern(name))
    if suffix in TABLE_SUFFIXES:
        return (row for table in expand_pattern(name) for row in _table_rows(open_table(table)))
    if is_url(name) and clip_extension(name) is None:
        return _stored_folder_rows(name.rstrip("/"))
    raise DatasetError(
        f"{name} is nothing that clips are read from: give a folder of clips, a table ({', '.join(TABLE_SUFFIXES)}),"
        " or a .tar."
    )


def _folder_rows(folder: Path) -> Iterator[Row]:
    contents = FolderContents.of(folder)
    contents.require_clips(folder)
    metadata = FolderMetadata(folder, contents)
    clues = clues_of_clips(contents.clips, metadata)
    for name in contents.clips:
        yield {"id": name, "video": str(folder / name), "description": metadata.description(name), **clues[name]}


def _stored_folder_rows(url: str) -> Iterator[Row]:
    """The clips of a folder in an object store: those that its metadata names, and the others."""
    with foreign(shown_name(url), DatasetError):
        filesystem, path = fsspec.url_to_fs(url)
        found = sorted(filesystem.find(path))
    names = [name[len(path.rstrip("/")) + 1 :] for name in found]
    clips = [name for name in names if clip_extension(name) is not None]
    if not clips:
        raise DatasetError(f"There is no clip in {url}: check the address.")
    known = set()
    for metadata in (name for name in names if name in METADATA_FILES):
        for row in _table_rows(open_table(f"{url}/{metadata}")):
            known.add(row["id"])
            yield row
    for name in clips:
        if name not in known:
            yield {"id": name, "video": f"{url}/{name}"}


def _table_rows(raw: RawRows) -> Iterator[Row]:
    video, description = (_first_of(raw, names) for names in (VIDEO_COLUMNS, DESCRIPTION_COLUMNS))
    if video is None and description is None:
        raise DatasetError(
            f"{raw.name} has neither clips ({', '.join(VIDEO_COLUMNS)}) nor words ({', '.join(DESCRIPTION_COLUMNS)}):"
            f" it has the columns {', '.join(map(repr, raw.columns))}."
        )
    within = isinstance(raw, ParquetTable) and video is not None and not pa.types.is_string(raw.type_of(video))
    within = within and not pa.types.is_large_string(raw.type_of(video))
    wanted = [name for name in ("id", None if within else video, description, *CLUES) if name in raw.columns]
    for number, (place, row) in enumerate(raw.read(0, wanted)):
        clip = row.get(video)
        if not isinstance(clip, (str, type(None))):
            raise DatasetError(f"{place}: `{video}` must be a path or URL, not {str(clip)[:80]!r}.")
        name = row.get("id") if row.get("id") is not None else clip or f"{os.path.basename(raw.name)}/{number}"
        found = join_name(raw.folder, clip) if clip else None
        if within:
            found = {"table": raw.name, "column": video, "row": number}
        yield {"id": str(name), "video": found, **_words(row, description)}


def _tar_rows(names: list[str]) -> Iterator[Row]:
    raw = TarReferences(names)
    description = _first_of(raw, DESCRIPTION_COLUMNS)
    for place, row in raw.read():
        tar, _, key = place.partition(", sample ")
        stem = os.path.splitext(os.path.basename(tar))[0]
        yield {"id": f"{stem}/{key}", "video": row.get(CLIP), **_words(row, description)}


def _first_of(raw: RawRows, columns: Sequence[str]) -> str | None:
    return next((name for name in columns if name in raw.columns), None)


def _words(row: Mapping[str, Any], description: str | None) -> Row:
    words = {"description": row.get(description), **{name: row.get(name) for name in CLUES}}
    return {name: value for name, value in words.items() if value is not None}
