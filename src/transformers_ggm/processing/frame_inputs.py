"""Videos in any form as lists of videos, and frames in any form as one tensor."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from transformers.image_utils import ChannelDimension

from ..errors import InputError

_GREY, _RGB, _RGBA = 1, 3, 4


def list_videos(videos) -> list:
    """One video or several as a list of videos (of rows): a list of images is one video, a 5-d array several."""
    if isinstance(videos, (np.ndarray, torch.Tensor)) and videos.ndim == 5:
        return list(videos)
    if not isinstance(videos, (list, tuple)):
        return [videos]
    if not len(videos):
        raise InputError("videos: the list is empty. Pass at least one video.")
    return [list(videos)] if _is_image(videos[0]) else list(videos)


def frames_tensor(
    video, index: int, do_convert_rgb: bool | None = None, input_data_format: str | ChannelDimension | None = None
) -> torch.Tensor:
    """
    Frames as (f, 3, h, w) uint8.

    Args:
        video: An array or tensor (f, h, w, 3) or (f, 3, h, w) uint8, or a list of PIL images or of arrays uint8.
        index (`int`): Row of the video, for messages.
        do_convert_rgb (`bool`, *optional*): Whether what is not RGB becomes it: `None` lets PIL images, but not
            arrays, which may have any meaning; `True` both, arrays with one channel as grey and with four as RGBA
            before white; `False` neither.
        input_data_format (`str`, *optional*): `"channels_first"` or `"channels_last"`, where it is not to be guessed
            where the three channels are.

    Raises:
        `InputError`: It is none of these.
    """
    if isinstance(video, (list, tuple)):
        video = _stack_images(video, index, do_convert_rgb)
    if isinstance(video, np.ndarray):
        video = torch.from_numpy(np.ascontiguousarray(video))
    axis = _channel_axis(video, index, bool(do_convert_rgb), input_data_format)
    if video.dtype != torch.uint8:
        raise InputError(f"videos[{index}] is {video.dtype}: frames must be uint8 with values from 0 to 255.")
    if 0 in video.shape:
        raise InputError(
            f"videos[{index}] has shape {tuple(video.shape)}, no pixel: pass None for a row without video."
        )
    return _as_rgb(video if axis == 1 else video.permute(0, 3, 1, 2))


def _as_rgb(frames: torch.Tensor) -> torch.Tensor:
    if frames.shape[1] == _RGB:
        return frames
    if frames.shape[1] == _GREY:
        return frames.expand(-1, _RGB, -1, -1)
    colours, opacity = frames[:, :_RGB].float(), frames[:, _RGB:].float() / 255
    return (255 * (1 - opacity) + opacity * colours).round().to(torch.uint8)


def spread_frames(frames: torch.Tensor, most: int) -> torch.Tensor:
    """
    Some frames of a clip: the middle of each of as many equal parts of it.

    Args:
        frames (`torch.Tensor`): (f, 3, h, w) uint8.
        most (`int`): How many; all, where there are fewer.

    Raises:
        InputError: `frames` has another shape or type, or no frame.
    """
    if frames.ndim != 4 or frames.shape[1] != 3 or frames.dtype != torch.uint8 or not len(frames):
        raise InputError(
            f"`frames` is {frames.dtype} of shape {tuple(frames.shape)}: give torch.uint8 of shape "
            "(frames, 3, height, width), or None for a row without a video."
        )
    count = min(most, len(frames))
    return frames[(torch.arange(count) * 2 + 1) * len(frames) // (2 * count)]


def whole_images(image_processor) -> dict[str, bool]:
    """
    With which arguments the processor of a vision-language model takes a frame for one image. The SmolVLM and Idefics
    family cuts a large image into up to 17, which is for documents.
    """
    return {"do_image_splitting": False} if hasattr(image_processor, "do_image_splitting") else {}


def _is_image(value) -> bool:
    return isinstance(value, Image.Image) or (isinstance(value, (np.ndarray, torch.Tensor)) and value.ndim == 3)


def _channel_axis(video, index: int, converts: bool, input_data_format: str | ChannelDimension | None) -> int:
    """Where the channels are, 1 or 3."""
    if input_data_format not in (None, ChannelDimension.FIRST, ChannelDimension.LAST):
        raise InputError(
            f"input_data_format={input_data_format!r}: pass 'channels_first' or 'channels_last', or leave it out."
        )
    axes = {ChannelDimension.FIRST: (1,), ChannelDimension.LAST: (3,)}.get(input_data_format, (1, 3))
    if isinstance(video, torch.Tensor) and video.ndim == 4:
        # Three channels are looked for first, at either end.
        for count in (_RGB, _GREY, _RGBA) if converts else (_RGB,):
            for axis in axes:
                if video.shape[axis] == count:
                    return axis
    found = f"shape {tuple(video.shape)}" if isinstance(video, torch.Tensor) else f"a {type(video).__name__}"
    raise InputError(
        f"videos[{index}] is {found}: pass a path, URL, bytes, file object, an array (f, h, w, 3) or (f, 3, h, w)"
        " (with do_convert_rgb=True also of grey or RGBA frames), or a list of images."
    )


def _stack_images(images: Sequence, index: int, do_convert_rgb: bool | None) -> np.ndarray:
    if not len(images):
        raise InputError(f"videos[{index}] is an empty list: pass None for a row without video.")
    if do_convert_rgb is False:
        modes = sorted({image.mode for image in images if isinstance(image, Image.Image)} - {"RGB"})
        if modes:
            raise InputError(
                f"videos[{index}] has images of mode {modes}, and do_convert_rgb=False: convert them to RGB."
            )
    arrays = [np.asarray(image.convert("RGB") if isinstance(image, Image.Image) else image) for image in images]
    if len({array.shape for array in arrays}) > 1:
        shapes = sorted({array.shape for array in arrays})
        raise InputError(
            f"videos[{index}] has images of unequal shapes {shapes}: give all frames of a video one size."
        )
    return np.stack(arrays)
