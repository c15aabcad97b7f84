"""A linear layer that multiplies int8 matrices on CPUs."""

import torch
from torch import nn
from transformers import PreTrainedModel

from ..errors import CheckpointError, InputError
from .backbones import tower_of
from .cpu_instructions import onednn_has

# The greatest eight-bit number, and what is added to inputs, since the processor wants them without a sign.
_LIMIT, _OFFSET = 127, 128

# Of rounding, which goes over its rows several times: so many stay in the processor's cache.
_ROWS_AT_A_TIME = 1024


class Int8Linear(nn.Module):
    """
    What an `nn.Linear` computes, with weights and inputs rounded to eight bits: one scale for each output, found here,
    and one for each row of the inputs, found at every call, so that a row does not depend on those beside it. For
    inference on CPUs with int8 dot products; PyTorch's oneDNN kernels multiply.

    Twice as fast as bfloat16 in the product itself. PyTorch's own dynamic quantisation
    (`torch.ao.nn.quantized.dynamic`) has one scale for all rows and takes float32 alone, torchao's is for compiled
    models: it sums up the weights at every call.

    Args:
        linear (`nn.Linear`): on the CPU, in float32 or bfloat16. It is not changed.

    Example:

    ```python
    >>> import torch
    >>> from transformers_ggm.modeling.int8_quantization import Int8Linear, has_int8

    >>> linear = torch.nn.Linear(64, 32)
    >>> inputs = torch.randn(2, 5, 64)
    >>> if has_int8():
    ...     assert torch.allclose(Int8Linear(linear)(inputs), linear(inputs), atol=0.05)

    ```
    """

    def __init__(self, linear: nn.Linear):
        super().__init__()
        weight = linear.weight.detach().float()
        scales = _largest(weight).flatten() / _LIMIT
        rounded = torch.round(weight / scales[:, None]).to(torch.int8)
        # Neither parameter nor buffer: it is laid out for this CPU alone. Some models look up the dtype of a
        # layer's `weight`.
        self.weight = torch.ops.onednn.qlinear_prepack(rounded, None)
        self.bias = None if linear.bias is None else linear.bias.detach()
        self._scales, self._zeros = scales / _LIMIT, torch.zeros(len(scales), dtype=torch.int32)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """
        Args:
            inputs (`torch.Tensor` of shape `(..., in_features)`): float32 or bfloat16.

        Returns:
            `torch.Tensor` of shape `(..., out_features)`, of the same type.
        """
        blocks = [_rounded(rows) for rows in inputs.reshape(-1, inputs.shape[-1]).split(_ROWS_AT_A_TIME)]
        whole, largest = blocks[0] if len(blocks) == 1 else map(torch.cat, zip(*blocks))
        outputs = torch.ops.onednn.qlinear_pointwise(
            whole, 1.0, _OFFSET, self.weight, self._scales, self._zeros, None, 1.0, 0, inputs.dtype, "none", [], "none"
        )
        # Exact in bfloat16, too: it is one of the inputs.
        outputs = outputs.mul_(largest.to(inputs.dtype))
        outputs = outputs if self.bias is None else outputs.add_(self.bias)
        return outputs.view(*inputs.shape[:-1], len(self._scales))

    def _save_to_state_dict(self, *args, **kwargs) -> None:
        raise CheckpointError(
            "Weights in eight bits are not saved: keep the checkpoint they were made from, and pass int8=True when you"
            " load it."
        )


def _rounded(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows as unsigned integers, (rows, features) uint8, and the largest magnitude of each, (rows, 1)."""
    rows = rows.to(torch.float32, copy=True)
    largest = _largest(rows)
    # In place and by casts that PyTorch vectorises: rounding would else cost as much as the product saves. Turning the
    # first bit adds the offset.
    return rows.mul_(_LIMIT / largest).round_().to(torch.int8).view(torch.uint8).bitwise_xor_(_OFFSET), largest


def _largest(rows: torch.Tensor) -> torch.Tensor:
    """Of each row the largest magnitude, (rows, 1): two reductions are faster than writing all magnitudes down."""
    largest = torch.maximum(rows.amax(-1, keepdim=True), -rows.amin(-1, keepdim=True))
    return largest.clamp_min_(torch.finfo(torch.float32).tiny * _LIMIT)


def has_int8() -> bool:
    """
    Whether this CPU has int8 dot products: AVX512-VNNI, AVX-VNNI or AMX. Without, sums would overflow.
    """
    return onednn_has("avx512_vnni", "avx_vnni", "amx_int8")


def is_quantized(module: nn.Module) -> bool:
    """Whether some of a module's layers are [`Int8Linear`]."""
    return any(isinstance(part, Int8Linear) for part in module.modules())


def quantize_linears(module: nn.Module, kept: nn.Module | None = None) -> None:
    """
    Puts an [`Int8Linear`] in place of each `nn.Linear` within a module. Of a layer with an adapter, that is the
    layer below it; the adapter stays as it is.

    Args:
        module (`nn.Module`): changed in place.
        kept (`nn.Module`, *optional*): a part of it that stays as it is.
    """
    for name, part in module.named_children():
        if part is kept:
            continue
        if type(part) is nn.Linear:
            setattr(module, name, Int8Linear(part))
        elif isinstance(base := getattr(part, "base_layer", None), nn.Linear):
            part.base_layer = Int8Linear(base)
        else:
            quantize_linears(part, kept)


_TYPES = (torch.float32, torch.bfloat16)


def quantize_parts(model: PreTrainedModel, retriever: PreTrainedModel | None) -> None:
    """
    Rounds the linear layers of a generator to eight bits, and those of a retriever's vision tower: weights once,
    inputs at every call. Embeddings, convolutions, attention and norms stay as they are, and so does the sound's
    encoder, whose matrices are too small to gain.

    Args:
        model ([`GGMForHashtagGeneration`]): the generator, changed in place; it cannot be trained or saved any more.
        retriever ([`HashtagRetriever`], *optional*): the retriever, where there is one, changed in place. Its
            fingerprint stays.

    Raises:
        InputError: the model is not on the CPU, is quantised already or of another type than float32 and bfloat16, or
            the CPU has no int8 dot products.
    """
    _check(model)
    quantize_linears(model, kept=model.get_encoder().audio_encoder)
    if retriever is not None and retriever.config.query_reads_video:
        retriever.keep_fingerprint()
        quantize_linears(tower_of(retriever, "vision"))


def _check(model: PreTrainedModel) -> None:
    devices = {parameter.device.type for parameter in model.parameters()}
    if devices != {"cpu"}:
        raise InputError(
            f"int8=True is for processors, but the model is on {' and '.join(sorted(devices))}: leave it out, or pass"
            " the quantization_config of a library for that device in model_kwargs."
        )
    if getattr(model, "hf_quantizer", None) is not None:
        raise InputError(
            "int8=True is for a model that is not quantised yet: leave out int8=True or quantization_config."
        )
    if model.dtype not in _TYPES:
        raise InputError(f"int8=True computes the rest in float32 or bfloat16, not in {model.dtype}: pass dtype=.")
    if not has_int8():
        raise InputError(
            "int8=True needs a CPU with AVX512-VNNI, AVX-VNNI or AMX, which this one lacks: leave it out."
        )


__all__ = ["Int8Linear", "has_int8", "is_quantized", "quantize_linears", "quantize_parts"]
