"""What the encoders of a pipeline are called with."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from transformers import Pipeline

from ..errors import InputError
from .openvino_encoder import encoder_inputs
from .openvino_parts import encoders_of

# Frames, or texts, of each encoder: by so many a vision encoder is rounded.
_MAX_ROWS = 128
# By the names of the inputs.
Calls = dict[tuple[str, ...], list[dict[str, torch.Tensor]]]


def calls_for(suggest: Pipeline, items: Sequence[Any]) -> tuple[dict[str, nn.Module], dict[str, Calls]]:
    """
    The encoders of a pipeline, and of those that it needs for some items what they are called with, up to a hundred
    rows or so.

    Raises:
        InputError: it needs none.
    """
    encoders = encoders_of(suggest.model, suggest.retriever, suggest.recommender)
    with _recording(encoders) as seen:
        suggest(list(items))
    if not seen:
        raise InputError("No encoder was needed for these items: give clips, or texts, that the checkpoint reads.")
    return encoders, seen


@contextmanager
def _recording(encoders: Mapping[str, nn.Module]) -> Iterator[dict[str, Calls]]:
    seen: dict[str, Calls] = {}

    def record(name: str, module: nn.Module, options: dict[str, Any]) -> None:
        inputs = encoder_inputs(module, options)
        if inputs is None:
            return
        calls = seen.setdefault(name, {}).setdefault(tuple(inputs), [])
        if sum(len(next(iter(call.values()))) for call in calls) < _MAX_ROWS:
            calls.append({key: tensor.clone() for key, tensor in inputs.items()})

    hooks = [
        module.register_forward_pre_hook(
            lambda module, arguments, options, name=name: record(name, module, options), with_kwargs=True
        )
        for name, module in encoders.items()
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


__all__ = ["Calls", "calls_for"]
