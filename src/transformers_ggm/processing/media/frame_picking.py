"""Which frames are taken: of all frames shown, the one nearest to each wanted time."""

from collections.abc import Callable, Sequence
from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from .damage import UnusableStreamError
from .frame_images import displayed_size, upright_rgb
from .limits import ClipGuard
from .timeline import StreamClock, frame_gap

# Of a frame (h, w, 3) uint8 what is kept of it, of the same kind.
PrepareFrame = Callable[[np.ndarray], np.ndarray]
# Room for what is kept, of a shape (f, h, w, 3), of frames of a height and width.
MakeRoom = Callable[[tuple[int, ...], tuple[int, ...]], np.ndarray]


def nearest_times(times: Sequence[float], wanted: Sequence[float]) -> list[int]:
    """For each wanted time the index of the nearest of `times`, of two equally near ones the earlier.

    Args:
        times (`Sequence[float]`): Ascending, at least one.
        wanted (`Sequence[float]`): Ascending.

    Example:

    ```python
    >>> from transformers_ggm.processing.media.frame_picking import nearest_times

    >>> nearest_times([0.0, 1.0, 2.0], [0.4, 0.5, 0.6, 7.0])
    [0, 0, 1, 2]

    ```
    """
    indices = []
    following = 0
    for time in wanted:
        while following < len(times) and times[following] < time:
            following += 1
        if following == len(times) or (following and time - times[following - 1] <= times[following] - time):
            indices.append(following - 1)
        else:
            indices.append(following)
    return indices


class FramePicker:
    """Takes from a run of decoded frames, in the order shown, the one nearest to each wanted time.

    Only the frame before is held back, and only taken frames are converted to RGB: a long video costs no memory.

    Args:
        wanted (`Sequence[float]`): Times in seconds after the first frame, ascending.
        guard (`ClipGuard`): The limits.
        aspect (`Fraction`, defaults to 1): Width of a stored pixel divided by its height.
        prepare (`Callable`, *optional*): Makes of a taken frame (h, w, 3) uint8 what is kept of it, likewise.
        room (`Callable`, *optional*): Makes the array for the taken frames, of a shape (f, h, w, 3), and gets height
            and width of the frames before they are prepared.

    Attributes:
        images (`np.ndarray` or `None`): What is kept of the taken frames, (f, h, w, 3) uint8, of all of them once
            `is_done`.
        timestamps (`list[float]`): When they are shown, in seconds after the first frame.
    """

    def __init__(
        self,
        wanted: Sequence[float],
        guard: ClipGuard,
        aspect: Fraction | int = 1,
        prepare: PrepareFrame | None = None,
        room: MakeRoom | None = None,
    ):
        self._room = room or _own_room
        self._prepare = prepare
        self._size: tuple[int, ...] | None = None
        self.images: np.ndarray | None = None
        self.timestamps: list[float] = []
        self._wanted = wanted
        self._guard = guard
        self._aspect = aspect
        self._reformatter = VideoReformatter()
        self._start: float | None = None
        self._previous: tuple[av.VideoFrame, float] | None = None

    @property
    def is_done(self) -> bool:
        return len(self.timestamps) == len(self._wanted)

    @property
    def has_begun(self) -> bool:
        return self._previous is not None

    def start_at(self, seconds: float) -> None:
        """Tells when the first frame of the video is shown where that frame is missing."""
        self._start = seconds

    def add(self, frame: av.VideoFrame, seconds: float) -> None:
        """Takes a decoded frame and the time at which it is shown, in seconds of the file's clock."""
        self._guard.check_pixels(frame.width, frame.height)
        if self._aspect != 1:
            self._guard.check_pixels(*displayed_size(frame.width, frame.height, self._aspect))
        if self._start is None:
            self._start = seconds
        seconds -= self._start
        self._guard.check_length(seconds)
        while not self.is_done and self._wanted[len(self.timestamps)] <= seconds:
            wanted = self._wanted[len(self.timestamps)]
            earlier_is_nearer = self._previous is not None and wanted - self._previous[1] <= seconds - wanted
            self._take(*(self._previous if earlier_is_nearer else (frame, seconds)))
        self._previous = (frame, seconds)

    def finish(self) -> None:
        """Gives the times after the last frame that frame; there must have been one."""
        while not self.is_done:
            self._take(*self._previous)

    def _take(self, frame: av.VideoFrame, seconds: float) -> None:
        number = len(self.timestamps)
        if number and self.timestamps[-1] == seconds:
            image = self.images[number - 1]
        else:
            image = self._image(frame)
            self._size = image.shape[:2]
            image = image if self._prepare is None else self._prepare(image)
        if self.images is None:
            self.images = self._room((len(self._wanted), *image.shape), self._size)
        self.images[number] = image
        self.timestamps.append(seconds)

    def _image(self, frame: av.VideoFrame) -> np.ndarray:
        """The frame as the model sees it, in the size of the frame that was taken first."""
        try:
            image = upright_rgb(frame, reformatter=self._reformatter, aspect=self._aspect)
            if self._size is not None and image.shape[:2] != self._size:
                image = upright_rgb(frame, *self._size, reformatter=self._reformatter)
        except Exception as error:
            # PyAV raises errors of many classes for what cannot be converted.
            raise UnusableStreamError(
                f"{self._guard.name} has frames of a kind that cannot be shown ({frame.format.name}: {error}): "
                "convert it to H.264, VP9 or AV1."
            ) from error
        return image


def _own_room(shape: tuple[int, ...], size: tuple[int, ...]) -> np.ndarray:
    return np.empty(shape, np.uint8)


class FrameTimes:
    """The time at which a frame is shown, for frames without one too (some AVI files): then frame number / rate.

    Args:
        stream (`VideoStream`): The video.
        has_times (`bool`): Whether the times that the file gives can be trusted.
    """

    def __init__(self, stream: av.video.stream.VideoStream, has_times: bool = True):
        self._clock = StreamClock(stream)
        self._has_times = has_times
        self._gap = frame_gap(stream)
        self._next = 0.0

    def seconds(self, frame: av.VideoFrame) -> float:
        ticks = frame.dts if frame.pts is None else frame.pts
        seconds = self._next if ticks is None or not self._has_times else self._clock.seconds(ticks)
        self._next = seconds + self._gap
        return seconds
