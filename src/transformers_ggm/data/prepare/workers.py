"""Clips of a source prepared by worker processes, of which no clip can stop the others."""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from ...errors import MediaError
from ...processing import MediaLimits
from ...processing.media import source_name
from ...processing.media.decoding_workers import DecodingWorkers, clean_start, in_order
from .clips import NO_CLIP, prepare_clip
from .options import ClipOptions, ReadingOptions

# The field of a row with what was decoded of its clip before: the columns of NO_CLIP.
DECODED = "decoded"
# Clips under way per worker: enough that none waits for a slow one before it in the queue.
_AHEAD = 8


class ClipWorkers(AbstractContextManager):
    """
    Processes that prepare clips. Leaving the context ends them.

    Args:
        num_workers (`int`): how many.
        options ([`ClipOptions`]): what is kept of a clip.
        limits ([`MediaLimits`]): what a clip may be at most; a process that works longer than `max_wall_seconds` (and
            a short grace) on one clip is killed and replaced.
        reading ([`ReadingOptions`], *optional*): what is to be read in a clip.
    """

    def __init__(
        self, num_workers: int, options: ClipOptions, limits: MediaLimits, reading: ReadingOptions | None = None
    ):
        self.num_ahead = _AHEAD * num_workers
        work = partial(_prepare_whatever_it_is, options=options, limits=limits, reading=reading)
        self._workers = DecodingWorkers(work, num_workers, limits.max_wall_seconds, clean_start())

    def __exit__(self, *_):
        self._workers.__exit__()

    def prepare(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """
        The rows as [`prepare_clip`] gives them, in their order; no more than `num_ahead` of them are in memory at a
        time. A row that has a field [`DECODED`] gets what is in it; it is not decoded, and neither are words alone.
        """
        # One more is given out, and another one waits for room.
        yield from in_order(rows, self._submit, self.num_ahead - 2)

    def _submit(self, row: dict[str, Any]) -> Future:
        if DECODED in row or row["video"] is None:
            done: Future = Future()
            done.set_result(as_decoded_before(row))
            return done
        failed = as_decoded_before(row)
        return self._workers.submit(row, _name(row), lambda error: {**failed, "error": _told(error)})


def as_decoded_before(row: dict[str, Any]) -> dict[str, Any]:
    """A row as [`prepare_clip`] gives it, with what is in its field [`DECODED`]; by default nothing of a clip."""
    kept = {name: value for name, value in row.items() if name not in ("video", DECODED)}
    return {**kept, **NO_CLIP, **row.get(DECODED, {})}


def _prepare_whatever_it_is(
    row: dict[str, Any], options: ClipOptions, limits: MediaLimits, reading: ReadingOptions | None
) -> dict[str, Any]:
    """[`prepare_clip`], but a fault of ours or of a library, which must not cost the other clips, is an `error`."""
    try:
        return prepare_clip(row, options, limits, reading)
    except Exception as unexpected:
        kept = {name: value for name, value in row.items() if name != "video"}
        error = f"{_name(row)} cannot be prepared ({type(unexpected).__name__}: {unexpected})."
        return {**kept, **NO_CLIP, "error": error}


def _name(row: dict[str, Any]) -> str:
    return row["file_name"] or source_name(row["video"])


def _told(error: MediaError) -> str:
    is_late = isinstance(error.__cause__, TimeoutError)
    return f"{error} More time is given by MediaLimits.max_wall_seconds." if is_late else str(error)
