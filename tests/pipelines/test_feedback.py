"""What people made of suggestions, as rows."""

import json
import os

import numpy as np
import pytest
from transformers import pipeline

from transformers_ggm.errors import HashtagError, InputError, OutputError
from transformers_ggm.pipelines.feedback import append_row, feedback_row
from transformers_ggm.training.fit_base import LabelledRows, rejected_of

TIME = "2026-01-02T00:00:00+00:00"


def test_a_row_has_what_the_pipeline_was_told(tmp_path):
    """Would fail if a clue were lost between an item and what a ranker is fitted on, or it saw its own hashtags."""
    item = {"description": "first snow #winter", "transcript": "so cold", "time": TIME, "video": "clip.mp4"}
    history = [{"hashtags": ["#Lake"], "time": "2026-01-01T00:00:00Z"}, ["cats", "dogs"]]
    row = feedback_row(item, ["#Winter", "winter"], ["lake"], history=history, country="CA")
    assert (row["description"], row["hashtags"], row["rejected"]) == ("first snow", ["winter"], ["lake"])
    file = tmp_path / "feedback.jsonl"
    append_row(row, file)
    append_row(feedback_row({"description": "a boat"}, ["boat"], []), file)
    append_row(feedback_row({"description": "nothing fits"}, [], ["boat"]), file)
    append_row(feedback_row({"description": "who knows"}, ["cats"], None), file)
    assert len(file.read_text().splitlines()) == 4 and json.loads(file.read_text().splitlines()[0]) == row
    rows = LabelledRows(str(file))
    first, second, *_ = rows.items(rows.to_fit)
    assert first["video"] == os.path.abspath("clip.mp4") and second["video"] is None
    assert feedback_row("https://example.com/a.mp4", ["snow"], [])["video"] == "https://example.com/a.mp4"
    assert (first["transcript"], first["time"], first["country"]) == ("so cold", TIME, "CA")
    assert [post["hashtags"] for post in first["history"]] == [["lake"], ["cats", "dogs"]] and not second["history"]
    assert [row["hashtags"] for row in rows.to_fit] == [["winter"], ["boat"], [], ["cats"]]
    assert [rejected_of(row) for row in rows.to_fit] == [["lake"], [], ["boat"], None]


def test_a_store_keeps_feedback_by_choice(tmp_path):
    """Would fail if a row were kept unasked or for nobody, or a store gave other rows than a file."""
    pool_store = pytest.importorskip("transformers_ggm.retrieval.pool_store", reason="pip install sqlalchemy alembic")
    suggest, store = pipeline("hashtag-generation"), pool_store.PoolStore(f"sqlite:///{tmp_path}/pool.db")
    item, file = {"description": "first snow", "time": TIME}, tmp_path / "feedback.jsonl"
    suggest.feedback(item, ["winter"], ["lake"])
    for alone in ({"store": store}, {"user": "u1"}):
        with pytest.raises(InputError, match="both store"):
            suggest.feedback(item, ["winter"], file=file, **alone)
    assert list(store.users.feedback()) == [] and not file.exists()
    row = suggest.feedback(item, ["winter"], ["lake"], file=file, store=store, user="u1")
    assert list(store.users.feedback()) == [row] == list(map(json.loads, file.read_text().splitlines()))


def test_rows_that_are_measured_have_hashtags(tmp_path):
    """Would fail if answers were compared with nothing, where people only said what was wrong."""
    for name in ("validation", "test"):
        (tmp_path / name).mkdir()
        for accepted in (["snow"], []):
            row = feedback_row({"description": "first snow"}, accepted, ["lake"])
            append_row(row, tmp_path / name / "metadata.jsonl")
    rows = LabelledRows(str(tmp_path))
    assert (len(rows.to_fit), len(rows.to_test)) == (2, 1)


def test_clips_that_are_no_files_are_left_out():
    """Would fail if frames in memory were written as text, or made a row of nothing."""
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    assert "video" not in feedback_row({"video": frames, "description": "snow"}, ["snow"], [])
    with pytest.raises(InputError, match="nothing of it can be kept"):
        feedback_row(frames, ["snow"], [])


@pytest.mark.parametrize(
    ("accepted", "rejected", "error"),
    [((), (), InputError), (["#snow"], ["SNOW"], InputError), (["no tag"], (), HashtagError)],
)
def test_what_says_nothing_is_refused(accepted, rejected, error):
    """Would fail if a row that nobody can learn from were kept."""
    with pytest.raises(error):
        feedback_row({"description": "snow"}, accepted, rejected)


def test_a_file_that_cannot_be_written(tmp_path):
    """Would fail if feedback were lost without a word."""
    with pytest.raises(OutputError):
        append_row({}, tmp_path)
