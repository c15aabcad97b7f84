"""A table that is written as Markdown and as CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..evaluation.intervals import Interval

Value = Interval | float | int | str | None
MISSING = "–"


@dataclass
class Table:
    """
    Args:
        name (`str`): of the CSV file.
        title (`str`): the heading.
        headers (`list[str]`).
        rows (`list[list[Value]]`): a metric with its [`Interval`] has three columns in the CSV file; `None` is a value
            that there is not.
        notes (`list[str]`, *optional*): what a reader must know, below the table.
    """

    name: str
    title: str
    headers: Sequence[str]
    rows: list[Sequence[Value]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_markdown(self, level: int = 3) -> str:
        """The heading, the table and its notes."""
        lines = [f"{'#' * level} {self.title}", "", _line(self.headers), _line(["---"] * len(self.headers))]
        lines += [_line([_as_text(value) for value in row]) for row in self.rows]
        return "\n".join([*lines, *(line for note in self.notes for line in ("", note))]) + "\n"

    def to_csv(self) -> str:
        """The numbers in full, in a form for other programs."""
        wide = {i for row in self.rows for i, value in enumerate(row) if isinstance(value, Interval)}
        headers = [
            name
            for i, header in enumerate(self.headers)
            for name in ([header, f"{header} low", f"{header} high"] if i in wide else [header])
        ]
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(headers)
        for row in self.rows:
            writer.writerow([cell for i, value in enumerate(row) for cell in _as_cells(value, i in wide)])
        return file.getvalue()


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _as_text(value: Value) -> str:
    if value is None:
        return MISSING
    if isinstance(value, Interval):
        return f"{value.mean:.1f} ({value.low:.1f} to {value.high:.1f})"
    if isinstance(value, float):
        return f"{value:.1f}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else value


def _as_cells(value: Value, is_wide: bool) -> list:
    cells = list(value) if isinstance(value, Interval) else ["" if value is None else value]
    return cells + [""] * (3 - len(cells)) if is_wide else cells
