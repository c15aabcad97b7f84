"""What a pool store keeps of users, if it is told to: until it is to forget them."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import sqlalchemy as sa

from ...errors import InputError
from ..hashtag_table import as_iterable, normalized_hashtags
from ..times import microseconds, parse_time
from .database import reading, writing
from .store_tables import USER_FEEDBACK, USER_LISTS, USER_POSTS

# As many earlier posts as a history has.
MOST_POSTS = 50
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class StoreUsers:
    """
    Of each user the hashtags of the newest 50 posts, those that are blocked or liked best, and what was accepted and
    rejected of suggestions: `store.users`. A user is a string that only its owner can read, such as a random number;
    nothing else is kept, and nothing unless one of these methods is called.

    Args:
        engine (`sqlalchemy.Engine`): Of the store.

    Example:

    ```python
    >>> import tempfile
    >>> from transformers_ggm.retrieval.pool_store import PoolStore

    >>> users = PoolStore(f"sqlite:///{tempfile.mkdtemp()}/pool.db").users
    >>> users.add_posts("u1", [{"hashtags": ["#Toronto", "cats"], "time": "2026-01-01T08:00:00Z"}])
    >>> users.set_lists("u1", blocked=["acme"], favourites=["#LakeLife"])
    >>> known = users.known("u1")  # for a call: suggest(item, **known)
    >>> [post["hashtags"] for post in known["history"]], known["blocked"]
    ([['lakelife'], ['toronto', 'cats']], ['acme'])
    >>> users.forget("u1")
    True
    >>> users.known("u1")
    {'history': [], 'blocked': []}

    ```
    """

    def __init__(self, engine: sa.Engine):
        self._engine = engine

    def add_posts(self, user: str, posts: Iterable[Mapping[str, Any]]) -> None:
        """
        Keeps the hashtags of a user's posts, up to the newest 50. A post of the same time takes the place of the one
        before it, so that nothing is kept twice.

        Args:
            user (`str`): Who made them.
            posts (iterable of `dict`): With `hashtags` and `time` (ISO 8601 or `datetime`, with its zone).

        Raises:
            InputError: A post has no time, or one without zone. HashtagError: One has what is no hashtag. Nothing is
                kept then.
            StoreError: The database failed; nothing was changed.
        """
        of_user, time = USER_POSTS.c.user == _checked(user), USER_POSTS.c.time
        given = {row["time"]: row for row in map(_read, posts)}
        newest = sorted(given.values(), key=lambda row: row["time"])[-MOST_POSTS:]
        kept = sa.select(time).where(of_user).order_by(time.desc()).limit(MOST_POSTS)
        with writing(self._engine) as connection:
            connection.execute(sa.delete(USER_POSTS).where(of_user, time.in_([row["time"] for row in newest])))
            if newest:
                connection.execute(sa.insert(USER_POSTS), [{"user": user, **row} for row in newest])
            times = list(connection.execute(kept).scalars())
            connection.execute(sa.delete(USER_POSTS).where(of_user, time.not_in(times)))

    def set_lists(self, user: str, blocked: Iterable[str] = (), favourites: Iterable[str] = ()) -> None:
        """
        Keeps what a user never wants to be shown and what the user likes best, in the place of what was kept before.

        Args:
            user (`str`): Whose lists they are.
            blocked (`Iterable[str]`, defaults to none): Hashtags, phrases and patterns, as [`BlockedFilter`] takes
                them.
            favourites (`Iterable[str]`, defaults to none): Hashtags.

        Raises:
            HashtagError: A favourite is no hashtag; nothing is changed.
            StoreError: The database failed; nothing was changed.
        """
        lists = {
            "user": _checked(user),
            "blocked": [str(pattern) for pattern in as_iterable(blocked)],
            "favourites": _hashtags(as_iterable(favourites)),
        }
        with writing(self._engine) as connection:
            connection.execute(sa.delete(USER_LISTS).where(USER_LISTS.c.user == user))
            connection.execute(sa.insert(USER_LISTS), lists)

    def known(self, user: str) -> dict[str, list]:
        """
        What is kept of a user, as arguments for the call of a pipeline: `suggest(item, **store.users.known(user))`.

        Args:
            user (`str`): Somebody of whom nothing is kept is no error.

        Returns:
            `dict`: `history`, posts with `hashtags` and `time`, the newest first, before which the favourites stand as
            if they were those of the last post; and `blocked`.

        Raises:
            StoreError: The database failed.
        """
        posts = sa.select(USER_POSTS.c.time, USER_POSTS.c.hashtags).where(USER_POSTS.c.user == _checked(user))
        posts = posts.order_by(USER_POSTS.c.time.desc())
        with reading(self._engine) as connection:
            rows = connection.execute(posts).all()
            lists = connection.execute(sa.select(USER_LISTS).where(USER_LISTS.c.user == user)).first()
        history: list[dict[str, Any]] = [
            {"hashtags": row.hashtags, "time": _EPOCH + timedelta(microseconds=row.time)} for row in rows
        ]
        if lists is not None and lists.favourites:
            history.insert(0, {"hashtags": lists.favourites})
        return {"history": history, "blocked": [] if lists is None else lists.blocked}

    def add_feedback(self, user: str, row: Mapping[str, Any]) -> None:
        """
        Keeps what a user made of suggestions.

        Args:
            user (`str`): Whose it is.
            row (`dict`): As `suggest.feedback(...)` makes it, or another that JSON can hold.

        Raises:
            InputError: JSON cannot hold the row.
            StoreError: The database failed; nothing was kept.
        """
        _checked(user)
        try:
            kept = json.loads(json.dumps(dict(row), allow_nan=False))
        except (TypeError, ValueError) as error:
            raise InputError(f"the row of feedback cannot be kept as JSON ({error}).") from error
        with writing(self._engine) as connection:
            connection.execute(sa.insert(USER_FEEDBACK), {"user": user, "row": kept})

    def feedback(self) -> Iterator[dict[str, Any]]:
        """
        The feedback of all users, without who they are: rows of data for `ggm train --stages ranker`.

        Returns:
            iterator of `dict`: In the order in which they came.

        Raises:
            StoreError: The database failed.
        """
        with reading(self._engine) as connection:
            yield from connection.execute(sa.select(USER_FEEDBACK.c.row).order_by(USER_FEEDBACK.c.id)).scalars()

    def forget(self, user: str) -> bool:
        """
        Deletes all that is kept of a user. Uses of hashtags that were observed belong to nobody, and stay.

        Args:
            user (`str`): Somebody of whom nothing is kept is no error.

        Returns:
            `bool`: Whether there was anything.

        Raises:
            StoreError: The database failed; nothing was changed.
        """
        _checked(user)
        with writing(self._engine) as connection:
            deleted = [
                connection.execute(sa.delete(table).where(table.c.user == user)).rowcount
                for table in (USER_POSTS, USER_LISTS, USER_FEEDBACK)
            ]
        return sum(deleted) > 0


def _checked(user: str) -> str:
    if not isinstance(user, str) or not user:
        raise InputError(f"the user is {user!r}: give a string that says who it is to you alone.")
    return user


def _read(post: Mapping[str, Any]) -> dict[str, Any]:
    time = parse_time(post.get("time"))
    if time is None:
        raise InputError("a post has no time: give it its time with zone, or leave it out.")
    return {"time": microseconds(time), "hashtags": _hashtags(post.get("hashtags") or ())}


def _hashtags(given: Iterable[str]) -> Sequence[str]:
    return normalized_hashtags(list(dict.fromkeys(given))).to_pylist()
