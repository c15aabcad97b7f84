"""An encoder that OpenVINO computes in PyTorch's place."""

import threading
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from transformers.modeling_outputs import BaseModelOutputWithPooling

from ..errors import CheckpointError
from .conversion import OUTPUTS, convert_encoder
from .openvino_files import OpenVINOFiles, Wanted
from .openvino_model import OpenVINOModel

# What else transformers' encoders are called with: where one is true, there is to be more than their states.
_FLAGS = ("output_attentions", "output_hidden_states", "use_cache", "interpolate_pos_encoding")


class OpenVINOEncoder:
    """
    Stands for `forward` of an encoder. It is converted when it is first called, for the inputs that it gets; what asks
    for more than its states (attentions, gradients) is computed by PyTorch as before. The module's weights stay, so
    that it is saved, copied and known as before.

    Args:
        module (`nn.Module`): the encoder, on the CPU in float32 or bfloat16.
        part (`str`): what files and errors call it.
        files ([`OpenVINOFiles`]): where it is looked for.
        calibrated (`bool`, defaults to `False`): whether the checkpoint's own in eight bits is taken.

    Example:

    ```python
    >>> from transformers_ggm.backends.openvino_encoder import OpenVINOEncoder
    >>> from transformers_ggm.backends.openvino_files import OpenVINOFiles

    >>> encoder.forward = OpenVINOEncoder(encoder, "text_encoder", OpenVINOFiles())  # doctest: +SKIP

    ```
    """

    def __init__(self, module: nn.Module, part: str, files: OpenVINOFiles, calibrated: bool = False):
        self._module, self._part, self._files, self._calibrated = module, part, files, calibrated
        self._by_torch = module.forward
        self._compiled: dict[tuple[str, ...], OpenVINOModel] = {}
        self._lock = threading.Lock()

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """What `forward` of the module gives, `last_hidden_state` and, where it has one, `pooler_output`."""
        inputs = None if arguments else encoder_inputs(self._module, options)
        if inputs is None:
            return self._by_torch(*arguments, **options)
        names = tuple(inputs)
        if names not in self._compiled:
            with self._lock:
                if names not in self._compiled:
                    self._compiled[names] = self._compile(inputs)
        return BaseModelOutputWithPooling(**dict(zip(OUTPUTS, self._compiled[names](inputs))))

    def _compile(self, inputs: Mapping[str, torch.Tensor]) -> OpenVINOModel:
        wanted = Wanted(self._part, self._module, tuple(inputs), int8=self._calibrated)
        if self._calibrated and not self._files.has(wanted):
            raise CheckpointError(
                f"int8=True with OpenVINO wants the encoder {self._part} as it was rounded for your clips: run"
                " `ggm export CHECKPOINT --clips FOLDER --int8` once, or leave out int8=."
            )
        model = self._files.get(wanted, lambda: convert_encoder(self._module, inputs, self._part))
        return OpenVINOModel(model, self._module.dtype)

    def __deepcopy__(self, memo: dict) -> "OpenVINOEncoder":
        # Of a copy that is saved. It computes as the original does.
        return self


def encoder_inputs(module: nn.Module, options: Mapping[str, Any]) -> dict[str, torch.Tensor] | None:
    """
    The tensors that an encoder is called with, in a fixed order, texts with their mask; `None` where it is asked for
    more than its states, or for gradients.

    Args:
        module (`nn.Module`): the encoder.
        options (`dict`): the arguments of the call, by name.
    """
    if module.training or torch.is_grad_enabled():
        return None
    flags = {*_FLAGS, "return_dict"}
    given = {name: value for name, value in options.items() if value is not None and name not in flags}
    if any(options.get(name) for name in _FLAGS) or options.get("return_dict") is False:
        return None
    if not given or not all(torch.is_tensor(value) and value.device.type == "cpu" for value in given.values()):
        return None
    if "input_ids" in given:
        given.setdefault("attention_mask", torch.ones_like(given["input_ids"]))
    return dict(sorted(given.items()))


__all__ = ["OpenVINOEncoder", "encoder_inputs"]
