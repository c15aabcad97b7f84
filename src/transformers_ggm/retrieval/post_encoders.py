"""What an index of posts needs of an encoder."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch


class Encoder(Protocol):
    """
    What an index needs of an encoder, for instance a [`TextEncoder`]. One that has no `reads` reads `"text"`.

    Attributes:
        reads (`str`): what of a post it encodes: `"text"`, all its words, or another field, such as `"frames"` or
            `"sound"`, whose values may be anything that the encoder takes.
    """

    reads: str

    def encode(self, inputs: Sequence[Any]) -> torch.Tensor:
        """Vectors `(len(inputs), d)`; of a field that a post lacks the input is `None`, and its vector zeros."""

    def fingerprint(self) -> str:
        """What tells the encoder from others."""


def field_read_by(encoder: Encoder | None) -> str:
    """Which field of a post an encoder reads."""
    return getattr(encoder, "reads", "text")
