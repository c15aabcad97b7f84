"""
Arguments of one call of a processor, as transformers' processors take them: flat, or in a dict for each modality.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from huggingface_hub.dataclasses import validate_typed_dict
from huggingface_hub.errors import StrictDataclassError
from transformers.processing_utils import ProcessorMixin, TextKwargs

from ..errors import InputError
from .token_ids import pad_tokens

_TEXTS = "the model reads one text a row, as the processor writes it"
_CUTS = "hashtags are left out whole, and then the description is cut"
_PLACEHOLDERS = "texts have no placeholders for videos or sounds"
# Arguments of transformers' text and sound processing that mean nothing here, with the reason or what to use instead.
# Those that newer versions may bring are refused too, rather than ignored.
REFUSED = {
    "text_kwargs": {
        "add_special_tokens": "the model needs special tokens",
        "is_split_into_words": "pass descriptions as strings",
        "return_length": "sum attention_mask instead",
        "return_mm_token_type_ids": _PLACEHOLDERS,
        "return_offsets_mapping": _TEXTS,
        "return_overflowing_tokens": _CUTS,
        "return_special_tokens_mask": _TEXTS,
        "return_text_replacement_offsets": _PLACEHOLDERS,
        "return_token_type_ids": _TEXTS,
        "sanitize_control_tokens": _PLACEHOLDERS,
        "stride": _CUTS,
        "text_pair": "pass retrieved hashtags as `guidance`",
        "text_pair_target": "pass target hashtags as `hashtags`",
        "text_target": "pass target hashtags as `hashtags`",
    },
    "audio_kwargs": {
        "load_audio_backend": "sounds are read by soundfile and PyAV",
        "max_length": "the processor's max_audio_seconds says how much of a sound is heard",
        "pad_to_multiple_of": "sounds are padded as their extractor does it, or to the longest",
        "raw_speech": "pass sounds as `audio`",
        "return_attention_mask": "masks are audio_mask and, where there is padding, input_features_mask",
        "truncation": "the processor's max_audio_seconds says how much of a sound is heard",
    },
}
USED = {
    "text_kwargs": frozenset({
        "max_length", "pad_to_multiple_of", "padding", "padding_side", "return_attention_mask", "return_tensors",
        "truncation", "verbose",
    }),
    "audio_kwargs": frozenset({"device", "padding", "return_tensors", "sampling_rate"}),
}  # fmt: skip
# What asks for nothing: it may be passed.
_HARMLESS = {"add_special_tokens": (True, None)}


def merged_arguments(processor: ProcessorMixin, arguments: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """
    The arguments of a call by modality, as [`ProcessorMixin`] merges them: a flat one counts for each modality that
    has it, one in `text_kwargs`, `videos_kwargs` or `audio_kwargs` for that alone, those in `common_kwargs` for all.

    A tokenizer's own settings do not count among them: it keeps the truncation and padding of its last call, also when
    it is saved.

    Args:
        processor (`ProcessorMixin`): Its `valid_processor_kwargs` name what it takes.
        arguments: Of the call.

    Returns:
        `dict` with `text_kwargs`, `videos_kwargs` and `audio_kwargs`.

    Raises:
        `InputError`: An argument is not known, of a wrong type, given twice, or means nothing to the processor.
    """
    arguments = {name: value for name, value in arguments.items() if not (name.endswith("_kwargs") and value is None)}
    _check_known(processor, arguments)
    for modality in REFUSED:
        if modality in arguments:
            arguments[modality] = _used(modality, arguments[modality])
    # A flat one that sounds have too is meant for texts.
    flat = _used("text_kwargs", _of_texts(arguments))
    _used("text_kwargs", _of_texts(arguments.get("common_kwargs", {})))
    arguments = {name: value for name, value in arguments.items() if name not in TextKwargs.__annotations__} | flat
    try:
        merged = processor._merge_kwargs(processor.valid_processor_kwargs, **arguments)
        # Which transformers leaves to tokenizers.
        validate_typed_dict(TextKwargs, merged["text_kwargs"])
    except (StrictDataclassError, ValueError) as error:
        raise InputError(f"{type(processor).__name__}: {error}") from error
    return {modality: merged[modality] for modality in ("text_kwargs", "videos_kwargs", "audio_kwargs")}


def _check_known(processor: ProcessorMixin, arguments: Mapping[str, Any]) -> None:
    # Whether the model hears or not, its processor has the attribute; a retriever's has none.
    absent = {"images_kwargs"} if hasattr(processor, "feature_extractor") else {"images_kwargs", "audio_kwargs"}
    modalities = {
        name: set(getattr(kind, "__annotations__", ()))
        for name, kind in processor.valid_processor_kwargs.__annotations__.items()
        if name not in absent
    }
    known = {"common_kwargs", *modalities}.union(*modalities.values())
    unknown = sorted({*arguments, *arguments.get("common_kwargs", ())} - known)
    for modality, names in modalities.items():
        if names:
            unknown += sorted(f"{modality}[{name!r}]" for name in set(arguments.get(modality, ())) - names)
    if unknown:
        raise InputError(f"{type(processor).__name__} knows no argument {', '.join(unknown)}: check the spelling.")


def _of_texts(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name in TextKwargs.__annotations__}


def _used(modality: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those that mean something here; others that ask for nothing are left out."""
    for name, value in arguments.items():
        if name not in USED[modality] and value not in _HARMLESS.get(name, (None, False, 0)):
            reason = REFUSED[modality].get(name, "it is not known what it means here")
            raise InputError(f"{name}={value!r}: leave it out; {reason}.")
    return {name: value for name, value in arguments.items() if name in USED[modality]}


_TRUNCATIONS = {True: True, "longest_first": True, False: False, "do_not_truncate": False}
_PADDINGS = {True: "longest", "longest": "longest", "max_length": "max_length", False: None, "do_not_pad": None}
# From here on, a tokenizer's `model_max_length` says that it knows none.
_NO_LENGTH = 2**31


def _choice(name: str, value: Any, choices: Mapping[Any, Any]) -> Any:
    value = getattr(value, "value", value)  # of transformers' enumerations
    if value not in choices:
        raise InputError(f"{name}={value!r}: choose one of {', '.join(map(repr, choices))}.")
    return choices[value]


@dataclass(frozen=True)
class TextArguments:
    """
    How the texts of a call are cut, padded and handed over.

    Args:
        max_length (`int`): The most tokens of a text, and those that `padding="max_length"` fills up to.
        truncation (`bool`): Whether longer texts are cut.
        padding (`str`, *optional*): `"longest"`, `"max_length"`, or `None` for none.
        padding_side (`str`): `"left"` or `"right"`.
        pad_to_multiple_of (`int`): 1 or more.
        with_mask (`bool`): Whether there is to be an attention mask.
        return_tensors (`str` or `TensorType`, *optional*): `None` for lists of lists.
    """

    max_length: int
    truncation: bool
    padding: str | None
    padding_side: str
    pad_to_multiple_of: int
    with_mask: bool
    return_tensors: Any

    @classmethod
    def of_call(cls, text_kwargs: Mapping[str, Any], max_length: int, padding_side: str) -> "TextArguments":
        """
        Those of [`merged_arguments`], and where they say nothing, the processor's.

        Args:
            text_kwargs: Of the call.
            max_length (`int`): The processor's.
            padding_side (`str`): The tokenizer's.

        Raises:
            `InputError`: `truncation` or `padding` is none of those known.
        """
        given = {name: value for name, value in text_kwargs.items() if value is not None}
        truncation = _choice("truncation", given.get("truncation", True), _TRUNCATIONS)
        padding = _choice("padding", given.get("padding", "longest"), _PADDINGS)
        return cls(
            max_length=given.get("max_length", max_length),
            truncation=truncation,
            padding=padding,
            padding_side=given.get("padding_side", padding_side),
            pad_to_multiple_of=given.get("pad_to_multiple_of", 1),
            with_mask=given.get("return_attention_mask", True),
            return_tensors=text_kwargs.get("return_tensors", "pt"),
        )

    @property
    def room(self) -> int:
        """How many tokens a text may have."""
        return self.max_length if self.truncation else sys.maxsize

    def batch(
        self, rows: Sequence[Sequence[int]], value: int, max_length: int, side: str | None = None
    ) -> torch.Tensor | list[list[int]]:
        """
        Rows of tokens as (b, n) int64, or as lists where these are wanted.

        Args:
            rows (`list[list[int]]`): One at least.
            value (`int`): What they are padded with.
            max_length (`int`): How long they are with `padding="max_length"`, or longer, if one is.
            side (`str`, *optional*): Where they are padded, if not on `padding_side`.

        Raises:
            `InputError`: They are of unequal length, not padded, and wanted as tensors, or to be filled up to a length
                that nobody knows.
        """
        if self.padding == "max_length" and max_length > _NO_LENGTH:
            raise InputError("padding='max_length': the tokenizer knows no length; pass max_length=.")
        if self.padding is None:
            if self.return_tensors is None:
                return [list(row) for row in rows]
            if len({len(row) for row in rows}) > 1:
                raise InputError(
                    f"padding=False, but rows have {[len(row) for row in rows]} tokens: leave padding out, or pass"
                    " return_tensors=None for lists."
                )
        length = max(max_length if self.padding == "max_length" else 0, *map(len, rows))
        if self.padding is not None:
            length = -(-length // self.pad_to_multiple_of) * self.pad_to_multiple_of
        padded = pad_tokens(rows, value, length, side or self.padding_side)
        return padded.tolist() if self.return_tensors is None else padded
