"""Sound: decoding, mixing to one channel and resampling, all by FFmpeg's own resampler through PyAV."""

import math

import av
import numpy as np
from av.container import InputContainer

from ...errors import MediaError
from .limits import ClipGuard, GuardedFile, MediaLimits
from .sources import MediaSource, open_source, source_name

# Containers of sound alone, beside those of clips (a clip's sound can be taken by itself).
SOUND_FORMATS = "wav,w64,aiff,mp3,flac,ogg,aac,amr,mov,mp4,m4a,matroska,webm"


class SoundCollector:
    """Gathers decoded audio frames as one mono waveform at one rate, up to a length.

    Several channels are mixed as the `ffmpeg` program does it for a WAV file: weighted, the weights summing to one.

    Args:
        sampling_rate (`int`): Rate of the waveform in Hz.
        max_seconds (`float`): Samples after this are dropped.
    """

    def __init__(self, sampling_rate: int, max_seconds: float):
        self.max_samples = round(sampling_rate * max_seconds)
        self.num_samples = 0
        self.sampling_rate = sampling_rate
        self._pieces: list[np.ndarray] = []
        self._resampler: av.AudioResampler | None = None
        self._form: tuple | None = None

    @property
    def is_full(self) -> bool:
        return self.num_samples >= self.max_samples

    def add(self, frame: av.AudioFrame | None) -> None:
        """Takes one decoded frame; `None` ends the sound and flushes what the resampler still holds."""
        form = None if frame is None else (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self._form:
            # Phones and editors join recordings of other forms, and a resampler takes one form only.
            self._flush()
            self._form = form
        if frame is None:
            return
        if self._resampler is None:
            self._resampler = self._new_resampler(frame)
        self._gather(self._resampler.resample(self._shortened(frame)))

    def _shortened(self, frame: av.AudioFrame) -> av.AudioFrame:
        """The frame without what is surely too late: at a rate of 1 Hz, as damaged files state, it would be hours."""
        # A second more than is wanted, for the filter that looks ahead.
        most = math.ceil(frame.sample_rate * (1 + self.max_samples / self.sampling_rate))
        if frame.samples <= most:
            return frame
        values = most if frame.format.is_planar else most * len(frame.layout.channels)
        samples = np.ascontiguousarray(frame.to_ndarray()[:, :values])
        shortened = av.AudioFrame.from_ndarray(samples, format=frame.format.name, layout=frame.layout.name)
        shortened.sample_rate, shortened.pts, shortened.time_base = frame.sample_rate, frame.pts, frame.time_base
        return shortened

    def _new_resampler(self, frame: av.AudioFrame) -> av.AudioResampler:
        # Mixing to floats, FFmpeg lets the weights sum to more: 5.1 comes out more than three times as loud.
        mixed_format = "flt" if len(frame.layout.channels) == 1 else "s32"
        return av.AudioResampler(format=mixed_format, layout="mono", rate=self.sampling_rate)

    def _flush(self) -> None:
        if self._resampler is not None:
            self._gather(self._resampler.resample(None))
            self._resampler = None

    def _gather(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            piece = frame.to_ndarray().reshape(-1)
            if piece.dtype == np.int32:
                piece = piece.astype(np.float32) / np.float32(2**31)
            self._pieces.append(piece)
            self.num_samples += len(piece)

    def waveform(self) -> np.ndarray | None:
        """The waveform (n,) as float32, or `None` when there was no sample at all."""
        if not self.num_samples:
            return None
        return np.concatenate(self._pieces)[: self.max_samples].astype(np.float32, copy=False)


def load_sound(source: MediaSource, sampling_rate: int, max_seconds: float, max_bytes: int) -> np.ndarray | None:
    """Reads a sound file (WAV, FLAC, Ogg, MP3, M4A, ... or a clip's sound).

    Args:
        source: Path, URL, bytes or binary file object.
        sampling_rate (`int`): Rate of the result in Hz.
        max_seconds (`float`): Length after which the rest is left out.
        max_bytes (`int`): The largest file that is read.

    Returns:
        `np.ndarray` (n,) float32, mono, or `None` when the file has no samples.

    Raises:
        `MediaError`: The source cannot be read within the time of `MediaLimits`, or has no sound.
    """
    guard = ClipGuard(source_name(source), MediaLimits(max_bytes=max_bytes))
    with open_source(source, max_bytes, guard.check_time) as opened:
        file = GuardedFile(opened, guard)
        try:
            collector = _collect(file, guard, SoundCollector(sampling_rate, max_seconds))
        except (av.FFmpegError, MediaError) as error:
            file.raise_error()
            if isinstance(error, MediaError):
                raise
            raise MediaError(f"{guard.name} cannot be read as a sound file ({error.strerror}).") from error
        file.raise_error()
    return collector.waveform()


def _collect(file: GuardedFile, guard: ClipGuard, collector: SoundCollector) -> SoundCollector:
    with av.open(file, container_options={"format_whitelist": SOUND_FORMATS}, metadata_errors="replace") as container:
        collect_sound(container, guard, collector)
    return collector


def collect_sound(container: InputContainer, guard: ClipGuard, collector: SoundCollector) -> None:
    """Decodes the first sound of a file until there is enough of it.

    Raises:
        `MediaError`: There is none that can be decoded.
    """
    streams = [stream for stream in container.streams.audio if stream.codec_context is not None]
    if not streams:
        raise MediaError(f"{guard.name} has no sound: leave it out, or pass None for its row.")
    for frame in container.decode(streams[0]):
        guard.check_time()
        collector.add(frame)
        if collector.is_full:
            break
    collector.add(None)


def resample(waveform: np.ndarray, sampling_rate: int, new_sampling_rate: int) -> np.ndarray:
    """Resamples a mono float32 waveform (n,) from one rate in Hz to another."""
    if sampling_rate == new_sampling_rate or not len(waveform):
        return waveform
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(waveform)[None], format="flt", layout="mono")
    frame.sample_rate = sampling_rate
    collector = SoundCollector(new_sampling_rate, max_seconds=len(waveform) / sampling_rate + 1)
    collector.add(frame)
    collector.add(None)
    resampled = collector.waveform()
    return waveform[:0] if resampled is None else resampled
