"""Modules of PyTorch as models of OpenVINO or ONNX, and whether they compute the same then."""

import copy
import importlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import CheckpointError

# What is read of an encoder's output, in this order.
OUTPUTS = ("last_hidden_state", "pooler_output")
# The least cosine between what another library and PyTorch make of a token, both in float32.
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
    Converts an encoder to OpenVINO, for any number of rows and of tokens, and tries it.

    Args:
        module (`nn.Module`): of transformers, on the CPU; it stays as it is.
        inputs (`dict[str, torch.Tensor]`): what it is called with, by the names of its arguments.
        name (`str`): what errors call it.

    Returns:
        `openvino.Model`: its inputs and outputs have their names; weights in float32.

    Raises:
        CheckpointError: it cannot be converted, or computes something else then.
    """
    from .openvino_model import OpenVINOModel

    by_position, one, two = _examples(module, inputs)
    model = convert(by_position, tuple(two.values()), list(inputs), f"the encoder {name}")
    compiled = OpenVINOModel(model, torch.float32)
    tries = (one, _other_lengths(two))
    _check(lambda tried: compiled(tried)[0], by_position, tries, f"OpenVINO by the encoder {name}")
    return model


def write_onnx(module: nn.Module, inputs: Mapping[str, torch.Tensor], name: str, file: Path) -> None:
    """
    Writes an encoder as ONNX, for any number of rows and of tokens, and tries it with ONNX Runtime.

    Args:
        module, inputs, name: as of [`convert_encoder`].
        file (`Path`): to write; weights in float32.

    Raises:
        CheckpointError: it cannot be converted, or computes something else then.
    """
    onnxruntime = importlib.import_module("onnxruntime")

    by_position, one, two = _examples(module, inputs)
    # Rows, and of texts the length, may be any: sizes of other inputs are the model's own.
    dims = {name: range(1 if tensor.is_floating_point() else 2) for name, tensor in two.items()}
    shapes = tuple(dict.fromkeys(of_input, torch.export.Dim.AUTO) for of_input in dims.values())
    with _told(f"the encoder {name} cannot be converted to ONNX"):
        torch.onnx.export(
            by_position,
            tuple(two.values()),
            file,
            input_names=list(two),
            output_names=list(OUTPUTS),
            dynamic_shapes={"tensors": shapes},
            external_data=False,
            verbose=False,
        )
        session = onnxruntime.InferenceSession(file)

    def run(tried: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return torch.from_numpy(session.run(None, {key: tensor.numpy() for key, tensor in tried.items()})[0])

    _check(run, by_position, (one, _other_lengths(two)), f"ONNX Runtime by the encoder {name}")


def _examples(
    module: nn.Module, inputs: Mapping[str, torch.Tensor]
) -> tuple[_ByPosition, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """
    A copy of the encoder, its inputs, and these twice, for two rows or more: some operations are traced otherwise for
    one.
    """
    one = {key: _in_float32(tensor) for key, tensor in inputs.items()}
    two = {key: torch.cat([tensor, tensor]) for key, tensor in one.items()}
    return _ByPosition(float_copy(module), list(inputs)).eval(), one, two


@contextmanager
def _told(failure: str) -> Iterator[None]:
    """Turns whatever a tracer or converter meets in a foreign model into an error of our own."""
    try:
        with torch.no_grad(), warnings.catch_warnings():
            # Of tracing: that it goes by the example, which is tried on others, and that PyTorch would export instead.
            warnings.simplefilter("ignore")
            yield
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise CheckpointError(f"{failure} ({reason}).") from error


def convert(module: nn.Module, example: tuple[torch.Tensor, ...], names: Sequence[str], told: str) -> Any:
    """
    Converts a module whose arguments and results are tensors alone to OpenVINO.

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
    # So, and not by a statement, what travels with checkpoints does not seem to need it.
    openvino = importlib.import_module("openvino")

    with _told(f"{told} cannot be converted to OpenVINO"):
        model = openvino.convert_model(module.eval(), example_input=example)
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


def _check(
    run: Callable[[Mapping[str, torch.Tensor]], torch.Tensor],
    module: nn.Module,
    tries: Sequence[Mapping[str, torch.Tensor]],
    told: str,
) -> None:
    for tried in tries:
        with torch.no_grad():
            expected = module(*tried.values())[0]
        found, mask = run(tried), tried.get("attention_mask")
        if found.shape == expected.shape:
            cosines = torch.cosine_similarity(found, expected, dim=-1 if found.ndim == 3 else 1)
            if mask is not None and mask.shape == cosines.shape:
                cosines = cosines[mask.bool()]
            if cosines.min() >= _LEAST_COSINE:
                continue
        raise CheckpointError(f"{told} computes something else than PyTorch: it cannot be used.")


__all__ = ["OUTPUTS", "convert", "convert_encoder", "float_copy", "write_onnx"]
