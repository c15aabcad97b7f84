"""Decoding a clip: the frames nearest to the wanted times, and its sound."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import av
import numpy as np
import torch
from av.container import InputContainer

from ...errors import MediaError
from .audio import SoundCollector, collect_sound
from .containers import has_picture, open_container, streams_to_read, video_stream
from .frame_picking import FramePicker, nearest_times
from .limits import DEFAULT_LIMITS, ClipGuard, GuardedFile, MediaLimits
from .packet_skipping import plan_skipping
from .sources import MediaSource, open_source, source_name
from .timeline import Timeline
from .video_decoders import FullDecoder, SkippingDecoder

# Whether a file of sound alone can be read is the same question for a model that does not hear it.
_ANY_SOUND = (16_000, 10.0)
# Containers that state how long a sound is. Of others (MP3, Ogg, WAV that was cut) FFmpeg tells what it found, or guesses.
_STATING_FORMATS = {"aiff", "flac", "mp4", "webm"}


@dataclass(frozen=True)
class Media:
    """A decoded clip.

    Args:
        frames (`torch.Tensor` or `None`): (f, 3, h, w) uint8, RGB, turned upright. `None` for sound alone, which is
            read on demand only (`blank_video`).
        timestamps (`torch.Tensor`): (f,) float64, the time of each of these frames in seconds after the first frame
            of the video.
        audio (`np.ndarray` or `None`): (n,) float32, mono. `None` when the clip has no sound or it was not asked for.
        sampling_rate (`int` or `None`): Rate of `audio` in Hz.
        duration (`float`): Length of the video in seconds, or of the sound where that is alone.
        num_frames (`int`, defaults to 0): How many frames the clip shows; 0 where that is not known.
        frame_indices (`tuple[int, ...]`, defaults to `()`): Which of them `frames` are, from 0; empty where that is not
            known.
    """

    frames: torch.Tensor | None
    timestamps: torch.Tensor
    audio: np.ndarray | None
    sampling_rate: int | None
    duration: float
    num_frames: int = 0
    frame_indices: tuple[int, ...] = ()


def decode_media(
    source: MediaSource,
    *,
    sample_timestamps: Callable[[float], Sequence[float]],
    sampling_rate: int | None = None,
    max_audio_seconds: float = 10.0,
    limits: MediaLimits = DEFAULT_LIMITS,
    blank_video: bool = False,
) -> Media:
    """Reads a clip's frames at given times, and its sound.

    Of all frames the one with the timestamp nearest to each wanted time is taken (the earlier one of two equally
    near); frame counts and frame rates are never used, since files state them wrongly or not at all. Frames come out
    upright, in the colours that the `ffmpeg` program gives, and the same whether or not the frames between them are
    decoded, which long clips are spared. Pixels are taken for square. The sound is taken from its own start, its
    channels are mixed to one.

    Args:
        source: Path, `http(s)` or other fsspec URL, bytes, or binary file object.
        sample_timestamps (`Callable[[float], Sequence[float]]`): Gets the video's length in seconds and gives the
            wanted times in seconds, ascending, at least one.
        sampling_rate (`int`, *optional*): Rate in Hz at which the sound is wanted; `None` leaves the sound out.
        max_audio_seconds (`float`, defaults to 10.0): Sound after this is left out.
        limits (`MediaLimits`): What the clip may be at most.
        blank_video (`bool`, defaults to `False`): Whether a file without a picture is read for its sound alone, as the
            processors want it that show one black frame with it.

    Returns:
        `Media`: As many frames as there are wanted times, and the sound.

    Raises:
        `MediaError`: The source is missing, unreadable, truncated or over a limit, or has no video (with `blank_video`:
            and no sound either) or no frame.

    Example:

    ```python
    from transformers_ggm.processing import GGMVideoProcessor, decode_media

    media = decode_media("clip.mp4", sample_timestamps=GGMVideoProcessor().sample_timestamps, sampling_rate=16_000)
    media.frames.shape, media.duration
    ```
    """
    guard = ClipGuard(source_name(source), limits)
    sound = None if sampling_rate is None else (sampling_rate, max_audio_seconds)
    with open_source(source, limits.max_bytes, guard.check_time) as opened:
        file = GuardedFile(opened, guard)
        try:
            clip = _read_clip(file, guard, sample_timestamps, sound, blank_video)
        except (av.FFmpegError, OSError, MediaError) as error:
            file.raise_error()
            if isinstance(error, MediaError):
                raise
            raise MediaError(
                f"{guard.name} cannot be read as a video ({error.strerror}): the file is damaged, cut short or no"
                " video, or its frames are far larger than MediaLimits.max_pixels."
            ) from error
        file.raise_error()
    audio = clip.sound.waveform() if clip.sound else None
    frames, timestamps = None, []
    if clip.picker is not None:
        # Colours stay side by side in memory, as they are decoded: resizing is twice as fast then.
        frames = torch.from_numpy(clip.picker.images).permute(0, 3, 1, 2)
        timestamps = clip.picker.timestamps
    return Media(
        frames=frames,
        timestamps=torch.tensor(timestamps, dtype=torch.float64),
        audio=audio,
        sampling_rate=None if audio is None else sampling_rate,
        duration=clip.duration,
        num_frames=len(clip.shown),
        frame_indices=tuple(nearest_times(clip.shown, timestamps)),
    )


@dataclass
class _Clip:
    """
    What the passes over a file take: its length in seconds, the frames for that and perhaps sound, or sound alone, and
    when all of its frames are shown, in seconds after the first.
    """

    duration: float
    picker: FramePicker | None
    sound: SoundCollector | None
    shown: Sequence[float] = ()


def _read_sound_alone(container: InputContainer, guard: ClipGuard, sound: tuple[int, float] | None) -> _Clip:
    """Reads the sound of a file that has no picture."""
    collector = SoundCollector(*sound or _ANY_SOUND)
    stated = (container.duration or 0) / av.time_base
    guard.check_length(stated)
    collect_sound(container, guard, collector)
    found = collector.num_samples / collector.sampling_rate
    if not found:
        raise MediaError(f"{guard.name} has neither a picture nor any sound: leave it out.")
    if (
        _STATING_FORMATS & set(container.format.name.split(","))
        and not collector.is_full
        and found < 0.9 * stated - 0.5
    ):
        raise MediaError(f"{guard.name} is cut short: it states {stated:.2f} s, but there are {found:.2f} s of it.")
    return _Clip(stated or found, None, collector if sound else None)


def _read_clip(
    file: GuardedFile, guard: ClipGuard, sample_timestamps, sound: tuple[int, float] | None, blank_video: bool
) -> _Clip:
    """Reads all packets without decoding, then decodes those that are needed, or all of them when that fails."""
    with open_container(file, guard) as container:
        if blank_video and not has_picture(container):
            return _read_sound_alone(container, guard, sound)
        timeline = Timeline(container, video_stream(container, guard), guard)
        decoders = _decoders(timeline, sample_timestamps, guard)
        clip = None
        if timeline.held is not None:
            clip = _decode(container, timeline.held, decoders, timeline, sound, guard)
    while clip is None:
        file.seek(0)
        with open_container(file, guard) as container:
            streams = streams_to_read(container, video_stream(container, guard))
            clip = _decode(container, container.demux(streams), decoders, timeline, sound, guard)
    return clip


def _decoders(timeline: Timeline, sample_timestamps, guard: ClipGuard) -> list[Callable]:
    """What decodes the video, in the order in which it is tried; the last one finds all frames or raises."""
    guard.check_length(timeline.duration)
    wanted = sorted(sample_timestamps(timeline.duration))
    decoders = [partial(FullDecoder, timeline=timeline, wanted=wanted, guard=guard)]
    plan = plan_skipping(timeline, wanted)
    if plan is not None:
        decoders.insert(0, partial(SkippingDecoder, timeline=timeline, plan=plan, guard=guard))
    return decoders


def _decode(
    container: InputContainer,
    packets: Iterable[av.Packet],
    decoders: list[Callable],
    timeline: Timeline,
    sound: tuple[int, float] | None,
    guard: ClipGuard,
) -> _Clip | None:
    """Decodes packets with the first of the decoders, and takes that from the list; `None` if frames are missing."""
    video = video_stream(container, guard)
    decoder = decoders.pop(0)(video)
    collector = SoundCollector(*sound) if sound and len(streams_to_read(container, video)) > 1 else None
    try:
        _decode_packets(packets, video, decoder, collector, guard)
    except av.FFmpegError:
        # Where a keyframe is none, decoding fails that succeeds from the start.
        if decoders:
            return None
        raise
    return _Clip(timeline.duration, decoder.picker, collector, timeline.shown) if decoder.finish() else None


def _decode_packets(packets: Iterable[av.Packet], video, decoder, collector: SoundCollector | None, guard) -> None:
    """Decodes packets until the last wanted frame and the last wanted sample are there."""
    for packet in packets:
        guard.check_time()
        if packet.stream is not video and collector and not collector.is_full:
            for frame in packet.decode():
                collector.add(frame)
        elif packet.stream is video and not decoder.is_done:
            decoder.add(packet)
        if decoder.is_done and (collector is None or collector.is_full):
            break
    if collector:
        collector.add(None)
