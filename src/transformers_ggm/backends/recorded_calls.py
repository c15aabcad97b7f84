"""What the encoders of a pipeline are called with."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from .openvino_encoder import encoder_inputs

# Frames, or texts, of each encoder: by so many a vision encoder is rounded.
_MAX_ROWS = 128
# By the names of the inputs.
Calls = dict[tuple[str, ...], list[dict[str, torch.Tensor]]]


@contextmanager
def recorded_calls(encoders: Mapping[str, nn.Module]) -> Iterator[dict[str, Calls]]:
    """What each encoder is called with, while the block runs, up to a hundred rows or so."""
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


__all__ = ["Calls", "recorded_calls"]
