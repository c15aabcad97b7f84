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
    with open_source(source, limits.max_bytes) as file:
        try:
            with _MeasuredContainer(file, name, limits) as container:
                picker = _FramePicker(sample_timestamps(container.duration), name, limits)
                sound = SoundCollector(sampling_rate, max_audio_seconds) if sampling_rate else None
                _decode(container.container, name, picker, sound)
        except av.FFmpegError as error:
            raise MediaError(
                f"{name} cannot be read as a video ({error.strerror}): the file is damaged, cut short or no video."
            ) from error
        except OSError as error:
            raise MediaError(f"{name} cannot be read ({error}).") from error
    audio = sound.waveform() if sound else None
    return Media(
        frames=torch.from_numpy(np.stack(picker.frames)),
        timestamps=torch.tensor(picker.timestamps, dtype=torch.float64),
        audio=audio,
        sampling_rate=None if audio is None else sampling_rate,
        duration=container.duration,
    )


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
        self._check(frame)
        if self._start is None:
            self._start = seconds
        seconds -= self._start
        if seconds > self._limits.max_seconds:
            raise MediaError(_too_long(self._name, seconds, self._limits))
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

    def _check(self, frame: av.VideoFrame) -> None:
        _check_pixels(frame.width, frame.height, self._name, self._limits)


def _upright_rgb(frame: av.VideoFrame) -> np.ndarray:
    """The frame as (3, h, w) uint8, turned as the file says: phones film sideways and note it in the file."""
    image = frame.to_ndarray(format="rgb24").transpose(2, 0, 1)
    return np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90), axes=(1, 2)))


def _decode(
    container: av.container.InputContainer, name: str, picker: _FramePicker, sound: SoundCollector | None
) -> None:
    """The one pass: reads packets until the last wanted frame and the last wanted sample are there."""
    video = _video_stream(container, name)
    video.thread_type = "AUTO"
    audio = _audio_stream(container) if sound else None
    clock = _FrameClock(video)
    end = 0.0
    for packet in container.demux([stream for stream in (video, audio) if stream is not None]):
        end = max(end, _packet_end(packet))
        if packet.stream is audio:
            for frame in packet.decode() if not sound.is_full else ():
                sound.add(frame)
        elif not picker.is_done:
            for frame in packet.decode():
                picker.add(frame, clock.seconds(frame))
        if picker.is_done and (audio is None or sound.is_full):
            break
    else:
        _check_complete(container, video, end, name)
    picker.finish()
    if audio is not None:
        sound.add(None)


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


class _MeasuredContainer:
    """An open container and the length of its video in seconds: what the stream states, else, as in WebM, what the
    times of its packets say, after which the file is opened anew."""

    def __init__(self, file, name: str, limits: MediaLimits):
        self.container = _open_container(file)
        try:
            stream = _video_stream(self.container, name)
            _check_pixels(stream.codec_context.width, stream.codec_context.height, name, limits)
            if stream.duration:
                self.duration = float(stream.duration * stream.time_base)
            else:
                self.duration = _scan_duration(self.container, stream, name, limits)
                self.container.close()
                file.seek(0)
                self.container = _open_container(file)
            if self.duration > limits.max_seconds:
                raise MediaError(_too_long(name, self.duration, limits))
        except BaseException:
            self.container.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.container.close()


def _scan_duration(container, video, name: str, limits: MediaLimits) -> float:
    start, video_end, end = math.inf, 0.0, 0.0
    for packet in container.demux([stream for stream in (video, _audio_stream(container)) if stream is not None]):
        end = max(end, _packet_end(packet))
        if packet.stream is video and packet.pts is not None:
            start = min(start, float(packet.pts * packet.time_base))
            video_end = max(video_end, _packet_end(packet))
        if video_end - start > limits.max_seconds:
            break
    else:
        _check_complete(container, video, end, name)
    return max(0.0, video_end - start)


def _packet_end(packet: av.Packet) -> float:
    """When what is in the packet stops being shown or heard, in seconds; 0 for the empty packet at the end."""
    if packet.pts is None:
        return 0.0
    return float((packet.pts + (packet.duration or 0)) * packet.time_base)


def _open_container(file) -> av.container.InputContainer:
    return av.open(file, options={"format_whitelist": f"{_FORMATS},{_SOUND_ONLY_FORMATS}"})


def _video_stream(container, name: str):
    # The cover picture of a music file is a video stream to FFmpeg, but no video.
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise MediaError(f"{name} has no video stream: pass sound alone as `audio`.")
    if streams[0].codec_context is None:
        raise MediaError(f"{name} has video of a kind that cannot be decoded: convert it to H.264, VP9 or AV1.")
    return streams[0]


def _audio_stream(container):
    return next((s for s in container.streams.audio if s.codec_context is not None), None)


def _check_complete(container, video, end: float, name: str) -> None:
    """Raises when the file states a longer video than there is: FFmpeg reads a file that was cut short in silence."""
    stated, slack = 0.0, 0.0
    if "mp4" in container.format.name and video.duration:
        stated = float((video.duration + (video.start_time or 0)) * video.time_base)
        slack = max(0.25, 0.05 * stated)
    elif "webm" in container.format.name and container.duration:
        # Stated for the longest of all streams, some of which are not read here.
        stated = (container.duration + max(0, container.start_time or 0)) / av.time_base
        slack = max(0.5, 0.1 * stated)
    if end < stated - slack:
        raise MediaError(f"{name} is cut short: it states {stated:.2f} s, but there are {end:.2f} s of it.")


def _check_pixels(width: int, height: int, name: str, limits: MediaLimits) -> None:
    if width * height > limits.max_pixels:
        raise MediaError(
            f"{name} has frames of {width}x{height}, more than the {limits.max_pixels} pixels allowed: pass a smaller"
            " clip or raise MediaLimits.max_pixels."
        )


def _too_long(name: str, seconds: float, limits: MediaLimits) -> str:
    return (
        f"{name} is at least {seconds:.1f} s long, more than the {limits.max_seconds} s allowed: pass a shorter clip"
        " or raise MediaLimits.max_seconds."
    )
