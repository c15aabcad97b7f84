"""A module of PyTorch as a model of OpenVINO."""

import copy
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from ..errors import CheckpointError

# What is read of an encoder's output, in this order.
OUTPUTS = ("last_hidden_state", "pooler_output")
# The least cosine between what OpenVINO and PyTorch make of a token, both in float32.
_LEAST_COSINE = 0.999


class _ByPosition(nn.Module):
    """An encoder that takes tensors by their place, and gives those of its outputs that it has."""

    def __init__(self, module: nn.Module, names: Sequence[str]):
        super().__init__()
        self.module, self.names = module, tuple(names)

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        outputs = self.module(**dict(zip(self.names, tensors)), return_dict=True)
        return tuple(outputs[name] for name in OUTPUTS if outputs.get(name) is not None)


def convert_encoder(module: nn.Module, inputs: Mapping[str, torch.Tensor], name: str) -> Any:
    """
    Converts an encoder, for any number of rows and of tokens, and tries it.

    Args:
        module (`nn.Module`): of transformers, on the CPU; it stays as it is.
        inputs (`dict[str, torch.Tensor]`): what it is called with, by the names of its arguments.
        name (`str`): what errors call it.

    Returns:
        `openvino.Model`: its inputs and outputs have their names; weights in float32.

    Raises:
        CheckpointError: it cannot be converted, or computes something else then.
    """
    whole = float_copy(module)
    by_position = _ByPosition(whole, list(inputs))
    example = {key: _in_float32(tensor) for key, tensor in inputs.items()}
    # Two rows, since some operations are traced otherwise for one.
    doubled = {key: torch.cat([tensor, tensor]) for key, tensor in example.items()}
    model = convert(by_position, tuple(doubled.values()), list(inputs), f"the encoder {name}")
    _check(model, by_position, [example, _other_lengths(doubled)], name)
    return model


def convert(module: nn.Module, example: tuple[torch.Tensor, ...], names: Sequence[str], told: str) -> Any:
    """
    Converts a module whose arguments and results are tensors alone.

    Args:
        module (`nn.Module`): in float32.
        example (`tuple[torch.Tensor, ...]`): its arguments.
        names (`list[str]`): theirs.
        told (`str`): what errors call the module.

    Returns:
        `openvino.Model`: all dimensions that are not fixed by weights may change.

    Raises:
        CheckpointError: OpenVINO has no such operations.
    """
    import openvino

    try:
        with torch.no_grad(), warnings.catch_warnings():
            # Of tracing: that it goes by the example, which is tried on others, and that PyTorch would export instead.
            warnings.simplefilter("ignore")
            model = openvino.convert_model(module.eval(), example_input=example)
    # Whatever the tracer or the converter meets in a foreign model.
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise CheckpointError(f"{told} cannot be converted to OpenVINO ({reason}): leave out backend=.") from error
    for port, name, tensor in zip(model.inputs, names, example):
        port.get_tensor().set_names({name})
        if not tensor.is_floating_point():
            # Lengths of texts may be traced as fixed.
            port.get_node().set_partial_shape(openvino.PartialShape([-1] * tensor.ndim))
    model.validate_nodes_and_infer_types()
    return model


def float_copy(module: nn.Module) -> nn.Module:
    """A copy in float32 that computes by PyTorch, whatever stands for `forward` of the module."""
    copied = copy.deepcopy(module)
    copied.__dict__.pop("forward", None)
    return copied.to("cpu", torch.float32).eval()


def _in_float32(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().cpu().float() if tensor.is_floating_point() else tensor.detach().cpu()


def _other_lengths(inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same with texts of two lengths, the second one padded."""
    if "input_ids" not in inputs:
        return inputs
    longer = {
        key: torch.cat([tensor, tensor], dim=1) if tensor.ndim == 2 and not tensor.is_floating_point() else tensor
        for key, tensor in inputs.items()
    }
    # No more positions than most models have.
    longer = {key: tensor[:, :48] if tensor.ndim == 2 else tensor for key, tensor in longer.items()}
    mask = longer["attention_mask"].clone()
    mask[1, -(mask.shape[1] // 3) :] = 0
    return {**longer, "attention_mask": mask}


def _check(model: Any, module: nn.Module, tries: Sequence[Mapping[str, torch.Tensor]], name: str) -> None:
    from .openvino_model import OpenVINOModel

    compiled = OpenVINOModel(model, torch.float32)
    for inputs in tries:
        with torch.no_grad():
            expected = module(*inputs.values())[0]
        found, mask = compiled(inputs)[0], inputs.get("attention_mask")
        if found.shape == expected.shape:
            cosines = torch.cosine_similarity(found, expected, dim=-1 if found.ndim == 3 else 1)
            if mask is not None and mask.shape == cosines.shape:
                cosines = cosines[mask.bool()]
            if cosines.min() >= _LEAST_COSINE:
                continue
        raise CheckpointError(
            f"OpenVINO computes something else than PyTorch by the encoder {name}: leave out backend=."
        )


__all__ = ["OUTPUTS", "convert", "convert_encoder", "float_copy"]
