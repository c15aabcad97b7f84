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


def reader(shared, rows=lambda source, start: source.rows(start=start)):
    return RowReader(shared, {name: split.fingerprint for name, split in shared.open().items()}, rows)


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
@pytest.mark.parametrize("num_rows", [1, 3, 100])
def test_the_rows_of_ranges(shared, spans, wanted, num_rows):
    """Would fail if a row were left out, read twice, or given as another one, wherever ranges begin and end."""
    opened = []
    read = reader(shared, lambda source, start: opened.append(start) or source.rows(start=start))
    blocks = [list(read(block)) for block in ranges_of(None, iter(spans), num_rows)]
    assert all(len(block) == 1 for block in blocks if wanted)
    rows = [rows for block in blocks for rows in block]
    assert [number for row in rows for number in row["row"].tolist()] == list(wanted)
    assert [item.fields["description"] for row in rows for item in row["item"]] == list(map(str, wanted))
    assert len(opened) == min(len(blocks), 1)
    if spans[-1][1] is not None:
        assert all(0 < len(row["row"]) <= num_rows for row in rows)


def test_ranges_in_any_order(shared):
    """Would fail if an actor that gets a range once more, or an earlier one, gave the rows after the last ones."""
    read, blocks = reader(shared), ranges_of(None, [(0, NUM_ROWS)], 5)
    for number in (1, 0, 0, 3, 2):
        assert [rows["row"].tolist() for rows in read(blocks[number])] == [[5 * number + row for row in range(5)]]


def test_rows_with_clips(shared, monkeypatch):
    """Would fail if as many rows with clips inside were held in memory as of those that name them."""
    monkeypatch.setattr(source_rows, "_BLOCK_BYTES", 15)
    read = reader(shared, lambda source, start: ({**row, "video": b"8 bytes."} for row in source.rows(start=start)))
    given = [rows["row"].tolist() for rows in read(ranges_of(None, [(3, 8)], 100)[0])]
    assert given == [[3, 4], [5, 6], [7]]


def test_rows_that_cannot_be_read(shared):
    """Would fail if rows that a source has lost, or that cannot be read, passed for its end."""
    with pytest.raises(DatasetError, match="has no row 20 any more"):
        list(reader(shared)(ranges_of(None, [(18, 22)], 10)[0]))

    def broken(source, start):
        yield from list(source.rows(start=start))[:2]
        raise DatasetError("line 3 is no JSON")

    read = reader(shared, broken)
    for _ in range(2):
        with pytest.raises(DatasetError, match="line 3"):
            list(read(ranges_of(None, [(0, 5)], 10)[0]))


def test_another_source_elsewhere(shared):
    """Would fail if rows of another version of the source, as another machine may have it, were taken for these."""
    read = reader(shared)
    assert len(list(read(ranges_of(None, [(0, 2)], 2)[0]))) == 1
    before = {None: shared.open()[None].fingerprint}
    with open(shared.name, "a") as file:
        file.write(json.dumps({"description": "one more", "hashtags": []}) + "\n")
    with pytest.raises(DatasetError, match="is not the same on all machines"):
        RowReader(shared, before, lambda source, start: source.rows(start=start))


def test_names_that_all_machines_know(tmp_path, monkeypatch):
    """Would fail if an actor, which works in another folder, looked for a relative path there."""
    monkeypatch.chdir(tmp_path)
    assert SharedSource.of("posts.jsonl").name == os.path.abspath("posts.jsonl")
    assert SharedSource.of("s3://bucket/posts.jsonl").name == "s3://bucket/posts.jsonl"
    with pytest.raises(DatasetError, match="of the type list: a cluster reads a path or URL"):
        SharedSource.of([])
