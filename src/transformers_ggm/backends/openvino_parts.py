"""Which models of a pipeline OpenVINO computes."""

import importlib
import importlib.util
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from ..errors import InputError
from ..generation.token_tree import DECODERS
from ..modeling import HashtagRetriever
from ..modeling.backbones import tower_of
from ..recommendation import Recommender
from ..retrieval.text_encoder import TextEncoder
from .openvino_encoder import OpenVINOEncoder
from .openvino_files import OpenVINOFiles, Wanted
from .openvino_model import OpenVINOModel
from .openvino_tree import DecoderPass, OpenVINOTokenTree, convert_decoder

# Those that see, which take most of the time and keep their quality in eight bits where they are calibrated.
VISION_PARTS = ("vision_encoder", "retriever_vision")
DECODER_PART = "decoder"


def encoders_of(
    model: PreTrainedModel, retriever: HashtagRetriever | None, recommender: Recommender | None
) -> dict[str, nn.Module]:
    """
    The encoders of a pipeline, by the names that files have for them.

    Args:
        model (`PreTrainedModel`): at the top of a checkpoint.
        retriever ([`HashtagRetriever`], *optional*), recommender ([`Recommender`], *optional*): its other parts.
    """
    found: dict[str, nn.Module | None] = {}
    if model.config.model_type == "ggm":
        encoder = model.get_encoder()
        found |= {
            "vision_encoder": encoder.vision_encoder,
            "audio_encoder": encoder.audio_encoder,
            "text_encoder": encoder.text_encoder,
        }
    if retriever is not None:
        found["retriever_text"] = retriever.text_tower
        if retriever.config.query_reads_video:
            found["retriever_vision"] = tower_of(retriever, "vision")
    encoders = [] if recommender is None else list(dict.fromkeys(_text_encoders(recommender)))
    found |= {f"sentence_encoder{number or ''}": encoder.model for number, encoder in enumerate(encoders)}
    return {name: module for name, module in found.items() if module is not None}


def _text_encoders(recommender: Recommender) -> Iterator[TextEncoder]:
    """Those that sources ask: of posts, and of the words of a pool's hashtags."""
    for source in recommender.sources:
        for owner, name in ((getattr(source, "index", None), "encoder"), (source, "retriever")):
            if isinstance(encoder := getattr(owner, name, None), TextEncoder):
                yield encoder


def use_openvino(
    model: PreTrainedModel,
    retriever: HashtagRetriever | None = None,
    recommender: Recommender | None = None,
    folder: Path | None = None,
    int8: bool = False,
) -> None:
    """
    Lets OpenVINO compute the encoders of a pipeline and the passes of its decoder, where that is one of BART's kind
    without a pointer head. Each is converted when it is first needed, with the weights that it has then. What is not
    converted, searches of transformers, and the weights for saving and training stay with PyTorch.

    Args:
        model (`PreTrainedModel`): changed in place, on the CPU.
        retriever ([`HashtagRetriever`], *optional*), recommender ([`Recommender`], *optional*): likewise.
        folder (`Path`, *optional*): the checkpoint's `openvino/`.
        int8 (`bool`, defaults to `False`): whether vision encoders are those of `folder` in eight bits, and the
            decoder's weights are rounded to eight bits.

    Raises:
        InputError: OpenVINO is not installed, or the model is not on the CPU or of another type than float32 and
            bfloat16.
        CheckpointError: `folder` cannot be read.
    """
    check_openvino(model, int8)
    files = OpenVINOFiles(folder)
    for name, module in encoders_of(model, retriever, recommender).items():
        module.forward = OpenVINOEncoder(module, name, files, calibrated=int8 and name in VISION_PARTS)
    if has_tree(model):
        model.token_tree = _TreeMaker(model, files, int8)


def has_tree(model: PreTrainedModel) -> bool:
    """Whether the decoder of a model is one that can be converted."""
    if model.config.model_type != "ggm" or model.config.pointer_head:
        return False
    return model.config.text_config.model_type in DECODERS


class _TreeMaker:
    """Makes [`OpenVINOTokenTree`]s; the decoder is converted for the first one."""

    def __init__(self, model: PreTrainedModel, files: OpenVINOFiles, int8: bool):
        whole = DecoderPass(model)
        self._decoder = Wanted(DECODER_PART, whole, whole.inputs, int8)
        self._files, self._dtype = files, model.dtype
        self._compiled: OpenVINOModel | None = None

    def __call__(self, model: PreTrainedModel, *inputs: Any) -> OpenVINOTokenTree:
        if self._compiled is None:
            make = partial(rounded_decoder if self._decoder.int8 else convert_decoder, self._decoder.module)
            self._compiled = OpenVINOModel(self._files.get(self._decoder, make), self._dtype, self._decoder.int8)
        return OpenVINOTokenTree(self._compiled, model, *inputs)

    def __deepcopy__(self, memo: dict) -> "_TreeMaker":
        return self


def rounded_decoder(decoder_pass: DecoderPass) -> Any:
    """As [`convert_decoder`], with weights of eight bits, a scale for each output."""
    nncf = importlib.import_module("nncf")

    return nncf.compress_weights(convert_decoder(decoder_pass), mode=nncf.CompressWeightsMode.INT8_SYM)


def check_installed(extra: str, *libraries: str) -> None:
    """Raises `InputError` where one of the libraries that an extra brings is missing."""
    missing = [name for name in libraries if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f'{" and ".join(missing)} is missing: pip install "transformers-ggm[{extra}]".')


def check_openvino(model: PreTrainedModel, int8: bool) -> None:
    """
    Raises:
        InputError: see [`use_openvino`].
    """
    check_installed("openvino", "openvino", *(["nncf"] if int8 else []))
    devices = {parameter.device.type for parameter in model.parameters()} - {"cpu"}
    if devices:
        raise InputError(
            f'backend="openvino" is for processors, but the model is on {" and ".join(sorted(devices))}: pass'
            ' device="cpu", or leave it out.'
        )
    if model.dtype not in (torch.float32, torch.bfloat16):
        raise InputError(f'backend="openvino" computes in float32 or bfloat16, not in {model.dtype}: pass dtype=.')


__all__ = [
    "DECODER_PART", "VISION_PARTS", "check_installed", "check_openvino", "encoders_of", "has_tree", "rounded_decoder",
    "use_openvino",
]  # fmt: skip
