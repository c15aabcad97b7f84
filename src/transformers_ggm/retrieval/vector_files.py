"""Vectors in a safetensors file, written block by block, and what ties such a file to others."""

import hashlib
import itertools
import json
import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

VECTORS_KEY = "embeddings"


def write_vectors(file: Path, blocks: Iterable[torch.Tensor], shape: tuple[int, int]) -> str:
    """
    Writes a safetensors file block by block, where the library's own function wants the whole tensor at once, and
    gives its SHA-256. See https://huggingface.co/docs/safetensors for the format.
    """
    entry = {"dtype": "F16", "shape": shape, "data_offsets": [0, 2 * shape[0] * shape[1]]}
    header = json.dumps({"__metadata__": {"format": "pt"}, VECTORS_KEY: entry}).encode()
    header += b" " * (-len(header) % 8)  # the numbers begin where a processor likes to find them
    digest = hashlib.sha256()
    with file.open("wb") as stream:
        for part in itertools.chain([struct.pack("<Q", len(header)), header], map(_bytes_of, blocks)):
            stream.write(part)
            digest.update(part)
    return digest.hexdigest()


def _bytes_of(block: torch.Tensor) -> np.ndarray:
    return block.contiguous().view(torch.uint8).numpy()


def sha256_of(file: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
