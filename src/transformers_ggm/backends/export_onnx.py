"""The encoders of a checkpoint as ONNX, for those who run them elsewhere."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import Pipeline

from ..utils.files import atomic_folder, check_output_folder
from .conversion import write_onnx
from .openvino_parts import check_installed
from .recorded_calls import calls_for


def export_onnx(suggest: Pipeline, items: Sequence[Any], folder: str | os.PathLike) -> list[str]:
    """
    Writes what encodes frames, sounds and texts as ONNX, one file each, and tries each with ONNX Runtime. The package
    itself does not run them.

    Args:
        suggest ([`HashtagGenerationPipeline`]): By PyTorch: `pipeline(..., dtype="float32")`.
        items (`Sequence`): A clip or more as the pipeline takes them; each encoder is converted for the inputs that it
            gets with them, for any number of rows and any length of texts.
        folder (`str` or `os.PathLike`): For the files. Those that are there are replaced, whatever they are.

    Returns:
        `list[str]`: the names of the files. Inputs are those of the encoder's `forward` in the order of their names,
        outputs `last_hidden_state` and, where it has one, `pooler_output`, in float32.

    Raises:
        InputError: ONNX is not installed, or no encoder was needed for the items.
        CheckpointError: An encoder cannot be converted, or computes something else then.
        OutputError: `folder` cannot be written.

    Example:

    ```python
    >>> from transformers import pipeline
    >>> from transformers_ggm.backends import export_onnx

    >>> suggest = pipeline("hashtag-generation", model="checkpoint", dtype="float32")  # doctest: +SKIP
    >>> export_onnx(suggest, ["a.mp4"], "onnx")  # doctest: +SKIP
    ['audio_encoder.onnx', 'text_encoder.onnx', 'vision_encoder.onnx']

    ```
    """
    check_installed("onnx", "onnx", "onnxscript", "onnxruntime")
    check_output_folder(Path(folder).parent, "folder")
    encoders, seen = calls_for(suggest, items)
    with atomic_folder(folder) as new:
        for name, calls in seen.items():
            # Of several kinds of calls, the one with the most inputs.
            inputs = max(calls.values(), key=lambda of_kind: len(of_kind[0]))[0]
            write_onnx(encoders[name], inputs, name, new / f"{name}.onnx")
    return sorted(f"{name}.onnx" for name in seen)


__all__ = ["export_onnx"]
