"""A pipeline that many callers share: clips are decoded beside one another, and answered in batches."""

import asyncio
import functools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..pipelines import HashtagGenerationPipeline
from ..pipelines.call_steps import CallSteps
from .batching import Batcher
from .clip_decoding import ClipDecoding
from .request_options import SuggestionOptions
from .serving_metrics import ServingMetrics
from .settings import ServingSettings

if TYPE_CHECKING:  # it is of another extra
    from ..retrieval.pool_store import PoolReader


class Engine:
    """
    Answers requests by a pipeline.

    Clips are decoded beside one another ([`ClipDecoding`]), and the models have a thread of their own. Not more clips
    are decoded than a few batches need: the others wait as files, so that memory stays bounded.

    Args:
        suggest ([`HashtagGenerationPipeline`]): The pipeline; make it with `safe=True`.
        settings ([`ServingSettings`]): Sizes of batches, threads.
        reader ([`PoolReader`], *optional*): What keeps the pipeline's pool up to date; it is followed while the engine
            runs.
        metrics ([`ServingMetrics`], *optional*): Where batches are counted.

    Example:

    ```python
    >>> import asyncio
    >>> from transformers import pipeline
    >>> from transformers_ggm.serving import Engine, ServingSettings
    >>> from transformers_ggm.serving.request_options import HashtagRequest

    >>> async def answers():
    ...     engine = Engine(pipeline("hashtag-generation"), ServingSettings(isolate_decoding=False))
    ...     asked = [HashtagRequest(description=words, top_n=1) for words in ("first snow", "lake life")]
    ...     async with engine.running():
    ...         return await asyncio.gather(*(engine.answer(each.item(), each) for each in asked))
    >>> len(asyncio.run(answers()))
    2

    ```
    """

    def __init__(
        self,
        suggest: HashtagGenerationPipeline,
        settings: ServingSettings,
        reader: "PoolReader | None" = None,
        metrics: ServingMetrics | None = None,
    ):
        self.suggest, self.settings, self.reader = suggest, settings, reader
        self.metrics = metrics or ServingMetrics()
        self.block(())
        self._task: asyncio.Task | None = None
        self._num_undecoded = 0

    @property
    def is_running(self) -> bool:
        """Whether requests are answered."""
        return self._task is not None and not self._task.done()

    @property
    def state(self) -> str:
        """`"ok"`, or what is not as it should be. Without its store, the pool stays as it was: that is no reason to
        take no requests, which would end all servers of a store at once."""
        is_lost = self.reader is not None and self.reader.problem is not None
        return "ok, but the pool store cannot be reached" if is_lost else "ok"

    def block(self, blocked: Sequence[str]) -> None:
        """
        Leaves some hashtags out from now on, besides what the pipeline leaves out; those of an earlier call are shown
        again.

        Args:
            blocked (`Sequence[str]`): Hashtags and patterns (`"*sale*"`).

        Raises:
            InputError: One is no pattern.
        """
        options: dict[str, Any] = {"blocked": list(blocked)} if blocked else {}
        # A source that fails costs a request the source, and not the answer.
        make = functools.partial(CallSteps.of, self.suggest, on_error="skip", **options)
        make()  # for its errors
        self._steps = functools.lru_cache(maxsize=64)(make)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Engine"]:
        """Answers while the block runs."""
        settings = self.settings
        self._batcher = batcher = Batcher(
            self._answers, settings.max_batch_size, settings.max_wait_seconds, self.metrics.batch_size.observe
        )
        self._decoding = await asyncio.to_thread(ClipDecoding, self._steps(platform=None), settings, self.metrics)
        self._room = asyncio.Semaphore(2 * settings.max_batch_size + settings.decoding_threads)
        self.metrics.follow_queue(lambda: self._num_undecoded + len(batcher))
        if self.reader is not None:
            self.reader.start()
        self._task = asyncio.create_task(batcher.run())
        try:
            yield self
        finally:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            await asyncio.to_thread(self._decoding.close)
            if self.reader is not None:
                await asyncio.to_thread(self.reader.close)

    async def answer(self, item: dict[str, Any], options: SuggestionOptions) -> list | dict[str, Any]:
        """
        What the pipeline answers for an item. A caller that is cancelled leaves no work, but for what is begun.

        Args:
            item (`dict`): For the pipeline.
            options ([`SuggestionOptions`]): What is asked of the answer.

        Raises:
            MediaError: The clip cannot be read.
            InputError: The item gives nothing to go by, or the options do not fit the checkpoint.
        """
        ranker = None if self.suggest.recommender is None else self.suggest.recommender.ranker
        if options.explain and ranker is None:
            raise InputError("explain: this checkpoint has no ranker that could explain itself: leave it out.")
        # What does not fit is refused before anything is decoded.
        self._steps(platform=options.platform)
        self._num_undecoded += 1
        try:
            await self._room.acquire()
            try:
                prepared = await self._decoding.prepare(item)
            except BaseException:
                self._room.release()
                raise
        finally:
            self._num_undecoded -= 1
        try:
            return await self._batcher.submit(options.platform, (prepared, options.of_each()))
        finally:
            self._room.release()

    def _answers(self, platform: str | None, values: list[tuple[dict, dict]]) -> list:
        """A batch: one pass of the models, and an answer for each item by its own options."""
        steps = self._steps(platform=platform)
        outputs = steps.run([prepared for prepared, _ in values])
        return [steps.answer(each, **options) for each, (_, options) in zip(outputs, values)]
