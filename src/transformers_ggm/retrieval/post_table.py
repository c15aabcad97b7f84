"""Tagged posts as a table: their ids, hashtags by number, times, and texts where they are kept."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import HashtagError, PostIndexError
from ..processing.modalities import TEXTS
from .hashtag_table import normalized_hashtags
from .times import microseconds, parse_time

SCHEMA = pa.schema([("id", pa.large_string()), ("hashtags", pa.large_list(pa.int32())), ("time", pa.int64())])
TEXT_COLUMN = pa.field("text", pa.large_string())


def post_text(post: Mapping[str, Any]) -> str:
    """All words of a post: description, transcript and screen text, one a line."""
    return "\n".join(post[field] for field in TEXTS if post.get(field))


def batched_posts(posts: Iterable[Mapping[str, Any]], size: int) -> Iterator[list[Mapping[str, Any]]]:
    """Posts of a list, a `datasets.Dataset` or a stream, some at a time."""
    iterator = iter(posts)
    while batch := list(islice(iterator, size)):
        yield batch


class Vocabulary:
    """Hashtags by number. Only ever grows, so that tables made before stay right."""

    def __init__(self, hashtags: Iterable[str] = ()):
        self.hashtags: list[str] = list(hashtags)
        self.numbers = {hashtag: number for number, hashtag in enumerate(self.hashtags)}

    def numbers_of(self, hashtags: Iterable[str]) -> list[int]:
        """The numbers of normalised hashtags, new ones at the end."""
        found = []
        for hashtag in hashtags:
            if hashtag not in self.numbers:
                self.numbers[hashtag] = len(self.hashtags)
                self.hashtags.append(hashtag)
            found.append(self.numbers[hashtag])
        return found


def post_table(
    posts: Sequence[Mapping[str, Any]], vocabulary: Vocabulary, first_number: int, store_text: bool
) -> pa.Table:
    """
    The table of some posts.

    Args:
        posts: Rows with `hashtags`, and `id`, `time` and text fields where they are known.
        vocabulary ([`Vocabulary`]): Takes in what hashtags are new.
        first_number (`int`): The id of the first post where posts have none, the next ones following.
        store_text (`bool`): Whether texts are kept.

    Raises:
        PostIndexError: A post is no `dict`, has no list of hashtags, or a text that is none. HashtagError: Some are no
            hashtags. InputError: A time is none, or has no zone.
    """
    ids, hashtags, times = [], [], []
    for number, post in enumerate(posts, start=first_number):
        _check_post(post, number)
        ids.append(str(number if post.get("id") is None else post["id"]))
        hashtags.append(vocabulary.numbers_of(_hashtags_of(post, ids[-1])))
        time = parse_time(post.get("time"))
        times.append(None if time is None else microseconds(time))
    table = pa.table([pa.array(column, kind.type) for column, kind in zip((ids, hashtags, times), SCHEMA)], SCHEMA)
    if store_text:
        table = table.append_column(TEXT_COLUMN, pa.array(map(post_text, posts), TEXT_COLUMN.type))
    return table


def _check_post(post: Any, number: int) -> None:
    if not isinstance(post, Mapping):
        raise PostIndexError(
            f"post {number} is a {type(post).__name__}: give each post as a dict of its fields, such as those of"
            " `table.to_pylist()` or `frame.to_dict('records')`."
        )
    for field in TEXTS:
        if not isinstance(post.get(field), (str, type(None))):
            raise PostIndexError(f"post {number} has {field}={post[field]!r}: give a text, or None for none.")


def next_number(table: pa.Table) -> int:
    """The first of the running numbers that no post of a table, and none after it, has for its id."""
    ids = table["id"]
    # Longer ones are nobody's running number.
    numbers = ids.filter(pc.and_(pc.utf8_is_digit(ids), pc.less(pc.utf8_length(ids), 16)))
    largest = pc.max(pc.cast(numbers, pa.int64())).as_py() if len(numbers) else None
    return max(table.num_rows, -1 if largest is None else largest + 1)


def _hashtags_of(post: Mapping[str, Any], post_id: str) -> list[str]:
    hashtags = post.get("hashtags")
    if isinstance(hashtags, str) or not isinstance(hashtags, Iterable):
        raise PostIndexError(f"post {post_id!r} has hashtags={hashtags!r}: give each post a list of its hashtags.")
    try:
        return list(dict.fromkeys(normalized_hashtags(list(hashtags)).to_pylist()))
    except HashtagError as error:
        raise HashtagError(f"post {post_id!r}: {error}") from error


def hashtag_numbers(table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Of all posts the numbers of their hashtags, one post's after the other, and where each post's begin (n + 1)."""
    lists = table["hashtags"].combine_chunks()
    lists = lists if isinstance(lists, pa.LargeListArray) else pa.concat_arrays(lists.chunks)
    return lists.flatten().to_numpy(), np.append(0, np.cumsum(pc.list_value_length(lists).to_numpy()))


def times_of(table: pa.Table) -> np.ndarray:
    """Of all posts the time in microseconds, the least int64 where it is not known: as if long ago."""
    return pc.fill_null(table["time"], np.iinfo(np.int64).min).to_numpy()
