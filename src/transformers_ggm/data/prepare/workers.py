"""Worker processes that decode clips: one that gets stuck or crashes costs its clip and nothing else."""

import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import BrokenExecutor, TimeoutError
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch

from ...processing import MediaLimits
from ...processing.media import source_name
from .clips import NO_CLIP, prepare_clip
from .options import ClipOptions

# The field of a row with what was decoded of its clip before: the columns of NO_CLIP.
DECODED = "decoded"
# Clips under way per worker: enough that none waits for a slow one before it in the queue.
_AHEAD = 8
# The clip's own limit is checked between packets; a decoder that does not come back is ended this much later.
_GRACE_SECONDS = 5.0


class ClipWorkers(AbstractContextManager):
    """
    Processes that prepare clips. Leaving the context ends them.

    Args:
        num_workers (`int`): how many.
        options ([`ClipOptions`]): what is kept of a clip.
        limits ([`MediaLimits`]): what a clip may be at most; a process that works longer than `max_wall_seconds` (and
            a short grace) on one clip is killed and replaced.

    Raises:
        ImportError: pebble, of the extra `data`, is not installed.
    """

    def __init__(self, num_workers: int, options: ClipOptions, limits: MediaLimits):
        try:
            from pebble import ProcessPool
        except ImportError as error:
            raise ImportError("Preparing clips needs pebble: pip install 'transformers-ggm[data]'.") from error
        self.options = options
        self.limits = limits
        self.num_ahead = _AHEAD * num_workers
        self._pool = ProcessPool(max_workers=num_workers, initializer=_begin, context=_start_method())

    def __exit__(self, *_):
        self._pool.stop()
        self._pool.join()

    def prepare(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """
        The rows as [`prepare_clip`] gives them, in their order; a bounded number of them is in memory at a time. A row
        that has a field [`DECODED`] gets what is in it; it is not decoded, and neither are words alone.
        """
        work = partial(prepare_clip, options=self.options, limits=self.limits)
        under_way = deque()
        for row in rows:
            if DECODED in row or row["video"] is None:
                under_way.append((row, None))
            else:
                timeout = self.limits.max_wall_seconds + _GRACE_SECONDS
                under_way.append((row, self._pool.schedule(work, args=(row,), timeout=timeout)))
            if len(under_way) >= self.num_ahead:
                yield self._result(*under_way.popleft())
        while under_way:
            yield self._result(*under_way.popleft())

    def _result(self, row: dict[str, Any], future) -> dict[str, Any]:
        from pebble import ProcessExpired

        if future is None:
            kept = {key: value for key, value in row.items() if key not in ("video", DECODED)}
            return {**kept, **NO_CLIP, **row.get(DECODED, {})}
        name = row["file_name"] or source_name(row["video"])
        try:
            return future.result()
        except TimeoutError:
            error = (
                f"{name} was not decoded within {self.limits.max_wall_seconds} s, and its process was ended: convert "
                "it, or raise MediaLimits.max_wall_seconds."
            )
        except ProcessExpired as expired:
            error = f"{name} crashed the process that decoded it (exit code {expired.exitcode}): the file is damaged."
        except BrokenExecutor:  # the pool itself: it would reject every clip from here on
            raise
        except Exception as unexpected:  # a fault of ours or of a library, which must not cost the other clips
            error = f"{name} cannot be prepared ({type(unexpected).__name__}: {unexpected})."
        kept = {key: value for key, value in row.items() if key != "video"}
        return {**kept, **NO_CLIP, "error": error}


def _start_method():
    """A way to start processes that does not copy this one's threads and locks, as forking would."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])  # imports torch once, not once a process
    return context


def _begin() -> None:
    torch.set_num_threads(1)
