"""What a store keeps of users, and forgets."""

from datetime import datetime, timedelta, timezone

import pytest

pytest.importorskip("sqlalchemy")

import sqlalchemy as sa

from transformers_ggm.errors import HashtagError, InputError
from transformers_ggm.recommendation import Clues, HistorySource
from transformers_ggm.retrieval.pool_store import PoolStore
from transformers_ggm.retrieval.pool_store.store_tables import METADATA

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
NOTHING = {"history": [], "blocked": []}


def post(hashtag, hours):
    return {"hashtags": [hashtag], "time": START + timedelta(hours=hours)}


def test_posts_come_back_as_a_history(url):
    """Would fail if posts lost their order or times, or a favourite did not come before them."""
    users = PoolStore(url).users
    users.add_posts("u1", [post("#First", 1), post("third", 3)])
    users.add_posts("u1", [post("second", 2), {"hashtags": [], "time": "2026-01-01T00:00:00Z"}])
    users.add_posts("u1", [post("second", 2)])  # sent again
    users.add_posts("u2", [post("other", 2)])
    assert users.known("u1") == {
        "history": [post("third", 3), post("second", 2), post("first", 1), {"hashtags": [], "time": START}],
        "blocked": [],
    }
    users.set_lists("u1", blocked=["acme", "*sale*"], favourites=["#LakeLife", "lakelife", "#cats"][::2])
    known = PoolStore(url).users.known("u1")
    assert known["blocked"] == ["acme", "*sale*"] and known["history"][0] == {"hashtags": ["lakelife", "cats"]}
    row = Clues("snow", history=known["history"], time=START + timedelta(hours=2))
    found = HistorySource().candidates([row], 3)[0]
    assert [candidate.hashtag for candidate in found] == ["cats", "lakelife", "first"]
    users.set_lists("u1", blocked=["acme"])
    assert users.known("u1")["blocked"] == ["acme"] and len(users.known("u1")["history"]) == 4


def test_feedback_comes_back_as_rows_without_its_users(url):
    """Would fail if a row lost something, or told who it is of, or what JSON cannot hold were kept in part."""
    users = PoolStore(url).users
    rows = [
        {"description": "первый снег", "hashtags": ["snow"], "rejected": None, "history": [{"hashtags": ["cats"]}]},
        {"description": "a boat", "hashtags": [], "rejected": ["snow"]},
    ]
    assert list(users.feedback()) == []
    for user, row in zip(("u1", "u2"), rows):
        users.add_feedback(user, row)
    with pytest.raises(InputError, match="JSON"):
        users.add_feedback("u1", {"video": object()})
    with pytest.raises(InputError, match="the user is"):
        users.add_feedback("", rows[0])
    assert list(PoolStore(url).users.feedback()) == rows
    assert users.forget("u1") and list(users.feedback()) == rows[1:]


def test_only_the_newest_posts_stay(url):
    """Would fail if what is kept of a user grew without end, or new posts went before old ones."""
    users = PoolStore(url).users
    users.add_posts("u1", [post(f"tag{hour}", hour) for hour in range(70)])
    users.add_posts("u1", [post("old", 10), post("new", 80)])
    hashtags = [each["hashtags"][0] for each in users.known("u1")["history"]]
    assert hashtags == ["new", *(f"tag{hour}" for hour in range(69, 20, -1))]


def test_nothing_of_a_forgotten_user_is_left(url):
    """Would fail if a table kept something of the user, or another user were forgotten, too."""
    store = PoolStore(url)
    for user in ("gone", "stays"):
        store.users.add_posts(user, [post(f"{user}tag", 1)])
        store.users.set_lists(user, [f"{user}blocked"], [f"{user}favourite"])
        store.users.add_feedback(user, {"description": f"of {user}", "hashtags": ["snow"]})
    version = store.changes().version
    assert store.users.forget("gone") and not store.users.forget("gone")
    assert store.users.known("gone") == store.users.known("nobody") == NOTHING
    assert len(store.users.known("stays")["history"]) == 2
    with store.engine.connect() as connection:
        rows = [str(row) for table in METADATA.sorted_tables for row in connection.execute(sa.select(table))]
    assert any("stays" in row for row in rows) and not any("gone" in row for row in rows)
    assert store.changes().version == version


def test_bad_input_keeps_nothing(url):
    """Would fail if a part of what is refused were kept, or nobody could be a user."""
    users = PoolStore(url).users
    for posts, error in (
        ([post("fine", 1), {"hashtags": ["snow"]}], InputError),
        ([post("fine", 1), {"hashtags": ["snow"], "time": "2026-01-01T00:00:00"}], InputError),
        ([post("fine", 1), post("no tag", 1)], HashtagError),
    ):
        with pytest.raises(error):
            users.add_posts("u1", posts)
    with pytest.raises(HashtagError):
        users.set_lists("u1", favourites=["no tag"])
    for nobody in ("", None):
        with pytest.raises(InputError, match="the user is"):
            users.add_posts(nobody, [post("fine", 1)])
    assert users.known("u1") == NOTHING
