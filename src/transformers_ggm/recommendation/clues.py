"""What is known of a clip that hashtags are sought for."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import torch

from ..errors import InputError
from ..processing.hashtags import is_valid_hashtag, normalize_hashtag, remove_hashtags
from ..processing.modalities import TEXTS
from ..retrieval.post_encoders import Encoder
from ..retrieval.times import microseconds, parse_time

# Of an author's earlier posts, so many are looked at.
MOST_POSTS = 50


@dataclass(frozen=True)
class EarlierPost:
    """
    A post that its author made before.

    Attributes:
        hashtags (`tuple[str, ...]`): with or without `#`; kept normalised.
        time (`datetime`, *optional*): with its zone.

    Raises:
        InputError: A string is no hashtag, or the time has no zone.
    """

    hashtags: tuple[str, ...]
    time: datetime | None = None

    def __post_init__(self):
        is_one = isinstance(self.hashtags, str) or not isinstance(self.hashtags, Iterable)
        given = (self.hashtags,) if is_one else tuple(self.hashtags)
        bad = [hashtag for hashtag in given if not is_valid_hashtag(hashtag)]
        if bad:
            raise InputError(
                f"the history holds {bad[0]!r}, which is no hashtag: give the hashtags of earlier posts, newest first."
            )
        object.__setattr__(self, "hashtags", tuple(dict.fromkeys(map(normalize_hashtag, given))))
        object.__setattr__(self, "time", parse_time(self.time))


@dataclass(frozen=True)
class Clues:
    """
    What is known of one clip; all of it may be missing.

    Attributes:
        description, transcript, screen_text (`str`, defaults to `""`): the author's words, what is spoken, what is
            written in the picture. Hashtags in the description are taken out: they are what is sought.
        history (sequence of [`EarlierPost`], `str`, lists of `str` or `dict`): the author's earlier posts, newest
            first; a string is a post of one hashtag, a `dict` has `hashtags` and `time`. Those at or after `time` are
            left out.
        time (`datetime` or `str`, *optional*): when the clip is posted, ISO 8601 with its zone. Nothing later is used.
        language, country (`str`, defaults to `""`): codes such as `"en"` and `"CA"`.
        frames (`torch.Tensor` of shape `(f, 3, h, w)`, *optional*): uint8, in the size that the retriever or
            classifier takes.
        sound (`torch.Tensor` of shape `(samples,)`, *optional*): float32, mono, at the processor's sampling rate.
        vectors (`dict[str, torch.Tensor]`): of the text, by the fingerprint of the encoder, where one was asked:
            [`text_vectors`] notes them here, so that sources of one encoder ask it once. Not an argument.

    Raises:
        InputError: A text is no string, the history is no list of posts or names what is no hashtag, or a time has no
            zone.

    Example:

    ```python
    >>> from transformers_ggm.recommendation import Clues

    >>> clues = Clues("first snow #fyp", history=["#Toronto", ["cats", "toronto"]])
    >>> clues.description, [post.hashtags for post in clues.history]
    ('first snow', [('toronto',), ('cats', 'toronto')])

    ```
    """

    description: str = ""
    transcript: str = ""
    screen_text: str = ""
    history: Sequence[EarlierPost | str | Sequence[str] | Mapping[str, Any]] = ()
    time: datetime | None = None
    language: str = ""
    country: str = ""
    frames: torch.Tensor | None = None
    sound: torch.Tensor | None = None
    vectors: dict[str, torch.Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self):
        for name in (*TEXTS, "language", "country"):
            given = getattr(self, name)
            if not isinstance(given, (str, type(None))):
                raise InputError(f"{name}={given!r} is no text: give a string.")
            object.__setattr__(self, name, given or "")
        history = () if self.history is None else self.history
        if isinstance(history, (str, Mapping)) or not isinstance(history, Iterable):
            raise InputError(f"the history is {history!r}: give a list, newest first.")
        time = parse_time(self.time)
        posts = [_earlier_post(post) for post in history]
        earlier = [post for post in posts if time is None or post.time is None or post.time < time]
        object.__setattr__(self, "description", remove_hashtags(self.description))
        object.__setattr__(self, "time", time)
        object.__setattr__(self, "history", tuple(earlier[:MOST_POSTS]))

    @property
    def texts(self) -> list[str]:
        """Description, transcript and screen text, as far as there are any."""
        return [getattr(self, name) for name in TEXTS if getattr(self, name)]

    @property
    def text(self) -> str:
        """All words, one text a line: as an index of posts has them."""
        return "\n".join(self.texts)


def _earlier_post(post: Any) -> EarlierPost:
    if isinstance(post, EarlierPost):
        return post
    if isinstance(post, Mapping):
        if "hashtags" not in post:
            raise InputError(f"the history holds {dict(post)!r}: give each post its `hashtags` (and `time`).")
        return EarlierPost(post.get("hashtags") or (), post.get("time"))
    return EarlierPost(post)


def text_vectors(rows: Sequence[Clues], encoder: Encoder) -> torch.Tensor:
    """
    Vectors of the texts of some rows: one pass of the encoder for those that it has not seen yet.

    Args:
        rows (`Sequence[Clues]`): One or more clips; their `vectors` are filled.
        encoder ([`~retrieval.TextEncoder`]): Reads texts.

    Returns:
        `torch.Tensor` of shape `(len(rows), d)`.
    """
    key = encoder.fingerprint()
    new = [row for row in rows if key not in row.vectors]
    if new:
        for row, vector in zip(new, encoder.encode([row.text for row in new]), strict=True):
            row.vectors[key] = vector
    return torch.stack([row.vectors[key] for row in rows])


_FIELDS = (*TEXTS, "time", "language", "country")


def clues_of(rows: Iterable[Mapping[str, Any]], *others: Iterable[Mapping[str, Any]]) -> list[Clues]:
    """
    The clues of data rows, without their own hashtags. Where rows have `user` and `time`, the history comes from the
    same user's earlier rows, of these and of all `others`: the newest 50 of them. Frames and sound are not among them;
    `dataclasses.replace(clues, frames=...)` adds them.

    Args:
        rows (iterable of `dict`): With `description`, `transcript`, `screen_text`, `time` (ISO 8601 with zone),
            `language`, `country`, `user` and `hashtags` where there are any. Gone through once.
        others (iterables of `dict`): The rows of the other splits.

    Returns:
        `list[Clues]`: One for each of `rows`, in their order.

    Raises:
        InputError: A time is not ISO 8601 or has no zone, or a row with `user` and `time` has a string among its
            `hashtags` that is no hashtag.

    Example:

    ```python
    >>> from transformers_ggm.recommendation import clues_of

    >>> old = [{"user": "a", "time": "2026-01-01T00:00:00Z", "hashtags": ["cats"]}]
    >>> new = [{"user": "a", "time": "2026-01-02T00:00:00Z", "hashtags": ["dogs"], "description": "look"}]
    >>> clues_of(new, old)[0].history[0].hashtags
    ('cats',)

    ```
    """
    rows = list(rows)
    posts = _posts_by_user([*rows, *(row for other in others for row in other)])
    clues = []
    for row in rows:
        fields = {field: row[field] for field in _FIELDS if row.get(field)}
        time = parse_time(row.get("time"))
        earlier = []
        if time is not None and row.get("user"):
            limit = microseconds(time)
            earlier = [post for when, post in posts[row["user"]] if when < limit][-MOST_POSTS:][::-1]
        clues.append(Clues(**fields, history=earlier))
    return clues


def _posts_by_user(rows: Iterable[Mapping[str, Any]]) -> dict[Any, list[tuple[int, EarlierPost]]]:
    """The posts of every user, oldest first, with their times."""
    posts = defaultdict(list)
    for row in rows:
        if row.get("user") and (time := parse_time(row.get("time"))) is not None:
            posts[row["user"]].append((microseconds(time), EarlierPost(row.get("hashtags") or (), time)))
    for of_user in posts.values():
        of_user.sort(key=lambda post: post[0])
    return posts
