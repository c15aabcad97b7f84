"""The sheet that raters fill in, and the key that tells afterwards what they saw."""

import csv
import io
import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers.utils import logging

from ...errors import DatasetError
from ...processing.hashtag_fields import DroppedHashtags, read_hashtags
from ...retrieval import HashtagPool
from ...utils.checkpoint_layout import POOL_FOLDER
from ...utils.files import write_json, write_text
from .ratings import is_begun
from .selection import RatingItem, choose_items, novel_hashtags, video_name

logger = logging.get_logger(__name__)

RATINGS_FILE = "ratings.csv"
KEY_FILE = "key.json"
NOVEL_FILE = "novel_hashtags.csv"
COLUMNS = ("item", "video", "description", "hashtag", "relevance")

# Example videos that the list of novel hashtags names.
_VIDEOS_NAMED = 3
# Spreadsheets run cells that begin with these as formulas, and descriptions are written by strangers.
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


def write_rating_sheet(
    output_dir: str | os.PathLike,
    predictions: Mapping[str, Sequence[Mapping[str, Any]]],
    pool: Collection[str],
    *,
    examples: int = 1,
    max_hashtags: int | None = None,
    seed: int = 0,
) -> list[RatingItem]:
    """
    Writes what human rating of novel hashtags needs.

    - `ratings.csv`: one row for each hashtag to judge on a video, with the columns `item`, `video`, `description`,
      `hashtag` and an empty `relevance`. Give each rater a copy. It does not tell which hashtags are novel: keep the
      other two files to yourself.
    - `key.json`: by item its `kind` (`"novel"` or `"true"`), `systems`, `row`, `id` of the video, `hashtag`, and for
      novel ones `also_true`.
    - `novel_hashtags.csv`: all novel hashtags of each system, with the number of videos they were predicted for, and
      some of these.

    A folder that already has a sheet of the same items is left as it is. One of other items is replaced, unless
    somebody has begun to fill in a sheet in it.

    Args:
        output_dir (`str` or `os.PathLike`): folder to write; made where there is none.
        predictions, pool, examples, max_hashtags, seed: as for [`choose_items`].

    Returns:
        `list[RatingItem]`: the rows of the sheet.

    Raises:
        DatasetError: a sheet of other items was begun; and as [`choose_items`].

    Example:

    ```python
    >>> import pathlib, tempfile
    >>> from transformers_ggm.experiments.human_rating import write_rating_sheet
    >>> rows = [{"video": "a.mp4", "description": "wet", "hashtags": ["rain"], "predicted": ["snowday"]}]
    >>> folder = pathlib.Path(tempfile.mkdtemp(), "rating")
    >>> items = write_rating_sheet(folder, {"ggm": rows}, pool=["rain"])
    >>> print((folder / "novel_hashtags.csv").read_text(encoding="utf-8-sig"))
    system,hashtag,count,videos
    ggm,snowday,1,a.mp4

    ```
    """
    folder = Path(output_dir)
    items = choose_items(predictions, pool, examples=examples, max_hashtags=max_hashtags, seed=seed)
    key = {"seed": seed, "items": {item.item: _key_of(item) for item in items}}
    if _has_same_items(folder, key):
        return items
    _check_nothing_begun(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RATINGS_FILE).unlink(missing_ok=True)  # so that no sheet ever lies beside the key of another
    write_json(folder / KEY_FILE, key)
    _write_csv(folder / NOVEL_FILE, ("system", "hashtag", "count", "videos"), _novel_rows(predictions, pool, items))
    _write_csv(
        folder / RATINGS_FILE,
        COLUMNS,
        ((item.item, item.video, item.description, f"#{item.hashtag}", "") for item in items),
    )
    return items


def read_predictions(path: str | os.PathLike) -> list[dict[str, Any]]:
    """
    Reads predictions as training writes them (`evaluation/predictions.jsonl`): one JSON object a line.

    Args:
        path (`str` or `os.PathLike`): the file, in UTF-8.

    Returns:
        `list[dict]`: one a line.

    Raises:
        DatasetError: the file is missing, or a line is no JSON object.
    """
    try:
        # Not `splitlines`: descriptions may hold what it takes for the end of a line.
        lines = Path(path).read_text(encoding="utf-8").rstrip("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read as predictions: {error}") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DatasetError(f"{path}, line {number} is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise DatasetError(f"{path}, line {number} is not a JSON object.")
        rows.append(row)
    return rows


def read_pool_hashtags(path: str | os.PathLike) -> list[str]:
    """
    The hashtags of a pool's folder, of a checkpoint's, or of a text file with one hashtag a line.

    Args:
        path (`str` or `os.PathLike`): the folder or the file.

    Returns:
        `list[str]`: without '#', each once.

    Raises:
        DatasetError: there is neither. CheckpointError: the folder holds no pool that can be read.
    """
    path = Path(path)
    if path.is_dir():
        subfolder = POOL_FOLDER if (path / POOL_FOLDER).is_dir() else ""
        return HashtagPool.from_pretrained(path, subfolder=subfolder).hashtags
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} is neither a hashtag pool's folder nor a list of hashtags: {error}") from error
    dropped, hashtags = DroppedHashtags(), []
    for line in lines:
        found = read_hashtags(line)
        dropped.add(found.dropped)
        hashtags += found.hashtags
    if dropped:
        logger.warning(f"{path}: {dropped}")
    return list(dict.fromkeys(hashtags))


def _key_of(item: RatingItem) -> dict[str, Any]:
    entry = {
        "kind": item.kind,
        "systems": list(item.systems),
        "row": item.row,
        "id": item.video,
        "hashtag": item.hashtag,
    }
    return entry | ({"also_true": item.is_true} if item.kind == "novel" else {})


def _has_same_items(folder: Path, key: dict[str, Any]) -> bool:
    if not (folder / RATINGS_FILE).is_file() or not (folder / KEY_FILE).is_file():
        return False
    try:
        return json.loads((folder / KEY_FILE).read_text(encoding="utf-8")) == key
    except ValueError:
        return False


def _check_nothing_begun(folder: Path) -> None:
    for sheet in sorted(folder.glob("*.csv")):
        if sheet.name != NOVEL_FILE and is_begun(sheet, COLUMNS[:-1]):
            raise DatasetError(
                f"{sheet} is filled in, or is no sheet of these, and a new key would make it worthless: give another "
                "folder, or take it away."
            )


def _novel_rows(predictions, pool: Collection[str], items: list[RatingItem]) -> Iterable[tuple[str, str, int, str]]:
    asked = {(item.row, item.hashtag) for item in items}
    for system, hashtags in novel_hashtags(predictions, pool).items():
        rows = predictions[system]
        for tag, numbers in hashtags.items():
            # The videos that are in the sheet come first.
            shown = sorted(numbers, key=lambda number: (number, tag) not in asked)[:_VIDEOS_NAMED]
            yield system, tag, len(numbers), " | ".join(video_name(rows[number]) for number in shown)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_plain(cell) for cell in row] for row in rows)
    # Spreadsheets take a file without this mark for one in an old code page.
    write_text(path, "\ufeff" + text.getvalue())


def _plain(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_SIGNS) else cell
