"""What is known of a clip."""

from datetime import datetime, timedelta, timezone

import pytest

from transformers_ggm.errors import InputError
from transformers_ggm.recommendation import Clues, EarlierPost, clues_of

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
        {"time": "2026-01-01T00:00:00"},
        {"time": "soon"},
    ],
)
def test_bad_clues_are_refused(fields):
    """Would fail if what is no hashtag, or a time without zone, made worse answers without a word."""
    with pytest.raises(InputError):
        Clues(**fields)
