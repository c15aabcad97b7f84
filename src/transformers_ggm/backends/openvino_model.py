"""A model of OpenVINO that takes and gives tensors of PyTorch."""

import threading
from collections.abc import Mapping
from typing import Any

import torch

from .openvino_core import openvino_core

# By the type that the rest of a pipeline computes in.
_PRECISIONS = {torch.float32: "f32", torch.bfloat16: "bf16"}
# Inputs of matrices whose weights have eight bits are rounded too, with one scale for so many numbers of a row:
# smaller groups are slower and hardly nearer.
_GROUP_SIZE = 128


class OpenVINOModel:
    """
    A model compiled for this CPU. Several threads may call it at once.

    Args:
        model (`openvino.Model`): with named inputs.
        dtype (`torch.dtype`): `torch.float32` or `torch.bfloat16`: what it computes in, and what it gives.
        rounds_inputs (`bool`, defaults to `False`): whether its weights have eight bits and what they are multiplied
            with is rounded to eight bits as well, row by row.
    """

    def __init__(self, model: Any, dtype: torch.dtype, rounds_inputs: bool = False):
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
        # Rounding is done beside float32 alone; between the matrices that costs next to nothing.
        settings["INFERENCE_PRECISION_HINT"] = "f32" if rounds_inputs else _PRECISIONS[dtype]
        settings["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = _GROUP_SIZE if rounds_inputs else 0
        self._compiled = openvino_core().compile_model(model, "CPU", settings)
        self._dtype = dtype
        self._of_thread = threading.local()

    def __call__(self, inputs: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
        """
        Args:
            inputs (`dict[str, torch.Tensor]`): real numbers are read as float32, others have the type of the example.

        Returns:
            `list[torch.Tensor]`: the outputs, in their order.
        """
        given = {name: _as_array(tensor) for name, tensor in inputs.items()}
        outputs = self._request().infer(given, share_inputs=True, share_outputs=True)
        # The memory of outputs is used again by the next call.
        return [torch.from_numpy(output).to(self._dtype, copy=True) for output in outputs.values()]

    def _request(self) -> Any:
        if not hasattr(self._of_thread, "request"):
            self._of_thread.request = self._compiled.create_infer_request()
        return self._of_thread.request

    def __deepcopy__(self, memo: dict) -> "OpenVINOModel":
        # It is never changed, and cannot be copied.
        return self


def _as_array(tensor: torch.Tensor) -> Any:
    tensor = tensor.detach()
    return (tensor.float() if tensor.is_floating_point() else tensor).contiguous().numpy()


__all__ = ["OpenVINOModel"]
