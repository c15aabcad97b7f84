"""Rows as a source has them, and the types of the fields of rows that come without any."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import pyarrow as pa
from datasets import ClassLabel, Features

from ...errors import DatasetError
from ...utils.file_names import whole_texts

_BATCH_ROWS = 1024
# What pyarrow raises for values that fit no type, or not the one asked for.
TYPE_ERRORS = (pa.ArrowException, TypeError, ValueError, OverflowError)

Row = dict[str, Any]


class RawRows(ABC):
    """
    Rows in a fixed order, before columns are renamed and values brought into one form. Each kind of source has its own
    subclass.

    Attributes:
        name (`str`): what messages call the source.
        folder (`str`): path or URL that relative paths of clips are relative to.
        columns (`list[str]`): names of all columns.
        num_rows (`int` or `None`): `None` where only reading to the end would tell.
        fingerprint (`str`): another one when the rows change.
        video_column (`str` or `None`): the column of the clips, where the format itself tells it.
    """

    name: str
    folder: str
    columns: list[str]
    num_rows: int | None
    fingerprint: str
    video_column: str | None = None

    @abstractmethod
    def read(self, start: int = 0, columns: list[str] | None = None) -> Iterator[tuple[str, Row]]:
        """Gives each row from row `start` on with its place (for messages), at least with the fields `columns`."""

    @abstractmethod
    def features_of(self, columns: list[str]) -> Features:
        """The features of some columns, in this order."""

    def type_of(self, column: str) -> pa.DataType:
        """The Arrow type of a column's values as `read` gives them."""
        return self.features_of([column]).arrow_schema.field(column).type

    def mixes_types(self, column: str) -> bool:
        """Whether a column has values that no one type can hold, so that `type_of` raises for it."""
        return False

    def class_label(self, column: str) -> ClassLabel | None:
        """The classes whose ids a column has, or lists of them; `None` for any other column."""
        if self.mixes_types(column):
            return None
        kind = self.type_of(column)
        while not pa.types.is_dictionary(kind) and hasattr(kind, "value_type"):
            kind = kind.value_type
        feature = self.features_of([column])[column] if pa.types.is_integer(kind) else None
        while feature is not None and not isinstance(feature, ClassLabel):
            feature = feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)
        return feature

    def convert(self, column: str, value: Any) -> Any:
        """Brings a value of `read` into the form that `features_of` promises."""
        return value


class InferredRows(RawRows):
    """
    Rows that come without types, which are inferred from all of them, or from the first ones.

    Attributes:
        inference ([`TypeInference`]): what was found out.
    """

    inference: "TypeInference"

    @property
    def types(self) -> dict[str, pa.DataType]:
        return self.inference.types

    def mixes_types(self, column: str) -> bool:
        return column in self.inference.errors

    def features_of(self, columns: list[str]) -> Features:
        self.inference.check(columns)
        return features_from_schema(pa.schema([(name, self.types[name]) for name in columns]), self.name)

    def type_of(self, column: str) -> pa.DataType:
        self.inference.check([column])
        return self.types[column]

    def convert(self, column: str, value: Any) -> Any:
        return pa.scalar(whole_texts(value), self.types[column]).as_py()


class TypeInference:
    """
    Finds the Arrow type of each field over any number of rows, a batch at a time: whole numbers give way to fractions,
    missing values to any type, and objects gain the fields of one another, as when `datasets` reads the rows whole.

    Example:

    ```python
    >>> from transformers_ggm.data.sources.rows import TypeInference
    >>> inference = TypeInference()
    >>> inference.add([("line 1", {"id": 1}), ("line 2", {"id": 2.5, "place": "lake"})])
    >>> inference.types
    {'id': DataType(double), 'place': DataType(string)}

    ```
    """

    def __init__(self):
        self.types: dict[str, pa.DataType] = {}
        self.errors: dict[str, DatasetError] = {}
        self.num_rows = 0

    def check(self, columns: Iterable[str]) -> None:
        """
        Raises:
            DatasetError: one of some fields has values of different types, or a value of no type; names place and
                field.
        """
        for name in columns:
            if name in self.errors:
                raise self.errors[name]

    def add(self, rows: Iterable[tuple[str, Row]]) -> None:
        """Takes rows, each with its place, into account."""
        rows = iter(rows)
        while batch := list(islice(rows, _BATCH_ROWS)):
            self.num_rows += len(batch)
            for name in dict.fromkeys(name for _, row in batch for name in row if name not in self.errors):
                values = [whole_texts(row.get(name)) for _, row in batch]
                try:
                    self.types[name] = unify_types(self.types.get(name, pa.null()), pa.array(values).type)
                except TYPE_ERRORS:
                    # Only where the field is read by its type does it matter.
                    self.errors[name] = _type_error(batch, name, self.types.get(name, pa.null()))
                    self.types[name] = pa.null()


def _type_error(batch: list[tuple[str, Row]], name: str, known: pa.DataType) -> DatasetError:
    """Finds the first row of a batch that does not go with those before."""
    for number, (place, row) in enumerate(batch, start=1):
        try:
            unify_types(known, pa.array([whole_texts(row.get(name)) for _, row in batch[:number]]).type)
        except TYPE_ERRORS as error:
            return DatasetError(
                f"{place}: the field {name!r} has values of different types in different rows ({error}). Give all rows"
                " the same type, or leave the field out."
            )
    raise AssertionError("a batch fails as a whole, yet no part of it does")


def unify_types(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """
    Gives the type that holds the values of both.

    Raises:
        `pyarrow.ArrowException`: there is none, as for numbers and text.
    """
    schemas = [pa.schema([("value", one)]), pa.schema([("value", other)])]
    return pa.unify_schemas(schemas, promote_options="permissive").field("value").type


def features_from_schema(schema: pa.Schema, name: str) -> Features:
    """
    `datasets.Features` for an Arrow schema; what the schema's metadata say of them counts.

    Raises:
        DatasetError: `datasets` has no feature for a type; names source `name`, column and type.
    """
    fields = [
        pa.field(field.name, field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in schema
    ]
    for field in fields:
        try:
            Features.from_arrow_schema(pa.schema([field]))
        except (ValueError, TypeError, NotImplementedError) as error:
            raise DatasetError(
                f"{name}: the column {field.name!r} has the type {field.type}, which `datasets` cannot store: convert"
                " it, or leave it out."
            ) from error
    return Features.from_arrow_schema(pa.schema(fields, metadata=schema.metadata))
