"""The type of number that a pipeline computes in, where its user named none, and saving without what it rounded."""

import copy
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import PreTrainedModel
from transformers.utils.quantization_config import QuantizationMethod

from ..errors import CheckpointError
from ..modeling.modeling_utils import source_of

# From so many weights on, bfloat16 is faster on CPUs that have it. A smaller model spends its time between the
# matrix products and would be rounded for nothing.
LEAST_WEIGHTS = 10_000_000
# Of processors: AVX512-BF16 and AMX on x86, BF16 on Arm. The last has that name everywhere but says nothing of x86.
_BFLOAT16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")
_ANY = "auto"


def has_bfloat16(device: torch.device) -> bool:
    """
    Whether a device multiplies matrices in bfloat16 itself. Others convert it first, and are slower at it than
    in float32.

    Args:
        device (`torch.device`): a CPU counts with AVX512-BF16, AMX or Arm's BF16, where PyTorch was built with oneDNN,
            which uses them; an NVIDIA GPU from compute capability 8.0 on; nothing else.

    Example:

    ```python
    >>> import torch
    >>> from transformers_ggm.pipelines.dtype_selection import has_bfloat16

    >>> has_bfloat16(torch.device("meta"))
    False

    ```
    """
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return torch.backends.mkldnn.is_available() and any(map(capabilities.get, _BFLOAT16_INSTRUCTIONS))
    # Under this name there are AMD's GPUs too, whose capabilities mean something else.
    if device.type == "cuda" and torch.version.cuda is not None:
        return torch.cuda.get_device_capability(device)[0] >= 8
    return False


def choose_type(model: PreTrainedModel, device: torch.device, asked: Any) -> bool:
    """
    Puts a model that `pipeline()` loaded, and whose user named no type, into the one that the device computes fastest
    in: bfloat16 from 10 million weights on where the device has it, else float32.

    A model that was passed as an object keeps its type (unless it was loaded with `dtype="auto"`, as `pipeline` does),
    and so does one with quantised weights or with some that are read from disk or memory when they are needed.
    `pipeline(..., dtype="float32")` has any other type, and `model_kwargs={"dtype": "auto"}` the checkpoint's own.

    Args:
        model (`PreTrainedModel`): changed in place.
        device (`torch.device`): that it runs on.
        asked: the `dtype` that the pipeline class was given: `"auto"` by `pipeline()` where its user named none.

    Returns:
        `bool`: whether weights were rounded; [`unrounded`] has them as they were.
    """
    source = source_of(model)
    # `pipeline()` says "auto" to both. Nothing else tells a model that it loads from one that it was given.
    if source is None or not source.requested_dtype == asked == _ANY:
        return False
    parameters = list(model.parameters())
    if getattr(model, "hf_quantizer", None) is not None or any(parameter.is_meta for parameter in parameters):
        return False
    is_large = sum(parameter.numel() for parameter in parameters) >= LEAST_WEIGHTS
    chosen = torch.bfloat16 if is_large and has_bfloat16(device) else torch.float32
    is_rounded = chosen == torch.bfloat16 != model.dtype
    model.to(chosen)
    return is_rounded


def check_savable(model: PreTrainedModel) -> None:
    """
    Raises:
        CheckpointError: the weights were quantised by torchao, which writes what it cannot read again: it takes names
            of tensors apart at their dots, and `final_logits_bias` has none.
    """
    quantizer = getattr(model, "hf_quantizer", None)
    if quantizer is not None and quantizer.quantization_config.quant_method == QuantizationMethod.TORCHAO:
        raise CheckpointError(
            "Weights that were quantised at loading are not saved: keep the checkpoint they were made from, and"
            " quantise it at each loading."
        )


def unrounded(model: PreTrainedModel) -> PreTrainedModel:
    """
    A copy of a rounded model for saving, in the type of its checkpoint: each weight that is still what rounding made
    of the checkpoint's is the checkpoint's. Others, which were changed since, are as they are.

    Args:
        model (`PreTrainedModel`): stays as it is; returned itself if it was not loaded from a checkpoint.

    Raises:
        CheckpointError: the checkpoint cannot be read any more.
    """
    if not model.name_or_path:
        return model
    checkpoint = _load_again(model)
    originals, whole = checkpoint.state_dict(), copy.deepcopy(model).to("cpu", checkpoint.dtype)
    with torch.no_grad():
        for name, tensor in whole.state_dict().items():
            original = originals.get(name)
            if original is not None and original.shape == tensor.shape:
                tensor.copy_(torch.where(original.to(model.dtype).to(tensor.dtype) == tensor, original, tensor))
    return whole


def _load_again(model: PreTrainedModel) -> PreTrainedModel:
    """The checkpoint of a model in its own type."""
    source, name = source_of(model), model.name_or_path
    hub = {} if source is None else source.hub
    if source is not None and source.adapter is not None:
        name, hub = source.adapter, {**hub, "revision": source.asked_revision}
    try:
        return type(model).from_pretrained(name, dtype=_ANY, **hub)
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(
            f"{name} cannot be read any more ({error}). The pipeline computes in {model.dtype} and takes from there"
            " what it rounded, to save it whole. Save what it has by `suggest.model.save_pretrained(...)`, or load the"
            ' checkpoint with dtype="float32".'
        ) from error


__all__ = ["check_savable", "choose_type", "has_bfloat16", "unrounded"]
