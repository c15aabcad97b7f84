"""Tables as Markdown and CSV."""

import csv
import io

from transformers_ggm.evaluation import Interval
from transformers_ggm.experiments.table import Table

TABLE = Table(
    "t", "T", ["system", "F1", "p"], [["a|b", Interval(50.04, 40.0, 60.0), 1234], ["c", None, None]], ["note"]
)


def test_markdown_has_a_cell_per_column():
    """A name with a bar, or a missing value, would shift the columns."""
    lines = TABLE.to_markdown().splitlines()
    assert lines[0] == "### T"
    assert lines[2:6] == [
        "| system | F1 | p |", "| --- | --- | --- |", r"| a\|b | 50.0 (40.0 to 60.0) | 1,234 |", "| c | – | – |",
    ]  # fmt: skip
    assert lines[-1] == "note"


def test_csv_keeps_numbers_in_full():
    """Another program would read rounded metrics, or an interval as text."""
    rows = list(csv.DictReader(io.StringIO(TABLE.to_csv())))
    assert rows[0] == {"system": "a|b", "F1": "50.04", "F1 low": "40.0", "F1 high": "60.0", "p": "1234"}
    assert rows[1] == {"system": "c", "F1": "", "F1 low": "", "F1 high": "", "p": ""}
