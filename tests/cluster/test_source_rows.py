"""Rows of a source that actors read for themselves: which of them, how many together, and from the same source."""

import json
import os

import pytest

from transformers_ggm.cluster import source_rows
from transformers_ggm.cluster.source_rows import RowReader, SharedSource, ranges_of
from transformers_ggm.errors import DatasetError

NUM_ROWS = 20


@pytest.fixture
def shared(tmp_path):
    rows = [{"description": str(number), "hashtags": ["a"]} for number in range(NUM_ROWS)]
    (tmp_path / "posts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return SharedSource.of(tmp_path / "posts.jsonl")


def reader(shared, block_rows=3, rows=lambda source, start: source.rows(start=start)):
    return RowReader(shared, {name: split.fingerprint for name, split in shared.open().items()}, rows, block_rows)


@pytest.mark.parametrize(
    "spans, wanted",
    [
        ([(0, NUM_ROWS)], range(NUM_ROWS)),
        ([(0, None)], range(NUM_ROWS)),
        ([(2, 4), (4, 5), (9, 10), (17, None)], [2, 3, 4, 9, 17, 18, 19]),
        ([(3, 3)], []),
        ([(NUM_ROWS, None)], []),
    ],
)
@pytest.mark.parametrize("range_rows", [4, 4096])
def test_the_rows_of_ranges(shared, spans, wanted, range_rows, monkeypatch):
    """Would fail if a row were left out, read twice, or given as another one, wherever ranges begin and end."""
    monkeypatch.setattr(source_rows, "_RANGE_ROWS", range_rows)
    read = reader(shared)
    blocks = [rows for block in ranges_of(None, iter(spans)) for rows in read(block)]
    numbers = [number for rows in blocks for number in rows["row"].tolist()]
    assert numbers == list(wanted)
    assert [item.fields["description"] for rows in blocks for item in rows["item"]] == list(map(str, wanted))
    assert all(0 < len(rows["row"]) <= 3 for rows in blocks)


def test_rows_with_clips(shared, monkeypatch):
    """Would fail if as many rows with clips inside went together as of those that name them."""
    monkeypatch.setattr(source_rows, "_BLOCK_BYTES", 15)
    read = reader(shared, 100, lambda source, start: ({**row, "video": b"8 bytes."} for row in source.rows(start)))
    assert [len(rows["row"]) for rows in read(ranges_of(None, [(0, 5)])[0])] == [2, 2, 1]


def test_another_source_elsewhere(shared):
    """Would fail if rows of another version of the source, as another machine may have it, were taken for these."""
    read = reader(shared)
    assert len(list(read(ranges_of(None, [(0, 2)])[0]))) == 1
    before = {None: shared.open()[None].fingerprint}
    with open(shared.name, "a") as file:
        file.write(json.dumps({"description": "one more", "hashtags": []}) + "\n")
    with pytest.raises(DatasetError, match="is not the same on all machines"):
        RowReader(shared, before, lambda source, start: source.rows(start=start), 3)


def test_names_that_all_machines_know(tmp_path, monkeypatch):
    """Would fail if an actor, which works in another folder, looked for a relative path there."""
    monkeypatch.chdir(tmp_path)
    assert SharedSource.of("posts.jsonl").name == os.path.abspath("posts.jsonl")
    assert SharedSource.of("s3://bucket/posts.jsonl").name == "s3://bucket/posts.jsonl"
    with pytest.raises(DatasetError, match="of the type list: a cluster reads a path or URL"):
        SharedSource.of([])
