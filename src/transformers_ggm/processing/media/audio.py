"""Sound: decoding, mixing to one channel and resampling, all by FFmpeg's own resampler through PyAV."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer

from ...errors import MediaError
from .containers import decodable_sounds
from .damage import MediaDamage, UnusableStreamError, is_within, report_damage
from .limits import ClipGuard, GuardedFile, MediaLimits
from .packet_reading import PacketReader, decode_packet, told_stop
from .sources import MediaSource, open_source, source_name

# Containers of sound alone, beside those of clips (a clip's sound can be taken by itself).
SOUND_FORMATS = "wav,w64,aiff,mp3,flac,ogg,aac,amr,mov,mp4,m4a,matroska,webm"

# Damaged samples that are stored as floats can be anything, infinite and no number at all included. These are silence.
_MAX_AMPLITUDE = 16.0

# Of the forms that the resampler gives, which are mono.
_SAMPLE_TYPES = {"flt": np.float32, "s32": np.int32}


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
        try:
            self._gather(self._resampler.resample(self._shortened(frame)))
        except Exception:
            # It would refuse all that follows, too.
            self._resampler = None
            raise

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
            # One plane, as `_new_resampler` asks for it; `to_ndarray` takes as long as mixing does.
            piece = np.frombuffer(frame.planes[0], _SAMPLE_TYPES[frame.format.name], count=frame.samples)
            if piece.dtype == np.int32:
                piece = piece.astype(np.float32) / np.float32(2**31)
            self._pieces.append(piece)
            self.num_samples += len(piece)

    def waveform(self) -> np.ndarray | None:
        """The waveform (n,) as float32, or `None` when there was no sample at all."""
        if not self.num_samples:
            return None
        return np.concatenate(self._pieces)[: self.max_samples].astype(np.float32, copy=False)


class SoundDecoder:
    """Decodes the packets of one sound, until there is enough of it. What cannot be decoded is left out and counted.

    Args:
        sampling_rate (`int`): Rate of the waveform in Hz.
        max_seconds (`float`): Samples after this are dropped.

    Attributes:
        num_packets (`int`): Packets that were decoded, or should have been.
        num_faulty (`int`): Those of them that are damaged.
        error (`Exception` or `None`): What ended the reading before the end of the file.
    """

    def __init__(self, sampling_rate: int, max_seconds: float):
        self.num_packets = 0
        self.num_faulty = 0
        self.error: Exception | None = None
        self._is_finished = False
        self._collector = SoundCollector(sampling_rate, max_seconds)

    @property
    def is_done(self) -> bool:
        return self._is_finished or self.is_full

    @property
    def is_full(self) -> bool:
        """Whether there is as much sound as was wanted."""
        return self._collector.is_full

    @property
    def seconds(self) -> float:
        """How much sound there is."""
        return self._collector.num_samples / self._collector.sampling_rate

    @property
    def counts(self) -> dict[str, int]:
        """The counts as [`MediaDamage`] takes them."""
        return {"num_sound_packets": self.num_packets, "num_faulty_sound_packets": self.num_faulty}

    def add(self, packet: av.Packet) -> None:
        """Takes the next packet of the sound; an empty one ends it."""
        self.num_packets += bool(packet.size)
        try:
            frames = decode_packet(packet)
            for frame in frames:
                self._collector.add(frame)
            self.num_faulty += any(frame.is_corrupt for frame in frames)
        except Exception:
            # Of many classes, by FFmpeg's decoders and by its resampler for what they give. The next packet may be
            # good.
            self.num_faulty += bool(packet.size)

    def finish(self) -> None:
        """Takes what the resampler still holds; packets that come after it are not wanted."""
        self._is_finished = True
        with suppress(av.FFmpegError):
            self._collector.add(None)

    def is_usable(self, max_damaged_share: float) -> bool:
        """Whether there is any sound, and not too much of it is damaged."""
        return bool(self._collector.num_samples) and is_within(self.num_faulty, self.num_packets, max_damaged_share)

    def waveform(self) -> np.ndarray | None:
        """The waveform (n,) as float32, or `None` when there was no sample at all."""
        waveform = self._collector.waveform()
        if waveform is None:
            return None
        is_sound = np.abs(waveform) <= _MAX_AMPLITUDE
        return waveform if is_sound.all() else np.where(is_sound, waveform, np.float32(0))


def load_sound(source: MediaSource, sampling_rate: int, max_seconds: float, max_bytes: int) -> np.ndarray | None:
    """Reads a sound file (WAV, FLAC, Ogg, MP3, M4A, ... or a clip's sound).

    What is damaged of it is left out, which is told in the log.

    Args:
        source: Path, URL, bytes or binary file object.
        sampling_rate (`int`): Rate of the result in Hz.
        max_seconds (`float`): Length after which the rest is left out.
        max_bytes (`int`): The largest file that is read.

    Returns:
        `np.ndarray` (n,) float32, mono, or `None` when the file has no samples.

    Raises:
        `MediaError`: The source cannot be read within the limits of `MediaLimits`, or has no sound.
    """
    guard = ClipGuard(source_name(source), MediaLimits(max_bytes=max_bytes))
    with open_source(source, max_bytes, guard.check_time) as opened:
        file = GuardedFile(opened, guard)
        try:
            sounds = read_sounds(partial(_open_sound, file, guard), guard, sampling_rate, max_seconds)
            sound = usable_sound(sounds, guard)
        except MediaError:
            file.raise_error()
            raise
        file.raise_error()
    remarks = (told_stop(sound.error, sound.seconds),) if sound.error else ()
    report_damage(guard.name, MediaDamage(**sound.counts, remarks=remarks))
    return sound.waveform()


def _open_sound(file: GuardedFile, guard: ClipGuard) -> InputContainer:
    file.seek(0)
    try:
        return av.open(file, container_options={"format_whitelist": SOUND_FORMATS}, metadata_errors="replace")
    except Exception as error:
        reason = getattr(error, "strerror", None) or error
        raise MediaError(f"{guard.name} cannot be read as a sound file ({reason}).") from error


def read_sounds(
    open_file: Callable[[], InputContainer], guard: ClipGuard, sampling_rate: int, max_seconds: float, first: int = 0
) -> Iterator[SoundDecoder]:
    """Decodes the sounds of a file, from its `first` on, each when it is asked for.

    Args:
        open_file (`Callable`): Opens the file anew, for each of them.
        guard (`ClipGuard`): The limits.
        sampling_rate (`int`): Rate of the waveforms in Hz.
        max_seconds (`float`): Length after which the rest is left out.
        first (`int`, defaults to 0): Which sound is the first, of those that can be decoded.
    """
    for which in itertools.count(first):
        with open_file() as container:
            streams = decodable_sounds(container)
            if which >= len(streams):
                return
            sound = SoundDecoder(sampling_rate, max_seconds)
            reader = PacketReader(container, [streams[which]])
            for packet in reader:
                guard.check_time()
                sound.add(packet)
                if sound.is_done:
                    break
            sound.finish()
            sound.error = reader.error
        yield sound


def usable_sound(sounds: Iterable[SoundDecoder], guard: ClipGuard) -> SoundDecoder:
    """The first sound that can be used, or else the first one that is empty without a fault.

    Raises:
        `UnusableStreamError`: There is none.
    """
    unusable = []
    for sound in sounds:
        if sound.is_usable(guard.limits.max_damaged_share):
            return sound
        unusable.append(sound)
    if not unusable:
        raise UnusableStreamError(
            f"{guard.name} has no sound that can be read: leave it out, or pass None for its row."
        )
    if all(sound.num_faulty for sound in unusable):
        raise UnusableStreamError(f"{guard.name} has no sound that can be used: {MediaDamage(**unusable[0].counts)}.")
    return next(sound for sound in unusable if not sound.num_faulty)


def measured_seconds(container: InputContainer, stream: AudioStream, guard: ClipGuard) -> float:
    """Length of a sound by its packets, or as much of it as is over the limit."""
    seconds = 0.0
    for packet in PacketReader(container, [stream]):
        guard.check_time()
        seconds += float((packet.duration or 0) * stream.time_base)
        if seconds > guard.limits.max_seconds:
            break
    return seconds


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
