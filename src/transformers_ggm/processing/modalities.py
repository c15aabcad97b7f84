"""What the generator can read of a row, and which choices of it make sense."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InputError

# The words of a row, in the order in which they are read; "text" is the author's, the description.
TEXTS = ("description", "transcript", "screen_text")
# What the generator can read of a row, beside the guidance; the first three as published.
INPUTS = ("text", "video", "audio", "transcript", "screen_text")
PUBLISHED_INPUTS = INPUTS[:3]


def check_inputs(inputs: Sequence[str]) -> None:
    """
    Raises `InputError` for names that are not those of inputs, and for none at all.

    Args:
        inputs (`list[str]`): some of `INPUTS`.
    """
    unknown = sorted(set(inputs) - set(INPUTS))
    if unknown or not inputs:
        raise InputError(f"`inputs` is {list(inputs)}; choose one or more of {list(INPUTS)}.")


def further_texts(row: Mapping[str, Any]) -> dict[str, str]:
    """What is said and written in the clip of a row, `""` where it is not known."""
    return {name: row.get(name) or "" for name in TEXTS[1:]}


def check_hearing(inputs: Sequence[str], blank_video: bool) -> None:
    """Raises `InputError` for sound without anything to see, through which it is heard; see [`check_inputs`]."""
    if "audio" in inputs and "video" not in inputs and not blank_video:
        raise InputError(
            f"`inputs` is {list(inputs)}, but the model hears through the frames it sees: add 'video', or set "
            "`blank_video` (train.py: --blank_video true) to show one black frame."
        )


__all__ = ["INPUTS", "PUBLISHED_INPUTS", "TEXTS", "check_hearing", "check_inputs", "further_texts"]
