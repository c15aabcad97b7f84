"""One clip: decoded once, and encoded again as the columns of a prepared row."""

import io
from typing import Any

import soundfile
import torch
from torchvision.io import encode_jpeg, encode_png
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from ...errors import MediaError
from ...processing import GGMVideoProcessor, Media, MediaLimits
from ..near_duplicates import frame_hashes
from .options import TRANSCRIPT, ClipOptions, ReadingOptions
from .text_reading import TO_READ, to_read, wanted_columns

NO_CLIP = {"frames": None, "timestamps": None, "duration": None, "audio": None, "frame_hashes": None, "error": None}


def prepare_clip(
    row: dict[str, Any], options: ClipOptions, limits: MediaLimits, reading: ReadingOptions | None = None
) -> dict[str, Any]:
    """
    Decodes a row's clip, and encodes what is kept of it.

    Args:
        row (`dict`): with `video` (path, URL, bytes or `None`) and the fields that are kept as they are.
        options ([`ClipOptions`]): what is kept.
        limits ([`MediaLimits`]): what a clip may be at most.
        reading ([`ReadingOptions`], *optional*): what is to be read in it; nothing by default.

    Returns:
        `dict`: the row without `video`, with `to_read` where there is something to be read, and with `frames`
        (`list[dict]`, bytes of JPEG or PNG files), `timestamps` (`list[float]`), `duration` (`float`), `audio` (bytes
        of a FLAC or WAV file, or `None`), `frame_hashes` (`list[int]`) and `error`: why the clip cannot be read, or
        `None`. All are `None` for a row of words alone.
    """
    kept = {name: value for name, value in row.items() if name != "video"}
    if row["video"] is None:
        return {**kept, **NO_CLIP}
    wanted = [] if reading is None else wanted_columns(row, reading)
    try:
        media = decode_clip(row["video"], options, limits, reading.speech_seconds if TRANSCRIPT in wanted else 0.0)
    except MediaError as error:
        return {**kept, **NO_CLIP, "error": str(error)}
    if wanted:
        kept[TO_READ] = to_read(media, wanted, reading)
    return {
        **kept,
        **NO_CLIP,
        "frames": encode_frames(media.frames, options),
        "timestamps": media.timestamps.tolist(),
        "duration": media.duration,
        "audio": None if media.audio is None else encode_sound(media, options),
        "frame_hashes": frame_hashes(media.frames),
    }


def decode_clip(video, options: ClipOptions, limits: MediaLimits, speech_seconds: float = 0.0) -> Media:
    """Decodes a clip by the frame rule of the options, and so much of its sound that speech can be read in it."""
    rule = {
        "frames_per_second": options.frames_per_second,
        "num_frames": options.num_frames,
        "long_video_seconds": options.long_video_seconds,
    }
    return GGMVideoProcessor().decode(
        video,
        sampling_rate=options.sampling_rate,
        max_audio_seconds=max(options.max_audio_seconds, speech_seconds),
        limits=limits,
        **rule,
    )


def encode_frames(frames: torch.Tensor, options: ClipOptions) -> list[dict[str, Any]]:
    """Frames (f, 3, h, w) uint8 as image files in the form that `datasets.Image` stores."""
    if options.lossless:
        encoded = [encode_png(frame) for frame in frames]
    else:
        encoded = [encode_jpeg(frame, quality=options.jpeg_quality) for frame in shrink(frames, options.short_side)]
    return [{"bytes": image.numpy().tobytes(), "path": None} for image in encoded]


def shrink(frames: torch.Tensor, short_side: int) -> torch.Tensor:
    """Frames (f, 3, h, w) uint8 with a shorter side of at most `short_side` pixels."""
    if min(frames.shape[-2:]) <= short_side:
        return frames
    return functional.resize(frames, [short_side], interpolation=InterpolationMode.BICUBIC, antialias=True)


def encode_sound(media: Media, options: ClipOptions) -> dict[str, Any]:
    """A clip's sound as a file in the form that `datasets.Audio` stores."""
    file = io.BytesIO()
    kind = {"format": "WAV", "subtype": "FLOAT"} if options.lossless else {"format": "FLAC", "subtype": "PCM_16"}
    kept = media.audio[: round(options.max_audio_seconds * media.sampling_rate)]
    soundfile.write(file, kept, media.sampling_rate, **kind)
    return {"bytes": file.getvalue(), "path": None}
