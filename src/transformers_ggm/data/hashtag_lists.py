"""The hashtags that a pool is made of, out of a list, a table with counts, tagged posts, or the starter list."""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import DatasetError, InputError
from ..processing.hashtags import is_valid_hashtag
from ..retrieval.hashtag_spellings import commonest_spelling, written_spellings
from ..retrieval.hashtag_table import counted_hashtags
from .sources import RESERVED_COLUMNS, open_shorts
from .sources.files import suffix_of
from .sources.shorts_source import TABLE_SUFFIXES
from .sources.tables import open_table
from .starter_list import starter_hashtags

STARTER = "starter"
# Of the columns that prepared sets have of their own, those that posts can have beside hashtags, and others.
_OF_POSTS = frozenset({"video", "file_name", "description"})
_LEFT_OUT = dict.fromkeys(RESERVED_COLUMNS - _OF_POSTS - {"hashtags"})
# Of lines that are no hashtags, so many are named, and so much of each is shown.
_NAMED, _SHOWN = 5, 40
_ROW = '{"hashtag": "#snow", "count": 7} as `ggm pool show` prints it'


def read_hashtag_list(source: str | os.PathLike) -> Counter[str]:
    r"""
    Reads hashtags with their counts.

    Args:
        source (`str` or `os.PathLike`): one of

            - `"starter"`: our own list, see [`starter_hashtags`], each counted once;
            - a text file of a hashtag a line, or `"-"` for standard input; a line may also be an object with
              `hashtag` and `count`. A hashtag on several lines counts as often;
            - a table (`.csv`, `.tsv`, `.jsonl`, `.json`, `.parquet`) with the columns `hashtag` and `count`;
            - tagged posts in any of the shapes that [`open_shorts`] reads: how often each hashtag is used in them, of
              a folder with splits in `train`.

    Returns:
        `Counter[str]`: from hashtags, as they are written, to counts, as [`HashtagPool.build`] takes them.

    Raises:
        InputError: there is no such file, a line is no hashtag, or a row has no hashtag or no count of 0 or more;
            names file and line.
        DatasetError: a table or posts cannot be read.

    Example:

    ```python
    >>> import pathlib, tempfile
    >>> from transformers_ggm.data import read_hashtag_list

    >>> table = pathlib.Path(tempfile.mkdtemp(), "hashtags.csv")
    >>> _ = table.write_text("hashtag,count\n#FirstSnow,7\n")
    >>> read_hashtag_list(table)
    Counter({'#FirstSnow': 7})

    ```
    """
    source = os.fspath(source)
    if source == STARTER:
        return Counter(starter_hashtags())
    if source == "-":
        return _of_lines(sys.stdin, "standard input")
    if Path(source).is_dir():
        return hashtags_of_posts(source)
    if suffix_of(source) in TABLE_SUFFIXES:
        table = open_table(source)
        if "hashtag" in table.columns:
            return _of_rows(table.read())
        try:
            return hashtags_of_posts(source)
        except DatasetError as error:
            columns = f"a list of hashtags has the columns 'hashtag' and 'count', not {table.columns}"
            raise DatasetError(f"{error.args[0].rstrip('.')}; {columns}.") from error
    try:
        with open(source, encoding="utf-8-sig") as lines:
            return _of_lines(lines, source)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{source} cannot be read as a list of hashtags in UTF-8: {error}") from error


def _of_lines(lines: Iterable[str], name: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    wrong = []
    for number, line in enumerate(map(str.strip, lines), 1):
        if line.startswith("{"):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise InputError(f"{name}, line {number}: give a hashtag, or {_ROW}.") from error
            counts.update(_of_rows([(f"{name}, line {number}", row)]))
        elif line:
            counts[line] += 1
            if not is_valid_hashtag(line):
                wrong.append(f"line {number} ({line[:_SHOWN]!r})")
    if wrong:
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise InputError(
            f"{name}: {', '.join(wrong[:_NAMED])}{more} cannot be read: give one hashtag a line (letters, digits and"
            " underscores, at least one letter), and leave out what is none."
        )
    return counts


def _of_rows(rows: Iterable[tuple[str, dict[str, Any]]]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for place, row in rows:
        try:
            hashtag, count = row["hashtag"].strip(), _count(row["count"])
        except (KeyError, ValueError, AttributeError) as error:
            raise InputError(f"{place}: give a hashtag with its count, such as {_ROW}.") from error
        if not is_valid_hashtag(hashtag) or count < 0:
            raise InputError(
                f"{place}: {hashtag!r} with the count {count} cannot be read: give a hashtag (letters, digits and"
                " underscores, at least one letter), and 0 or more."
            )
        counts[hashtag] += count
    return counts


def _count(value: Any) -> int:
    """A whole number, which a CSV has as text, and tables with gaps as 3.0."""
    text = str(value).strip()
    return int(text.removesuffix(".0"))


def hashtags_of_posts(source: str) -> Counter[str]:
    """
    How often each hashtag of tagged posts is used in them, by its commonest spelling.

    Args:
        source (`str`): as of [`tagged_posts`].

    Raises:
        DatasetError: they cannot be read.
    """
    return spelled_counts(tagged_posts(source))


def hashtags_of_shorts(data_dir: str) -> Counter[str]:
    """
    The same of a folder of shorts, as [`load_shorts`] reads it: whatever other fields there are beside `hashtags`.

    Args:
        data_dir (`str`): the folder.

    Raises:
        DatasetError: it cannot be read.
    """
    return spelled_counts(tagged_posts(data_dir, {"hashtags": "hashtags", **dict.fromkeys(_OF_POSTS)}))


def tagged_posts(source: str, columns: Mapping[str, str | None] | None = None) -> Iterator[dict[str, Any]]:
    """
    Tagged posts, with their hashtags as they are written. Columns whose names prepared sets use themselves, such as
    `duration`, are left out.

    Args:
        source (`str`): as [`open_shorts`] reads it; of a folder with splits those in `train`.
        columns (`Mapping[str, str | None]`, *optional*): what its columns are for, as there.

    Raises:
        DatasetError: they cannot be read.
    """
    try:
        splits = open_shorts(source, columns={**_LEFT_OUT, **(columns or {})})
        for posts in [splits["train"]] if "train" in splits else splits.values():
            yield from posts.rows(as_written=True)
    except DatasetError as error:
        raise DatasetError(f"{source} cannot be read as tagged posts ({error}).") from error


def spelled_counts(posts: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """
    How often each hashtag is used, by its commonest spelling.

    Args:
        posts (`Iterable[dict]`): as of [`tagged_posts`].
    """
    written = Counter(hashtag for post in posts for hashtag in post["hashtags"])
    names, counts = counted_hashtags(written, allow_empty=True)
    spellings, uses = written_spellings(written), zip(names.to_pylist(), counts.tolist())
    return Counter({commonest_spelling(name, spellings.get(name, {}), count): count for name, count in uses})
