"""Decoding a clip: the frames nearest to the wanted times, and its sound, in one pass over the file."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import av
import numpy as np
import torch
from av.stream import Disposition

from ..errors import MediaError
from .audio import SoundCollector
from .sources import MediaSource, open_source, source_name

# Real containers only: no playlist, concatenation or image-sequence format, which would name further files.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpegts,mpeg,asf,ogg,gif"
_SOUND_ONLY_FORMATS = "wav,w64,aiff,mp3,flac,aac,amr"


@dataclass(frozen=True)
class MediaLimits:
    """What a clip may be at most; a clip beyond a limit raises `MediaError` instead of filling the memory.

    Args:
        max_bytes (`int`, defaults to 512 MiB): Size of the file.
        max_seconds (`float`, defaults to 600.0): Length of the video.
        max_pixels (`int`, defaults to 4096 * 4096): Width times height of a frame.
    """

    max_bytes: int = 512 * 1024 * 1024
    max_seconds: float = 600.0
    max_pixels: int = 4096 * 4096


DEFAULT_LIMITS = MediaLimits()


@dataclass(frozen=True)
class Media:
    """A decoded clip.

    Args:
        frames (`torch.Tensor`): (f, 3, h, w) uint8, RGB, turned upright.
        timestamps (`torch.Tensor`): (f,) float64, the time of each of these frames in seconds after the first frame
            of the video.
        audio (`np.ndarray` or `None`): (n,) float32, mono. `None` when the clip has no sound or it was not asked for.
        sampling_rate (`int` or `None`): Rate of `audio` in Hz.
        duration (`float`): Length of the video in seconds.
    """

    frames: torch.Tensor
    timestamps: torch.Tensor
    audio: np.ndarray | None
    sampling_rate: int | None
    duration: float


def decode_media(
    source: MediaSource,
    *,
    sample_timestamps: Callable[[float], Sequence[float]],
    sampling_rate: int | None = None,
    max_audio_seconds: float = 10.0,
    limits: MediaLimits = DEFAULT_LIMITS,
) -> Media:
    """Reads a clip's frames at given times, and its sound, in one pass over the file.

    Of all frames the one with the timestamp nearest to each wanted time is taken (the earlier one of two equally
    near); frame counts and frame rates are never used, since files state them wrongly or not at all.

    Args:
        source: Path, `http(s)` or other fsspec URL, bytes, or binary file object.
        sample_timestamps (`Callable[[float], Sequence[float]]`): Gets the video's length in seconds and gives the
            wanted times in seconds, ascending, at least one.
        sampling_rate (`int`, *optional*): Rate in Hz at which the sound is wanted; `None` leaves the sound out.
        max_audio_seconds (`float`, defaults to 10.0): Sound after this is left out.
        limits (`MediaLimits`): What the clip may be at most.

    Returns:
        `Media`: As many frames as there are wanted times, and the sound.

    Raises:
        `MediaError`: The source is missing, unreadable, truncated or over a limit, or has no video or no frame.

    Example:

    ```python
    from transformers_ggm.processing import GGMVideoProcessor, decode_media

    media = decode_media("clip.mp4", sample_timestamps=GGMVideoProcessor().sample_timestamps, sampling_rate=16_000)
    media.frames.shape, media.duration
    ```
    """
    name = source_name(source)
    sound = None if sampling_rate is None else (sampling_rate, max_audio_seconds)
    with open_source(source, limits.max_bytes) as file:
        try:
            clip = _read_clip(file, name, sample_timestamps, sound, limits)
        except av.FFmpegError as error:
            raise MediaError(
                f"{name} cannot be read as a video ({error.strerror}): the file is damaged, cut short or no video."
            ) from error
        except OSError as error:
            raise MediaError(f"{name} cannot be read ({error}).") from error
    audio = clip.sound.waveform() if clip.sound else None
    return Media(
        frames=torch.from_numpy(np.stack(clip.picker.frames)),
        timestamps=torch.tensor(clip.picker.timestamps, dtype=torch.float64),
        audio=audio,
        sampling_rate=None if audio is None else sampling_rate,
        duration=clip.duration,
    )


@dataclass
class _Clip:
    """What one pass over a file takes: frames for a length in seconds, perhaps sound, and how far the file reaches."""

    duration: float
    picker: "_FramePicker"
    sound: SoundCollector | None
    extent: "_Extent"


def _read_clip(file, name: str, sample_timestamps, sound: tuple[int, float] | None, limits: MediaLimits) -> _Clip:
    """One pass where the file states the length of its video, and states it rightly; else, as in WebM, two.

    Statements are wrong in MP4 files whose frames come at uneven times and are stored in another order than shown:
    there the length is a sum over the order of storage.
    """
    with _open_container(file) as container:
        video = _video_stream(container, name, limits)
        if video.duration:
            stated = float(video.duration * video.time_base)
            clip = _decode(container, video, name, stated, sample_timestamps, sound, limits)
            if clip.extent.agrees_with(stated):
                return clip
            extent = clip.extent
        else:
            extent = _scan(container, video, name, limits)
    file.seek(0)
    with _open_container(file) as container:
        video = _video_stream(container, name, limits)
        return _decode(container, video, name, extent.duration, sample_timestamps, sound, limits)


def _decode(container, video, name: str, duration: float, sample_timestamps, sound, limits: MediaLimits) -> _Clip:
    """Reads all packets, and decodes them until the last wanted frame and the last wanted sample are there."""
    _check_length(duration, name, limits)
    collector = SoundCollector(*sound) if sound else None
    clip = _Clip(duration, _FramePicker(sample_timestamps(duration), name, limits), collector, _Extent(video))
    video.thread_type = "AUTO"
    clock = _FrameClock(video)
    for packet in container.demux(_streams(container, video)):
        clip.extent.add(packet)
        if packet.stream is video:
            for frame in packet.decode() if not clip.picker.is_done else ():
                clip.picker.add(frame, clock.seconds(frame))
        elif collector and not collector.is_full:
            for frame in packet.decode():
                collector.add(frame)
    _check_complete(container, clip.extent, name)
    clip.picker.finish()
    if collector:
        collector.add(None)
    return clip


def _scan(container, video, name: str, limits: MediaLimits) -> "_Extent":
    """Reads all packets without decoding, to see how far the file reaches."""
    extent = _Extent(video)
    for packet in container.demux(_streams(container, video)):
        extent.add(packet)
        _check_length(extent.duration, name, limits)
    _check_complete(container, extent, name)
    return extent


class _FramePicker:
    """Takes from a run of decoded frames, in the order shown, the one nearest to each wanted time.

    Only the frame before is held back, and only taken frames are converted to RGB: a long video costs no memory.
    """

    def __init__(self, wanted: Sequence[float], name: str, limits: MediaLimits):
        self.frames: list[np.ndarray] = []
        self.timestamps: list[float] = []
        self._wanted = sorted(wanted)
        self._name = name
        self._limits = limits
        self._start: float | None = None
        self._previous: tuple[av.VideoFrame, float] | None = None

    @property
    def is_done(self) -> bool:
        return len(self.frames) == len(self._wanted)

    def add(self, frame: av.VideoFrame, seconds: float) -> None:
        """Takes a decoded frame and the time at which it is shown, in seconds of the file's clock."""
        _check_pixels(frame.width, frame.height, self._name, self._limits)
        if self._start is None:
            self._start = seconds
        seconds -= self._start
        _check_length(seconds, self._name, self._limits)
        while not self.is_done and self._wanted[len(self.frames)] <= seconds:
            wanted = self._wanted[len(self.frames)]
            earlier_is_nearer = self._previous is not None and wanted - self._previous[1] <= seconds - wanted
            self._take(*(self._previous if earlier_is_nearer else (frame, seconds)))
        self._previous = (frame, seconds)

    def finish(self) -> None:
        """Gives the times after the last frame that frame."""
        if self._previous is None:
            raise MediaError(f"{self._name} has a video stream but not one frame: the file is empty or cut short.")
        while not self.is_done:
            self._take(*self._previous)

    def _take(self, frame: av.VideoFrame, seconds: float) -> None:
        if self.timestamps and self.timestamps[-1] == seconds:
            image = self.frames[-1]
        else:
            image = _upright_rgb(frame)
        if self.frames and image.shape != self.frames[0].shape:
            height, width = self.frames[0].shape[1:]
            image = _upright_rgb(frame.reformat(width=width, height=height))
        self.frames.append(image)
        self.timestamps.append(seconds)


def _upright_rgb(frame: av.VideoFrame) -> np.ndarray:
    """The frame as (3, h, w) uint8, turned as the file says: phones film sideways and note it in the file."""
    image = frame.to_ndarray(format="rgb24").transpose(2, 0, 1)
    return np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90), axes=(1, 2)))


class _FrameClock:
    """The time at which a frame is shown, for frames without one too (some AVI files): then frame number / rate."""

    def __init__(self, stream: av.video.stream.VideoStream):
        self._gap = 1.0 / float(stream.average_rate or stream.guessed_rate or 25)
        self._next = 0.0

    def seconds(self, frame: av.VideoFrame) -> float:
        ticks = frame.pts if frame.pts is not None else frame.dts
        seconds = self._next if ticks is None else float(ticks * frame.time_base)
        self._next = seconds + self._gap
        return seconds


class _Extent:
    """From when to when the packets of a file reach, in seconds of its clock."""

    def __init__(self, video):
        self.video = video
        self.end_of_all = 0.0
        self._first, self._last, self._before_last = math.inf, -math.inf, -math.inf
        self._last_lasts = 0.0
        self._first_stored, self._end_stored = math.inf, -math.inf
        self._is_reordered = False

    @property
    def duration(self) -> float:
        """Length of the video as shown."""
        if self._last < self._first:
            return 0.0
        lasts = self._last_lasts
        if self._is_reordered and self._before_last >= self._first:
            # Where frames are stored in another order, MP4 says when the next one stored comes, not the next shown.
            lasts = min(lasts, self._last - self._before_last)
        return self._last - self._first + lasts

    @property
    def stored_duration(self) -> float:
        """Length of the video in order of storage, which is what MP4 states."""
        return max(0.0, self._end_stored - self._first_stored)

    def add(self, packet: av.Packet) -> None:
        if packet.pts is None:
            return
        seconds, lasts = float(packet.pts * packet.time_base), float((packet.duration or 0) * packet.time_base)
        self.end_of_all = max(self.end_of_all, seconds + lasts)
        if packet.stream is not self.video:
            return
        if packet.dts is not None:
            stored = float(packet.dts * packet.time_base)
            self._first_stored = min(self._first_stored, stored)
            self._end_stored = max(self._end_stored, stored + lasts)
        # An edit list can hide the beginning of a video, which is read all the same.
        if not packet.is_discard:
            self._add_shown(seconds, lasts)

    def _add_shown(self, seconds: float, lasts: float) -> None:
        self._first = min(self._first, seconds)
        if seconds > self._last:
            self._last, self._before_last, self._last_lasts = seconds, self._last, lasts
        else:
            self._is_reordered = True
            self._before_last = max(self._before_last, seconds)

    def agrees_with(self, stated: float) -> bool:
        # The last packet often does not say how long it lasts.
        gap = 1.5 / float(self.video.average_rate or 25)
        return abs(self.duration - stated) <= max(0.1, 0.05 * stated, gap)


def _streams(container, video) -> list:
    audio = next((stream for stream in container.streams.audio if stream.codec_context is not None), None)
    return [video] if audio is None else [video, audio]


def _open_container(file) -> av.container.InputContainer:
    return av.open(file, options={"format_whitelist": f"{_FORMATS},{_SOUND_ONLY_FORMATS}"})


def _video_stream(container, name: str, limits: MediaLimits):
    # The cover picture of a music file is a video stream to FFmpeg, but no video.
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise MediaError(f"{name} has no video stream: pass sound alone as `audio`.")
    context = streams[0].codec_context
    if context is None:
        raise MediaError(f"{name} has video of a kind that cannot be decoded: convert it to H.264, VP9 or AV1.")
    _check_pixels(context.width, context.height, name, limits)
    return streams[0]


def _check_complete(container, extent: _Extent, name: str) -> None:
    """Raises when the file states more than there is: FFmpeg reads a file that was cut short in silence."""
    if "mp4" in container.format.name and extent.video.duration:
        stated, found = float(extent.video.duration * extent.video.time_base), extent.stored_duration
        slack = max(0.25, 0.05 * stated)
    elif "webm" in container.format.name and container.duration:
        # Stated for the longest of all streams, some of which are not read here.
        stated, found = (container.duration + max(0, container.start_time or 0)) / av.time_base, extent.end_of_all
        slack = max(0.5, 0.1 * stated)
    else:
        return
    if found < stated - slack:
        raise MediaError(f"{name} is cut short: it states {stated:.2f} s, but there are {found:.2f} s of it.")


def _check_length(seconds: float, name: str, limits: MediaLimits) -> None:
    if seconds > limits.max_seconds:
        raise MediaError(
            f"{name} is at least {seconds:.1f} s long, more than the {limits.max_seconds} s allowed: pass a shorter"
            " clip or raise MediaLimits.max_seconds."
        )


def _check_pixels(width: int, height: int, name: str, limits: MediaLimits) -> None:
    if width * height > limits.max_pixels:
        raise MediaError(
            f"{name} has frames of {width}x{height}, more than the {limits.max_pixels} pixels allowed: pass a smaller"
            " clip or raise MediaLimits.max_pixels."
        )
