"""What each stage of suggesting hashtags costs, measured inside the pipeline itself."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest import mock

from transformers_ggm import HashtagGenerationPipeline
from transformers_ggm.pipelines import hashtag_generation

REST = "the rest"
STAGES = (
    "decode and resize",
    "retriever's vision",
    "search",
    "vision",
    "audio",
    "text encoder and fusion",
    "decoding",
    REST,
)
# Where a pipeline is asked to.
READING = ("speech", "screen")


class StageTimes(dict):
    """Seconds by stage. What a stage takes within another one is counted to itself alone."""

    def __init__(self):
        super().__init__(dict.fromkeys((*READING, *STAGES), 0.0))
        self._within: list[str] = []

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        """Adds what the block takes to a stage."""
        self._within.append(stage)
        started = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - started
            self._within.pop()
            self[stage] += seconds
            if self._within:
                self[self._within[-1]] -= seconds

    def timed(self, stage: str, function: Callable) -> Callable:
        """A function whose calls are counted to a stage."""

        @wraps(function)
        def call(*arguments, **options):
            with self.of(stage):
                return function(*arguments, **options)

        return call


def measured(suggest: HashtagGenerationPipeline, items: list[dict[str, Any]], **options) -> StageTimes:
    """
    Suggests hashtags for items in one batch.

    Args:
        suggest ([`HashtagGenerationPipeline`]): the model and its parts.
        items (`list[dict]`): see the pipeline.
        **options: further arguments of the call.

    Returns:
        [`StageTimes`]: wall time of the whole batch.
    """
    times, encoder = StageTimes(), suggest.model.get_encoder()
    places = [
        (hashtag_generation, "load_item", "decode and resize"),
        (suggest.retriever, "get_video_features", "retriever's vision"),
        (suggest.hashtag_pool, "search", "search"),
        (encoder, "forward", "text encoder and fusion"),
        (encoder.vision_encoder, "forward", "vision"),
        (encoder.audio_encoder, "forward", "audio"),
        (suggest.model, "generate", "decoding"),
        (hashtag_generation, "token_log_probs", "decoding"),
    ]
    readers = () if suggest._reading is None else (suggest._reading.speech, suggest._reading.screen)
    places += [(reader, "read", stage) for reader, stage in zip(readers, READING) if reader is not None]
    with ExitStack() as stack:
        for owner, name, stage in places:
            stack.enter_context(mock.patch.object(owner, name, times.timed(stage, getattr(owner, name))))
        with times.of(REST):
            suggest(items, batch_size=len(items), **options)
    return times
