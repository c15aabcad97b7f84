"""Converts the models of a checkpoint once, and keeps them in it, in eight bits too."""

import importlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import Pipeline

from ..errors import CheckpointError, InputError
from .conversion import convert_encoder
from .openvino_files import Wanted, save_openvino
from .openvino_parts import (
    DECODER_PART,
    VISION_PARTS,
    check_openvino,
    has_tree,
    rounded_decoder,
)
from .openvino_tree import DecoderPass, convert_decoder
from .recorded_calls import calls_for


def export_openvino(
    suggest: Pipeline, items: Sequence[Any], folder: str | os.PathLike, int8: bool = False
) -> list[str]:
    """
    Converts what a pipeline runs, and writes it into `openvino/` of its checkpoint, from where
    `pipeline(..., backend="openvino")` takes it, on every machine and without converting anything.

    Args:
        suggest ([`HashtagGenerationPipeline`]): In float32, by PyTorch: `pipeline(..., dtype="float32")`.
        items (`Sequence`): Clips as the pipeline takes them; each encoder is converted for the inputs that it gets
            with them. With `int8`, twenty or more of those that it is to be used for: the vision encoders' scales are
            found by what they see.
        folder (`str` or `os.PathLike`): The checkpoint.
        int8 (`bool`, defaults to `False`): Whether vision encoders (their inputs too, by NNCF's calibration) and the
            decoder's weights are rounded to eight bits, in addition.

    Returns:
        `list[str]`: the names of what was written.

    Raises:
        InputError: The pipeline has another type or backend, or there are no items.
        CheckpointError: `folder` is no checkpoint, or something cannot be converted.

    Example:

    ```python
    >>> from transformers import pipeline
    >>> from transformers_ggm.backends import export_openvino

    >>> suggest = pipeline("hashtag-generation", model="checkpoint", dtype="float32")  # doctest: +SKIP
    >>> export_openvino(suggest, ["a.mp4", "b.mp4"], "checkpoint")  # doctest: +SKIP
    ['audio_encoder-0c8d1f', 'decoder-5a2b1c', 'text_encoder-9b7a43', 'vision_encoder-4f3e2d']

    ```
    """
    folder = Path(folder)
    check_openvino(suggest.model, int8)
    if suggest.model.dtype != torch.float32:
        raise InputError(
            f'what is exported is to be exact, but the pipeline has {suggest.model.dtype}: dtype="float32".'
        )
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"{folder} has no config.json: give the folder of a checkpoint.")
    encoders, seen = calls_for(suggest, items)
    models = []
    for name, calls in seen.items():
        for names, inputs in calls.items():
            model = convert_encoder(encoders[name], inputs[0], name)
            models.append((Wanted(name, encoders[name], names), model))
            if int8 and name in VISION_PARTS:
                models.append((Wanted(name, encoders[name], names, int8=True), _calibrated(model, inputs)))
    if has_tree(suggest.model):
        whole = DecoderPass(suggest.model)
        for convert in (convert_decoder, rounded_decoder) if int8 else (convert_decoder,):
            wanted = Wanted(DECODER_PART, whole, whole.inputs, int8=convert is rounded_decoder)
            models.append((wanted, convert(whole)))
    save_openvino(folder, models)
    return sorted(wanted.name for wanted, _ in models)


def _calibrated(model: Any, inputs: Sequence[Mapping[str, torch.Tensor]]) -> Any:
    """A vision encoder in eight bits (Jacob et al., CVPR 2018; SmoothQuant, Xiao et al., ICML 2023), by NNCF."""
    nncf = importlib.import_module("nncf")

    arrays = [{name: tensor.numpy() for name, tensor in of_call.items()} for of_call in inputs]
    return nncf.quantize(
        model.clone(),
        nncf.Dataset(arrays),
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(arrays),
    )


__all__ = ["export_openvino"]
