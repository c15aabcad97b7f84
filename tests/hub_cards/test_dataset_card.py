"""The card of a prepared set."""

import re

import pytest
from huggingface_hub import DatasetCard

from transformers_ggm.hub_cards.dataset_card import write_dataset_card

CLIP = {
    "frames_per_second": 2.0, "num_frames": 15, "long_video_seconds": 7.0, "short_side": 256, "jpeg_quality": 95,
    "sampling_rate": 48_000, "max_audio_seconds": 10.0, "lossless": False,
}  # fmt: skip
RECORD = {
    "clip": CLIP,
    "corpus": None,
    "splits": {"train": {"rows": 80, "shards": 2, "stamp": "1a"}, "test": {"rows": 20, "shards": 1, "stamp": "2b"}},
    "read": 100,
    "rejected": 0,
    "dropped": 0,
    "unseen_hashtags": [],
    "dropped_hashtags": {"count": 0, "rows": 0, "examples": {}},
    "further_columns": ["mood"],
}
CORPUS = {"min_hashtag_count": 5, "seed": 3, "train_share": 0.8, "validation_share": 0.1}


def card_of(folder, statistics="| Videos | 7 |\n", **arguments):
    record = {**RECORD, **arguments.pop("record", {})}
    write_dataset_card(folder, record, statistics, **arguments)
    return DatasetCard.load(folder / "README.md")


def test_columns_and_splits(tmp_path):
    """Would fail if the card named other splits or columns than the shards have."""
    card = card_of(tmp_path, name="Lake shorts")
    assert card.data.pretty_name == "Lake shorts" and "# Lake shorts" in card.text
    assert "| train | 80 | 2 |" in card.text and "| test | 20 | 1 |" in card.text
    columns = re.findall(r"^\| `(\w+)` \|", card.text, flags=re.MULTILINE)
    assert columns == ["file_name", "description", "hashtags", "mood", "frames", "timestamps", "duration", "audio"]
    assert card.data.to_dict()["configs"][0]["data_files"] == [
        {"split": "train", "path": "data/train-*-1a.parquet"},
        {"split": "test", "path": "data/test-*-2b.parquet"},
    ]


@pytest.mark.parametrize(
    ("record", "said", "unsaid"),
    [
        ({}, ["The splits are those of the source", "JPEG of quality 95", "FLAC"], ["rejected", "unseen", "PNG"]),
        ({"rejected": 4}, ["4 of them were rejected"], ["unseen"]),
        ({"clip": {**CLIP, "lossless": True}}, ["PNG", "32-bit floats"], ["JPEG", "FLAC"]),
        ({"corpus": CORPUS, "dropped": 9}, ["fewer than 5 times", "9 rows", "seed 3"], ["unseen", "of the source"]),
        ({"corpus": CORPUS, "unseen_hashtags": ["a", "b"]}, ["2 hashtags of the training split"], []),
    ],
)
def test_only_what_is_true_is_said(tmp_path, record, said, unsaid):
    """Would fail if the card told of steps that this set did not go through, or kept quiet about some."""
    text = " ".join(card_of(tmp_path, record=record).text.split()).replace("as in the source", "")
    assert all(words in text for words in said), text
    assert not any(words in text for words in unsaid), text


def test_pictures_that_are_not_there_are_not_shown(tmp_path):
    """Would fail if the card showed a broken picture."""
    assert "![" not in card_of(tmp_path).text
    (tmp_path / "hashtag_frequency.png").touch()
    assert card_of(tmp_path).text.count("![") == 1
