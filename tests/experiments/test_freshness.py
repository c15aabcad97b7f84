"""Replaying data with times: what is answered before what is observed, and the figures of each bucket."""

import json
from datetime import datetime, timedelta, timezone

import pytest

from transformers_ggm.errors import DatasetError
from transformers_ggm.experiments import freshness

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def row(number, hours, hashtag, text):
    time = (START + timedelta(hours=hours)).isoformat()
    return {"id": f"{number}-{hours}", "description": text, "hashtags": [hashtag], "time": time}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Old hashtags in training; a new one, of new words, appears with the test rows."""
    folder = tmp_path_factory.mktemp("data")
    old = [row(0, hour, ("lake", "snow")[hour % 2], ("by the lake", "first snow")[hour % 2]) for hour in range(200)]
    new = [row(1, hour, "heatwave", "so hot today") for hour in range(200, 240, 2)]
    splits = {"train": old[:100], "validation": old[100:], "test": new}
    for name, rows in splits.items():
        (folder / name).mkdir()
        (folder / name / "metadata.jsonl").write_text("\n".join(json.dumps(each) for each in reversed(rows)))
    return folder


def test_new_hashtags_are_recommended_only_where_posts_are_observed(folder, tmp_path, capsys):
    """Would fail if a bucket were observed before it was answered, or never, or F1 and shares were of other rows."""
    pytest.importorskip("matplotlib")
    freshness.main([str(folder), "--output_dir", str(tmp_path), "--days", "0.5"])
    found = json.loads((tmp_path / "freshness.json").read_text())
    assert (tmp_path / "freshness.png").is_file() and "of 20 uses of new hashtags" in capsys.readouterr().out
    observing, trained = found["observing"], found["as trained"]
    assert sum(bucket["new_recommended"] for bucket in trained) == 0
    # Of the first bucket nothing can be known yet.
    assert observing[0]["new_recommended"] == 0 and observing[0]["f1"] == 0
    assert observing[-1]["new_recommended"] == observing[-1]["new_uses"] == observing[-1]["rows"]
    assert sum(bucket["rows"] for bucket in observing) == 20 and observing[-1]["f1"] > 50
    assert observing[0]["days"] < observing[1]["days"]


def test_data_without_times_is_refused(tmp_path):
    """Would fail if rows of unknown order were replayed in some order."""
    with pytest.raises(DatasetError, match="is missing"):
        freshness.read_rows(tmp_path)
    for name in freshness.SPLITS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "metadata.jsonl").write_text('{"hashtags": ["snow"]}')
    with pytest.raises(DatasetError, match="rows without `time`"):
        freshness.read_rows(tmp_path)
