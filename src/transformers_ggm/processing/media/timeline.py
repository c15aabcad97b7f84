"""
When the packets of a clip are shown: how long the video is, whether all of it is there, which packets hold frames.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import av
from av.container import InputContainer
from av.format import Flags
from av.video.stream import VideoStream

from ...errors import MediaError
from .damage import UnusableStreamError
from .limits import ClipGuard
from .packet_reading import PacketReader
from .timestamps import Stamp, mended_stamps

# Clips up to this size are held in memory, and so are read once.
_MAX_HELD_BYTES = 64 * 1024 * 1024
# Longer steps say nothing about a video's length before all of its times are known: they may be errors.
_MAX_SURE_STEP_SECONDS = 1.0
_USUAL_RATE, _LEAST_RATE, _MOST_RATE = 25, 0.01, 1000


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
        self.tick_seconds = float(stream.time_base)

    def seconds(self, ticks: int) -> float:
        # One correctly rounded division, as `float(ticks * time_base)` is, but many times as fast.
        return ticks * self._numerator / self._denominator


def frame_gap(video: VideoStream) -> float:
    """Seconds from one frame to the next as a file says, unless that is nonsense."""
    rate = video.average_rate or video.guessed_rate
    return 1.0 / float(rate if rate and _LEAST_RATE <= rate <= _MOST_RATE else _USUAL_RATE)


class Timeline:
    """All packets of a clip, read without decoding, and what they say about times.

    Args:
        container (`InputContainer`): An open clip.
        streams (`Sequence`): Those of its streams that are read: the video, and perhaps a sound.
        guard (`ClipGuard`): The limits.

    Attributes:
        packets (`list[VideoPacket]`): The video's packets, in order of storage.
        held (`list[av.Packet]` or `None`): All packets of the clip as they are, ready to be decoded while the
            container is open; `None` when they are too large to be held, and are to be read again.
        clock (`StreamClock`): Of the video.
        num_mended (`int`): Frames whose times jump, and were put right.
        start (`float` or `None`): When the first frame is shown, in seconds of the file's clock; `None` if not told.
        duration (`float`): Length of the video in seconds.
        has_times (`bool`): Whether the times of the packets can be trusted.
        missing_sound (`float`): How many seconds the sound is shorter than an MP4 file states.
        error (`Exception` or `None`): What ended the reading before the end of the file.
    """

    def __init__(self, container: InputContainer, streams: Sequence, guard: ClipGuard):
        self.held: list[av.Packet] | None = []
        self._video: VideoStream = streams[0]
        # Streams must not be read once their container is closed.
        self._video_index = self._video.index
        self.clock = StreamClock(self._video)
        self._ends = {stream.index: 0.0 for stream in streams}
        self._first, self._last, self._before_last = math.inf, -math.inf, -math.inf
        self._last_lasts = 0.0
        self._first_stored, self._end_stored = math.inf, -math.inf
        self._is_reordered = False
        stored = self._read(container, streams, guard)
        if not stored:
            raise UnusableStreamError(
                f"{guard.name} has a video stream but not one frame: the file is empty or cut short."
            )
        can_restart = bool(container.format.flags & Flags.ts_discont.value)
        stamps = [stamp for stamp, *_ in stored]
        self._mended = mended_stamps(stamps, self.clock.tick_seconds, can_restart, guard.limits.max_seconds)
        self._stands_still = _stands_still(stamps)
        self.packets = [self._measured(number, *told) for number, told in enumerate(stored)]
        self.num_mended = len(self._mended)
        if self._mended and self.held is not None:
            self.held = list(self.with_mended_times(self.held))
        # AVI has no times but the order of storage, and FFmpeg passes that off as the order of showing.
        counts_only = "avi" in container.format.name and self._video.codec_context.has_b_frames
        self.has_times = (self._is_reordered or not counts_only) and not self._stands_still
        self.start = self._first if self.has_times and self._first < math.inf else None
        self._check_complete(container, guard.name)
        self.missing_sound = sum(self._missing_sound(container, stream) for stream in streams[1:])
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

    def with_mended_times(self, packets: Iterable[av.Packet]) -> Iterator[av.Packet]:
        """Goes through the packets of the clip, those of the video with the times of this timeline."""
        number = -1
        for packet in packets:
            if self._mended and packet.stream.index == self._video_index and packet.size:
                number += 1
                if number in self._mended:
                    packet.dts, packet.pts = self._mended[number]
            yield packet

    def _read(self, container: InputContainer, streams: Sequence, guard: ClipGuard) -> list[tuple]:
        """What the video's packets say: their times and how long they last in ticks, and the two marks."""
        clocks = {stream.index: StreamClock(stream) for stream in streams}
        reader = PacketReader(container, streams)
        stored, num_bytes, sure_length, previous = [], 0, 0.0, None
        for packet in reader:
            num_bytes += packet.size
            if num_bytes > _MAX_HELD_BYTES:
                self.held = None
            if self.held is not None:
                self.held.append(packet)
            seconds = self._note_end(packet, clocks[packet.stream.index])
            if packet.stream is self._video and packet.size:
                stamp = (packet.dts, packet.pts)
                stored.append((stamp, packet.duration or 0, packet.is_keyframe, packet.is_discard))
                if None not in (seconds, previous) and abs(seconds - previous) <= _MAX_SURE_STEP_SECONDS:
                    sure_length += seconds - previous
                previous = seconds
            guard.check_length(sure_length)
            guard.check_frames(len(stored))
            guard.check_time()
        self.error = reader.error
        return stored

    def _note_end(self, packet: av.Packet, clock: StreamClock) -> float | None:
        """Takes note of when a packet of any stream ends, and gives the time at which it is stored, in seconds."""
        ticks = packet.dts if packet.pts is None else packet.pts
        if ticks is None:
            return None
        end = clock.seconds(ticks) + max(0.0, clock.seconds(packet.duration or 0))
        self._ends[packet.stream.index] = max(self._ends[packet.stream.index], end)
        return clock.seconds(ticks if packet.dts is None else packet.dts)

    def _measured(self, number: int, stamp: Stamp, lasts: int, is_keyframe: bool, is_hidden: bool) -> VideoPacket:
        """The packet as it is told to others, after noting what it says about the length."""
        stored, shown = self._mended.get(number, stamp)
        seconds = max(0.0, self.clock.seconds(lasts))
        if stored is not None:
            self._first_stored = min(self._first_stored, self.clock.seconds(stored))
            self._end_stored = max(self._end_stored, self.clock.seconds(stored) + seconds)
        ticks = stored if shown is None else shown
        if ticks is not None and not is_hidden:
            self._note_shown(self.clock.seconds(ticks), seconds)
        return VideoPacket(shown, is_keyframe, is_hidden)

    def _note_shown(self, seconds: float, lasts: float) -> None:
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
        gap = frame_gap(self._video)
        # Where the packets do not tell their times, their number is all there is.
        measured = gap * len(self.packets) if self._stands_still else self.measured_duration
        # The last packet often does not say how long it lasts.
        agrees = abs(measured - stated) <= max(0.1, 0.05 * stated, 1.5 * gap)
        return stated if self._video.duration and agrees else measured

    def _missing_sound(self, container: InputContainer, stream) -> float:
        if "mp4" not in container.format.name.split(",") or not stream.duration:
            return 0.0
        clock = StreamClock(stream)
        stated_end = clock.seconds((stream.start_time or 0) + stream.duration)
        return max(0.0, stated_end - self._ends[stream.index])

    def _check_complete(self, container: InputContainer, name: str) -> None:
        """Raises when the file states more than there is: FFmpeg reads a file that was cut short in silence."""
        if {"mp4", "avi"} & set(container.format.name.split(",")) and self._video.duration:
            # What these state is the length in order of storage.
            stated, found = self.clock.seconds(self._video.duration), self._end_stored - self._first_stored
            slack = max(0.25, 0.05 * stated)
        elif "webm" in container.format.name and container.duration:
            # Stated for the longest of all streams, some of which are not read here.
            stated = (container.duration + max(0, container.start_time or 0)) / av.time_base
            found = max(self._ends.values())
            slack = max(0.5, 0.1 * stated)
        else:
            return
        found = max(0.0, found)
        if found < stated - slack:
            raise MediaError(f"{name} is cut short: it states {stated:.2f} s, but there are {found:.2f} s of it.")


def _stands_still(stamps: Sequence[Stamp]) -> bool:
    """Whether packets tell no times, or the same again and again."""
    told = [shown if stored is None else stored for stored, shown in stamps if (stored, shown) != (None, None)]
    return 2 * len(set(told)) < len(told) or not told
