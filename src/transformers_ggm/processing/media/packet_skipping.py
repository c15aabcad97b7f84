"""Choosing the packets that wanted frames depend on, so that a long video costs little more than its frames.

A video is stored as runs of packets that each start with a keyframe, from which on it can be decoded. Nothing is
sought: packets outside the runs that hold wanted frames are read and not decoded, which works alike in every container
and needs no index.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import av

from .frame_picking import nearest_times
from .timeline import Timeline, VideoPacket

# How many frames before a keyframe the frames shown before it, but stored after it, can depend on: as many as a
# decoder holds at most.
MAX_HELD_FRAMES = 16
# Fewer packets than these between two runs are decoded rather than skipped: ending a run idles the decoder's threads.
_SHORT_GAP = 4
# Where the description of an HEVC stream (ISO/IEC 14496-15, 8.3.3.1.2) has the number of its temporal layers.
_HEVC_LAYERS_BYTE, _HEVC_LAYERS_SHIFT, _HEVC_LAYERS_MASK = 21, 3, 0b111


@dataclass(frozen=True)
class SkippingPlan:
    """Which packets are decoded for which frames of a video, or of a part of it.

    Args:
        runs (`tuple[tuple[int, int], ...]`): First and last packet of each run, by their number in order of storage.
        times (`dict[int, float]`): When the needed frames are shown, in seconds of the file's clock, by their ticks.
            The first frame of the video is one of them, where this is its beginning.
        timestamps (`tuple[float, ...]`): The frames that are nearest to the wanted times, in seconds after the first.
        start (`float`): When the first frame of the video is shown, in seconds of the file's clock.
        is_beginning (`bool`): Whether the video begins here.
    """

    runs: tuple[tuple[int, int], ...]
    times: dict[int, float]
    timestamps: tuple[float, ...]
    start: float
    is_beginning: bool = True


def plan_skipping(timeline: Timeline, wanted: Sequence[float], num_parts: int = 1) -> list[SkippingPlan]:
    """Plans which packets to decode for the frames nearest to the wanted times.

    Args:
        timeline (`Timeline`): The video's packets.
        wanted (`Sequence[float]`): Seconds after the first frame, ascending.
        num_parts (`int`, defaults to 1): Into how many parts, of about as many packets, the video is to be divided for
            decoders beside each other. Each begins with a keyframe, so that there may be fewer.

    Returns:
        `list[SkippingPlan]`: Of each part, one after the other; empty where the packets do not tell when their frames
            are shown.
    """
    packets = timeline.packets
    numbers = {packet.ticks: number for number, packet in enumerate(packets) if not packet.is_hidden}
    is_told = timeline.has_times and None not in numbers
    if not is_told or not numbers or len(numbers) + sum(packet.is_hidden for packet in packets) != len(packets):
        return []
    ticks = sorted(numbers)
    seconds = [timeline.clock.seconds(tick) for tick in ticks]
    after_first = [second - seconds[0] for second in seconds]
    chosen = nearest_times(after_first, wanted)
    needed = sorted({0, *chosen})
    runs = _merged([(_run_start(packets, numbers[ticks[index]]), numbers[ticks[index]]) for index in needed], gap=-1)
    plans = []
    for part in _parts(runs, num_parts):
        within = {index for index in needed if part[0][0] <= numbers[ticks[index]] <= part[-1][1]}
        plan = SkippingPlan(
            runs=_merged(part, gap=_SHORT_GAP),
            times={ticks[index]: seconds[index] for index in sorted(within)},
            timestamps=tuple(after_first[index] for index in chosen if index in within),
            start=seconds[0],
            is_beginning=not plans,
        )
        plans.append(plan)
    return plans


def _parts(runs: Sequence[tuple[int, int]], num_parts: int) -> list[list[tuple[int, int]]]:
    """Runs in up to so many groups of neighbours with about as many packets each."""
    share = sum(last + 1 - first for first, last in runs) / num_parts
    parts: list[list[tuple[int, int]]] = [[]]
    size = 0
    for first, last in runs:
        # The middle of a run tells to which part it belongs.
        if parts[-1] and size + (last + 1 - first) / 2 > share * len(parts) and len(parts) < num_parts:
            parts.append([])
        parts[-1].append((first, last))
        size += last + 1 - first
    return parts


def marks_unneeded_frames(context: av.CodecContext) -> bool:
    """Whether a video marks, and reliably so, the frames that no other frame depends on.

    H.264 does. So does HEVC where there is one temporal layer, since what it marks is whether another frame of the
    same layer depends on one; MP4 and Matroska tell the number of layers, other containers do not.

    Args:
        context (`av.CodecContext`): Of the video, before decoding.
    """
    if context.name != "hevc":
        return context.name == "h264"
    described = bytes(context.extradata or b"")
    if len(described) <= _HEVC_LAYERS_BYTE or described[0] != 1:
        return False  # parameter sets as they stand in a stream, which begin with zeros
    return described[_HEVC_LAYERS_BYTE] >> _HEVC_LAYERS_SHIFT & _HEVC_LAYERS_MASK == 1


def _run_start(packets: Sequence[VideoPacket], number: int) -> int:
    """The keyframe from which on a packet can be decoded."""
    start = _keyframe_before(packets, number)
    if start and packets[number].ticks < packets[start].ticks:
        # Shown before the keyframe that it is stored after: it can depend on frames before that keyframe.
        start = _keyframe_before(packets, max(0, start - MAX_HELD_FRAMES))
    return start


def _keyframe_before(packets: Sequence[VideoPacket], number: int) -> int:
    while number and (not packets[number].is_keyframe or packets[number].ticks is None):
        number -= 1
    return number


def _merged(runs: Sequence[tuple[int, int]], gap: int) -> tuple[tuple[int, int], ...]:
    """Runs in order, those joined between which no more packets than `gap` lie; with -1, those that overlap."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(runs):
        if merged and first <= merged[-1][1] + 1 + gap:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return tuple(merged)
