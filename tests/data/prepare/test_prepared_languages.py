"""Names and descriptions of many scripts, through preparing and loading for training."""

import json
import os
import unicodedata

import pytest
from data_samples import write_shorts
from prepare_samples import prepare
from spoken_names import SPOKEN, whole

from transformers_ggm import load_shorts
from transformers_ggm.cli.ggm_prepare import summary
from transformers_ggm.data import load_prepared
from transformers_ggm.processing import decode_media
from transformers_ggm.utils.file_names import readable_name
from transformers_ggm.utils.opening import local_name


@pytest.fixture(scope="module")
def spoken_dir(tmp_path_factory):
    """A split of clips of all names, which the metadata has composed, and one clip that it does not have."""
    raw = write_shorts(tmp_path_factory.mktemp("raw"), num_clips=1)
    clip = next((raw / "train").rglob("*.mp4"))
    folder = tmp_path_factory.mktemp("spoken") / "train"
    folder.mkdir()
    for name in (*SPOKEN, "not named"):
        (folder / f"{name}.mp4").write_bytes(clip.read_bytes())
    rows = [
        {
            "file_name": unicodedata.normalize("NFC", f"{name}.mp4"),
            "description": words,
            "hashtags": ["#snow"],
            "title": words,
        }
        for name, words in SPOKEN.items()
    ]
    text = "\r\n".join(json.dumps(row) for row in rows)
    (folder / "metadata.jsonl").write_text(f"\ufeff{text}\r\n\r\n", encoding="utf-8")
    return folder.parent


def test_prepared_sets_have_all_of_them(spoken_dir, tmp_path):
    """Would fail if a clip were rejected for its name, a word got lost, or clips without a row were not counted."""
    record = prepare(spoken_dir, tmp_path / "set")
    assert (record["rejected"], record["dropped"], record["clips_without_row"]) == (0, 0, 1)
    assert "left out: 1" in summary(record, str(tmp_path / "set"))
    rows = load_prepared(tmp_path / "set")["train"]
    assert rows["description"][:] == rows["title"][:] == [whole(words) for words in SPOKEN.values()]
    assert rows["file_name"][:] == [readable_name(f"{name}.mp4") for name in SPOKEN]


def test_training_loads_all_of_them(spoken_dir, caplog):
    """
    Would fail if a name that is no text, or in another spelling, could not be stored beside the others and opened
    again, or if clips without a row were not told.
    """
    rows = load_shorts(spoken_dir)["train"]
    assert rows["description"][:] == rows["title"][:] == [whole(words) for words in SPOKEN.values()]
    paths = [os.path.join(spoken_dir, "train", f"{name}.mp4") for name in SPOKEN]
    assert [local_name(path) for path in rows["video"]] == paths
    for path in rows["video"]:
        assert len(decode_media(path, sample_timestamps=lambda duration: [0.0]).frames) == 1
