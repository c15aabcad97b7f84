"""The words that a folder's metadata files have for its clips, in whichever kind of file and spelling of names."""

import os
from collections.abc import Iterator
from pathlib import Path

from ...errors import DatasetError, InputError
from ...processing.hashtag_fields import read_hashtags
from ...retrieval.times import parse_time
from ...utils.file_names import name_key
from ..clip_files import METADATA_FILES, FolderContents
from ..shorts import json_lines
from .columns import DESCRIPTION_COLUMNS, HASHTAG_COLUMNS, VIDEO_COLUMNS
from .rows import Row
from .tables import open_table

_CLUES = ("transcript", "screen_text", "language", "country", "time", "user", "history")


class FolderMetadata:
    """
    The descriptions of the clips in a folder, and what else is known of them.

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
        self._rows: dict[str, tuple[str, Row]] = {}
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
                    self._rows[clip] = place, row
        has_any = bool(contents.metadata)
        self.clips_without_row = [clip for clip in contents.clips if clip not in self._descriptions] if has_any else []

    def description(self, clip: str) -> str:
        """The words for a clip, `""` where there are none."""
        return self._descriptions.get(clip, "")

    def clues(self, clip: str) -> Row:
        """
        What else is known of a clip, as far as it is: `transcript`, `screen_text`, `language`, `country`, `user` and
        `history` as they are, `time` (`datetime`) and `hashtags` (normalised, without what is none).

        Raises:
            DatasetError: A time is not ISO 8601 or has no zone; names file and line.
        """
        place, row = self._rows.get(clip, ("", {}))
        clues = {name: row[name] for name in _CLUES if row.get(name)}
        column = next((name for name in HASHTAG_COLUMNS if row.get(name) is not None), None)
        if column is not None:
            clues["hashtags"] = read_hashtags(row[column]).hashtags
        try:
            return {**clues, "time": parse_time(clues["time"])} if "time" in clues else clues
        except InputError as error:
            raise DatasetError(f"{place}: {error}") from error


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
