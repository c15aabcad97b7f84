"""Which column of a source holds what, and how its values become those of a short."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import regex

from ...errors import DatasetError
from ...processing.hashtags import extract_hashtags, is_valid_hashtag, normalize_hashtag, remove_hashtags
from ..shorts import RESERVED
from .files import is_url, join_name
from .rows import RawRows, Row

# Names that are tried, in no order of preference: two of a kind in one source are an error.
VIDEO_COLUMNS = ("video", "file_name", "path", "url", "mp4")
DESCRIPTION_COLUMNS = ("description", "caption", "text", "txt")
HASHTAG_COLUMNS = ("hashtags", "tags")
# Columns that prepared sets have of their own, so that no further column may have their names.
RESERVED_COLUMNS = frozenset(
    RESERVED
    | {"file_name", "description", "hashtags", "frames", "timestamps", "duration"}
    | {"audio", "has_audio", "frame_hashes", "error"}
)

_BETWEEN_HASHTAGS = regex.compile(r"[\s,]+")
# Lists as Python and NumPy print them, which is what tables written by pandas have.
_PRINTED_LIST_SIGNS = regex.compile(r"[\[\]'\"]")


@dataclass(frozen=True)
class Columns:
    """
    The columns of a source by what they are for; `None` where there is none.

    Attributes:
        video, description, hashtags (`str` or `None`): names in the source.
        further (`dict[str, str]`): the other columns that are kept, their new names to their names in the source.
        left_out (`frozenset[str]`): names in the source of columns that are not kept.
    """

    video: str | None
    description: str | None
    hashtags: str | None
    further: dict[str, str]
    left_out: frozenset[str]

    @property
    def used(self) -> list[str]:
        """The names in the source of all columns that are read, each once."""
        names = (self.video, self.description, self.hashtags, *self.further.values())
        return list(dict.fromkeys(name for name in names if name is not None))


def find_columns(raw: RawRows, columns: Mapping[str, str | None]) -> Columns:
    """
    Finds out what the columns of a source are for.

    Args:
        raw ([`RawRows`]): the source.
        columns (`Mapping[str, str | None]`): our names to the source's, as for [`open_shorts`].

    Raises:
        DatasetError: `columns` names a column that is missing; several columns could be the video, the description or
            the hashtags; there is neither a description nor hashtags; a column has a type that it cannot have, or the
            name of a column that prepared sets have of their own.
    """
    for name, column in columns.items():
        if column is not None and column not in raw.columns:
            raise DatasetError(
                f"{raw.name} has no column {column!r}, which `columns` gives for {name!r}; it has"
                f" {', '.join(map(repr, raw.columns))}."
            )
    taken = {column for column in columns.values() if column is not None}
    free = [name for name in raw.columns if name not in taken and name not in columns]
    # Where the format itself tells which column has the clips, no other one is taken for it.
    video_columns = (raw.video_column,) if raw.video_column in free else VIDEO_COLUMNS
    names = {"video": video_columns, "description": DESCRIPTION_COLUMNS, "hashtags": HASHTAG_COLUMNS}
    roles = {role: [name for name in tried if name in free] for role, tried in names.items()}
    chosen = {role: columns[role] if role in columns else _only(found, role, raw) for role, found in roles.items()}
    if chosen["hashtags"] is None and chosen["description"] is None:
        raise DatasetError(
            f"{raw.name} has neither hashtags nor a description to find them in, only the columns"
            f" {', '.join(map(repr, raw.columns))}: say which one has them, as in columns={{'hashtags': 'labels'}}."
        )
    for role, column in chosen.items():
        _check_type(raw, role, column)
    further = {name: name for name in free if name not in chosen.values()}
    further |= {name: column for name, column in columns.items() if name not in roles and column is not None}
    if reserved := sorted(RESERVED_COLUMNS.intersection(further)):
        raise DatasetError(
            f"{raw.name}: {reserved[0]!r} is the name of a column that prepared sets have of their own. Rename it, as"
            f" in columns={{'my_{reserved[0]}': {further[reserved[0]]!r}}}, or leave it out with"
            f" columns={{{reserved[0]!r}: None}}."
        )
    kept = {*further.values(), *chosen.values()}
    return Columns(
        **chosen,
        further=further,
        left_out=frozenset(name for name in (*raw.columns, *columns) if name not in kept),
    )


def _only(found: list[str], role: str, raw: RawRows) -> str | None:
    if len(found) > 1:
        raise DatasetError(
            f"{raw.name} has several columns that could be the {role}: {', '.join(map(repr, found))}. Say which one it"
            f" is, as in columns={{{role!r}: {found[0]!r}}}."
        )
    return found[0] if found else None


def _check_type(raw: RawRows, role: str, column: str | None) -> None:
    if column is None:
        return
    kind = raw.type_of(column)
    if role == "video":
        good = _is_text(kind) or _is_bytes(kind) or _is_file(kind)
    elif role == "description":
        good = _is_text(kind)
    else:
        good = _is_text(kind) or (_is_list(kind) and _is_text(kind.value_type))
    if not good and not pa.types.is_null(kind):
        wanted = {"video": "paths, URLs or bytes", "description": "text", "hashtags": "lists of strings, or text"}
        raise DatasetError(
            f"{raw.name}: the column {column!r} has values of the type {kind}, but the {role} must be {wanted[role]}."
        )


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or kind == pa.null()
    )


def _is_bytes(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _is_file(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) and any(kind.get_field_index(name) >= 0 for name in ("path", "bytes"))


def read_short(raw: RawRows, columns: Columns, place: str, row: Row) -> Row:
    """
    Makes the `video`, `file_name`, `description` and `hashtags` of a row.

    Raises:
        DatasetError: a value has a type that it cannot have; names place and column.
    """
    video, file_name = _read_video(row.get(columns.video), raw.folder, place, columns.video)
    description = row.get(columns.description)
    if not isinstance(description, (str, type(None))):
        raise _wrong(place, columns.description, "must be text", description)
    description = description or ""
    if columns.hashtags is None:
        hashtags = unique_hashtags(extract_hashtags(description))
        description = remove_hashtags(description)
    else:
        hashtags = _read_hashtags(row.get(columns.hashtags), place, columns.hashtags)
    return {"video": video, "file_name": file_name, "description": description, "hashtags": hashtags}


def _read_video(value: Any, folder: str, place: str, column: str | None) -> tuple[str | bytes | None, str | None]:
    """Gives what to decode and what to call it."""
    name = None
    if isinstance(value, Mapping):
        name, value = value.get("path"), value.get("bytes")
        if value is None:
            value = name
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if value is None or value == "":
        return None, None
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value), name
    if not isinstance(value, str):
        raise _wrong(place, column, "must be a path, a URL or bytes", value)
    video = join_name(folder, value)
    inside = folder.rstrip("/") + "/"
    short = video[len(inside) :] if video.startswith(inside) and not is_url(folder) else value
    return video, short


def _read_hashtags(value: Any, place: str, column: str) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        return unique_hashtags(hashtags_in_text(value))
    if isinstance(value, (list, tuple)) and all(isinstance(tag, str) for tag in value):
        return unique_hashtags(value)
    raise _wrong(place, column, "must be a list of strings, or text such as '#snow #lake'", value)


def _wrong(place: str, column: str | None, wanted: str, value: Any) -> DatasetError:
    return DatasetError(f"{place}: {column!r} {wanted}, not {str(value)[:80]!r} of the type {type(value).__name__}.")


def unique_hashtags(tags: list[str] | tuple[str, ...]) -> list[str]:
    """Normalises hashtags and gives each once, in order. Entries that are no hashtags are left out."""
    return list(dict.fromkeys(normalize_hashtag(tag) for tag in tags if is_valid_hashtag(tag)))


def hashtags_in_text(text: str) -> list[str]:
    """
    Splits a text that has only hashtags: a JSON or printed list, `"#a #b"`, or words between spaces and commas.

    Example:

    ```python
    >>> from transformers_ggm.data.sources.columns import hashtags_in_text
    >>> hashtags_in_text("#snow #lake"), hashtags_in_text("snow, lake"), hashtags_in_text('["snow", "lake"]')
    (['snow', 'lake'], ['snow', 'lake'], ['snow', 'lake'])

    ```
    """
    text = text.strip()
    if text.startswith("["):
        try:
            return [tag for tag in json.loads(text) if isinstance(tag, str)]
        except (ValueError, RecursionError):
            text = _PRINTED_LIST_SIGNS.sub(" ", text)
    if "#" in text or "＃" in text:
        return extract_hashtags(text)
    return _BETWEEN_HASHTAGS.split(text)
