"""Two ways from a video's packets to the wanted frames: decoding what a plan says, or decoding all.

The frames are the same, bit for bit: what could make them others (keyframes that are none, frames that do not come, or
come damaged) is noticed while decoding by a plan, and the caller then decodes all.
"""

from collections.abc import Iterable, Sequence

import av
from av.video.stream import VideoStream

from .frame_picking import FramePicker, FrameTimes
from .limits import ClipGuard
from .packet_skipping import SkippingPlan
from .timeline import Timeline


class FullDecoder:
    """Decodes a video from its start to the last wanted frame.

    Args:
        video (`VideoStream`): The video, of a container opened anew.
        timeline (`Timeline`): Its packets.
        wanted (`Sequence[float]`): Seconds after the first frame, ascending.
        guard (`ClipGuard`): The limits.
    """

    def __init__(self, video: VideoStream, timeline: Timeline, wanted: Sequence[float], guard: ClipGuard):
        self.picker = FramePicker(wanted, guard)
        self._times = FrameTimes(video, timeline.has_times)
        self._guard = guard

    @property
    def is_done(self) -> bool:
        return self.picker.is_done

    def add(self, packet: av.Packet) -> None:
        """Takes the next packet of the video, in order of storage; an empty one ends it."""
        for frame in packet.decode():
            self._guard.count_decoded_frame()
            self.picker.add(frame, self._times.seconds(frame))

    def finish(self) -> bool:
        """Takes the last frames, and tells whether all frames are there (they are, or this raises)."""
        self.picker.finish()
        return True


class SkippingDecoder:
    """Decodes the runs of a plan.

    Args:
        video (`VideoStream`): The video, of a container opened anew.
        timeline (`Timeline`): Its packets.
        plan (`SkippingPlan`): Which of them to decode.
        guard (`ClipGuard`): The limits.
    """

    def __init__(self, video: VideoStream, timeline: Timeline, plan: SkippingPlan, guard: ClipGuard):
        # The times of the frames themselves, so the picker takes just these.
        self.picker = FramePicker(plan.timestamps, guard)
        self._context = video.codec_context
        self._packets = timeline.packets
        self._times = plan.times
        self._runs = list(reversed(plan.runs))
        self._missing = sorted(plan.times, reverse=True)
        self._missing_keyframes = {timeline.packets[first].ticks for first, _ in plan.runs if first}
        self._number = -1
        self._has_failed = False
        self._guard = guard
        # H.264 marks the frames that no other frame depends on, and reliably so.
        self._can_leave_out = self._context.name == "h264"

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
        ticks = self._packets[self._number].ticks
        if ticks != packet.pts:
            self._has_failed = True
            return
        if self._can_leave_out:
            self._context.skip_frame = "DEFAULT" if ticks in self._times else "NONREF"
        self._take(packet.decode())
        if self._number == last:
            self._take(self._context.decode(None))
            self._context.flush_buffers()
            self._runs.pop()

    def finish(self) -> bool:
        """Tells whether all frames are there, and those that decoding from the start would give."""
        return not self._has_failed and not self._missing and not self._missing_keyframes

    def _take(self, frames: Iterable[av.VideoFrame]) -> None:
        for frame in frames:
            self._guard.count_decoded_frame()
            if frame.pts in self._missing_keyframes and frame.key_frame and not frame.is_corrupt:
                self._missing_keyframes.remove(frame.pts)
            if self._missing and frame.pts == self._missing[-1] and not frame.is_corrupt:
                self.picker.add(frame, self._times[self._missing.pop()])
            elif frame.pts in self._times or not self.picker.has_begun:
                # Damaged, in another order, or before what should be the first frame.
                self._has_failed = True
