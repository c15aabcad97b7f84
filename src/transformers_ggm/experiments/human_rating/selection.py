"""Which hashtags people are asked about: novel ones, and as many of the authors' own."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from transformers.utils import logging

from ...errors import DatasetError
from ...processing.hashtag_fields import DroppedHashtags, read_hashtags
from ...processing.hashtags import normalize_hashtag, remove_hashtags

logger = logging.get_logger(__name__)

# What a row's clip is called in predictions of training, of text corpora, and elsewhere; the first that is there
# counts.
_NAMES = ("video", "file_name", "id")


@dataclass(frozen=True)
class RatingItem:
    """
    A hashtag to judge on a video.

    Attributes:
        item (`str`): identifier that tells nothing: 8 random hexadecimal digits.
        row (`int`): the video's place in the predictions, from 0.
        video (`str`): its name, `""` where it has none.
        description (`str`): what its author wrote, without the hashtags in it, which would tell the true ones.
        hashtag (`str`): without '#'.
        systems (`tuple[str]`): for which systems it stands as a novel hashtag; none for one of the author's own.
        is_true (`bool`): whether the video's author used it; a novel one may be that too.
    """

    item: str
    row: int
    video: str
    description: str
    hashtag: str
    systems: tuple[str, ...]
    is_true: bool

    @property
    def kind(self) -> str:
        """`"novel"` or `"true"`; what is both is `"novel"`."""
        return "novel" if self.systems else "true"


@dataclass(frozen=True)
class _Video:
    name: str
    description: str
    true: tuple[str, ...]
    predicted: dict[str, tuple[str, ...]]  # by system


def novel_hashtags(
    predictions: Mapping[str, Sequence[Mapping[str, Any]]], pool: Collection[str]
) -> dict[str, dict[str, list[int]]]:
    """
    Predicted hashtags that the pool lacks.

    Args:
        predictions (`dict[str, list[dict]]`): rows of each system, as for [`choose_items`].
        pool ([`HashtagPool`] or a collection of `str`): known hashtags.

    Returns:
        `dict[str, dict[str, list[int]]]`: by system, the rows that each was predicted for; most frequent ones first.

    Raises:
        DatasetError: as [`choose_items`]. HashtagError: `pool` holds what is no hashtag.

    Example:

    ```python
    >>> from transformers_ggm.experiments.human_rating import novel_hashtags
    >>> rows = [{"description": "", "hashtags": ["rain"], "predicted": ["snowday", "rain"]}]
    >>> novel_hashtags({"ggm": rows}, pool=["rain"])
    {'ggm': {'snowday': [0]}}

    ```
    """
    return _novel(_read_videos(predictions), list(predictions), pool)


def choose_items(
    predictions: Mapping[str, Sequence[Mapping[str, Any]]],
    pool: Collection[str],
    *,
    examples: int = 1,
    max_hashtags: int | None = None,
    seed: int = 0,
) -> list[RatingItem]:
    """
    Draws what people are to judge: each novel hashtag on a video that it was predicted for, and as many true ones.

    The true hashtags are drawn from the same videos where these have any left, else from others, so that both kinds
    are judged on the same clips. There are fewer of them where the authors wrote fewer. Systems that predict the same
    hashtag share its videos, and what they share is judged once.

    Args:
        predictions (`dict[str, list[dict]]`): for each system its rows of the same videos, each with `predicted` and
            `hashtags` (`list[str]`, with or without '#', or any other form that
            [`~processing.hashtag_fields.read_hashtags`] reads; a warning counts what is no hashtag), `description`,
            and `video`, `file_name` or `id`.
        pool ([`HashtagPool`] or a collection of `str`): known hashtags; a predicted one is novel when it is not there.
        examples (`int`, *optional*, defaults to 1): on how many videos a novel hashtag is judged, if it has as many.
        max_hashtags (`int`, *optional*): judge so many novel hashtags of each system, drawn at random; all by default.
        seed (`int`, *optional*, defaults to 0): of the draws, the order and the identifiers.

    Returns:
        `list[RatingItem]`: in random order.

    Raises:
        DatasetError: no novel or no true hashtags, systems with other videos, rows without what is needed.
        ValueError: `examples` or `max_hashtags` is below 1.

    Example:

    ```python
    >>> from transformers_ggm.experiments.human_rating import choose_items
    >>> rows = [{"video": "a.mp4", "description": "wet", "hashtags": ["rain"], "predicted": ["snowday"]}]
    >>> sorted((item.kind, item.hashtag, item.systems) for item in choose_items({"ggm": rows}, pool=["rain"]))
    [('novel', 'snowday', ('ggm',)), ('true', 'rain', ())]

    ```
    """
    for name, number in {"examples": examples, "max_hashtags": max_hashtags}.items():
        if number is not None and number < 1:
            raise ValueError(f"`{name}` is {number}, but one is needed at least.")
    videos = _read_videos(predictions)
    novel = _novel(videos, list(predictions), pool)
    if not any(novel.values()):
        raise DatasetError("Every predicted hashtag is in the pool: there are no novel hashtags to judge.")
    generator = np.random.default_rng(seed)
    asked = _draw_novel(novel, len(videos), examples, max_hashtags, generator)
    own = _draw_true(videos, asked, generator)
    if not own:
        raise DatasetError("No video has hashtags of its author's that novel ones could be compared with.")
    return _as_items(videos, asked | dict.fromkeys(own, ()), generator)


def video_name(row: Mapping[str, Any]) -> str:
    """What a row's clip is called: its `video`, `file_name` or `id`, `""` where it has none of them."""
    return next((str(row[name]) for name in _NAMES if row.get(name) is not None), "")


def _novel(videos: list[_Video], systems: list[str], pool: Collection[str]) -> dict[str, dict[str, list[int]]]:
    known = {normalize_hashtag(tag) for tag in pool}
    found = {}
    for system in systems:
        rows: dict[str, list[int]] = {}
        for number, video in enumerate(videos):
            for tag in video.predicted[system]:
                if tag not in known:
                    rows.setdefault(tag, []).append(number)
        found[system] = dict(sorted(rows.items(), key=lambda entry: (-len(entry[1]), entry[0])))
    return found


def _draw_novel(novel, num_videos: int, examples: int, max_hashtags: int | None, generator) -> dict:
    """Systems by (row, hashtag). One order of hashtags and of videos for all systems, so that they share items."""
    hashtags = sorted(set().union(*novel.values()))
    hashtags = [hashtags[number] for number in generator.permutation(len(hashtags))]
    rank = generator.permutation(num_videos)
    systems: dict[tuple[int, str], tuple[str, ...]] = {}
    for system, rows in novel.items():
        for tag in [tag for tag in hashtags if tag in rows][:max_hashtags]:
            for row in sorted(rows[tag], key=lambda row: rank[row])[:examples]:
                systems[row, tag] = (*systems.get((row, tag), ()), system)
    return systems


def _draw_true(videos: list[_Video], asked: dict, generator) -> list[tuple[int, str]]:
    """As many (row, hashtag) of the authors as are asked for, none of which is asked for already."""
    left = {
        row: [video.true[number] for number in generator.permutation(len(video.true))]
        for row, video in enumerate(videos)
    }
    left = {row: [tag for tag in tags if (row, tag) not in asked] for row, tags in left.items()}
    own = []
    for row, _ in asked:
        if left[row]:
            own.append((row, left[row].pop()))
    others = [(row, tag) for row, tags in left.items() for tag in tags]
    for number in generator.permutation(len(others))[: len(asked) - len(own)]:
        own.append(others[number])
    return own


def _as_items(videos: list[_Video], asked: dict, generator) -> list[RatingItem]:
    pairs = list(asked)
    names: dict[str, None] = {}
    while len(names) < len(pairs):
        names[f"{generator.integers(16**8):08x}"] = None
    return [
        RatingItem(
            name,
            row,
            videos[row].name,
            remove_hashtags(videos[row].description),
            tag,
            asked[row, tag],
            tag in videos[row].true,
        )
        for name, (row, tag) in zip(names, (pairs[number] for number in generator.permutation(len(pairs))))
    ]


def _read_videos(predictions: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[_Video]:
    if not predictions or not all(predictions.values()):
        raise DatasetError("There are no predictions: give the rows of one system at least.")
    rows = {system: _checked_rows(rows, system) for system, rows in predictions.items()}
    (first, videos), *others = rows.items()
    for system, found in others:
        if [video[:3] for video in found] != [video[:3] for video in videos]:
            raise DatasetError(
                f"{system!r} and {first!r} have other videos, descriptions or hashtags, or have them in another "
                "order: give predictions of the same test split."
            )
    return [
        _Video(*video[:3], {system: found[number][3] for system, found in rows.items()})
        for number, video in enumerate(videos)
    ]


def _checked_rows(rows: Sequence[Mapping[str, Any]], system: str) -> list[tuple]:
    dropped = DroppedHashtags()
    checked = [_checked_row(row, f"row {number} of {system!r}", dropped) for number, row in enumerate(rows)]
    if dropped:
        logger.warning(f"{system}: {dropped}")
    return checked


def _checked_row(
    row: Mapping[str, Any], where: str, dropped: DroppedHashtags
) -> tuple[str, str, tuple[str, ...], tuple[str, ...]]:
    missing = [name for name in ("description", "hashtags", "predicted") if name not in row]
    if missing:
        raise DatasetError(f"{where} has no {', '.join(map(repr, missing))}.")
    true, predicted = (read_hashtags(row[column]) for column in ("hashtags", "predicted"))
    dropped.add([*true.dropped, *predicted.dropped])
    return video_name(row), row["description"] or "", tuple(true.hashtags), tuple(predicted.hashtags)
