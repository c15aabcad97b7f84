import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value
from source_samples import (
    add_member,
    make_rows,
    only_row,
    read_back,
    write_jsonl,
    write_lines,
)

from transformers_ggm.data.sources import RESERVED_COLUMNS, open_shorts
from transformers_ggm.errors import DatasetError


def test_renamed_columns(tmp_path):
    """Would fail if `columns` did not choose, rename and leave out columns, or kept what it replaces."""
    table = write_lines(
        tmp_path / "a.jsonl",
        {"clip": "a.mp4", "url": "s3://b/a.mp4", "words": "w", "text": "t", "tags": ["a"], "duration": 3, "x": 1},
    )
    columns = {"video": "clip", "description": "words", "length_s": "duration", "x": None, "hashtags": "tags"}
    assert only_row(table, columns) == {
        "video": str(tmp_path / "a.mp4"),
        "file_name": "a.mp4",
        "description": "w",
        "hashtags": ["a"],
        "url": "s3://b/a.mp4",
        "text": "t",
        "length_s": 3,
    }
    assert only_row(table, {**columns, "text": "words"})["text"] == "w"


def test_roles_can_be_left_out(tmp_path):
    """Would fail if a clip could not be left out, or hashtags not be taken from the description despite a column."""
    table = write_lines(tmp_path / "a.jsonl", {"video": "a.mp4", "text": "at the #Lake", "tags": ["a"]})
    row = only_row(table, {"video": None, "hashtags": None})
    assert (row["video"], row["file_name"], row["description"], row["hashtags"]) == (None, None, "at the", ["lake"])
    assert row["tags"] == ["a"]


@pytest.mark.parametrize(
    ("row", "columns", "message"),
    [
        ({"text": "a", "path": "a", "url": "b"}, {}, "several columns that could be the video: 'path', 'url'"),
        ({"text": "a", "caption": "b"}, {}, "several columns that could be the description"),
        ({"hashtags": ["a"], "tags": ["b"]}, {}, r"as in columns=\{'hashtags': 'hashtags'\}"),
        ({"text": "a"}, {"video": "clip"}, "no column 'clip', which `columns` gives for 'video'; it has 'text'"),
        ({"text": "a"}, {"split": "fold"}, "no column 'fold' of split names"),
        ({"video": "a"}, {}, "neither hashtags nor a description"),
        ({"text": "a", "duration": 3}, {}, r"'duration' is the name of a column .* columns=\{'duration': None\}"),
        ({"text": "a", "x": 3}, {"error": "x"}, "'error' is the name of a column"),
        ({"text": "a", "video": 7}, {}, "'video' has values of the type int64"),
        ({"text": 7}, {}, "'text' has values of the type int64, but the description must be text"),
        ({"tags": 7}, {}, "'tags' has values of the type int64, but the hashtags must be lists of strings"),
        ({"tags": [7]}, {}, "'tags' has values of the type list"),
    ],
)
def test_unclear_columns(row, columns, message, tmp_path):
    """Would fail if a column were guessed, or a wrong one noticed only after hours of decoding."""
    with pytest.raises(DatasetError, match=rf"a\.jsonl.*{message}"):
        open_shorts(write_lines(tmp_path / "a.jsonl", row), columns)


def test_reserved_columns(tmp_path):
    """Would fail if a further column could overwrite one of a prepared set."""
    for name in RESERVED_COLUMNS - {"video", "file_name", "description", "hashtags"}:
        with pytest.raises(DatasetError, match=f"{name!r} is the name of a column"):
            open_shorts(write_lines(tmp_path / "a.jsonl", {"text": "a", name: "x"}))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["Snow", "#lake", "＃snow", "two words", "2024", ""], ["snow", "lake"]),
        ("#Snow #lake, #snow and more #16", ["snow", "lake"]),
        ("Snow lake,rain,  snow", ["snow", "lake", "rain"]),
        ("#a#b#c", ["a", "b", "c"]),
        ("#lake;#sea|sun、雪", ["lake", "sea", "sun", "雪"]),
        ('["Snow", "#lake"]', ["snow", "lake"]),
        ("['Snow' 'lake']", ["snow", "lake"]),
        ([{"text": "Snow"}, {"text": "#lake"}], ["snow", "lake"]),
        (["snow", 2024, None, ["lake"]], ["snow", "lake"]),
        ("", []),
        (None, []),
        ([], []),
    ],
)
def test_forms_of_hashtags(value, expected, tmp_path):
    """Would fail if a way in which people write hashtags lost one, kept one twice, or kept what is none."""
    table = write_lines(tmp_path / "a.jsonl", {"text": "a", "tags": value})
    assert only_row(table)["hashtags"] == expected


def test_what_is_no_hashtag_is_told_on_demand(tmp_path):
    """Would fail if labels were lost without a word, or those of a description counted, where other rules hold."""
    rows = [{"text": "#16", "tags": ["two words", "a"]}, {"text": "a", "tags": "#16 and #b"}, {"text": "a"}]
    source = open_shorts(write_lines(tmp_path / "a.jsonl", *rows))[None]
    dropped = [row["dropped_hashtags"] for row in source.rows(tell_dropped=True)]
    assert dropped == [["two words"], ["#16", "and"], []]
    assert "dropped_hashtags" not in next(source.rows())
    described = open_shorts(write_lines(tmp_path / "b.jsonl", *rows), {"hashtags": None, "tags": None})[None]
    assert [row["dropped_hashtags"] for row in described.rows(tell_dropped=True)] == [[], [], []]


def _table_of_tags(folder, tags):
    with (folder / "tags.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["text", "tags"], *(["a", text] for text in tags)])
    return folder / "tags.csv"


def _tar_of_tags(folder, tags):
    import tarfile

    with tarfile.open(folder / "tags.tar", "w") as tar:
        for number, text in enumerate(tags):
            add_member(tar, f"{number:03d}.json", json.dumps({"text": "a", "tags": text}).encode())
    return folder / "tags.tar"


def _parquet_of_tags(folder, tags):
    pq.write_table(pa.table({"text": ["a"] * len(tags), "tags": tags}), folder / "tags.parquet")
    return folder / "tags.parquet"


READERS = {
    "csv": _table_of_tags,
    "jsonl": lambda folder, tags: write_lines(folder / "a.jsonl", *({"text": "a", "tags": text} for text in tags)),
    "parquet": _parquet_of_tags,
    "tar": _tar_of_tags,
    "dataset": lambda folder, tags: Dataset.from_dict({"text": ["a"] * len(tags), "tags": tags}),
    "stream": lambda folder, tags: Dataset.from_dict({"text": ["a"] * len(tags), "tags": tags}).to_iterable_dataset(),
}


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_is_as_generous(reader, tmp_path):
    """Would fail if one kind of source read hashtags by rules of its own."""
    tags = ["#a#b#c", "lake; sea｜sun", "['x', 'two words']", "＃Ünï /雪", "2024"]
    source = open_shorts(READERS[reader](tmp_path, tags))[None]
    rows = list(source.rows(tell_dropped=True))
    expected = [["a", "b", "c"], ["lake", "sea", "sun"], ["x"], ["ünï", "雪"], []]
    assert [row["hashtags"] for row in rows] == expected
    assert [row["dropped_hashtags"] for row in rows] == [[], [], ["two words"], [], ["2024"]]


@pytest.mark.parametrize("stored", ["dataset", "stream", "parquet"])
def test_classes_are_hashtags_by_their_names(stored, tmp_path):
    """Would fail if labels that are stored as numbers were lost, or numbers taken for hashtags."""
    names = ClassLabel(names=["Snow", "lake", "two words"])
    features = Features({"text": Value("string"), "tags": List(names)})
    dataset = Dataset.from_dict({"text": ["a", "b", "c"], "tags": [[0, 1], [2], None]}, features=features)
    if stored == "parquet":
        dataset.to_parquet(tmp_path / "a.parquet")
    source = {"dataset": dataset, "parquet": tmp_path / "a.parquet"}.get(stored, dataset.to_iterable_dataset())
    rows = list(open_shorts(source)[None].rows(tell_dropped=True))
    assert [row["hashtags"] for row in rows] == [["snow", "lake"], [], []]
    assert [row["dropped_hashtags"] for row in rows] == [[], ["two words"], []]
    single = Dataset.from_dict({"text": ["a", "b"], "tags": [1, -1]}, features=Features({**features, "tags": names}))
    assert [row["hashtags"] for row in open_shorts(single)[None].rows()] == [["lake"], []]


def test_columns_of_other_types_of_lists_and_objects(tmp_path):
    """Would fail if a type that Arrow has for lists, text or objects of text were refused."""
    kinds = {
        "large": pa.array([["snow"], ["two", "x"]], pa.large_list(pa.large_string())),
        "fixed": pa.array([["snow", "x"], ["y", "z"]], pa.list_(pa.string(), 2)),
        "category": pa.array(["#snow #x", "y"]).dictionary_encode(),
        "objects": pa.array([[{"name": "snow", "id": 1}], []]),
        "object": pa.array([{"names": ["snow"]}, None]),
        "nested": pa.array([[["snow"]], [["a", "b"]]]),
    }
    for name, column in kinds.items():
        pq.write_table(pa.table({"text": ["a", "b"], "tags": column}), tmp_path / f"{name}.parquet")
        rows = list(open_shorts(tmp_path / f"{name}.parquet")[None].rows())
        assert rows[0]["hashtags"][0] == "snow", name


def test_hashtags_in_the_description_only(tmp_path):
    """Would fail if the model were shown the hashtags, or a description with a hashtag column were changed."""
    rows = [{"text": "First #Snow at #the_lake #snow"}, {"text": None}]
    source = open_shorts(write_lines(tmp_path / "a.jsonl", *rows))[None]
    assert [(row["description"], row["hashtags"]) for row in source.rows()] == [
        ("First at", ["snow", "the_lake"]),
        ("", []),
    ]
    table = write_lines(tmp_path / "b.jsonl", {"text": "at #lake", "tags": ["a"]})
    assert only_row(table)["description"] == "at #lake"


def test_forms_of_clips(tmp_path):
    """Would fail if a way to name or give a clip were changed, refused, or the file looked for."""
    here = str(tmp_path / "sub" / "a.mp4")
    forms = {
        "sub/a.mp4": (here, "sub/a.mp4"),
        here: (here, "sub/a.mp4"),
        (tmp_path / "sub" / "a b.mp4").as_uri(): (str(tmp_path / "sub" / "a b.mp4"), "sub/a b.mp4"),
        "/elsewhere/a.mp4": ("/elsewhere/a.mp4", "/elsewhere/a.mp4"),
        "s3://bucket/a.mp4": ("s3://bucket/a.mp4", "s3://bucket/a.mp4"),
        "https://host/a.mp4?key=1": ("https://host/a.mp4?key=1", "https://host/a.mp4?key=1"),
        "": (None, None),
    }
    rows = [{"video": form, "tags": "a"} for form in forms]
    source = open_shorts(write_lines(tmp_path / "a.jsonl", *rows))[None]
    found = [(row["video"], row["file_name"]) for row in source.rows()]
    assert [name for _, name in found][3:] == [name for _, name in forms.values()][3:]
    assert [video for video, _ in found] == [video for video, _ in forms.values()]
    assert found[0] == forms["sub/a.mp4"]
    structs = [{"path": "a.mp4", "bytes": b"x"}, {"path": "a.mp4", "bytes": None}, {"path": None, "bytes": b"y"}, None]
    pq.write_table(pa.table({"video": structs, "tags": ["a"] * 4}), tmp_path / "a.parquet")
    found = [(row["video"], row["file_name"]) for row in open_shorts(tmp_path / "a.parquet")[None].rows()]
    assert found == [(b"x", "a.mp4"), (str(tmp_path / "a.mp4"), "a.mp4"), (b"y", None), (None, None)]


def test_relative_source(tmp_path, monkeypatch):
    """Would fail if rows could be read, or clips found, only from the folder in which the source was opened."""
    write_jsonl(tmp_path / "shorts.jsonl", make_rows())
    monkeypatch.chdir(tmp_path)
    source = open_shorts("shorts.jsonl")[None]
    monkeypatch.chdir("/")
    assert read_back(source) == make_rows()
