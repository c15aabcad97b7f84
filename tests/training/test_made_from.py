"""Outputs of stages, and what they were made from."""

import json
import shutil

import pytest
from training_samples import written_at

from transformers_ggm.errors import DatasetError, OutputError


@pytest.fixture
def data_dir(shorts_dir, tmp_path):
    """A copy of the miniature shorts that a test may change, with the times of the files."""
    return shutil.copytree(shorts_dir, tmp_path / "shorts")


@pytest.fixture
def copy_of_finished(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


def change(metadata):
    rows = [json.loads(line) for line in metadata.read_text().splitlines()]
    metadata.write_text("".join(json.dumps({**row, "description": "other words"}) + "\n" for row in rows))


def test_other_data_are_refused_before_any_work(copy_of_finished, data_dir, shorts_dir, train):
    """Would fail if a training on new data took the clips, guidance and weights of the old ones, without a word."""
    before = written_at(copy_of_finished)
    train(copy_of_finished, data_dir=data_dir)  # moved data are the same
    change(data_dir / "train" / "metadata.jsonl")
    with pytest.raises(
        DatasetError, match=r"prepared was made from other data .*\(--overwrite_stages prepare retriever"
    ):
        train(copy_of_finished, data_dir=data_dir)
    with pytest.raises(DatasetError, match=r"guidance was made from other data"):
        train(copy_of_finished, data_dir=data_dir, stages=["guidance", "generator"], overwrite_stages=["generator"])
    assert written_at(copy_of_finished) == before
    train(copy_of_finished)


def test_other_clips_are_other_data(copy_of_finished, data_dir, train):
    """Would fail if a clip that was replaced under its name went unnoticed."""
    first, second = sorted((data_dir / "test").rglob("*.mp4"))[:2]
    shutil.copyfile(first, second)
    with pytest.raises(DatasetError, match="made from other data"):
        train(copy_of_finished, data_dir=data_dir, stages=["evaluate"])


@pytest.mark.parametrize(
    ("changed", "stage", "message"),
    [
        ("checkpoint/retriever/model.safetensors", "pool", "hashtag_pool was made from another retriever"),
        ("checkpoint/hashtag_pool/pool.json", "guidance", "guidance was made from another hashtag pool"),
        ("guidance/train.json", "generator", r"config\.json was made from another guidance"),
        ("guidance/test.json", "evaluate", r"test\.json was made from another guidance"),
        ("checkpoint/model.safetensors", "evaluate", r"test\.json was made from another generator"),
    ],
)
def test_stages_follow_those_before_them(copy_of_finished, train, changed, stage, message):
    """Would fail if a checkpoint were put together of parts that do not belong together, or an old metric shown."""
    with (copy_of_finished / changed).open("ab") as file:
        file.write(b" ")
    with pytest.raises(DatasetError, match=rf"{message} .*--overwrite_stages {stage}"):
        train(copy_of_finished, stages=[stage])


def test_runs_of_earlier_versions_go_on(copy_of_finished, train):
    """Would fail if a training without the record could not be gone on with."""
    (copy_of_finished / "made_from.json").unlink()
    before = written_at(copy_of_finished)
    train(copy_of_finished)
    after = written_at(copy_of_finished)
    assert {name: when for name, when in after.items() if name != "made_from.json"} == before


def test_what_is_left_out_is_told_at_the_end(data_dir, train, caplog):
    """Would fail if rows or labels that training does without were lost without a word."""
    with (data_dir / "train" / "metadata.jsonl").open("a") as lines:
        lines.write(json.dumps({"description": "words", "hashtags": ["two words", "snow"]}) + "\n")
        lines.write(json.dumps({"description": "nothing to learn", "hashtags": "2024"}) + "\n")
        lines.write(json.dumps({"file_name": "broken.mp4", "hashtags": ["snow"]}) + "\n")
    (data_dir / "train" / "broken.mp4").write_bytes(b"no clip")
    output_dir = train(data_dir=data_dir, stages=["prepare", "retriever"], on_error="skip")
    labels = "2 entries in the hashtags of 2 rows are no hashtags and were left out: 'two words', '2024'."
    rows = "1 of 19 rows of the split 'train' have no hashtags, or neither a clip nor words, and were left out."
    for told in (labels, rows):
        assert caplog.text.count(told) == 2
    assert "1 clips of the split 'train' cannot be read and were left out" in caplog.records[-1].getMessage()
    record = json.loads((output_dir / "runs" / "retriever" / "arguments.json").read_text())
    assert record["left_out"][:2] == [labels.removesuffix("."), rows.removesuffix(".")]


def test_output_that_cannot_be_written(train, tmp_path):
    """Would fail if a training ended after hours for want of a folder."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"`output_dir` .*file is no folder"):
        train(tmp_path / "file")
