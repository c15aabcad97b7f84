"""Parts of one clip decoded beside each other: from keyframe to keyframe, each by a thread of its own."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from .packet_skipping import SkippingPlan
from .video_decoders import SkippingDecoder

# More decoders than these find too little to do in a short clip to make up for opening it once more.
MAX_PARTS = 4


@dataclass(frozen=True)
class TakenFrames:
    """The frames of all parts, as a [`FramePicker`] has those that it took."""

    images: np.ndarray
    timestamps: list[float]


@dataclass(frozen=True)
class DecodedParts:
    """The decoders of all parts, as one decoder looks. Where a frame is damaged, all are decoded anew, and counted."""

    picker: TakenFrames
    counts: dict[str, int] = field(default_factory=dict)


def decode_in_parts(
    plans: Sequence[SkippingPlan],
    decode: Callable[[SkippingPlan, Callable], SkippingDecoder | None],
    others: Sequence[Callable[[], None]] = (),
) -> DecodedParts | None:
    """
    Decodes the parts of a video.

    Args:
        plans (`Sequence[SkippingPlan]`): What to decode of each part.
        decode (`Callable`): Gets a plan and the room for its frames, and gives the decoder that took them, or `None`.
            It is called by several threads, the first plan by this one.
        others (`Sequence[Callable]`, *optional*): What else is to be done beside that.

    Returns:
        `DecodedParts` or `None`: `None` where frames are not as they should be, or of several sizes.
    """
    images = _SharedImages([len(plan.timestamps) for plan in plans])
    rooms = [partial(images.part, number) for number in range(len(plans))]
    with ThreadPoolExecutor(len(plans) - 1 + len(others), thread_name_prefix="clip") as threads:
        beside = [threads.submit(other) for other in others]
        later = [threads.submit(decode, *part) for part in list(zip(plans, rooms))[1:]]
        decoders = [decode(plans[0], rooms[0]), *(part.result() for part in later)]
        for other in beside:
            other.result()
    if None in decoders or images.differ:
        return None
    timestamps = [time for decoder in decoders for time in decoder.picker.timestamps]
    return DecodedParts(TakenFrames(images.whole, timestamps))


class _SharedImages:
    """One array for the frames of all parts, made by whichever takes the first: joining arrays would copy them."""

    def __init__(self, counts: Sequence[int]):
        self.whole: np.ndarray | None = None
        self.differ = False
        self._size: tuple[int, ...] = ()
        self._ends = np.cumsum([0, *counts]).tolist()
        self._lock = threading.Lock()

    def part(self, number: int, shape: tuple[int, ...], size: tuple[int, ...]) -> np.ndarray:
        with self._lock:
            if self.whole is None:
                self.whole, self._size = np.empty((self._ends[-1], *shape[1:]), np.uint8), size
        if self._size != size:
            # As large as the first frame of the clip, which another thread may not have seen yet.
            self.differ = True
            return np.empty(shape, np.uint8)
        return self.whole[self._ends[number] : self._ends[number + 1]]
