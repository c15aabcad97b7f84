"""The steps of a call of the pipeline, one by one, for who gathers batches from many callers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from .hashtag_generation import HashtagGenerationPipeline


@dataclass(frozen=True)
class CallSteps:
    """
    A call of a pipeline in three steps: items are prepared one by one, in any thread and before it is known which
    others they meet; the models see them as one batch; and each answer is made as its item asks for it. What comes out
    is what the call would give.

    Attributes:
        suggest ([`HashtagGenerationPipeline`]): the pipeline.
        preparing, modeling, answering (`Mapping[str, Any]`): arguments of each step.

    Example:

    ```python
    >>> from transformers import pipeline
    >>> from transformers_ggm.pipelines.call_steps import CallSteps

    >>> steps = CallSteps.of(pipeline("hashtag-generation"), platform="mastodon")
    >>> prepared = [steps.prepare({"description": words}) for words in ("first snow", "lake life")]
    >>> [len(steps.answer(outputs, top_n=1)) for outputs in steps.run(prepared)]
    [1, 1]

    ```
    """

    suggest: HashtagGenerationPipeline
    preparing: Mapping[str, Any]
    modeling: Mapping[str, Any]
    answering: Mapping[str, Any]

    @classmethod
    def of(cls, suggest: HashtagGenerationPipeline, **options: Any) -> "CallSteps":
        """
        The steps of a call with some options, which all items of a batch share.

        Args:
            suggest ([`HashtagGenerationPipeline`]): The pipeline.
            **options: As of its call.

        Raises:
            InputError: An option is unknown or out of range.
        """
        return cls(suggest, *suggest.step_arguments(**options))

    def prepare(self, item: Any) -> dict[str, Any]:
        """
        Decodes an item.

        Raises:
            MediaError: The clip cannot be read.
            InputError: The item gives nothing to go by.
        """
        return self.suggest.preprocess(item, **self.preparing)

    def sendable_prepare(self) -> Callable[[Any], dict[str, Any]]:
        """What `prepare` does, without models and pool, so that it can be sent to other processes."""
        return partial(self.suggest.without_models().preprocess, **self.preparing)

    def run(self, prepared: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """
        Lets the models see some prepared items at once.

        Raises:
            SourceError: A source of the recommender failed.
            CheckpointError: The pipeline has no pool, and there is to be guidance.
        """
        return self.suggest.run_batch(prepared, self.modeling)

    def answer(self, outputs: Mapping[str, Any], **options: Any) -> Any:
        """
        The answer for one item.

        Args:
            outputs (`dict`): What `run` gave for it.
            **options: `top_n`, `min_score`, `explain`, `return_guidance` and `return_removed` of this item.
        """
        return self.suggest.postprocess(outputs, **{**self.answering, **options})
