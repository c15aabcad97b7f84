"""The arguments of `generate` among those of a call of the pipeline."""

import difflib
from collections.abc import Mapping
from typing import Any

from transformers import GenerationConfig

from ..errors import InputError

_OWN_ARGUMENTS = (
    "description", "transcript", "screen_text", "history", "time", "language", "country", "top_n", "min_score",
    "explain", "max_hashtags", "on_error", "num_guidance", "blank_video", "hashtag_pool", "return_guidance",
    "generate_kwargs",
    "safe", "safety_model", "blocked", "platform", "prefer_pool", "near_duplicates", "reach_calls", "filters",
    "return_removed",
)  # fmt: skip
_DECODING_ARGUMENTS = frozenset(name for name in vars(GenerationConfig()) if not name.startswith("_"))
# What `pipeline()` hands to the tokenizer although it is the model's own; some of it cannot be saved as JSON.
MODEL_ARGUMENTS = ("dtype", "torch_dtype", "device_map", "attn_implementation", "quantization_config")
# What the pipeline itself hands to `generate`.
RESERVED = frozenset({"inputs", "input_ids", "attention_mask", "encoder_outputs"})


def check_known(decoding: Mapping[str, Any]) -> None:
    """
    Raises:
        `InputError`: An argument is neither the pipeline's nor one of `GenerationConfig`.
    """
    known = [*_OWN_ARGUMENTS, *_DECODING_ARGUMENTS, "generation_config"]
    for name in decoding:
        if name in MODEL_ARGUMENTS:
            raise InputError(f"{name} is an argument of the model: pass model_kwargs={{{name!r}: ...}} to `pipeline`.")
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else "arguments of `generate` go into generate_kwargs={...}."
            raise InputError(f"{name} is not an argument of the hashtag-generation pipeline: {hint}")


def check_top_k(decoding: Mapping[str, Any], defaults: GenerationConfig) -> None:
    """
    `top_k` asks other pipelines for so many answers; `generate` only warns where there is nothing to draw from.

    Raises:
        `InputError`: There is a `top_k`, but no sampling.
    """
    settings = decoding.get("generation_config", defaults)
    if decoding.get("top_k") is not None and not decoding.get("do_sample", settings.do_sample):
        raise InputError(
            f"top_k={decoding['top_k']!r} is for sampling: pass top_n={decoding['top_k']!r} for so many hashtags, or"
            " do_sample=True beside it."
        )


def with_one_length(decoding: Mapping[str, Any]) -> dict[str, Any]:
    """`max_new_tokens` as `max_length`: the checkpoint has one, and `generate` warns where it sees both."""
    decoding = dict(decoding)
    if "max_new_tokens" in decoding and not {"max_length", "generation_config"} & set(decoding):
        decoding["max_length"] = decoding.pop("max_new_tokens") + 1
    return decoding


__all__ = ["MODEL_ARGUMENTS", "RESERVED", "check_known", "check_top_k", "with_one_length"]
