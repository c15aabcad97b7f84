"""What is known of a clip."""

import dataclasses
from datetime import datetime, timedelta, timezone

import pandas as pd
import pytest
import torch

from transformers_ggm.errors import InputError
from transformers_ggm.recommendation import Clues, EarlierPost, clues_of
from transformers_ggm.recommendation.clues import text_vectors

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)


def test_own_hashtags_are_not_shown():
    """Would fail if a row's own hashtags reached a source through its description, or through its row."""
    clues = clues_of(
        [{"description": "snow #winter", "hashtags": ["winter"], "user": "a", "time": "2026-01-01T00:00Z"}]
    )
    assert clues[0].text == "snow" and not clues[0].history


def test_history_is_of_earlier_posts_of_every_split():
    """Would fail if a row saw a later post, one of its own time, another author's, or only those of its own split."""
    rows = [
        {"user": user, "time": f"2026-01-0{day}T00:00:00Z", "hashtags": [f"{user}{day}"]}
        for user in "ab"
        for day in range(1, 6)
    ]
    train, test = rows[::2], rows[1::2]
    clues = {(row["user"], row["time"]): clue for row, clue in zip(test, clues_of(test, train))}
    history = [post.hashtags for post in clues["a", "2026-01-04T00:00:00Z"].history]
    assert history == [("a3",), ("a2",), ("a1",)]


def test_history_of_any_shape():
    """Would fail if one of the documented shapes of a history were read otherwise."""
    history = ["#Toronto", ["Cats", "cats"], EarlierPost(("dogs",), NOW)]
    assert [post.hashtags for post in Clues(history=history).history] == [("toronto",), ("cats",), ("dogs",)]


def test_later_posts_are_left_out_of_a_given_history():
    """Would fail if a history with posts of the future told what came after."""
    later, earlier = (EarlierPost(("x",), NOW + timedelta(days=days)) for days in (1, -1))
    assert Clues(history=[later, earlier], time=NOW).history == (earlier,)


@pytest.mark.parametrize(
    "fields",
    [
        {"history": "cats"},
        {"history": ["two words"]},
        {"history": [["cats", ""]]},
        {"history": [3]},
        {"history": 3},
        {"history": {"cats": 2}},
        {"history": [{"tags": ["cats"]}]},
        {"history": [EarlierPost(("cats",), NOW), "two words"]},
        {"description": 3},
        {"description": float("nan")},
        {"transcript": ["a", "b"]},
        {"time": pd.NaT},
        {"time": 1735689600},
        {"time": "2026-01-01T00:00:00"},
        {"time": "soon"},
    ],
)
def test_bad_clues_are_refused(fields):
    """Would fail if what is no hashtag, or a time without zone, made worse answers without a word."""
    with pytest.raises(InputError):
        Clues(**fields)


def test_hashtags_in_one_string_are_no_letters():
    """Would fail if a column with one hashtag for all gave a history of its letters, or no history were an error."""
    row = {"user": "a", "time": "2026-01-02T00:00:00Z"}
    old = {"user": "a", "time": "2026-01-01T00:00:00Z", "hashtags": "snow"}
    assert clues_of([row], [old])[0].history[0].hashtags == ("snow",)
    with pytest.raises(InputError, match="snow ski"):
        clues_of([row], [{**old, "hashtags": "snow ski"}])
    assert Clues(history=None, description=None).history == ()


def test_times_with_and_without_zone_are_not_mixed():
    """Would fail if times without zone were compared with others as if they were of one zone."""
    rows = [{"user": "a", "time": time, "hashtags": ["x"]} for time in ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00")]
    with pytest.raises(InputError, match="has no zone"):
        clues_of(rows)


class CountingEncoder:
    """Counts the texts that it encodes."""

    def __init__(self, name):
        self.name, self.asked = name, []

    def encode(self, texts):
        self.asked += texts
        return torch.tensor([[float(len(text)), 1.0] for text in texts])

    def fingerprint(self):
        return self.name


def test_vectors_of_texts_are_computed_once():
    """Would fail if a row were encoded again for each source, or another encoder's vectors were taken for its own."""
    first, second = CountingEncoder("first"), CountingEncoder("second")
    rows = [Clues("snow"), Clues("a lake")]
    assert text_vectors(rows[:1], first).tolist() == [[4.0, 1.0]]
    assert text_vectors(rows, first).tolist() == [[4.0, 1.0], [6.0, 1.0]]
    assert text_vectors(rows, first).tolist() == text_vectors(rows, second).tolist()
    assert first.asked == second.asked == ["snow", "a lake"]
    assert not dataclasses.replace(rows[0], description="ice").vectors
