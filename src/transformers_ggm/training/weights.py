"""Storing finished weights, in half precision if asked."""

import json
from pathlib import Path

import torch
from transformers import PreTrainedModel

WEIGHTS_DTYPES = ("float32", "float16", "bfloat16")


def save_weights(model: PreTrainedModel, folder: str | Path, dtype: str = "float32") -> None:
    """
    Saves a trained model with its weights in a type that may be narrower than the one they are computed with:
    `config.json` says float32, in which `from_pretrained` then loads them. Changes the model's own type.

    Args:
        model (`PreTrainedModel`): the model.
        folder (`str` or `Path`): where to; see `save_pretrained`.
        dtype (`str`, *optional*, defaults to `"float32"`): `"float32"`, `"float16"` or `"bfloat16"`.
    """
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    path = Path(folder, "config.json")
    config = json.loads(path.read_text(encoding="utf-8"))
    config["dtype"] = "float32"
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
