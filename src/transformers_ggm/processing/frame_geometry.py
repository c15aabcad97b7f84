"""What decides the pixels that a video processor makes of a frame, before they are normalised."""

from typing import Any

from .video_processing_ggm import SIZES, STEPS, GGMVideoProcessor

# Of a video that is given as frames.
_RULE = ("do_convert_rgb", "num_frames", "fps")


def frame_geometry(video_processor: GGMVideoProcessor) -> dict[str, Any]:
    """The steps from a decoded frame to one of the size that a model sees, as plain values that can be saved.

    Args:
        video_processor ([`GGMVideoProcessor`]): Resizes and crops.

    Returns:
        `dict`: `do_resize`, `resample`, `do_center_crop`, and `size` and `crop_size` as far as they say something.

    Example:

    ```python
    >>> from transformers_ggm.processing import GGMVideoProcessor
    >>> from transformers_ggm.processing.frame_geometry import frame_geometry

    >>> frame_geometry(GGMVideoProcessor(size=32))["crop_size"]
    {'height': 32, 'width': 32}

    ```
    """
    steps = {name: getattr(video_processor, name) for name in STEPS}
    sizes = {name: dict(getattr(video_processor, name) or {}) for name in SIZES}
    return steps | {
        name: {side: length for side, length in sorted(size.items()) if length is not None}
        for name, size in sizes.items()
    }


def same_geometry(first: GGMVideoProcessor, second: GGMVideoProcessor) -> bool:
    """Whether two video processors make the same frames of every clip that was decoded once, up to normalisation."""
    return frame_geometry(first) == frame_geometry(second)


def same_frames(first: GGMVideoProcessor, second: GGMVideoProcessor) -> bool:
    """Whether two video processors make the same frames of everything that may be given as a video, up to
    normalisation: they take the same ones, too."""
    return same_geometry(first, second) and all(getattr(first, name) == getattr(second, name) for name in _RULE)
