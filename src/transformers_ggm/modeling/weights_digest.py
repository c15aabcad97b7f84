"""Tells whether the weights of a model are still those that something was computed from."""

import numpy as np
import torch
import xxhash
from torch import nn


def weights_checksum(module: nn.Module, dtype: torch.dtype | None = None) -> str:
    """
    Another string for other weights: of names, types and bytes. PyTorch's version counters would cost nothing, but do
    not see what fused optimizers, `.data` and NumPy write.

    Args:
        module (`nn.Module`): on any device, with weights of any type.
        dtype (`torch.dtype`, *optional*): real numbers are read in this type, their own by default.

    Returns:
        `str`: 128 bits in hexadecimal, the same in every process.

    Example:

    ```python
    >>> import torch
    >>> from transformers_ggm.modeling.weights_digest import weights_checksum

    >>> linear = torch.nn.Linear(2, 2)
    >>> before = weights_checksum(linear)
    >>> weights_checksum(linear) == before
    True
    >>> linear.bias.data += 1
    >>> weights_checksum(linear) == before
    False

    ```
    """
    checksum = xxhash.xxh3_128()
    for name, tensor in sorted(module.state_dict().items()):
        tensor = tensor.to(dtype) if dtype is not None and tensor.is_floating_point() else tensor
        checksum.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        checksum.update(weights_bytes(tensor))
    return checksum.hexdigest()


def weights_bytes(tensor: torch.Tensor) -> np.ndarray:
    """The bytes of a tensor, uint8, on the CPU; its own memory where they lie there in a row."""
    return tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy()


__all__ = ["weights_bytes", "weights_checksum"]
