"""Shorts in the shapes people have them, as one kind of rows: folders, tables, WebDataset tars, `datasets` objects."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import ClassLabel, Dataset, DatasetDict, Features, IterableDataset, IterableDatasetDict, Value

from ...errors import DatasetError
from ...processing.media import DEFAULT_LIMITS
from ...utils.file_names import readable_name, whole_text
from ..clip_files import METADATA_FILES, clips_not_among
from ..prepared import is_prepared
from ..shorts import SPLITS
from .columns import Columns, find_columns, read_short
from .files import expand_pattern, is_url, join_name, local_name, suffix_of
from .hf_datasets import open_dataset
from .metadata import metadata_of
from .rows import TYPE_ERRORS, RawRows, Row, features_from_schema, unify_types
from .tables import open_table
from .tars import TarShards

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".parquet")

Shape = str | os.PathLike | Dataset | DatasetDict | IterableDataset | IterableDatasetDict


@dataclass(frozen=True)
class ShortsSource:
    """
    One split of shorts, its rows in a fixed order.

    Attributes:
        features (`datasets.Features`): of the further columns, those beside video, description and hashtags.
        num_rows (`int` or `None`): `None` where only reading to the end would tell.
        fingerprint (`str`): another one when the rows change. It follows the content of tables, and the names, sizes
            and times of change of tars and of Parquet files with clips inside; the clips that a table names are not
            read. Of a streaming dataset it knows the name, the features and, without features, the first rows.
    """

    features: Features
    num_rows: int | None
    fingerprint: str
    _raw: RawRows = field(repr=False)
    _columns: Columns = field(repr=False)
    _split: "SplitColumn | None" = field(repr=False, default=None)

    def clips_without_row(self) -> list[str]:
        """
        The paths of clips that lie in the folder of a metadata file, or in those in it, and that no row names. Empty
        for other kinds of sources.
        """
        raw, column = self._raw, self._columns.video
        if is_url(raw.name) or os.path.basename(raw.name) not in METADATA_FILES or column is None:
            return []
        rows = (row.get(column) for _, row in raw.read(0, [column]))
        named = (join_name(raw.folder, value) for value in rows if isinstance(value, str) and value)
        return clips_not_among(raw.folder, named)

    def rows(self, start: int = 0, tell_dropped: bool = False, as_written: bool = False) -> Iterator[dict[str, Any]]:
        """
        Reads the rows, holding a few at a time.

        Args:
            start (`int`, *optional*, defaults to 0): the first row to give. Clips inside earlier rows are not read
                where the format allows to pass over them: in local tars, datasets that do not stream, and whole row
                groups of Parquet files.
            tell_dropped (`bool`, *optional*, defaults to `False`): adds `dropped_hashtags` (`list[str]`): what the
                column of the hashtags has that is no hashtag.
            as_written (`bool`, *optional*, defaults to `False`): whether `hashtags` keep their capitals.

        Returns:
            Iterator of dicts with `video` (absolute path or URL as `str`, `bytes`, or `None` for words alone),
            `file_name` (`str` or `None`: what to call the clip), `description` (`str`), `hashtags` (`list[str]`,
            normalised, each once) and every column of `features`.

        Raises:
            DatasetError: a row cannot be read, or a value has a type that it cannot have; names place and column.
            ValueError: `start` is negative.
        """
        if start < 0:
            raise ValueError(f"`start` is {start}: it must be 0 or more.")
        return self._rows(start, tell_dropped, as_written)

    def _rows(self, start: int, tell_dropped: bool, as_written: bool) -> Iterator[dict[str, Any]]:
        raw, columns = self._raw, self._columns
        rows = raw.read(start, columns.used) if self._split is None else self._split.read(raw, start, columns.used)
        known = {*raw.columns, *columns.left_out}
        widened = {name: self.features.arrow_schema.field(name).type for name in self._widened()}
        empty = start == 0
        for place, row in rows:
            empty = False
            if unknown := row.keys() - known:
                raise DatasetError(
                    f"{place} has the field {min(unknown)!r}, which the first rows lack: leave it out with"
                    f" columns={{{min(unknown)!r}: None}}, or give the features of the dataset."
                )
            short = read_short(raw, columns, place, row)
            written = short.pop("written_hashtags")
            if as_written:
                short["hashtags"] = written
            if not tell_dropped:
                del short["dropped_hashtags"]
            short["description"] = whole_text(short["description"])
            if short["file_name"] is not None:
                short["file_name"] = readable_name(short["file_name"])
            for name in self.features:
                short[name] = self._further(name, row, place, widened)
            yield short
        if empty:
            raise DatasetError(f"{raw.name} has no rows.")

    def _widened(self) -> list[str]:
        """Further columns whose type another split decides."""
        own = self._raw.features_of(list(self._columns.further.values()))
        return [
            name
            for name, feature in self.features.items()
            if name in self._columns.further and own[self._columns.further[name]] != feature
        ]

    def _further(self, name: str, row: Row, place: str, widened: Mapping[str, pa.DataType]) -> Any:
        column = self._columns.further.get(name)
        try:
            value = None if column is None else self._raw.convert(column, row.get(column))
            return pa.scalar(value, widened[name]).as_py() if name in widened else value
        except TYPE_ERRORS as error:
            raise DatasetError(
                f"{place}: {row[column]!r} in the field {column!r} is of another type than in the rows before it"
                f" ({error}). Give all rows the same type, or leave the field out."
            ) from error


@dataclass(frozen=True)
class SplitColumn:
    """
    The rows of one split in a source that has a column of split names.

    Attributes:
        column (`str`): its name in the source.
        split (`str`): which rows to take.
        names (`datasets.ClassLabel` or `None`): of the splits, where the column has their class ids.
    """

    column: str
    split: str
    names: ClassLabel | None

    def read(self, raw: RawRows, start: int, columns: list[str]) -> Iterator[tuple[str, Row]]:
        """As [`RawRows.read`], for these rows alone."""
        first = self._position(raw, start) if start else 0
        if first is not None:
            for place, row in raw.read(first, [*columns, self.column]):
                if split_name(self.names, self.column, place, row) == self.split:
                    yield place, row

    def _position(self, raw: RawRows, start: int) -> int | None:
        """The number among all rows of row `start` of the split, found without reading any clip."""
        for position, (place, row) in enumerate(raw.read(0, [self.column])):
            if split_name(self.names, self.column, place, row) == self.split:
                if start == 0:
                    return position
                start -= 1
        return None


def split_name(names: ClassLabel | None, column: str, place: str, row: Row) -> str:
    """The split that a row is in, by its column of split names: text, the number of a fold, or a class of `names`."""
    value = row.get(column)
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
        raise DatasetError(f"{place}: {column!r} must be the name of a split, not {value!r}.")
    return names.int2str(value) if names is not None else str(value)


def open_shorts(
    source: Shape, columns: Mapping[str, str | None] | None = None, max_bytes: int = DEFAULT_LIMITS.max_bytes
) -> dict[str | None, ShortsSource]:
    r"""
    Opens shorts in any of the shapes people have them.

    Args:
        source: one of

            - a folder in the Hub's convention: a folder per split with a `metadata.jsonl` (or `.csv`, `.parquet`) and
              the clips beside it, or one such file and no splits;
            - a table `.csv`, `.tsv`, `.jsonl` (also named `.json`) or `.parquet`, local or a URL, with paths (relative
              ones to the table's folder), URLs or bytes of the clips;
            - a WebDataset tar, a pattern such as `"clips-{000..099}.tar"` or `"clips-*.tar"`, or a folder of tars;
              tars in split folders, or whose names all begin with `train`, `validation` or `test`, are these splits;
            - a `datasets.Dataset`, `DatasetDict`, `IterableDataset` or `IterableDatasetDict`.
        columns (`Mapping[str, str | None]`, *optional*): names of ours to names of the source. The roles are `"video"`
            (else one of `video`, `file_name`, `path`, `url`, `mp4`), `"description"` (else `description`, `caption`,
            `text`, `txt`), `"hashtags"` (else `hashtags`, `tags`) and `"split"` (else `split`; only for sources
            without splits of their own that do not stream). Any other name renames a further column. `None` leaves
            out the column of that name: `{"hashtags": None}` takes the hashtags from the description, and
            `{"duration": None}` drops a column. A column of the source whose name `columns` gives to another is left
            out.
        max_bytes (`int`, *optional*, defaults to that of `MediaLimits`): of larger clips inside tars only one byte
            more than this is read, enough for decoding with the same limit to reject them.

    Hashtags are lists, text (`"#snow #lake"`, `"snow, lake"`, a printed list), classes or objects, with or without
    `#`: see [`~processing.hashtag_fields.read_hashtags`]. Without such a column they are taken out of the description.
    What is no hashtag is left out, so that one bad tag does not cost the clip, and can be told. That a clip exists is
    not checked: decoding it tells.

    Returns:
        `dict[str | None, ShortsSource]`: by the name of the split, `None` for a source without splits. All splits have
        the same features.

    Raises:
        DatasetError: there is nothing in one of these shapes, it has no rows, it is a prepared set already, or its
            columns are not clear; names file and line, and says what to do.

    Example:

    ```python
    >>> import pathlib, tempfile
    >>> from transformers_ggm.data.sources import open_shorts
    >>> table = pathlib.Path(tempfile.mkdtemp(), "shorts.csv")
    >>> _ = table.write_text("clip,words\na.mp4,first #snow at the #lake\n")
    >>> source = open_shorts(table, {"video": "clip", "description": "words"})[None]
    >>> row = next(source.rows())
    >>> row["file_name"], row["description"], row["hashtags"]
    ('a.mp4', 'first at the', ['snow', 'lake'])

    ```
    """
    columns = dict(columns or {})
    raws = _open_raw(source, max_bytes)
    if set(raws) == {None}:
        sources = _split_by_column(raws[None], columns)
    elif columns.get("split") is not None:
        raise DatasetError(
            f"The source has splits of its own ({', '.join(map(str, raws))}): leave 'split' out of `columns`."
        )
    else:
        sources = {split: _make_source(raw, columns) for split, raw in raws.items()}
    return _with_same_features(sources, columns)


def _make_source(raw: RawRows, columns: Mapping[str, str | None], **split: Any) -> ShortsSource:
    found = find_columns(raw, columns)
    kept = list(found.further.values())
    features = raw.features_of(list(dict.fromkeys(kept)))
    features = Features({name: features[column] for name, column in found.further.items()})
    return ShortsSource(features, raw.num_rows, raw.fingerprint, raw, found, **split)


def _split_by_column(raw: RawRows, columns: Mapping[str, str | None]) -> dict[str | None, ShortsSource]:
    """Divides a source that has no splits of its own, if it has a column of split names."""
    streams = raw.num_rows is None
    column = columns.get("split", "split" if "split" in raw.columns and not streams else None)
    if column is None:
        return {None: _make_source(raw, columns)}
    if column not in raw.columns:
        raise DatasetError(f"{raw.name} has no column {column!r} of split names, only {', '.join(raw.columns)}.")
    if streams:
        raise DatasetError(f"{raw.name} streams, so that its column {column!r} cannot divide it: give one split each.")
    others = {**columns, "split": None}
    others.setdefault(column, None)
    whole = _make_source(raw, others)
    names = raw.class_label(column)
    counts = Counter(split_name(names, column, place, row) for place, row in raw.read(0, [column]))
    return {
        split: replace(whole, num_rows=counts[split], _split=SplitColumn(column, split, names))
        for split in _in_order(counts)
    }


def _in_order(splits) -> list[str]:
    return sorted(splits, key=lambda split: (SPLITS.index(split) if split in SPLITS else len(SPLITS), split))


def _with_same_features(
    sources: dict[str | None, ShortsSource], columns: Mapping[str, str | None]
) -> dict[str | None, ShortsSource]:
    """Gives all splits the columns of all, and every column one type, so that they can be stored as one dataset."""
    names = dict.fromkeys(name for source in sources.values() for name in source.features)
    features = Features({name: _common_feature(name, sources) for name in names})
    same = {}
    for split, source in sources.items():
        told = repr([source.fingerprint, sorted(columns.items()), split, str(features)])
        same[split] = replace(source, features=features, fingerprint=hashlib.sha256(told.encode()).hexdigest())
    return same


def _common_feature(name: str, sources: Mapping[str | None, ShortsSource]) -> Any:
    missing = Value("null")
    found = {split: source.features[name] for split, source in sources.items() if name in source.features}
    telling = [feature for feature in found.values() if feature != missing] or [missing]
    if all(feature == telling[0] for feature in telling):
        return telling[0]
    schemas = [Features({name: feature}).arrow_schema for feature in telling]
    try:
        kind = reduce(unify_types, (schema.field(name).type for schema in schemas))
    except pa.ArrowException as error:
        types = ", ".join(f"{kind} in {split}" for split, kind in found.items())
        raise DatasetError(
            f"The field {name!r} has another type in each split: {types}. Give all splits the same type, or leave the"
            f" field out with columns={{{name!r}: None}}."
        ) from error
    return features_from_schema(pa.schema([(name, kind)]), "The source")[name]


def _open_raw(source: Shape, max_bytes: int) -> dict[str | None, RawRows]:
    if isinstance(source, (Dataset, IterableDataset)):
        return {None: open_dataset(source, "the dataset", os.getcwd())}
    if isinstance(source, (DatasetDict, IterableDatasetDict)):
        if not source:
            raise DatasetError("The dataset has no splits.")
        return {str(split): open_dataset(part, f"the split {split}", os.getcwd()) for split, part in source.items()}
    if not isinstance(source, (str, os.PathLike)):
        raise DatasetError(f"`source` is of the type {type(source).__name__}: pass a path, a URL or a dataset.")
    name = local_name(os.fspath(source))
    if not is_url(name):
        name = os.path.abspath(name)
        if os.path.isdir(name):
            return _open_folder(Path(name), max_bytes)
    return {None: _open_files(name, max_bytes)}


def _open_files(name: str, max_bytes: int) -> RawRows:
    """Opens a table, a tar, or the tars of a pattern."""
    exists = not is_url(name) and os.path.exists(name)
    suffix = suffix_of(name)
    if suffix == ".tar":
        return TarShards([name] if exists else expand_pattern(name), max_bytes)
    if suffix in TABLE_SUFFIXES and (exists or is_url(name)):
        return open_table(name)
    if not exists and not is_url(name):
        raise DatasetError(f"{name} does not exist: pass a folder, a table, or a tar or pattern of tars.")
    raise DatasetError(
        f"{name} is in none of the shapes that can be read: a folder, a table ({', '.join(TABLE_SUFFIXES)}) or a .tar."
    )


def _open_folder(folder: Path, max_bytes: int) -> dict[str | None, RawRows]:
    if is_prepared(folder):
        raise DatasetError(f"{folder} is prepared already: train on it directly.")
    parts = {
        part.name: files
        for part in sorted(folder.iterdir())
        if part.is_dir() and not part.name.startswith(".") and (files := metadata_of(part) or _tars_of(part))
    }
    if metadata := metadata_of(folder):
        if tables := [name for name in parts if metadata_of(folder / name)]:
            raise DatasetError(f"{folder} has metadata of its own and in {tables[0]}: keep one of the two.")
        return {None: open_table(metadata[0])}
    if parts:
        if bare := [split for split in SPLITS if (folder / split).is_dir() and split not in parts]:
            raise DatasetError(f"{folder / bare[0]} has none of {', '.join(METADATA_FILES)}, and no tars.")
        return {split: _open_part(parts[split], max_bytes) for split in _in_order(parts)}
    if tars := _tars_of(folder):
        return {split: TarShards(names, max_bytes) for split, names in _tars_by_split(tars).items()}
    raise DatasetError(
        f"{folder} has no shorts: it needs a metadata.jsonl with the clips beside it, folders such as train and test"
        " with one each, or WebDataset tars."
    )


def _open_part(files: list[str], max_bytes: int) -> RawRows:
    return TarShards(files, max_bytes) if files[0].lower().endswith(".tar") else open_table(files[0])


def _tars_of(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.iterdir() if path.suffix.lower() == ".tar")


def _tars_by_split(tars: list[str]) -> dict[str | None, list[str]]:
    """Divides the tars of a folder if their names begin with those of splits."""
    by_split: dict[str | None, list[str]] = {}
    for tar in tars:
        match = re.match(rf"({'|'.join(SPLITS)})(?![a-z])", os.path.basename(tar))
        by_split.setdefault(match and match[1], []).append(tar)
    if None in by_split and len(by_split) > 1:
        raise DatasetError(
            f"{by_split[None][0]} has no split in its name, as other tars beside it have: let its name begin with one"
            f" of {', '.join(SPLITS)}, or move it away."
        )
    return {split: by_split[split] for split in _in_order(by_split)}
