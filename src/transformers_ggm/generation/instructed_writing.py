"""What an instructed language model writes for a batch of clips, with the sureness of each hashtag."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..modeling import InstructedForHashtagGeneration
from ..processing import InstructedProcessor
from ..processing.answer_hashtags import hashtag_places
from ..processing.prompt_parts import PromptParts
from .instructed_answers import answer_scores
from .stopping_criteria import HashtagLimit


@torch.inference_mode()
def instructed_hashtags(
    model: InstructedForHashtagGeneration,
    processor: InstructedProcessor,
    columns: Mapping[str, Sequence[Any]],
    **generate_kwargs: Any,
) -> list[dict[str, float]]:
    """
    Asks a language model for the hashtags of some clips. Rows that show as many frames go through the model together:
    what a row's answer is does not depend on the others.

    A hashtag's score is the exponential of the mean log-probability of its own tokens, by the model itself, whatever
    the way of decoding (sampling, beams, ...): `generate` gives the logits that it saw. These are kept until the end,
    which takes 4 bytes for each row, token of an answer and word of the vocabulary.

    Args:
        model ([`InstructedForHashtagGeneration`]): in evaluation mode.
        processor ([`InstructedProcessor`]): the model's.
        columns (`dict[str, Sequence]`): arguments of the processor, each with one value per row: `text`, `guidance`,
            `videos`, ...
        generate_kwargs: arguments of `generate`. With `num_return_sequences` the hashtags of all answers are merged.

    Returns:
        `list[dict[str, float]]`: for each row hashtags (normalised, without `#`) with their scores, the surest first.

    Example:

    ```python
    >>> instructed_hashtags(model, processor, {"text": ["first snow"], "guidance": [["winter"]]})  # doctest: +SKIP
    [{'winter': 0.71, 'firstsnow': 0.38}]

    ```
    """
    size = len(next(iter(columns.values())))
    frames = columns.get("videos") or [None] * size
    groups = defaultdict(list)
    for row in range(size):
        groups[processor.shown(frames[row])].append(row)
    written: dict[int, dict[str, float]] = {}
    for rows in groups.values():
        batch = processor(**{name: [values[row] for row in rows] for name, values in columns.items()})
        written |= zip(rows, answered_hashtags(model, processor, batch.to(model.device), **generate_kwargs))
    return [written[row] for row in range(size)]


@torch.inference_mode()
def answered_hashtags(
    model: InstructedForHashtagGeneration,
    processor: InstructedProcessor,
    batch: Mapping[str, torch.Tensor],
    **generate_kwargs: Any,
) -> list[dict[str, float]]:
    """
    [`instructed_hashtags`] of prompts that are made already.

    Args:
        model ([`InstructedForHashtagGeneration`]): in evaluation mode.
        processor ([`InstructedProcessor`]): the model's.
        batch (`dict[str, torch.Tensor]`): of the processor, on the model's device; without `labels`.
        generate_kwargs: arguments of `generate`.

    Returns:
        `list[dict[str, float]]`: as [`instructed_hashtags`].
    """
    batch = {name: tensor.to(model.dtype) if tensor.is_floating_point() else tensor for name, tensor in batch.items()}
    start = batch["input_ids"].shape[1]
    options = dict(generate_kwargs)
    if options.get("stopping_criteria"):
        options["stopping_criteria"] = [_behind(each, start) for each in options["stopping_criteria"]]
    options = {"pad_token_id": _padding(model, processor)} | options
    output = model.generate(**batch, **options, return_dict_in_generate=True, output_logits=True)
    answers = output.sequences[:, start:]
    log_probs = model.compute_transition_scores(
        output.sequences, output.logits, getattr(output, "beam_indices", None), normalize_logits=True
    )
    # Beams that end together may be shorter than what was tried.
    answers = answers[:, : log_probs.shape[1]]
    repeats = len(answers) // len(batch["input_ids"])
    ends = _end_ids(model, processor, options)
    echo = set(_echo(processor))
    of_rows = zip(answers.split(repeats), log_probs.split(repeats))
    return [answer_scores(processor.tokenizer, *of_row, ends, echo) for of_row in of_rows]


def _echo(processor: InstructedProcessor) -> list[str]:
    """What would be read as hashtags in the instruction, where a small model says it again instead of an answer."""
    return [tag for tag, _, _ in hashtag_places(processor.prompt_of(PromptParts()))]


def _behind(criterion: Any, prompt_length: int) -> Any:
    return criterion.behind(prompt_length) if isinstance(criterion, HashtagLimit) else criterion


def _padding(model, processor) -> int:
    """What fills up answers that ended: `generate` warns where nobody said so."""
    own = model.generation_config.pad_token_id
    if own is not None:
        return own
    ends = _end_ids(model, processor, {})
    return processor.tokenizer.pad_token_id if processor.tokenizer.pad_token_id is not None else ends[0]


def _end_ids(model, processor, options: Mapping[str, Any]) -> list[int]:
    settings = options.get("generation_config") or model.generation_config
    ends = options.get("eos_token_id", settings.eos_token_id)
    if ends is None:
        ends = processor.tokenizer.eos_token_id
    return [ends] if isinstance(ends, int) else list(ends or ())


__all__ = ["answered_hashtags", "instructed_hashtags"]
