"""Reading the sheets that people filled in, and checking them against the key."""

import csv
import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DatasetError

# A spreadsheet may write 4 as 4.0.
_WHOLE_NUMBER = re.compile(r"(-?\d+)(?:[.,]0+)?")
_NAMED_AT_MOST = 5


@dataclass(frozen=True)
class Ratings:
    """
    What people answered.

    Attributes:
        values (`np.ndarray` of shape `(raters, items)`): float64, NaN where a rater gave none.
        raters (`tuple[str]`): their sheets.
        items (`tuple[str]`): in the key's order.
        scale (`tuple[int, int]`): lowest and highest rating.
    """

    values: np.ndarray
    raters: tuple[str, ...]
    items: tuple[str, ...]
    scale: tuple[int, int]

    def unrated(self) -> dict[str, int]:
        """How many items each rater left out."""
        return {rater: int(np.isnan(row).sum()) for rater, row in zip(self.raters, self.values)}


def read_key(path: str | os.PathLike) -> dict[str, dict[str, Any]]:
    """
    The items of a `key.json`.

    Args:
        path (`str` or `os.PathLike`): the file that was written with the sheet.

    Returns:
        `dict[str, dict]`: by item, `kind` (`"novel"` or `"true"`), `systems`, `hashtag` and what else was written.

    Raises:
        DatasetError: it cannot be read, or is no key.
    """
    try:
        key = json.loads(Path(path).read_text(encoding="utf-8"))
        items = key["items"]
        kinds = {entry["kind"] for entry in items.values()}
        whole = all(isinstance(entry["systems"], list) and entry["hashtag"] for entry in items.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{path} is not the key of a rating sheet: {type(error).__name__}: {error}. Give the key.json that was "
            "written with it."
        ) from error
    if not whole or not items or kinds - {"novel", "true"}:
        raise DatasetError(f"{path} is not the key of a rating sheet: give the key.json that was written with it.")
    return items


def read_ratings(
    sheets: Sequence[str | os.PathLike], key: Mapping[str, Mapping[str, Any]], *, scale: tuple[int, int] = (1, 5)
) -> Ratings:
    """
    Reads filled-in sheets, one a rater. Rows may be in any order, and some may lack or be unrated.

    Args:
        sheets (`list` of `str` or `os.PathLike`): CSV files in UTF-8, with commas, semicolons or tabs between cells.
        key (`dict`): as from [`read_key`].
        scale (`tuple[int, int]`, *optional*, defaults to `(1, 5)`): lowest and highest rating, whole numbers.

    Returns:
        [`Ratings`]: of every rater and item, NaN where there is none.

    Raises:
        DatasetError: a sheet cannot be read, has items that the key does not know, beside another hashtag than there,
            or twice; or ratings that are no whole numbers of the scale; a sheet is given twice, or nobody rated.
        ValueError: no sheets, or a scale without two ratings.
    """
    if not sheets:
        raise ValueError("`sheets` is empty: give one filled-in sheet at least.")
    if scale[0] >= scale[1]:
        raise ValueError(f"`scale` is {tuple(scale)}, but needs a lowest and a higher highest rating.")
    paths = [Path(sheet) for sheet in sheets]
    if len({path.resolve() for path in paths}) < len(paths):
        raise DatasetError(f"A sheet is given twice among {', '.join(map(str, paths))}: give each rater's once.")
    values = np.stack([_read_rater(path, key, scale) for path in paths])
    if np.isnan(values).all():
        raise DatasetError(f"No item is rated in {', '.join(map(str, paths))}: fill in the column 'relevance'.")
    return Ratings(values, tuple(map(str, paths)), tuple(key), (int(scale[0]), int(scale[1])))


def is_begun(path: Path, written: Sequence[str]) -> bool:
    """Whether anything stands in other columns than those `written` for raters; so too if it cannot be read."""
    try:
        rows = _read_sheet(path)
    except DatasetError:
        return True
    return any(cell for row in rows.values() for column, cell in row.items() if column not in written)


def _read_rater(path: Path, key: Mapping[str, Mapping[str, Any]], scale: tuple[int, int]) -> np.ndarray:
    rows = _read_sheet(path)
    places = {item: number for number, item in enumerate(key)}
    unknown = [item for item in rows if item not in places]
    if unknown:
        raise DatasetError(
            f"{path} has {len(unknown)} items that the key does not know ({_some(unknown)}): give the key that was "
            "written with this sheet."
        )
    # Sorting one column of a spreadsheet alone tears its rows apart.
    torn = [item for item, row in rows.items() if row.get("hashtag") not in (None, "#" + key[item]["hashtag"])]
    if torn:
        raise DatasetError(
            f"{path} has {len(torn)} items beside another hashtag than in the key ({_some(torn)}): its rows were "
            "mixed up, so ratings cannot be told apart."
        )
    values = np.full(len(places), np.nan)
    refused = []
    for item, row in rows.items():
        cell = row["relevance"]
        number = _WHOLE_NUMBER.fullmatch(cell)
        if number and scale[0] <= int(number[1]) <= scale[1]:
            values[places[item]] = int(number[1])
        elif cell:
            refused.append(f"{cell!r} for {item}")
    if refused:
        raise DatasetError(
            f"{path} has {len(refused)} ratings that are no whole numbers from {scale[0]} to {scale[1]} "
            f"({_some(refused)}): correct them, or leave them empty."
        )
    return values


def _read_sheet(path: Path) -> dict[str, dict[str, str]]:
    """Cells without surrounding space, by item and column."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not in UTF-8: save it as 'CSV UTF-8'.") from error
    header = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), restval="")
    if not {"item", "relevance"} <= set(reader.fieldnames or ()):
        raise DatasetError(f"{path} is no rating sheet: it has no columns 'item' and 'relevance'.")
    rows: dict[str, dict[str, str]] = {}
    try:
        for row in reader:
            cells = {column: cell.strip() for column, cell in row.items() if column is not None}
            if cells["item"] in rows:
                raise DatasetError(f"{path} has the item {cells['item']!r} twice: leave one of its rows.")
            if any(cells.values()):  # spreadsheets leave empty rows at the end
                rows[cells["item"]] = cells
    except csv.Error as error:
        raise DatasetError(f"{path}, line {reader.line_num} is no CSV: {error}") from error
    return rows


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED_AT_MOST]) + (", ..." if len(names) > _NAMED_AT_MOST else "")
