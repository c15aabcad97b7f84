"""What `ggm prepare` can be told."""

import math
import os
from dataclasses import asdict, dataclass, field
from typing import Any

from ...processing.reading import ScreenOptions, SpeechThresholds

TRANSCRIPT, SCREEN_TEXT = "transcript", "screen_text"


@dataclass(frozen=True)
class ClipOptions:
    """What is kept of a clip.

    Args:
        frames_per_second, num_frames, long_video_seconds: The paper's frame rule, as in [`GGMVideoProcessor`].
        short_side (`int`, defaults to 256): Pixels of the shorter side of a stored frame, at least 16; smaller frames
            stay as they are.
        jpeg_quality (`int`, defaults to 95): Of stored frames, 1 to 100.
        sampling_rate (`int`, defaults to 48000): Rate of the stored sound in Hz: CLAP's. Training resamples where its
            model wants another one.
        max_audio_seconds (`float`, defaults to 10.0): Sound after this is left out.
        lossless (`bool`, defaults to `False`): Stores frames as PNG at the clip's own size and sound as WAV with
            32-bit floats. A model whose feature extractor has the stored `sampling_rate` then gets bit for bit what
            the clip itself gives.

    Raises:
        `ValueError`: A value is out of range.
    """

    frames_per_second: float = field(default=2.0, metadata={"help": "Frames per second of a short clip."})
    num_frames: int = field(default=15, metadata={"help": "Frames of a long clip, and the most that are kept."})
    long_video_seconds: float = field(default=7.0, metadata={"help": "From this length on a clip is long."})
    short_side: int = field(default=256, metadata={"help": "Pixels of a stored frame's shorter side, at most."})
    jpeg_quality: int = field(default=95, metadata={"help": "Quality of stored frames, 1 to 100."})
    sampling_rate: int = field(default=48_000, metadata={"help": "Rate of the stored sound in Hz (CLAP: 48000)."})
    max_audio_seconds: float = field(default=10.0, metadata={"help": "Seconds of sound that are kept."})
    lossless: bool = field(
        default=False, metadata={"help": "Keep frames as PNG at the clip's own size, and sound as 32-bit floats."}
    )

    def __post_init__(self):
        # Smaller frames show nothing, and PyTorch cannot make frames of one pixel.
        if self.short_side < 16:
            raise ValueError(f"`short_side` is {self.short_side}, but must be at least 16 pixels.")
        for name in ("frames_per_second", "num_frames", "sampling_rate", "max_audio_seconds"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"`{name}` is {getattr(self, name)}, but must be a number above 0.")
        if not 1 <= self.jpeg_quality <= 100:
            raise ValueError(f"`jpeg_quality` is {self.jpeg_quality}: choose a number from 1 to 100.")


@dataclass(frozen=True)
class ReadingOptions:
    """What is read in a clip: its speech into a column `transcript`, its screen into a column `screen_text`.

    Args:
        read_speech (`str`, *optional*): Folder or Hub id of a speech model, see
            [`~processing.reading.load_speech_reader`]; `None` reads no speech.
        speech_seconds (`float`, defaults to 60.0): Speech after this is left out, however much sound is stored.
        voice_activity (`bool`, defaults to `True`): Whether only those parts are read in which there is a voice.
        min_log_probability, max_compression_ratio, max_no_speech_probability (`float`): From where on a transcript is
            not believed, and the column empty; see [`~processing.reading.SpeechThresholds`].
        read_screen (`bool`, defaults to `False`): Whether the screen is read.
        screen_frames (`int`), min_screen_confidence (`float`), keep_user_names (`bool`), keep_watermarks (`bool`): As
            `num_frames`, `min_confidence`, ... in [`~processing.reading.ScreenOptions`].

    Raises:
        `ValueError`: A value is out of range.
    """

    read_speech: str | None = field(default=None, metadata={"help": "Folder or Hub id of a model that reads speech."})
    speech_seconds: float = field(default=60.0, metadata={"help": "Seconds of sound in which speech is read."})
    voice_activity: bool = field(default=True, metadata={"help": "Read speech only where there is a voice."})
    min_log_probability: float = field(
        default=SpeechThresholds.min_log_probability,
        metadata={"help": "Mean log-probability below which a transcript is not believed."},
    )
    max_compression_ratio: float = field(
        default=SpeechThresholds.max_compression_ratio,
        metadata={"help": "Compression ratio above which a transcript is not believed: it repeats itself."},
    )
    max_no_speech_probability: float = field(
        default=SpeechThresholds.max_no_speech_probability,
        metadata={"help": "Probability of no speech above which a transcript is not believed."},
    )
    read_screen: bool = field(default=False, metadata={"help": "Read what stands on the screen."})
    screen_frames: int = field(default=ScreenOptions.num_frames, metadata={"help": "Frames that are read, at most."})
    min_screen_confidence: float = field(
        default=ScreenOptions.min_confidence, metadata={"help": "Of a line on the screen, 0 to 1."}
    )
    keep_user_names: bool = field(default=False, metadata={"help": "Keep @names on the screen."})
    keep_watermarks: bool = field(default=False, metadata={"help": "Keep the names of apps on the screen."})

    def __post_init__(self):
        if not 0 < self.speech_seconds < math.inf:
            raise ValueError(f"`speech_seconds` is {self.speech_seconds}, but must be a number above 0.")
        # Their own checks.
        _ = self.thresholds, self.screen_options

    @property
    def thresholds(self) -> SpeechThresholds:
        """From where on a transcript is not believed."""
        return SpeechThresholds(self.min_log_probability, self.max_compression_ratio, self.max_no_speech_probability)

    @property
    def screen_options(self) -> ScreenOptions:
        """What is read on the screen."""
        return ScreenOptions(
            self.screen_frames, self.min_screen_confidence, self.keep_user_names, self.keep_watermarks
        )

    @property
    def columns(self) -> list[str]:
        """The columns that reading adds."""
        read = {TRANSCRIPT: self.read_speech is not None, SCREEN_TEXT: self.read_screen}
        return [column for column, is_read in read.items() if is_read]

    def settings(self) -> dict[str, Any] | None:
        """What decides about the columns; `None` where nothing is read."""
        return asdict(self) if self.columns else None


def available_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class WorkOptions:
    """How the work is done; what is written depends on the number of clips in a file and on what is tried again only.

    Args:
        num_workers (`int`, defaults to the number of cores): Processes that decode.
        clips_per_shard (`int`, defaults to 256): Clips in one Parquet file; what a kill can cost.
        max_rejected_share (`float`, defaults to 0.1): Share of rejected clips from which the command ends with exit
            status 1, though the others are written.
        retry_rejected (`bool`, defaults to `False`): Decodes clips once more that were rejected before, and those
            whose files have changed since they were decoded, in a finished set too. The others are not decoded again.

    Raises:
        `ValueError`: A value is out of range.
    """

    num_workers: int = field(default_factory=available_cores, metadata={"help": "Processes that decode."})
    clips_per_shard: int = field(default=256, metadata={"help": "Clips in one Parquet file."})
    max_rejected_share: float = field(
        default=0.1, metadata={"help": "Share of rejected clips from which the exit status is 1."}
    )
    retry_rejected: bool = field(
        default=False, metadata={"help": "Decode clips again that were rejected, or whose files have changed since."}
    )

    def __post_init__(self):
        for name in ("num_workers", "clips_per_shard"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` is {getattr(self, name)}, but must be at least 1.")
        if not 0 <= self.max_rejected_share <= 1:
            raise ValueError(f"`max_rejected_share` is {self.max_rejected_share}: choose a number from 0 to 1.")
