"""Frames that are still the one before them, but for noise."""

import torch


def hold_still(frames: torch.Tensor, tolerance: float) -> torch.Tensor:
    """
    Holds a frame for as long as the following ones are close to it. They are compared with the frame that is held, not
    each with the one before it: a slow pan does not become one picture. Doing it again changes nothing.

    Args:
        frames (`torch.Tensor`): (f, 3, h, w) uint8.
        tolerance (`float`): The mean absolute difference over all values, from 0 to 255, up to which a frame is the
            one that is held; 0 changes nothing.

    Returns:
        `torch.Tensor`: (f, 3, h, w) uint8: each frame, or the one held in its place.

    Example:

    ```python
    >>> import torch
    >>> from transformers_ggm.processing.still_frames import hold_still

    >>> brightness = torch.tensor([10, 11, 12, 13, 11], dtype=torch.uint8)
    >>> frames = brightness[:, None, None, None].expand(5, 3, 8, 8)
    >>> hold_still(frames, tolerance=2)[:, 0, 0, 0].tolist()
    [10, 10, 10, 13, 13]

    ```
    """
    if tolerance == 0 or len(frames) < 2:
        return frames
    signed = frames.to(torch.int16)
    held = [0]
    for index in range(1, len(frames)):
        difference = (signed[index] - signed[held[-1]]).abs_().mean(dtype=torch.float32).item()
        held.append(held[-1] if difference <= tolerance else index)
    return frames[held]
