"""The parts of a pipeline that take most of its time, in eight bits."""

import torch
from transformers import PreTrainedModel

from ..errors import InputError
from ..modeling.backbones import tower_of
from ..modeling.int8_linear import has_int8, quantize_linears

_TYPES = (torch.float32, torch.bfloat16)


def quantize_parts(model: PreTrainedModel, retriever: PreTrainedModel | None) -> None:
    """
    Rounds the linear layers of a generator to eight bits, and those of a retriever's vision tower: weights once, inputs
    at every call. Embeddings, convolutions, attention and norms stay as they are, and so does the sound's encoder, whose
    matrices are too small to gain.

    Args:
        model ([`GGMForHashtagGeneration`]): the generator, changed in place; it cannot be trained or saved any more.
        retriever ([`HashtagRetriever`], *optional*): the retriever, where there is one, changed in place. Its
            fingerprint stays.

    Raises:
        InputError: the model is not on the CPU, is quantised already or of another type than float32 and bfloat16, or
            the processor cannot multiply eight-bit numbers.
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
            "int8=True needs a processor with AVX512-VNNI, AVX-VNNI or AMX, which this one lacks: leave it out."
        )


__all__ = ["quantize_parts"]
