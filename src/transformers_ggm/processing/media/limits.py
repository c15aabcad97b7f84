"""What a clip may be at most, and the guard that one reading of a clip is held against."""

import io
import time
from dataclasses import dataclass, field
from typing import BinaryIO

from ...errors import MediaError


@dataclass(frozen=True)
class MediaLimits:
    """What a clip may be at most; a clip beyond a limit raises `MediaError` instead of filling the memory.

    Args:
        max_bytes (`int`, defaults to 512 MiB): Size of the file.
        max_seconds (`float`, defaults to 600.0): Length of the video.
        max_pixels (`int`, defaults to 4096 * 4096): Width times height of a frame.
        max_frames (`int`, defaults to 100_000): Frames that the video may have, and that may be decoded.
        max_wall_seconds (`float`, defaults to 120.0): Time that reading the clip may take. It is checked between
            reads, packets and frames: a decoder that is stuck inside one frame can only be ended from outside.
        max_damaged_share (`float`, defaults to 2/3): Share of the frames that may be missing or faulty, and of the
            pieces of the sound. More of them make a video unusable, and a sound is left out. The default is what the
            `ffmpeg` program takes for a failure; 0 takes no damaged clip.

    Example:

    ```python
    >>> from transformers_ggm.processing import MediaLimits

    >>> MediaLimits(max_seconds=60.0).max_seconds
    60.0

    ```
    """

    max_bytes: int = field(default=512 * 1024 * 1024, metadata={"help": "Size of a clip's file, at most."})
    max_seconds: float = field(default=600.0, metadata={"help": "Length of a clip, at most."})
    max_pixels: int = field(default=4096 * 4096, metadata={"help": "Width times height of a frame, at most."})
    max_frames: int = field(
        default=100_000, metadata={"help": "Frames that a clip has and that are decoded, at most."}
    )
    max_wall_seconds: float = field(default=120.0, metadata={"help": "Time that reading a clip may take."})
    max_damaged_share: float = field(
        default=2 / 3, metadata={"help": "Share of a clip's frames, and of its sound, that may be damaged, at most."}
    )


DEFAULT_LIMITS = MediaLimits()


class ClipGuard:
    """Holds one reading of one clip against its limits; the clock runs from its making.

    Args:
        name (`str`): What to call the clip in messages.
        limits (`MediaLimits`): What the clip may be at most.
    """

    def __init__(self, name: str, limits: MediaLimits):
        self.name = name
        self.limits = limits
        self._deadline = time.monotonic() + limits.max_wall_seconds
        self._num_decoded = 0

    @property
    def is_out_of_time(self) -> bool:
        return time.monotonic() > self._deadline

    def check_time(self) -> None:
        """Raises `MediaError` when reading the clip has taken too long."""
        if self.is_out_of_time:
            raise MediaError(
                f"{self.name} takes longer to read than the {self.limits.max_wall_seconds} s allowed: pass a shorter"
                " or smaller clip or raise MediaLimits.max_wall_seconds."
            )

    def check_length(self, seconds: float) -> None:
        """Raises `MediaError` for a length or time in seconds beyond the limit."""
        if seconds > self.limits.max_seconds:
            raise MediaError(
                f"{self.name} is at least {seconds:.1f} s long, more than the {self.limits.max_seconds} s allowed:"
                " pass a shorter clip or raise MediaLimits.max_seconds."
            )

    def check_pixels(self, width: int, height: int) -> None:
        """Raises `MediaError` for frames of more pixels than allowed."""
        if width * height > self.limits.max_pixels:
            raise MediaError(
                f"{self.name} has frames of {width}x{height}, more than the {self.limits.max_pixels} pixels allowed:"
                " pass a smaller clip or raise MediaLimits.max_pixels."
            )

    def begin_decoding(self) -> None:
        """Tells that the frames are decoded from the start: those before do not count twice."""
        self._num_decoded = 0

    def check_frames(self, count: int) -> None:
        """Raises `MediaError` for more frames than allowed."""
        if count > self.limits.max_frames:
            raise MediaError(
                f"{self.name} has more than the {self.limits.max_frames} frames allowed: pass a shorter clip or raise"
                " MediaLimits.max_frames."
            )

    def count_decoded_frame(self) -> None:
        """Counts one frame that was decoded, and raises `MediaError` when it is one too many or too late."""
        self._num_decoded += 1
        self.check_frames(self._num_decoded)
        self.check_time()


class GuardedFile(io.RawIOBase):
    """The file as FFmpeg gets it: it seems to end when the time is up or when reading it fails.

    Raising from within a read would not do: FFmpeg passes over some failed reads, and PyAV would then raise the error
    from a later call, perhaps for another clip. Hence `raise_error`, to be called after FFmpeg is left.

    It carries no name, so that what a file is called never decides how it is read.

    Args:
        file (`BinaryIO`): A seekable binary file. It is not closed with this one.
        guard (`ClipGuard`): Whose clock ends the reading.
    """

    def __init__(self, file: BinaryIO, guard: ClipGuard):
        self._file = file
        self._guard = guard
        self._error: Exception | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def read(self, size: int = -1) -> bytes:
        if self._error is not None or self._guard.is_out_of_time:
            return b""
        try:
            # PyAV copies what comes without checking its length, so a file that gives too much would crash it.
            return bytes(self._file.read(size) or b"")[:size]
        except Exception as error:
            self._error = error
            return b""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        try:
            return self._file.seek(offset, whence)
        except Exception as error:
            self._error = error
            return -1

    def tell(self) -> int:
        try:
            return self._file.tell()
        except Exception as error:
            self._error = error
            return -1

    def raise_error(self) -> None:
        """Raises `MediaError` when reading the file failed or took too long."""
        self._guard.check_time()
        if isinstance(self._error, MediaError):
            raise self._error
        if self._error is not None:
            raise MediaError(f"{self._guard.name} cannot be read ({self._error}).") from self._error
