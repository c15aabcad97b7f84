"""Fewer tokens a frame: patches that lie together become their mean."""

import math

import torch
from torch import nn
from transformers import PreTrainedConfig

from ..errors import InputError


def patch_grid(config: PreTrainedConfig, num_tokens: int) -> tuple[int, int, int]:
    """
    How the tokens that a vision backbone makes of a frame are laid out.

    Args:
        config (`PreTrainedConfig`): of the backbone.
        num_tokens (`int`): tokens of a frame.

    Returns:
        How many tokens stand before those of the patches (class, distillation and register tokens), and the rows and
        columns of the patches.

    Raises:
        InputError: the configuration does not tell, and the tokens make no square.

    Example:

    ```python
    >>> from transformers import DeiTConfig, ResNetConfig
    >>> from transformers_ggm.modeling.patch_pooling import patch_grid

    >>> patch_grid(DeiTConfig(image_size=(64, 32), patch_size=16), num_tokens=10), patch_grid(ResNetConfig(), 49)
    ((2, 4, 2), (0, 7, 7))

    ```
    """
    image, patch = getattr(config, "image_size", None), getattr(config, "patch_size", None)
    if image is not None and patch is not None:
        rows, columns = (size // step for size, step in zip(_pair(image), _pair(patch)))
        if rows * columns <= num_tokens:
            return num_tokens - rows * columns, rows, columns
    # Convolutional and hierarchical backbones go on joining patches, and have no further tokens.
    side = math.isqrt(num_tokens)
    if side * side != num_tokens:
        raise InputError(
            f"The {num_tokens} tokens that a {config.model_type!r} backbone makes of a frame are not square: use "
            "square frames, or `patch_pooling=1`."
        )
    return 0, side, side


def pool_patches(states: torch.Tensor, config: PreTrainedConfig, size: int) -> torch.Tensor:
    """
    Takes the mean of every `size` x `size` patches of a frame; at the edges of as many as there are. Class tokens
    stay.

    Args:
        states (`torch.FloatTensor` of shape `(batch, frames, tokens, c)`): what a vision backbone makes of each frame.
        config (`PreTrainedConfig`): of the backbone.
        size (`int`): 1 changes nothing.

    Returns:
        `torch.FloatTensor` of shape `(batch, frames, fewer tokens, c)`.

    Raises:
        InputError: see [`patch_grid`].

    Example:

    ```python
    >>> import torch
    >>> from transformers import ViTConfig
    >>> from transformers_ggm.modeling.patch_pooling import pool_patches

    >>> states = torch.tensor([9.0, 1.0, 2.0, 3.0, 4.0]).view(1, 1, 5, 1)  # the class token and 2 x 2 patches
    >>> pool_patches(states, ViTConfig(image_size=32, patch_size=16), size=2).flatten().tolist()
    [9.0, 2.5]

    ```
    """
    if size == 1:
        return states
    before, rows, columns = patch_grid(config, states.shape[2])
    patches = states[:, :, before:].flatten(0, 1).mT.unflatten(-1, (rows, columns))
    pooled = nn.functional.avg_pool2d(patches, size, ceil_mode=True).flatten(2).mT
    return torch.cat([states[:, :, :before], pooled.unflatten(0, states.shape[:2])], dim=2)


def _pair(size: int | list[int] | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else tuple(size)
