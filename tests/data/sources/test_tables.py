import json
import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value
from source_samples import (
    write_lines,
)

from transformers_ggm.data.sources import open_shorts
from transformers_ggm.errors import DatasetError


def test_types_of_a_csv(tmp_path):
    """Would fail if types were inferred from the first rows only, or words that look like numbers became numbers."""
    rows = [{"n": number, "f": number, "b": "true", "s": number, "e": ""} for number in range(3000)]
    rows[-1].update(f=0.5, b="False", s="x")
    lines = [",n,f,b,s,e,tags,text", *(f"{i},{','.join(map(str, row.values()))},7a,7" for i, row in enumerate(rows))]
    path = tmp_path / "a.csv"
    path.write_text("\ufeff" + "\r\n".join(lines) + "\r\n\r\n", encoding="utf-8")
    source = open_shorts(path)[None]
    kinds = {"n": "int64", "f": "float64", "b": "bool", "s": "string", "e": "null"}
    assert source.features == Features({name: Value(kind) for name, kind in kinds.items()})
    (last,) = source.rows(2999)
    assert (last["n"], last["f"], last["b"], last["s"], last["e"]) == (2999, 0.5, False, "x", None)
    assert (last["description"], last["hashtags"]) == ("7", ["7a"])


def test_types_of_json_lines(tmp_path):
    """Would fail if a field that appears, or turns into a fraction, after thousands of rows were lost or refused."""
    rows = [{"tags": ["a"], "n": 1, "seen": {"by": [1]}, "gone": None} for _ in range(3000)]
    rows[-1].update(n=1.5, seen={"by": [0.5], "when": "now"}, late=[])
    source = open_shorts(write_lines(tmp_path / "a.jsonl", *rows))[None]
    seen = {"by": List(Value("float64")), "when": Value("string")}
    kinds = {"n": Value("float64"), "seen": seen, "gone": Value("null"), "late": List(Value("null"))}
    assert source.features == Features(kinds)
    first = next(source.rows())
    assert (first["n"], first["seen"], first["late"]) == (1.0, {"by": [1.0], "when": None}, None)
    assert isinstance(first["n"], float)
    rows = [{name: row[name] for name in source.features} for row in source.rows()]
    assert Dataset.from_list(rows, features=source.features)[2999]["seen"] == {"by": [0.5], "when": "now"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"text": "a"}\n\n{"text": \n', "line 3 is not valid JSON"),
        ("a.jsonl", '{"text": "a"}\n[1]\n', "line 2 is not a JSON object"),
        ("a.json", '[{"text": "a"},\n{"text": "b"}]\n', "line 1 is not valid JSON.*one object per line"),
        ("a.jsonl", "[" * 100_000, "line 1 is not valid JSON"),
        (
            "a.jsonl",
            '{"text": "a", "n": 1}\n{"text": "b", "n": "x"}\n',
            "line 2: the field 'n' has values of different",
        ),
        ("a.jsonl", f'{{"text": "a", "n": {2**64}}}\n', "line 1: the field 'n'"),
        ("a.jsonl", '{"tags": "a", "text": "a"}\n{"text": 7}\n', "line 2: the field 'text' has values of different"),
        ("a.jsonl", "\n \n", "has no rows"),
        ("a.jsonl", b'{"text": "\xff"}\n', "line 1 is not valid JSON"),
        ("a.csv", "text,n\na,1\nb\n", "line 3 has 1 fields, but the header has 2"),
        ("a.csv", 'text,n\na,1\n"b,2\nc,3\n', "line 4 is not valid CSV"),
        ("a.csv", b"text\ncaf\xe9\n", "is not in UTF-8"),
        ("a.csv", "text,x,x\na,1,2\n", "two columns of the same name"),
        ("a.csv", "text,x\n", "has no rows"),
        ("a.csv", "", "has no rows|neither"),
        ("a.parquet", "text", "cannot be read as Parquet"),
        ("a.tar", "text" * 500, "cannot be read as an uncompressed tar"),
        ("a.xlsx", "text", "is in none of the shapes"),
    ],
)
def test_broken_files(name, content, message, tmp_path):
    """Would fail if a broken file ended in another exception, or in one that does not say where it is broken."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DatasetError, match=message) as raised:
        open_shorts(path)
    assert name in str(raised.value)


def test_parquet_types(tmp_path):
    """Would fail if categories of pandas were refused, or a type that cannot be stored not named while it is kept."""
    places = pa.array(["lake", "sea"]).dictionary_encode()
    spans = pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int64()))
    table = pa.table({"text": places, "place": places, "spans": spans})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DatasetError, match="'spans' has the type map"):
        open_shorts(tmp_path / "a.parquet")
    source = open_shorts(tmp_path / "a.parquet", {"spans": None})[None]
    assert source.features == Features({"place": Value("string")})
    assert [row["place"] for row in source.rows()] == ["lake", "sea"]


def test_features_of_datasets_parquet(tmp_path):
    """Would fail if the names of classes that `datasets` wrote into a Parquet file were lost."""
    features = Features({"text": Value("string"), "kind": ClassLabel(names=["cat", "dog"])})
    Dataset.from_dict({"text": ["a"], "kind": [1]}, features=features).to_parquet(tmp_path / "a.parquet")
    source = open_shorts(tmp_path / "a.parquet")[None]
    assert source.features["kind"] == features["kind"]
    assert next(source.rows())["kind"] == 1


def test_json_lines_are_not_held(tmp_path):
    """Would fail if opening or reading a table held all of its rows."""
    path = tmp_path / "a.jsonl"
    with path.open("w") as file:
        for number in range(20_000):
            file.write(
                json.dumps({"file_name": f"{number}.mp4", "text": f"{number} " * 60, "tags": ["a", "b"]}) + "\n"
            )
    tracemalloc.start()
    assert sum(1 for _ in open_shorts(path)[None].rows()) == 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.stat().st_size > 7e6
    assert peak < 3e6


def test_clips_in_parquet_are_not_held(tmp_path):
    """Would fail if a row group with many clips were read whole."""
    clips = [np.random.default_rng(number).bytes(1 << 20) for number in range(96)]
    table = pa.table({"video": clips, "tags": ["a"] * 96})
    pq.write_table(table, tmp_path / "a.parquet", compression="none", use_dictionary=False, write_batch_size=4)
    del table, clips
    before, most, count = pa.total_allocated_bytes(), 0, 0
    tracemalloc.start()
    for row in open_shorts(tmp_path / "a.parquet")[None].rows():
        most = max(most, pa.total_allocated_bytes() - before)
        count += len(row["video"]) == 1 << 20
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 96
    assert most + peak < 72 << 20
