"""Clips that lie within larger files, as where they stand: their bytes are read by whoever decodes them."""

import tarfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..data.sources.files import join_name
from ..data.sources.tables import ParquetTable
from ..data.sources.tars import CLIP, TarShards
from ..errors import DatasetError, MediaError
from ..processing.media import DEFAULT_LIMITS
from ..utils.file_names import readable_name
from ..utils.opening import is_http, open_named


class TarReferences(TarShards):
    """As [`TarShards`], of whose clips it has `tar`, `offset` and `size` in the place of bytes."""

    def __init__(self, names: list[str]):
        if web := [name for name in names if is_http(name)]:
            raise DatasetError(
                f"{web[0]}: a clip within a tar cannot be sought over HTTP: name the tar in an object store, or fetch"
                " it first."
            )
        super().__init__(names, DEFAULT_LIMITS.max_bytes)

    def _samples(self, name: str, *options: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        for place, row in super()._samples(name, *options):
            if CLIP in row:
                row[CLIP] = {"tar": name, **row[CLIP]}
            yield place, row

    def _clip(self, tar: tarfile.TarFile, member: tarfile.TarInfo, with_clips: bool) -> dict[str, Any]:
        return {"path": readable_name(member.name), "offset": member.offset_data, "size": member.size}


def read_reference(clip: Any) -> Any:
    """
    What the pipeline takes as a clip: the bytes of one in a tar, and paths, URLs and bytes as they are.

    Raises:
        `MediaError`: the tar cannot be read.
    """
    if not isinstance(clip, Mapping) or "tar" not in clip:
        return clip
    with open_named(clip["tar"], MediaError) as file:
        file.seek(clip["offset"])
        wanted = min(clip["size"], DEFAULT_LIMITS.max_bytes + 1)
        content = bytearray()
        while len(content) < wanted and (piece := file.read(wanted - len(content))):
            content += piece
    return bytes(content)


def read_table_references(clips: Sequence[Any]) -> list[Any]:
    """
    Clips, of which those that are named by `table`, `column` and `row` are read from there: each table once, for all
    of them. The others stay as they are.

    Raises:
        `DatasetError`: A table cannot be read.
    """
    found, asked = list(clips), defaultdict(dict)
    for number, clip in enumerate(clips):
        if isinstance(clip, Mapping) and "table" in clip:
            asked[clip["table"], clip["column"]][clip["row"]] = number
    for (name, column), numbers in asked.items():
        table, first = ParquetTable(name, name), min(numbers)
        for row, (_, fields) in enumerate(table.read(first, [column]), start=first):
            if row in numbers:
                found[numbers[row]] = _stored_clip(fields[column], table.folder)
            if row >= max(numbers):
                break
    return found


def _stored_clip(value: Any, folder: str) -> Any:
    if not isinstance(value, Mapping):
        return value
    if value.get("bytes") is not None:
        return value["bytes"]
    return join_name(folder, value["path"]) if value.get("path") else None
