"""What each stage of suggesting hashtags costs, measured inside the pipeline itself."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest import mock

from transformers_ggm import HashtagGenerationPipeline
from transformers_ggm.pipelines import ggm_writing, hashtag_generation

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
# Where a pipeline is asked to: in a thread, beside the others. What these wait for it is counted to the rest.
READING = ("speech", "screen")


class StageTimes(dict):
    """
    Seconds by stage. What a stage takes within another one of its thread is counted to itself alone.

    Attributes:
        before_decoding (`float`): of the whole call without decoding the answer, whatever threads did beside each
            other: all that reading clips changes.
    """

    def __init__(self):
        super().__init__(dict.fromkeys((*READING, *STAGES), 0.0))
        self.before_decoding = 0.0
        self._of_thread = threading.local()

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        """Adds what the block takes to a stage."""
        within = self._of_thread.__dict__.setdefault("stages", [])
        within.append(stage)
        started = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - started
            within.pop()
            self[stage] += seconds
            if within:
                self[within[-1]] -= seconds

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
        (ggm_writing, "token_log_probs", "decoding"),
    ]
    readers = () if suggest._reading is None else (suggest._reading.speech, suggest._reading.screen)
    places += [(reader, "read", stage) for reader, stage in zip(readers, READING) if reader is not None]
    with ExitStack() as stack:
        for owner, name, stage in places:
            stack.enter_context(mock.patch.object(owner, name, times.timed(stage, getattr(owner, name))))
        started = time.perf_counter()
        with times.of(REST):
            suggest(items, batch_size=len(items), **options)
        times.before_decoding = time.perf_counter() - started - times["decoding"]
    return times
