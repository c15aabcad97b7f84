"""Clips and sounds that another library has opened already: torchcodec's decoders, PyAV's containers."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import torch
from av.container import InputContainer

from ..errors import InputError, MediaError
from ..processing import Media
from ..utils.opening import foreign


def is_opened_clip(value: Any) -> bool:
    """Whether a value is a decoder or container of another library."""
    return is_video_decoder(value) or is_sound_decoder(value) or isinstance(value, InputContainer)


def is_video_decoder(value: Any) -> bool:
    """Whether a value decodes video as `torchcodec.decoders.VideoDecoder` does."""
    return hasattr(value, "get_frames_played_at") and hasattr(value, "metadata")


def is_sound_decoder(value: Any) -> bool:
    """Whether a value decodes sound as `torchcodec.decoders.AudioDecoder` does."""
    return hasattr(value, "get_samples_played_in_range")


def own_file(value: Any) -> Any:
    """
    What a decoder or container was opened from, where that is known, else the value itself. Read from there, a clip
    gives the same frames as any other, and its sound.

    Raises:
        `InputError`: A container does not say what it was opened from.
    """
    # What `datasets` notes on the decoders that it makes.
    encoded = getattr(value, "_hf_encoded", None)
    if encoded is not None:
        return encoded["bytes"] if encoded.get("bytes") is not None else encoded.get("path")
    if isinstance(value, InputContainer):
        if os.path.isfile(value.name):
            return value.name
        raise InputError("This is a container that PyAV has opened: pass the path or file that it was opened from.")
    return value


def decoded_frames(decoder: Any, sample_timestamps: Callable[[float], Sequence[float]]) -> Media:
    """The frames that a video decoder has nearest to the wanted times.

    Args:
        decoder: As `torchcodec.decoders.VideoDecoder`.
        sample_timestamps (`Callable`): As for [`decode_media`].

    Raises:
        `MediaError`: The decoder fails.
    """
    with foreign("the clip given as a decoder", MediaError):
        metadata = decoder.metadata
        begin, end = metadata.begin_stream_seconds, metadata.end_stream_seconds
        wanted = list(sample_timestamps(end - begin))
        # The frame nearest to a time is the one that is shown half a frame later.
        later = 0.5 / metadata.average_fps - 1e-6
        found = decoder.get_frames_played_at([min(begin + time + later, end - 1e-6) for time in wanted])
        frames = found.data.cpu()
        if frames.shape[1] != 3:
            frames = frames.permute(0, 3, 1, 2)
        times = found.pts_seconds.cpu().to(torch.float64) - begin
    return Media(frames=frames, timestamps=times, audio=None, sampling_rate=None, duration=end - begin)


def decoded_sound(decoder: Any, max_seconds: float) -> tuple[Any, int]:
    """The start of the sound of a decoder as a waveform (channels, n) float32, and its rate in Hz.

    Raises:
        `MediaError`: The decoder fails.
    """
    with foreign("the sound given as a decoder", MediaError):
        begin = getattr(decoder.metadata, "begin_stream_seconds", None) or 0.0
        samples = decoder.get_samples_played_in_range(begin, begin + max_seconds)
        return samples.data.cpu(), samples.sample_rate
