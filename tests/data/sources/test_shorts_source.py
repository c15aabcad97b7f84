import os

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, IterableDataset, List, Value, load_dataset
from source_samples import (
    FURTHER,
    SHAPES,
    STREAMS,
    WITH_SPLITS,
    generate,
    make_rows,
    read_back,
    write_csv,
    write_jsonl,
    write_lines,
    write_parquet,
    write_parquet_with_clips,
    write_tar,
)

from transformers_ggm import load_shorts
from transformers_ggm.data.sources import open_shorts
from transformers_ggm.errors import DatasetError


@pytest.fixture(scope="module", params=SHAPES)
def shape(request, tmp_path_factory):
    """Each shape by its name, with the sources in it."""
    folder = tmp_path_factory.mktemp("shape")
    return request.param, open_shorts(SHAPES[request.param](folder, make_rows()))


def test_every_shape_gives_the_same_rows(shape):
    """Would fail if a shape lost or changed a row, a clip, a word, a type, or decoded media to give them."""
    name, sources = shape
    assert list(sources) == (["train", "test"] if name in WITH_SPLITS else ["train"] if "dict" in name else [None])
    for source in sources.values():
        assert read_back(source) == make_rows()
        assert source.features == FURTHER
        assert source.num_rows == (None if name in STREAMS else len(make_rows()))


def test_start_equals_skipping(shape):
    """Would fail if resuming at any row, in whatever tar, row group or batch, gave a row twice or lost one."""
    source = next(iter(shape[1].values()))
    for start in range(1, len(make_rows()) + 2):
        assert read_back(source, start) == make_rows()[start:]


def test_rows_can_be_read_again(shape):
    """Would fail if a source could be read only once, or two readers of it disturbed one another."""
    source = next(iter(shape[1].values()))
    assert [one["id"] for one, _ in zip(source.rows(), source.rows(2))] == [0, 1, 2, 3, 4]


def test_negative_start(shape):
    """Would fail if a negative start were taken from the end, or noticed only when rows are read."""
    with pytest.raises(ValueError, match="-1"):
        next(iter(shape[1].values())).rows(-1)


@pytest.mark.contract
@pytest.mark.parametrize("name", SHAPES)
def test_fingerprint_follows_the_rows(name, tmp_path):
    """Would fail if a changed row went unnoticed, or an unchanged source looked like another one."""
    rows = make_rows()
    changed = [*rows[:5], {**rows[5], "title": "no. X"}, rows[6]]
    stamps = []
    for number, content in enumerate((rows, rows, changed)):
        folder = tmp_path / str(number)
        folder.mkdir()
        source = SHAPES[name](folder, content)
        for path in folder.glob("*.tar"):
            # Tars are known by size and time of change.
            os.utime(path, (0, 1000 + (content is changed)))
        stamps.append([part.fingerprint for part in open_shorts(source).values()])
    assert stamps[0] == stamps[1]
    if name not in ("stream", "stream dict"):
        assert stamps[0] != stamps[2]


def test_fingerprint_follows_columns_and_splits(tmp_path):
    """Would fail if other columns or another split of the same table were taken for the same rows."""
    table = write_csv(tmp_path / "shorts.csv", make_rows())
    plain = open_shorts(table)[None].fingerprint
    renamed = open_shorts(table, {"number": "id"})[None].fingerprint
    folds = [source.fingerprint for source in open_shorts(table, {"split": "id"}).values()]
    assert len({plain, renamed, *folds}) == 2 + len(folds)


def test_agrees_with_load_shorts(tmp_path):
    """Would fail if the Hub's folder convention were read in another way than training from the folder reads it."""
    folder = SHAPES["folder, jsonl"](tmp_path, make_rows())
    expected = load_shorts(folder)
    for split, source in open_shorts(folder).items():
        rows = [{name: value for name, value in row.items() if name != "file_name"} for row in source.rows()]
        assert rows == list(expected[split])


def test_agrees_with_the_webdataset_builder(tmp_path):
    """Would fail if tars read through `datasets` gave other rows than read directly."""
    rows = [{**row, "score": 0.5, "title": "t"} for row in make_rows() if row["clip"] is not None]
    tar = write_tar(tmp_path / "shorts.tar", rows)
    stream = load_dataset("webdataset", data_files=str(tar), split="train", streaming=True)
    assert read_back(open_shorts(stream)[None]) == read_back(open_shorts(tar)[None]) == rows


def _with_folds(rows):
    return [{**row, "split": "test" if row["id"] in (1, 4, 5) else "train"} for row in rows]


@pytest.mark.parametrize(
    "write",
    [
        lambda folder, rows: write_csv(folder / "a.csv", rows),
        lambda folder, rows: write_jsonl(folder / "a.jsonl", rows),
        lambda folder, rows: write_parquet(folder / "a.parquet", rows, row_group_size=2),
        lambda folder, rows: write_parquet_with_clips(folder / "b.parquet", rows),
        lambda folder, rows: write_tar(folder / "a.tar", rows),
        lambda folder, rows: Dataset.from_list(list(generate(rows))),
    ],
)
def test_split_column(write, tmp_path):
    """Would fail if a row were in a wrong split, or resuming a split gave other rows than reading it whole."""
    rows = make_rows()
    sources = open_shorts(write(tmp_path, _with_folds(rows)))
    assert list(sources) == ["train", "test"]
    for split, numbers in (("train", [0, 2, 3, 6]), ("test", [1, 4, 5])):
        assert sources[split].num_rows == len(numbers)
        assert sources[split].features == FURTHER
        for start in range(len(numbers) + 2):
            assert read_back(sources[split], start) == [rows[number] for number in numbers[start:]]


def test_names_of_splits(tmp_path):
    """Would fail if numbers of folds or classes could not name splits, or an undivided row were put anywhere."""
    rows = [{"text": "a", "fold": 2}, {"text": "b", "fold": 10}, {"text": "c", "fold": 2}]
    table = write_lines(tmp_path / "a.jsonl", *rows)
    folds = open_shorts(table, {"split": "fold"})
    assert {fold: source.num_rows for fold, source in folds.items()} == {"2": 2, "10": 1}
    assert open_shorts(table)[None].features == Features({"fold": Value("int64")})
    labels = Features({"text": Value("string"), "split": ClassLabel(names=["test", "train"])})
    dataset = Dataset.from_dict({"text": ["a", "b"], "split": [1, 0]}, features=labels)
    assert [next(open_shorts(dataset)[split].rows())["description"] for split in ("train", "test")] == ["a", "b"]
    assert list(open_shorts(dataset, {"split": None})) == [None]
    with pytest.raises(DatasetError, match="line 2: 'split' must be the name of a split"):
        open_shorts(write_lines(tmp_path / "b.jsonl", {"text": "a", "split": "train"}, {"text": "b"}))
    with pytest.raises(DatasetError, match="streams"):
        open_shorts(dataset.to_iterable_dataset(), {"split": "split"})


def test_further_split_folders(tmp_path):
    """Would fail if a split of another name were left out, or a split folder without metadata were not noticed."""
    for split in ("unseen_test", "test", "train"):
        write_lines(tmp_path / split / "metadata.jsonl", {"text": split})
    (tmp_path / ".cache").mkdir()
    (tmp_path / "notes").mkdir()
    assert list(open_shorts(tmp_path)) == ["train", "test", "unseen_test"]
    with pytest.raises(DatasetError, match="splits of its own"):
        open_shorts(tmp_path, {"split": "text"})
    (tmp_path / "validation").mkdir()
    with pytest.raises(DatasetError, match="validation has none of"):
        open_shorts(tmp_path)


def test_splits_have_the_same_features(tmp_path):
    """Would fail if splits could not be stored as one dataset, or values not had the type their features tell."""
    write_lines(tmp_path / "train" / "metadata.jsonl", {"text": "a", "n": 1, "who": None, "x": [1]})
    write_lines(tmp_path / "test" / "metadata.jsonl", {"text": "b", "n": 0.5, "who": "me"})
    sources = open_shorts(tmp_path)
    kinds = {"n": Value("float64"), "who": Value("string"), "x": List(Value("int64"))}
    assert sources["train"].features == sources["test"].features == Features(kinds)
    assert [next(source.rows())["n"] for source in sources.values()] == [1.0, 0.5]
    assert isinstance(next(sources["train"].rows())["n"], float)
    assert next(sources["test"].rows())["x"] is None
    kind = ClassLabel(names=["cat", "dog"])
    train = Dataset.from_dict({"text": ["a"], "kind": [1]}, features=Features({"text": Value("string"), "kind": kind}))
    test = Dataset.from_dict({"text": ["a"], "kind": [None]})
    assert open_shorts(DatasetDict(train=train, test=test))["test"].features["kind"] == kind
    write_lines(tmp_path / "validation" / "metadata.jsonl", {"text": "b", "n": "many"})
    with pytest.raises(DatasetError, match="'n' has another type in each split"):
        open_shorts(tmp_path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has no shorts"),
        ({"prepared.json": "{}", "metadata.jsonl": '{"text": "a"}'}, "is prepared already: train on it directly"),
        ({"metadata.jsonl": '{"text": "a"}', "metadata.csv": "text\na\n"}, "several metadata files"),
        ({"metadata.jsonl": '{"text": "a"}', "train/metadata.csv": "text\na\n"}, "metadata of its own and in train"),
        ({"train/metadata.jsonl": ""}, "has no rows"),
        ({"train-0.tar": "", "val-0.tar": ""}, "val-0.tar has no split in its name"),
    ],
)
def test_folders_in_no_shape(files, message, tmp_path):
    """Would fail if a folder that is unclear, empty or prepared already were read somehow."""
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    with pytest.raises(DatasetError, match=message):
        open_shorts(tmp_path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("missing.csv", "missing.csv does not exist"),
        ("missing-*.tar", "No file matches"),
        ("missing.tar", "missing.tar' does not exist"),
        ("http://127.0.0.1:9/a.csv", "a.csv' cannot be read"),
        ("http://127.0.0.1:9/a-*.tar", "cannot be listed over HTTP"),
        ("memory://missing/a.parquet", "a.parquet' does not exist"),
        ("nowhere://host/a.csv", "Protocol not known: nowhere"),
        (7, "type int"),
        (DatasetDict(), "no splits"),
        (Dataset.from_dict({"text": []}), "has no rows"),
        (DatasetDict(train=Dataset.from_dict({"text": []})), "the split train has no rows"),
        (IterableDataset.from_generator(generate, gen_kwargs={"rows": ()}), "has no rows"),
    ],
)
def test_sources_that_are_none(source, message, tmp_path, monkeypatch):
    """Would fail if a source that is missing or empty ended in another exception than ours."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetError, match=message):
        open_shorts(source)
