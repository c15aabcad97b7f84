"""A few frames of a clip that show different things, so that no text is read twice."""

import torch
from torch.nn import functional

from ...errors import InputError

# Sides of the shrunken grey picture and of the blocks that are compared: a caption fills several of them.
_SIDE, _BLOCK = 96, 8
# Grey levels, of 255, by which the block that differs most must differ. Compression alone stays below it.
_SAME = 12.0


def distinct_frames(frames: torch.Tensor, num_frames: int = 3) -> list[int]:
    """
    Chooses frames that differ: the first one, then always the one that differs most from those that are chosen. Two
    differ as much as the block of the picture in which they differ most, since a caption changes little of it.

    Args:
        frames (`torch.Tensor`): (f, 3, h, w) uint8, RGB, f at least 1.
        num_frames (`int`, defaults to 3): How many at most; fewer where the clip shows less.

    Returns:
        `list[int]`: Which of the frames, in their order.

    Raises:
        InputError: `frames` has another shape or type, or no frame.

    Example:

    ```python
    >>> import torch
    >>> from transformers_ggm.processing.reading import distinct_frames

    >>> black, white = torch.zeros(3, 32, 32, dtype=torch.uint8), torch.full((3, 32, 32), 255, dtype=torch.uint8)
    >>> distinct_frames(torch.stack([black, black, white, white]))
    [0, 2]

    ```
    """
    if frames.ndim != 4 or frames.shape[1] != 3 or frames.dtype != torch.uint8 or 0 in frames.shape:
        raise InputError(
            f"`frames` has shape {tuple(frames.shape)} and type {frames.dtype}: it must be (frames, 3, height, width)"
            " of torch.uint8, with at least one frame."
        )
    small = torch.stack([functional.adaptive_avg_pool2d(frame.float().mean(dim=0)[None], _SIDE) for frame in frames])
    chosen = [0]
    difference = _difference(small, small[0])
    while len(chosen) < num_frames and difference.max() >= _SAME:
        chosen.append(int(difference.argmax()))
        difference = torch.minimum(difference, _difference(small, small[chosen[-1]]))
    return sorted(chosen)


def _difference(pictures: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Of each picture (f, 1, h, w) the mean difference to another one in the block in which it is largest: (f,)."""
    return functional.avg_pool2d((pictures - other).abs(), _BLOCK).amax(dim=(1, 2, 3))
