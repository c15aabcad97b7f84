"""Which column of a source holds what, and how its values become those of a short."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ...errors import DatasetError
from ...processing.hashtag_fields import ReadHashtags, read_hashtags
from ...processing.hashtags import extract_hashtags, normalize_hashtag, remove_hashtags
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
    | {"audio", "has_audio", "frame_hashes", "error", "dropped_hashtags", "clip", "clip_stamp"}
)


@dataclass(frozen=True)
class Columns:
    """
    The columns of a source by what they are for; `None` where there is none.

    Attributes:
        video, description, hashtags (`str` or `None`): names in the source.
        further (`dict[str, str]`): the other columns that are kept, their new names to their names in the source.
        left_out (`frozenset[str]`): names in the source of columns that are not kept.
        hashtag_names (`Sequence[str]` or `None`): the hashtags, where their column has class ids.
    """

    video: str | None
    description: str | None
    hashtags: str | None
    further: dict[str, str]
    left_out: frozenset[str]
    hashtag_names: Sequence[str] | None = None

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
    label = None if chosen["hashtags"] is None else raw.class_label(chosen["hashtags"])
    for role, column in chosen.items():
        if column is not None and (role != "hashtags" or label is None):
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
        hashtag_names=None if label is None else label.names,
    )


def _only(found: list[str], role: str, raw: RawRows) -> str | None:
    if len(found) > 1:
        raise DatasetError(
            f"{raw.name} has several columns that could be the {role}: {', '.join(map(repr, found))}. Say which one it"
            f" is, as in columns={{{role!r}: {found[0]!r}}}."
        )
    return found[0] if found else None


def _check_type(raw: RawRows, role: str, column: str) -> None:
    if role == "hashtags" and raw.mixes_types(column):
        return  # each value is read by itself
    kind = raw.type_of(column)
    if role == "video":
        good = _is_text(kind) or _is_bytes(kind) or _is_file(kind)
    elif role == "description":
        good = _is_text(kind)
    else:
        good = _has_text(kind)
    if not good and not pa.types.is_null(kind):
        wanted = {"video": "paths, URLs or bytes", "description": "text", "hashtags": "lists of strings, or text"}
        raise DatasetError(
            f"{raw.name}: the column {column!r} has values of the type {kind}, but the {role} must be {wanted[role]}."
        )


def _has_text(kind: pa.DataType) -> bool:
    """Whether there may be hashtags in values of a type: text, or lists or objects with text in them."""
    if pa.types.is_struct(kind):
        return any(_has_text(kind.field(number).type) for number in range(kind.num_fields))
    if pa.types.is_map(kind):
        return _has_text(kind.item_type)
    return _is_text(kind) or (_is_list(kind) and _has_text(kind.value_type))


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
    views = getattr(pa.types, "is_list_view", None), getattr(pa.types, "is_large_list_view", None)
    known = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list, *filter(None, views))
    return any(is_kind(kind) for is_kind in known)


def _is_file(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) and any(kind.get_field_index(name) >= 0 for name in ("path", "bytes"))


def read_short(raw: RawRows, columns: Columns, place: str, row: Row) -> Row:
    """
    Makes the `video`, `file_name`, `description` and `hashtags` of a row, `written_hashtags`: the same as they are
    spelled, and `dropped_hashtags`: what the column of the hashtags has beside them.

    Raises:
        DatasetError: a value has a type that it cannot have; names place and column.
    """
    video, file_name = _read_video(row.get(columns.video), raw.folder, place, columns.video)
    description = row.get(columns.description)
    if not isinstance(description, (str, type(None))):
        raise _wrong(place, columns.description, "must be text", description)
    description = description or ""
    if columns.hashtags is None:
        written: dict[str, str] = {}
        for tag in extract_hashtags(description):
            written.setdefault(normalize_hashtag(tag), tag)
        found = ReadHashtags(list(written), [], list(written.values()))
        description = remove_hashtags(description)
    else:
        found = read_hashtags(_named(row.get(columns.hashtags), columns.hashtag_names))
    return {
        "video": video,
        "file_name": file_name,
        "description": description,
        "hashtags": found.hashtags,
        "dropped_hashtags": found.dropped,
        "written_hashtags": found.written,
    }


def _named(value: Any, names: Sequence[str] | None) -> Any:
    """Puts the names of classes in place of their ids; -1 is a label that is missing."""
    if isinstance(value, (list, tuple)) and names is not None:
        return [_named(item, names) for item in value]
    if names is None or not isinstance(value, int) or isinstance(value, bool):
        return value
    return None if value == -1 else names[value] if 0 <= value < len(names) else value


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


def _wrong(place: str, column: str | None, wanted: str, value: Any) -> DatasetError:
    return DatasetError(f"{place}: {column!r} {wanted}, not {str(value)[:80]!r} of the type {type(value).__name__}.")
