"""The rows of a source as those who prepare them want them."""

from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import Any

from ...errors import DatasetError
from ..sources import ShortsSource
from .clip_stamps import clip_facts
from .workers import DECODED

# Gives, for the rows of a source from a number on, what was decoded of each before, `None` for those that are to be
# decoded.
DecodedBefore = Callable[[int], Iterator[dict[str, Any] | None]]


def rows_to_prepare(
    source: ShortsSource, start: int, decoded: DecodedBefore | None = None
) -> Iterator[dict[str, Any]]:
    """
    Rows with what tells their clip from the next version of it and, where it was decoded before, what came of it.

    Args:
        source ([`ShortsSource`]): the rows.
        start (`int`): the first one to give.
        decoded (`Callable`, *optional*): see [`DecodedBefore`].

    Returns:
        Iterator of `dict`: as [`ClipWorkers.prepare`] takes them.

    Raises:
        DatasetError: the source cannot be read, or has other rows than were decoded before.
    """
    known = repeat(None) if decoded is None else chain(decoded(start), repeat(None))
    return map(_with_clip, source.rows(start=start, tell_dropped=True), known)


def _with_clip(row: dict[str, Any], clip: dict[str, Any] | None) -> dict[str, Any]:
    row = {**row, **clip_facts(row["video"])}
    if clip is None:
        return row
    if clip["file_name"] != row["file_name"]:
        raise DatasetError(
            f"The source has {row['file_name']!r} where it had {clip['file_name']!r} before: prepare it into another "
            "`output_dir`."
        )
    return {**row, DECODED: clip}
