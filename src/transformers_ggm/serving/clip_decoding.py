"""Clips are decoded beside one another, and beside the event loop."""

import asyncio
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ..pipelines.call_steps import CallSteps
from ..pipelines.prefetching import ItemPreprocessor, PreprocessedItem
from ..processing.media.decoding_workers import DecodingWorkers, clean_start
from .serving_metrics import ServingMetrics
from .settings import ServingSettings


class ClipDecoding:
    """
    Prepares items, so many at once as the settings say: in processes of their own, of which a clip ends its own alone
    when it crashes or holds a decoder, or in threads of this one.

    Args:
        steps ([`CallSteps`]): Prepare items.
        settings ([`ServingSettings`]): `decoding_threads`, `isolate_decoding`, and `request_seconds`, after which
            nobody waits for a clip.
        metrics ([`ServingMetrics`]): Where the time is counted.
    """

    def __init__(self, steps: CallSteps, settings: ServingSettings, metrics: ServingMetrics):
        self._metrics = metrics
        self._workers = self._threads = None
        count = settings.decoding_threads
        if settings.isolate_decoding:
            # Not copies of this process: it has threads, whose locks a copy could hold for ever.
            prepare = ItemPreprocessor(steps.sendable_prepare())
            self._workers = DecodingWorkers(prepare, count, settings.request_seconds, clean_start())
        else:
            self._prepare = ItemPreprocessor(steps.prepare)
            self._threads = ThreadPoolExecutor(count, thread_name_prefix="decoding")

    def close(self) -> None:
        """Ends the processes or threads; what they are at is lost."""
        if self._workers is not None:
            self._workers.__exit__()
        else:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def prepare(self, item: dict[str, Any]) -> dict[str, Any]:
        """
        Prepares an item. When the caller is cancelled, the item is left out unless it is begun.

        Raises:
            MediaError: The clip cannot be read.
            InputError: The item gives nothing to go by.
        """
        begin = time.perf_counter()
        prepared = await asyncio.wrap_future(self._begin(item))
        self._metrics.decoding_seconds.observe(time.perf_counter() - begin)
        if prepared.error is not None:
            raise prepared.error
        return prepared.inputs

    def _begin(self, item: dict[str, Any]) -> "Future[PreprocessedItem]":
        if self._workers is None:
            return self._threads.submit(self._prepare, item)
        if "video" not in item:
            return self._workers.submit_here(item)
        return self._workers.submit(item, None, lambda error: PreprocessedItem(None, error=error))
