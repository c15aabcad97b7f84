"""The folder that bulk work is written to, without a cluster."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from transformers_ggm.cluster.bulk_output import BulkOutput
from transformers_ggm.errors import DatasetError, OutputError

MADE_FROM = {"model": "f00", "top_n": 5}


def table(names, error=None):
    rows = [{"id": name, "error": error, "length": len(name)} for name in names]
    schema = pa.schema({"id": pa.string(), "error": pa.string(), "length": pa.int64()})
    return pa.Table.from_pylist(rows, schema)


def is_refused(folder, made_from, kind, message):
    with pytest.raises(kind, match=message), BulkOutput.opened(folder, made_from):
        pytest.fail("it was opened")


def ids_in(folder):
    return [name for part in sorted(folder.glob("part-*")) for name in pq.read_table(part)["id"].to_pylist()]


def test_what_is_there_is_known_the_next_time(tmp_path):
    """Would fail if a row were lost between two calls, or added again by the second."""
    with BulkOutput.opened(tmp_path / "tags", MADE_FROM) as output:
        output.add(table(["a", "b"]))
        output.add(table(["c"], error="c is no video"))
    with BulkOutput.opened(tmp_path / "tags", MADE_FROM) as output:
        assert (output.done, output.rejects) == ({"a", "b"}, {"c": "c is no video"})
        output.add(table(["b", "d", "d"]))
    assert ids_in(tmp_path / "tags") == ["a", "b", "d"]
    assert pq.read_table(tmp_path / "tags" / "part-000001.parquet").column_names == ["id", "length"]


def test_an_error_loses_nothing(tmp_path):
    """Would fail if what was added before an error were not written."""
    with pytest.raises(KeyError), BulkOutput.opened(tmp_path, MADE_FROM) as output:
        output.add(table(["a"]))
        raise KeyError
    assert ids_in(tmp_path) == ["a"]


def test_a_reject_that_is_read_after_all_is_none_any_more(tmp_path):
    """Would fail if a clip were tagged and rejected at once, also where a kill came between the two files."""
    with BulkOutput.opened(tmp_path, MADE_FROM) as output:
        output.add(table(["a", "b"], error="no video"))
    before = (tmp_path / "rejects.parquet").read_bytes()
    with BulkOutput.opened(tmp_path, MADE_FROM) as output:
        output.add(table(["a"]))
    assert pq.read_table(tmp_path / "rejects.parquet").to_pylist() == [{"id": "b", "error": "no video"}]
    (tmp_path / "rejects.parquet").write_bytes(before)
    with BulkOutput.opened(tmp_path, MADE_FROM) as output:
        assert (output.done, set(output.rejects)) == ({"a"}, {"b"})
    assert pq.read_table(tmp_path / "rejects.parquet")["id"].to_pylist() == ["b"]


def test_half_a_file_counts_for_nothing(tmp_path):
    """Would fail if what a killed process left half-way were taken for a part, or stayed for ever."""
    with BulkOutput.opened(tmp_path, MADE_FROM) as output:
        output.add(table(["a"]))
    half = tmp_path / ".part-000001.parquet.partial-77"
    half.write_bytes(b"PAR1 and no more")
    with BulkOutput.opened(tmp_path, MADE_FROM) as output:
        assert output.done == {"a"} and not half.exists()


def test_what_differs_is_told(tmp_path):
    """Would fail if rows of two models, or of two settings, came into one folder."""
    with BulkOutput.opened(tmp_path, MADE_FROM):
        pass
    other = {"model": "ba5", "top_n": 5, "safe": True}
    is_refused(tmp_path, other, OutputError, r'model "f00", and not "ba5", safe null, and not true: .*another folder')


def test_other_files_are_not_written_among(tmp_path):
    """Would fail if a folder of something else were filled with parts."""
    (tmp_path / "holiday.txt").write_text("mine")
    is_refused(tmp_path, MADE_FROM, OutputError, "holds other files")


def test_two_do_not_write_at_once(tmp_path):
    """Would fail if two commands could both find a clip missing, and both add it."""
    with BulkOutput.opened(tmp_path, MADE_FROM):
        is_refused(tmp_path, MADE_FROM, DatasetError, f"process {os.getpid()}")


def test_a_damaged_part_is_named(tmp_path):
    """Would fail if rows of a part that cannot be read were taken for missing, and so doubled later."""
    with BulkOutput.opened(tmp_path, MADE_FROM) as output:
        output.add(table(["a"]))
    (tmp_path / "part-000000.parquet").write_bytes(b"")
    is_refused(tmp_path, MADE_FROM, DatasetError, r"part-000000\.parquet cannot be read")
