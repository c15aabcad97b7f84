"""Sound: decoding, mixing to one channel and resampling, all by FFmpeg's own resampler through PyAV."""

import av
import numpy as np

from ..errors import MediaError
from .sources import MediaSource, open_source, source_name

# Containers of sound alone, beside those of clips (a clip's sound can be taken by itself).
SOUND_FORMATS = "wav,w64,aiff,mp3,flac,ogg,aac,amr,mov,mp4,m4a,matroska,webm"


class SoundCollector:
    """Gathers decoded audio frames as one mono waveform at one rate, up to a length.

    Args:
        sampling_rate (`int`): Rate of the waveform in Hz.
        max_seconds (`float`): Samples after this are dropped.
    """

    def __init__(self, sampling_rate: int, max_seconds: float):
        self.max_samples = round(sampling_rate * max_seconds)
        self.num_samples = 0
        self._pieces: list[np.ndarray] = []
        self._resampler = av.AudioResampler(format="flt", layout="mono", rate=sampling_rate)

    @property
    def is_full(self) -> bool:
        return self.num_samples >= self.max_samples

    def add(self, frame: av.AudioFrame | None) -> None:
        """Takes one decoded frame; `None` ends the sound and flushes what the resampler still holds."""
        for resampled in self._resampler.resample(frame):
            piece = resampled.to_ndarray().reshape(-1)
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
        `MediaError`: The source cannot be read or has no sound.
    """
    with open_source(source, max_bytes) as file:
        try:
            with av.open(file, options={"format_whitelist": SOUND_FORMATS}) as container:
                if not container.streams.audio:
                    raise MediaError(f"{source_name(source)} has no sound: leave it out, or pass None for its row.")
                collector = SoundCollector(sampling_rate, max_seconds)
                for frame in container.decode(container.streams.audio[0]):
                    collector.add(frame)
                    if collector.is_full:
                        break
                collector.add(None)
        except av.FFmpegError as error:
            raise MediaError(f"{source_name(source)} cannot be read as a sound file ({error.strerror}).") from error
    return collector.waveform()


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
