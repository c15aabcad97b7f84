"""When the packets of a clip are shown: how long the video is, whether all of it is there, which packets hold frames."""

import math
from dataclasses import dataclass

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from ...errors import MediaError
from .containers import streams_to_read
from .limits import ClipGuard

# Clips up to this size are held in memory, and so are read once.
_MAX_HELD_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class VideoPacket:
    """What a stored packet of the video says about its frame.

    Args:
        ticks (`int` or `None`): When the frame is shown, in units of the stream's clock.
        is_keyframe (`bool`): Whether decoding can start here.
        is_hidden (`bool`): Whether the file leaves the frame out (an edit list hides the beginning of a video).
    """

    ticks: int | None
    is_keyframe: bool
    is_hidden: bool


class StreamClock:
    """Turns a stream's ticks into seconds."""

    def __init__(self, stream):
        self._numerator, self._denominator = stream.time_base.numerator, stream.time_base.denominator

    def seconds(self, ticks: int) -> float:
        # One correctly rounded division, as `float(ticks * time_base)` is, but many times as fast.
        return ticks * self._numerator / self._denominator


class Timeline:
    """All packets of a clip, read without decoding, and what they say about times.

    Args:
        container (`InputContainer`): An open clip.
        video (`VideoStream`): The video in it.
        guard (`ClipGuard`): The limits.

    Attributes:
        packets (`list[VideoPacket]`): The video's packets, in order of storage.
        held (`list[av.Packet]` or `None`): All packets of the clip as they are, ready to be decoded while the container
            is open; `None` when they are too large to be held, and are to be read again.
        clock (`StreamClock`): Of the video.
        duration (`float`): Length of the video in seconds.
        has_times (`bool`): Whether the times of the packets can be trusted.
    """

    def __init__(self, container: InputContainer, video: VideoStream, guard: ClipGuard):
        self.packets: list[VideoPacket] = []
        self.held: list[av.Packet] | None = []
        self.clock = StreamClock(video)
        self._video = video
        self._end_of_all = 0.0
        self._first, self._last, self._before_last = math.inf, -math.inf, -math.inf
        self._last_lasts = 0.0
        self._first_stored, self._end_stored = math.inf, -math.inf
        self._is_reordered = False
        self._read(container, guard)
        # AVI has no times but the order of storage, and FFmpeg passes that off as the order of showing.
        counts_only = "avi" in container.format.name and video.codec_context.has_b_frames
        self.has_times = self._is_reordered or not counts_only
        self._check_complete(container, guard.name)
        self.duration = self._duration()

    @property
    def shown(self) -> list[float]:
        """When each frame is shown, in seconds after the first; evenly where the packets do not tell."""
        ticks = [packet.ticks for packet in self.packets if not packet.is_hidden]
        if not self.has_times or None in ticks:
            return [index * self.duration / len(ticks) for index in range(len(ticks))]
        seconds = sorted(map(self.clock.seconds, ticks))
        return [second - seconds[0] for second in seconds]

    @property
    def measured_duration(self) -> float:
        """Length of the video in seconds by its packets."""
        if self._last < self._first:
            return 0.0
        lasts = self._last_lasts
        if self._is_reordered and self._before_last >= self._first:
            # Where frames are stored in another order, MP4 says when the next one stored comes, not the next shown.
            lasts = min(lasts, self._last - self._before_last)
        return self._last - self._first + lasts

    def _read(self, container: InputContainer, guard: ClipGuard) -> None:
        streams = streams_to_read(container, self._video)
        clocks = {stream.index: StreamClock(stream) for stream in streams}
        num_bytes = 0
        for packet in container.demux(streams):
            num_bytes += packet.size
            if num_bytes > _MAX_HELD_BYTES:
                self.held = None
            if self.held is not None:
                self.held.append(packet)
            self._add(packet, clocks[packet.stream.index])
            guard.check_length(self.measured_duration)
            guard.check_frames(len(self.packets))
            guard.check_time()

    def _add(self, packet: av.Packet, clock: StreamClock) -> None:
        ticks = packet.dts if packet.pts is None else packet.pts
        if packet.stream is self._video and packet.size:
            self.packets.append(VideoPacket(packet.pts, packet.is_keyframe, packet.is_discard))
        if ticks is None:
            return
        seconds, lasts = clock.seconds(ticks), max(0.0, clock.seconds(packet.duration or 0))
        self._end_of_all = max(self._end_of_all, seconds + lasts)
        if packet.stream is not self._video:
            return
        if packet.dts is not None:
            stored = clock.seconds(packet.dts)
            self._first_stored = min(self._first_stored, stored)
            self._end_stored = max(self._end_stored, stored + lasts)
        if not packet.is_discard:
            self._add_shown(seconds, lasts)

    def _add_shown(self, seconds: float, lasts: float) -> None:
        self._first = min(self._first, seconds)
        if seconds > self._last:
            self._last, self._before_last, self._last_lasts = seconds, self._last, lasts
        else:
            self._is_reordered = True
            self._before_last = max(self._before_last, seconds)

    def _duration(self) -> float:
        """The stated length where that agrees with the packets, else the measured one.

        Statements are wrong in MP4 files whose frames come at uneven times and are stored in another order than
        shown: there the length is a sum over the order of storage.
        """
        stated = self.clock.seconds(self._video.duration or 0)
        # The last packet often does not say how long it lasts.
        gap = 1.5 / float(self._video.average_rate or 25)
        agrees = abs(self.measured_duration - stated) <= max(0.1, 0.05 * stated, gap)
        return stated if self._video.duration and agrees else self.measured_duration

    def _check_complete(self, container: InputContainer, name: str) -> None:
        """Raises when the file states more than there is: FFmpeg reads a file that was cut short in silence."""
        if {"mp4", "avi"} & set(container.format.name.split(",")) and self._video.duration:
            # What these state is the length in order of storage.
            stated, found = self.clock.seconds(self._video.duration), self._end_stored - self._first_stored
            slack = max(0.25, 0.05 * stated)
        elif "webm" in container.format.name and container.duration:
            # Stated for the longest of all streams, some of which are not read here.
            stated, found = (container.duration + max(0, container.start_time or 0)) / av.time_base, self._end_of_all
            slack = max(0.5, 0.1 * stated)
        else:
            return
        found = max(0.0, found)
        if found < stated - slack:
            raise MediaError(f"{name} is cut short: it states {stated:.2f} s, but there are {found:.2f} s of it.")
