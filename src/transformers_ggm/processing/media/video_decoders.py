"""
Three ways from a video's packets to the wanted frames: decoding what a plan says, decoding all, and doing so slowly.

The frames of the first two are the same, bit for bit: what could make them others (keyframes that are none, frames
that do not come, or come damaged) is noticed while decoding by a plan, and the caller then decodes all. What is
damaged is decoded by the third, frame after frame, which alone tells which packet a fault belongs to.
"""

import errno
from bisect import insort
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

import av
from av.video.stream import VideoStream

from .containers import pixel_aspect
from .damage import UnusableStreamError, count_missing, is_within
from .frame_picking import FramePicker, FrameTimes, MakeRoom, PrepareFrame
from .limits import ClipGuard
from .packet_reading import decode_packet
from .packet_skipping import MAX_HELD_FRAMES, SkippingPlan, marks_unneeded_frames
from .timeline import Timeline, VideoPacket


class FullDecoder:
    """Decodes a video from its start to the last wanted frame, unless it meets damage.

    Args:
        video (`VideoStream`): The video, of a container opened anew.
        timeline (`Timeline`): Its packets.
        wanted (`Sequence[float]`): Seconds after the first frame, ascending.
        guard (`ClipGuard`): The limits.
        prepare (`Callable`, *optional*): As of [`FramePicker`].
    """

    def __init__(
        self,
        video: VideoStream,
        timeline: Timeline,
        wanted: Sequence[float],
        guard: ClipGuard,
        prepare: PrepareFrame | None = None,
    ):
        self.picker = FramePicker(wanted, guard, pixel_aspect(video), prepare)
        self.num_faulty = 0
        self._timeline = timeline
        self._times = FrameTimes(video, timeline.has_times)
        self._guard = guard
        self._number = -1
        self._errors: dict[int, Exception] = {}
        self._shown: set[int | None] = set()
        self._has_ended = False
        self._has_intact_frame = False

    @property
    def is_done(self) -> bool:
        return bool(self._errors or self.num_faulty) or self.picker.is_done

    @property
    def counts(self) -> dict[str, int]:
        """How many frames were checked, are missing and are faulty, as [`MediaDamage`] takes them."""
        return {
            "num_frames": len(self._decoded_packets()),
            "num_missing_frames": self._num_missing(),
            "num_faulty_frames": self.num_faulty,
        }

    def add(self, packet: av.Packet) -> None:
        """Takes the next packet of the video, in order of storage; an empty one ends it."""
        self._number += bool(packet.size)
        self._has_ended = not packet.size
        try:
            frames = decode_packet(packet)
        except Exception as error:
            # PyAV raises errors of many classes for what cannot be decoded.
            self._errors[self._number] = error
            return
        for frame in frames:
            self._guard.count_decoded_frame()
            self._note(frame)
            self._pick(frame, self._times.seconds(frame))

    def finish(self) -> bool:
        """Takes the last frames, and tells whether these are all: no damage was met."""
        if self._errors or self.num_faulty or not self.picker.has_begun or self._may_lack_the_last():
            return False
        self.picker.finish()
        return True

    def _pick(self, frame: av.VideoFrame, seconds: float) -> None:
        self.picker.add(frame, seconds)

    def _note(self, frame: av.VideoFrame) -> None:
        self._shown.add(frame.pts)
        if not frame.is_corrupt:
            self._has_intact_frame = True
        elif self._has_intact_frame:
            # Those before are as they should be where a video has no keyframes, but builds up.
            self.num_faulty += 1

    def _may_lack_the_last(self) -> bool:
        """Whether the end is missing: PyAV passes over what fails when the decoder gives the last frames at once."""
        ticks = self._comparable_ticks() if self._has_ended else []
        if not ticks or ticks[-1] in self._shown:
            return False
        # Where two packets hold a frame, the second one never shows.
        return ticks[-2:-1] == [] or ticks[-2] not in self._shown or len(self._shown) > 0.75 * len(ticks)

    def _decoded_packets(self) -> list[VideoPacket]:
        return [packet for packet in self._timeline.packets[: self._number + 1] if not packet.is_hidden]

    def _comparable_ticks(self) -> list[int]:
        """When the packets are shown, ascending; none where that cannot be compared with the frames that came."""
        told = {packet.ticks for packet in self._decoded_packets()}
        if not self._timeline.has_times or None in told or None in self._shown:
            return []
        return sorted(told) if 2 * len(self._shown & told) >= len(self._shown) else []

    def _num_missing(self) -> int:
        ticks = self._comparable_ticks()
        if not ticks:
            return len(self._errors)
        failed = {self._timeline.packets[number].ticks for number in self._errors if number >= 0}
        # What was decoded last, and is shown later than all that came, may still have been waiting.
        last = ticks[-1] if self._has_ended else max(self._shown, default=ticks[-1])
        return count_missing([tick for tick in ticks if tick <= last], self._shown, failed)


class TolerantDecoder(FullDecoder):
    """Decodes a damaged video from its start to the last wanted frame, and leaves out what cannot be decoded.

    Takes one frame at a time, as the `ffmpeg` program gives them: several threads pass errors on late, or not at all,
    and mend a damaged frame in other ways.
    """

    def __init__(self, video: VideoStream, **arguments: Any):
        video.codec_context.thread_count = 1
        super().__init__(video, **arguments)
        self._waiting: list[tuple[float, av.VideoFrame]] = []

    @property
    def is_done(self) -> bool:
        return self.picker.is_done

    def finish(self) -> bool:
        """Takes the last frames.

        Raises:
            `UnusableStreamError`: There is none, or too many are damaged.
        """
        while self._waiting and not self.is_done:
            self._pick_earliest()
        if not self.picker.has_begun:
            raise UnusableStreamError(f"{self._guard.name} has a video of which no frame can be decoded{self._why()}.")
        self.picker.finish()
        counts = self.counts
        num_damaged = counts["num_missing_frames"] + counts["num_faulty_frames"]
        limit = self._guard.limits.max_damaged_share
        if not is_within(num_damaged, counts["num_frames"], limit):
            raise UnusableStreamError(
                f"{self._guard.name} has a damaged video: {num_damaged} of {counts['num_frames']} frames are missing "
                f"or faulty, more than the share of {limit:.2f} allowed: leave it out or raise "
                "MediaLimits.max_damaged_share."
            )
        return True

    def _pick(self, frame: av.VideoFrame, seconds: float) -> None:
        # After damage, decoders give frames in another order than they are shown.
        insort(self._waiting, (seconds, frame), key=itemgetter(0))
        if len(self._waiting) > MAX_HELD_FRAMES:
            self._pick_earliest()

    def _pick_earliest(self) -> None:
        seconds, frame = self._waiting.pop(0)
        if not self.picker.has_begun and self._timeline.start is not None and self._lacks_the_first(seconds):
            self.picker.start_at(min(seconds, self._timeline.start))
        self.picker.add(frame, seconds)

    def _lacks_the_first(self, seconds: float) -> bool:
        """Whether decoding failed for a frame that is shown before this time."""
        ticks = [self._timeline.packets[number].ticks for number in self._errors]
        return any(tick is None or self._timeline.clock.seconds(tick) < seconds for tick in ticks)

    def _why(self) -> str:
        """What is known about why there is no frame."""
        if not self._errors:
            return ": the file is damaged or cut short"
        first = next(iter(self._errors.values()))
        if getattr(first, "errno", None) == errno.EINVAL:
            # What FFmpeg answers where a frame has no pixels, or more than it was allowed to make room for.
            return ": they have no size, or are far larger than MediaLimits.max_pixels"
        reason = getattr(first, "strerror", None) or first
        return f" ({reason}): {len(self._errors)} of {self._number + 1} packets are damaged"


class SkippingDecoder:
    """Decodes the runs of a plan.

    Args:
        video (`VideoStream`): The video, of a container opened anew.
        timeline (`Timeline`): Its packets.
        plan (`SkippingPlan`): Which of them to decode.
        guard (`ClipGuard`): The limits.
        prepare, room (`Callable`, *optional*): As of [`FramePicker`].
    """

    # Where a frame is damaged, all are decoded anew, and counted.
    counts: dict[str, int] = {}

    def __init__(
        self,
        video: VideoStream,
        timeline: Timeline,
        plan: SkippingPlan,
        guard: ClipGuard,
        prepare: PrepareFrame | None = None,
        room: MakeRoom | None = None,
    ):
        # The times of the frames themselves, so the picker takes just these.
        self.picker = FramePicker(plan.timestamps, guard, pixel_aspect(video), prepare, room)
        self._is_beginning = plan.is_beginning
        if not plan.is_beginning:
            self.picker.start_at(plan.start)
        self._context = video.codec_context
        self._packets = timeline.packets
        self._times = plan.times
        self._runs = list(reversed(plan.runs))
        self._missing = sorted(plan.times, reverse=True)
        self._missing_keyframes = {timeline.packets[first].ticks for first, _ in plan.runs if first}
        self._number = -1
        self._has_failed = False
        self._has_intact_frame = False
        self._guard = guard
        self._can_leave_out = marks_unneeded_frames(self._context)

    @property
    def is_done(self) -> bool:
        return self._has_failed or not self._runs

    def add(self, packet: av.Packet) -> None:
        """Takes the next packet of the video, in order of storage; an empty one ends it."""
        if not packet.size:
            return
        self._number += 1
        first, last = self._runs[-1]
        if self._number < first:
            return
        if self._number == first:
            self._has_intact_frame = False
        ticks = self._packets[self._number].ticks
        if ticks != packet.pts:
            self._has_failed = True
            return
        if self._can_leave_out:
            self._context.skip_frame = "DEFAULT" if ticks in self._times else "NONREF"
        self._take(self._decoded(packet))
        if self._number == last:
            self._take(self._decoded(None))
            self._context.flush_buffers()
            self._runs.pop()

    def finish(self) -> bool:
        """Tells whether all frames are there, and those that decoding from the start would give."""
        return not self._has_failed and not self._missing and not self._missing_keyframes

    def _decoded(self, packet: av.Packet | None) -> list[av.VideoFrame]:
        """The frames that a packet completes, or those that the decoder still holds; none where that fails."""
        try:
            return self._context.decode(packet)
        except Exception:
            # PyAV raises errors of many classes for what cannot be decoded.
            self._has_failed = True
            return []

    def _take(self, frames: Iterable[av.VideoFrame]) -> None:
        for frame in frames:
            self._guard.count_decoded_frame()
            # Frames shown before the keyframe of a run can depend on frames that were skipped. Later ones are damaged,
            # and so are those that depend on them, which do not tell.
            self._has_failed |= self._has_intact_frame and frame.is_corrupt
            self._has_intact_frame |= not frame.is_corrupt
            if frame.pts in self._missing_keyframes and frame.key_frame and not frame.is_corrupt:
                self._missing_keyframes.remove(frame.pts)
            if self._missing and frame.pts == self._missing[-1] and not frame.is_corrupt:
                self.picker.add(frame, self._times[self._missing.pop()])
            elif frame.pts in self._times or (self._is_beginning and not self.picker.has_begun):
                # Damaged, in another order, or before what should be the first frame.
                self._has_failed = True
