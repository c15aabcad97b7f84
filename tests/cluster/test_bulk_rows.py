"""What there is to do, from each kind of source, without a cluster."""

import io
import json
import tarfile

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from transformers_ggm.cluster.bulk_rows import blocks_of, bulk_rows, rows_of
from transformers_ggm.cluster.clip_references import read_reference, read_table_references
from transformers_ggm.errors import DatasetError

NAMES = ["0.mp4", "1.mp4", "2.mp4", "more/3.mp4", "more/4.mp4", "more/broken.mp4"]


def write_tar(path, clips):
    with tarfile.open(path, "w") as tar:
        for name, content in clips.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def test_a_folder_is_read_as_without_a_cluster(rendered):
    """Would fail if a clip, its words or its place were lost on the way to the decoders."""
    rows = list(bulk_rows(rendered))
    assert [row["id"] for row in rows] == NAMES
    assert [row["video"] for row in rows] == [str(rendered / name) for name in NAMES]
    assert rows[0]["description"] == json.loads((rendered / "metadata.jsonl").read_text())["description"]
    assert list(bulk_rows(f"file://{rendered}")) == rows


def test_rows_survive_their_blocks(tmp_path):
    """Would fail if times, histories or bytes of names that are no text came out of a block as others."""
    (tmp_path / "caf\udce9.mp4").write_bytes(b"")
    (tmp_path / "b.mp4").write_bytes(b"")
    words = [
        {"file_name": "b.mp4", "user": "u", "time": "2026-01-02T00:00:00Z", "hashtags": ["snow"]},
        {"file_name": "caf\udce9.mp4", "user": "u", "time": "2026-01-03T00:00:00Z"},
    ]
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in words))
    blocks = blocks_of(bulk_rows(tmp_path), num_actors=1)
    assert [block["id"].to_pylist() for block in blocks] == [["b.mp4"], ["caf\\xe9.mp4"]]
    (later,) = rows_of(blocks[1])
    assert later["video"] == str(tmp_path / "caf\udce9.mp4")
    assert later["history"] == [{"hashtags": ["snow"], "time": "2026-01-02T00:00:00+00:00"}]


@pytest.mark.parametrize(("count", "actors", "sizes"), [(130, 1, {32, 2}), (3, 8, {1}), (1000, 2, {64, 40})])
def test_all_actors_get_blocks(count, actors, sizes):
    """Would fail if a few clips went to one actor of many, or blocks grew beyond what is held at a time."""
    blocks = blocks_of(({"id": str(number)} for number in range(count)), actors)
    assert {len(block) for block in blocks} == sizes
    assert [name for block in blocks for name in block["id"].to_pylist()] == list(map(str, range(count)))


def test_tables_name_their_clips(tmp_path):
    """Would fail if paths were not those of the table's folder, or a row had no stable id."""
    rows = [{"url": "a.mp4", "caption": "one", "history": ["snow"]}, {"url": "s3://b/c.mp4"}, {"caption": "words"}]
    (tmp_path / "clips.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert list(bulk_rows(tmp_path / "clips.jsonl")) == [
        {"id": "a.mp4", "video": str(tmp_path / "a.mp4"), "description": "one", "history": ["snow"]},
        {"id": "s3://b/c.mp4", "video": "s3://b/c.mp4"},
        {"id": "clips.jsonl/2", "video": None, "description": "words"},
    ]
    pq.write_table(pa.table({"id": [7, 8], "path": ["a.mp4", "b.mp4"]}), tmp_path / "clips.parquet")
    assert [row["id"] for row in bulk_rows(tmp_path / "clips.parquet")] == ["7", "8"]


@pytest.mark.parametrize("stored", ["bytes", "struct"])
def test_clips_in_parquet_stay_there_until_they_are_decoded(tmp_path, stored):
    """Would fail if bytes of clips were read with the rows, or another row's were decoded."""
    clips = [f"clip {number}".encode() for number in range(10)]
    column = clips if stored == "bytes" else [{"bytes": clip, "path": None} for clip in clips]
    pq.write_table(pa.table({"video": column, "text": ["w"] * 10}), tmp_path / "clips.parquet", row_group_size=3)
    rows = list(bulk_rows(tmp_path / "clips.parquet"))
    assert [row["id"] for row in rows] == [f"clips.parquet/{number}" for number in range(10)]
    assert "clip 4" not in json.dumps(rows)
    assert read_table_references([row["video"] for row in rows[4:8]]) == clips[4:8]
    assert read_table_references([rows[9]["video"], "a.mp4", rows[0]["video"]]) == [clips[9], "a.mp4", clips[0]]


def test_clips_in_tars_are_read_in_their_places(tmp_path, monkeypatch):
    """Would fail if the bytes of a clip in a tar were another's, keys of two tars were taken for one, or actors could
    not find a tar from where they work."""
    members = {"a.mp4": b"clip a", "a.json": b'{"text": "first"}', "b.mp4": b"clip b" * 300, "b.txt": b"second"}
    write_tar(tmp_path / "one.tar", members)
    write_tar(tmp_path / "two.tar", {"a.webm": b"other", "a.txt": b"third"})
    rows = list(bulk_rows(tmp_path / "{one,two}.tar"))
    assert [row["id"] for row in rows] == ["one/a", "one/b", "two/a"]
    assert [read_reference(row["video"]) for row in rows] == [b"clip a", b"clip b" * 300, b"other"]
    assert list(bulk_rows(tmp_path)) == rows
    monkeypatch.chdir(tmp_path)
    assert list(bulk_rows("*.tar")) == rows
    with pytest.raises(DatasetError, match="over HTTP"):
        next(bulk_rows("https://host/clips.tar"))


def test_a_folder_of_an_object_store():
    """Would fail if clips in a store were not found, or lost the words of the metadata beside them."""
    store = fsspec.filesystem("memory")
    for name in ("a.mp4", "more/b.mp4", "notes.txt"):
        store.pipe(f"/bulk/{name}", b"clip")
    store.pipe("/bulk/metadata.jsonl", b'{"file_name": "more/b.mp4", "description": "snow"}')
    assert list(bulk_rows("memory://bulk")) == [
        {"id": "more/b.mp4", "video": "memory://bulk/more/b.mp4", "description": "snow"},
        {"id": "a.mp4", "video": "memory://bulk/a.mp4"},
    ]
    store.rm("/bulk", recursive=True)
    with pytest.raises(DatasetError):
        next(bulk_rows("memory://bulk"))


def test_two_of_one_id_are_told(tmp_path):
    """Would fail if one of two rows of the same id were silently taken for done."""
    (tmp_path / "clips.jsonl").write_text('{"path": "a.mp4"}\n{"path": "a.mp4"}\n')
    with pytest.raises(DatasetError, match=r"two rows of the id 'a\.mp4'"):
        list(bulk_rows(tmp_path / "clips.jsonl"))


@pytest.mark.parametrize("name", ["nowhere", "clip.mp4", "notes.txt", "empty.jsonl"])
def test_what_is_no_source_is_told(tmp_path, name):
    """Would fail if a wrong name ended in another library's exception."""
    if name != "nowhere":
        (tmp_path / name).write_text('{"views": 3}\n' if name == "empty.jsonl" else "")
    with pytest.raises(DatasetError, match=name):
        next(bulk_rows(tmp_path / name))
