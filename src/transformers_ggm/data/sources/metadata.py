"""The words that a folder's metadata files have for its clips, in whichever kind of file and spelling of names."""

import os
from collections.abc import Iterator
from pathlib import Path

from ...errors import DatasetError
from ...utils.file_names import name_key
from ..clip_files import METADATA_FILES, FolderContents
from ..shorts import json_lines
from .columns import DESCRIPTION_COLUMNS, VIDEO_COLUMNS
from .rows import Row
from .tables import open_table


class FolderMetadata:
    """
    The descriptions of the clips in a folder.

    Args:
        folder (`str` or `os.PathLike`): Where they are.
        contents ([`FolderContents`]): What lies in it.

    Attributes:
        rows_without_clip (`list[str]`): Rows whose file is not there, or that name none: the name, or the row's place.
        clips_without_row (`list[str]`): Clips that no row names. Empty where there is no metadata at all.

    Raises:
        DatasetError: A metadata file cannot be read, or a folder has several; names file and line.
    """

    def __init__(self, folder: str | os.PathLike, contents: FolderContents):
        self._descriptions: dict[str, str] = {}
        self.rows_without_clip: list[str] = []
        exact = set(contents.clips)
        spelled = {name_key(name): name for name in reversed(contents.clips)}
        for name in contents.metadata:
            metadata_of(Path(folder, name).parent)
            prefix = name.rpartition("/")[0]
            for place, row in _metadata_rows(Path(folder, name)):
                named = _text(row, VIDEO_COLUMNS, place)
                full = f"{prefix}/{named}" if prefix else named
                clip = full if full in exact else spelled.get(name_key(full)) if named else None
                if clip is None:
                    self.rows_without_clip.append(full if named else place)
                else:
                    self._descriptions[clip] = _text(row, DESCRIPTION_COLUMNS, place)
        has_any = bool(contents.metadata)
        self.clips_without_row = [clip for clip in contents.clips if clip not in self._descriptions] if has_any else []

    def description(self, clip: str) -> str:
        """The words for a clip, `""` where there are none."""
        return self._descriptions.get(clip, "")


def metadata_of(folder: Path) -> list[str]:
    """The metadata file of a folder, if it has one.

    Raises:
        DatasetError: it has several.
    """
    found = [str(folder / name) for name in METADATA_FILES if (folder / name).is_file()]
    if len(found) > 1:
        raise DatasetError(f"{folder} has several metadata files ({', '.join(found)}): keep one.")
    return found


def _metadata_rows(path: Path) -> Iterator[tuple[str, Row]]:
    # Types do not matter here, so that lines need not agree on those of further fields.
    if path.suffix == ".jsonl":
        return json_lines(path)
    return open_table(str(path)).read()


def _text(row: Row, columns: tuple[str, ...], place: str) -> str:
    """The first of some columns that the row has, the convention's own name before others."""
    own = "file_name" if "file_name" in columns else columns[0]
    column = next((name for name in (own, *columns) if row.get(name) is not None), None)
    value = "" if column is None else row[column]
    if not isinstance(value, str):
        raise DatasetError(f"{place}: `{column}` must be a string, not {str(value)[:80]!r}.")
    return value
