"""Stamps that follow the content of data."""

import os
import shutil

import pytest
from data_samples import write_metadata

from transformers_ggm.data.prepare import WorkOptions, prepare_shorts
from transformers_ggm.data.stamps import data_stamp
from transformers_ggm.errors import DatasetError

ROWS = [{"file_name": "a.mp4", "description": "first snow", "hashtags": ["snow"], "n": 1}, {"hashtags": ["lake"]}]


@pytest.fixture
def folder(tmp_path):
    write_metadata(tmp_path / "shorts" / "train", ROWS)
    (tmp_path / "shorts" / "train" / "a.mp4").write_bytes(b"a clip")
    os.utime(tmp_path / "shorts" / "train" / "a.mp4", (0, 0))
    return tmp_path / "shorts"


@pytest.mark.parametrize(
    "change",
    [
        lambda train: (train / "a.mp4").write_bytes(b"another clip"),
        lambda train: os.utime(train / "a.mp4", (0, 1)),
        lambda train: write_metadata(train, ROWS[:1]),
        lambda train: write_metadata(train, [{**ROWS[0], "description": "first rain"}, ROWS[1]]),
        lambda train: write_metadata(train, [{**ROWS[0], "n": 2}, ROWS[1]]),
        lambda train: write_metadata(train.parent / "test", ROWS[1:]),
        lambda train: write_metadata(train, ROWS[::-1]),
    ],
)
def test_folders(folder, change):
    """
    Would fail if a clip, a word, a row, its place or a split that has changed left what was kept of the data valid.
    """
    before = data_stamp(folder)
    assert data_stamp(folder) == before
    change(folder / "train")
    assert data_stamp(folder) != before


def test_what_does_not_matter(folder):
    """Would fail if data counted as others because of how they are written down."""
    before = data_stamp(folder)
    write_metadata(folder / "train", [{**ROWS[0], "hashtags": "#Snow"}, ROWS[1], ""])
    (folder / "notes.txt").write_text("by hand")
    assert data_stamp(folder) == before


def test_prepared_sets(tmp_path):
    """Would fail if a set that was prepared anew passed for the one before it, or the same one for another."""
    stamps = []
    for words in ("one", "one", "two"):
        shutil.rmtree(tmp_path / "set", ignore_errors=True)
        write_metadata(tmp_path / "words" / "train", [{"description": words, "hashtags": ["snow"]}])
        prepare_shorts(tmp_path / "words", tmp_path / "set", work=WorkOptions(num_workers=1))
        stamps.append(data_stamp(tmp_path / "set"))
    assert stamps[0] == stamps[1] != stamps[2]
    shard = next((tmp_path / "set" / "data").iterdir())
    shard.rename(shard.with_name("train-00000-of-00001.parquet"))  # as earlier versions named it
    old = data_stamp(tmp_path / "set")
    os.utime(tmp_path / "set" / "data" / "train-00000-of-00001.parquet", (0, 0))
    assert data_stamp(tmp_path / "set") != old
    with pytest.raises(DatasetError, match="no folder"):
        data_stamp(tmp_path / "nowhere")
