"""
Times of packets that jump, mended as players do: clocks that start again, and times that a damaged file got wrong.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from statistics import median

# Decoding and presentation time of a packet, in ticks of its stream's clock.
Stamp = tuple[int | None, int | None]

# A step ahead that the `ffmpeg` program takes for a clock that was set anew (-dts_delta_threshold), and one back.
_JUMP_SECONDS = 10.0
_BACK_SECONDS = 0.1
# A smaller step ahead is an error where the times that follow, of so many packets, lie before it.
_SMALL_JUMP_SECONDS = 0.5
_FOLLOWING_PACKETS = 300
# Steps that are so many times as long as most are errors where no clip that long would be taken.
_MAX_STEP_GAPS = 100
_MIN_ENDLESS_SECONDS = 600.0
# Frames are shown at most so many frames after they are stored.
_MAX_DELAY_FRAMES = 17
_USUAL_GAP_SECONDS = 1 / 25
_GAP_PACKETS = 8
# FFmpeg counts in 64 bits.
_MAX_TICKS = 1 << 62


def mended_stamps(
    stamps: Sequence[Stamp], seconds_per_tick: float, can_restart: bool, max_seconds: float
) -> dict[int, Stamp]:
    """The times of packets that jump, each put where it would be if its clock had gone on.

    Args:
        stamps (`Sequence[tuple]`): Decoding and presentation time of each packet, in order of storage.
        seconds_per_tick (`float`): Unit of these times.
        can_restart (`bool`): Whether clocks can be set anew within a file of this format.
        max_seconds (`float`): How long a clip may be.

    Returns:
        `dict[int, tuple]`: The mended times by the packet's number; packets that are not in it are as they should be.

    Example:

    ```python
    >>> from transformers_ggm.processing.media.timestamps import mended_stamps

    >>> mended_stamps([(0, 0), (1, 1), (90_000, 90_000), (3, 3), (4, 4)], 0.04, can_restart=False, max_seconds=600.0)
    {2: (2, 2)}

    ```
    """
    jumps = _Jumps(stamps, seconds_per_tick, can_restart, max_seconds)
    if not jumps.can_occur():
        return {}
    gap = jumps.usual_gap
    max_delay = max(jumps.ahead, _MAX_DELAY_FRAMES * gap)
    mended, offset, previous = {}, 0, None
    for number, (stored, shown) in enumerate(stamps):
        if stored is not None:
            if previous is not None:
                offset = jumps.offset_after(number, previous, offset)
            previous = stored + offset
            if shown is not None and abs(shown - stored) > max_delay:
                shown = None
        stamp = (_shifted(stored, offset), _shifted(shown, offset))
        if stamp != stamps[number]:
            mended[number] = stamp
    return mended


def _shifted(ticks: int | None, offset: int) -> int | None:
    return None if ticks is None or abs(ticks + offset) > _MAX_TICKS else ticks + offset


class _Jumps:
    """Which steps between the times of packets are none that a clock takes."""

    def __init__(self, stamps: Sequence[Stamp], seconds_per_tick: float, can_restart: bool, max_seconds: float):
        self._stamps = stamps
        self._stored = [stored for stored, _ in stamps if stored is not None]
        self._seconds_per_tick = seconds_per_tick
        self._can_restart = can_restart
        self.ahead = _JUMP_SECONDS / seconds_per_tick
        self._back = _BACK_SECONDS / seconds_per_tick
        self._small = _SMALL_JUMP_SECONDS / seconds_per_tick
        self._endless = max(max_seconds, _MIN_ENDLESS_SECONDS) / seconds_per_tick

    def can_occur(self) -> bool:
        """Whether there may be any, which is quickly told for nearly all clips."""
        most = self.ahead if self._can_restart else self._endless
        if any(not -self._back <= second - first <= most for first, second in pairwise(self._stored)):
            return True
        return any(
            stored is not None and shown is not None and abs(shown - stored) > self.ahead
            for stored, shown in self._stamps
        )

    @cached_property
    def usual_gap(self) -> int:
        """Ticks from one packet to the next, in most cases."""
        # Over several packets, since times that go to and fro have no usual steps.
        count = max(1, min(_GAP_PACKETS, len(self._stored) // 4))
        steps = [last - first for first, last in zip(self._stored, self._stored[count:]) if last > first]
        gap = median(steps) / count if steps else _USUAL_GAP_SECONDS / self._seconds_per_tick
        return max(1, round(gap))

    def offset_after(self, number: int, previous: int, offset: int) -> int:
        """By how much a packet's time is shifted, given the mended time and the shift of the packet before it."""
        stored = self._stamps[number][0]
        step, unshifted_step = stored + offset - previous, stored - previous
        is_nearer = abs(unshifted_step - self.usual_gap) < abs(step - self.usual_gap)
        if offset and 0 < unshifted_step <= self.ahead and is_nearer:
            # What was wrong is over.
            return 0
        return previous + self.usual_gap - stored if self._is_jump(number, step) else offset

    def _is_jump(self, number: int, step: int) -> bool:
        if step < -self._back or (self._can_restart and step > self.ahead):
            return True
        if step > max(self._endless, _MAX_STEP_GAPS * self.usual_gap):
            return True
        if step <= self._small:
            return False
        following = self._stamps[number + 1 : number + 1 + _FOLLOWING_PACKETS]
        limit = self._stamps[number][0] - self._back
        return any(stored is not None and stored < limit for stored, _ in following)
