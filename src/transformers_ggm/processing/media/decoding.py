"""Decoding a clip: the frames nearest to the wanted times, and its sound."""

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import av
import numpy as np
import torch
from av.container import InputContainer
from av.video.stream import VideoStream

from ...errors import MediaError
from .audio import SoundDecoder, measured_seconds, read_sounds, usable_sound
from .containers import (
    check_has_video,
    decodable_sounds,
    decodable_videos,
    ends_within_a_box,
    open_container,
    prepare_video,
    video_streams,
)
from .damage import NO_DAMAGE, MediaDamage, UnusableStreamError, report_damage
from .decoding_in_parts import MAX_PARTS, DecodedParts, decode_in_parts
from .frame_picking import PrepareFrame, nearest_times
from .limits import DEFAULT_LIMITS, ClipGuard, GuardedFile, MediaLimits
from .packet_reading import PacketReader, told_stop
from .packet_skipping import SkippingPlan, plan_skipping
from .sources import MediaSource, open_source, source_name
from .timeline import Timeline
from .video_decoders import FullDecoder, SkippingDecoder, TolerantDecoder

# Whether a file of sound alone can be read is the same question for a model that does not hear it.
_ANY_SOUND = (16_000, 10.0)
# Containers that state how long a sound is. Of others (MP3, Ogg, WAV that was cut) FFmpeg tells what it found, or
# guesses.
_STATING_FORMATS = {"aiff", "flac", "mp4", "webm"}
# So much less than stated may be there, since statements are rounded.
_SOUND_SLACK_SECONDS = 0.25


@dataclass(frozen=True)
class Media:
    """A decoded clip.

    Args:
        frames (`torch.Tensor` or `None`): (f, 3, h, w) uint8, RGB, upright and with square pixels, as players show
            them, or what was made of these. `None` for sound alone, which is read on demand only (`blank_video`).
        timestamps (`torch.Tensor`): (f,) float64, the time of each of these frames in seconds after the first frame
            of the video.
        audio (`np.ndarray` or `None`): (n,) float32, mono. `None` when the clip has no sound or it was not asked for.
        sampling_rate (`int` or `None`): Rate of `audio` in Hz.
        duration (`float`): Length of the video in seconds, or of the sound where that is alone.
        num_frames (`int`, defaults to 0): How many frames the clip shows; 0 where that is not known.
        frame_indices (`tuple[int, ...]`, defaults to `()`): Which of them `frames` are, from 0; empty where that is
            not known.
        damage ([`MediaDamage`]): What of the clip was left out, or is shown with faults; false where nothing is known.
        geometry (`dict`, *optional*): The steps of the processor that resized these frames as they were decoded.
    """

    frames: torch.Tensor | None
    timestamps: torch.Tensor
    audio: np.ndarray | None
    sampling_rate: int | None
    duration: float
    num_frames: int = 0
    frame_indices: tuple[int, ...] = ()
    damage: MediaDamage = NO_DAMAGE
    geometry: Mapping[str, Any] | None = None


def decode_media(
    source: MediaSource,
    *,
    sample_timestamps: Callable[[float], Sequence[float]],
    sampling_rate: int | None = None,
    max_audio_seconds: float = 10.0,
    limits: MediaLimits = DEFAULT_LIMITS,
    blank_video: bool = False,
    prepare_frame: PrepareFrame | None = None,
) -> Media:
    """Reads a clip's frames at given times, and its sound.

    Of all frames the one with the timestamp nearest to each wanted time is taken (the earlier one of two equally
    near); frame counts and frame rates are never used, since files state them wrongly or not at all. Frames come out
    upright and at the width at which players show them, in the colours that the `ffmpeg` program gives, and the same
    whether or not the frames between them are decoded, which long clips are spared. The sound is taken from its own
    start, its channels are mixed to one.

    Of a damaged clip is taken what can be decoded, as the `ffmpeg` program does it: frames that cannot be are passed
    over, faulty ones are mended, and damaged sound is left out, up to `MediaLimits.max_damaged_share`. The result and
    the log tell. Where a stream cannot be used at all, the next one of its kind is, and sound that cannot be used is
    as if there were none. A clip that is cut short is refused: most are downloads that broke off.

    Args:
        source: Path, `http(s)` or other fsspec URL, bytes, or binary file object.
        sample_timestamps (`Callable[[float], Sequence[float]]`): Gets the video's length in seconds and gives the
            wanted times in seconds, ascending, at least one.
        sampling_rate (`int`, *optional*): Rate in Hz at which the sound is wanted; `None` leaves the sound out.
        max_audio_seconds (`float`, defaults to 10.0): Sound after this is left out.
        limits (`MediaLimits`, defaults to `MediaLimits()`): What the clip may be at most.
        blank_video (`bool`, defaults to `False`): Whether a file without a picture, or with one that cannot be
            decoded, is read for its sound alone, as the processors want it that show one black frame with it.
        prepare_frame (`Callable`, *optional*): Makes of each frame (h, w, 3) uint8, as soon as it is decoded, what is
            kept of it, likewise, such as a smaller one. It is called by several threads. By default all is kept, which
            are 93 MB of 15 frames of 1920x1080 pixels.

    Returns:
        `Media`: As many frames as there are wanted times, and the sound.

    Raises:
        `MediaError`: The source is missing, unreadable, truncated, damaged too much or over a limit, or has no video
            (with `blank_video`: and no sound either) or no frame.

    Example:

    ```python
    from transformers_ggm.processing import GGMVideoProcessor, decode_media

    media = decode_media("clip.mp4", sample_timestamps=GGMVideoProcessor().sample_timestamps, sampling_rate=16_000)
    media.frames.shape, media.duration
    ```
    """
    guard = ClipGuard(source_name(source), limits)
    sound = None if sampling_rate is None else (sampling_rate, max_audio_seconds)
    wishes = _Wishes(sample_timestamps, sound, prepare_frame)
    with open_source(source, limits.max_bytes, guard.check_time) as opened:
        file = GuardedFile(opened, guard)
        try:
            clip = _ClipReader(file, guard, wishes).read(blank_video)
        except (av.FFmpegError, MediaError) as error:
            # A file that could not be read looks to FFmpeg as if it ended.
            file.raise_error()
            if isinstance(error, MediaError):
                raise
            raise MediaError(
                f"{guard.name} cannot be read as a video ({error.strerror}): the file is damaged."
            ) from error
        file.raise_error()
    media = clip.media(sampling_rate)
    report_damage(guard.name, media.damage)
    return media


@dataclass(frozen=True)
class _Wishes:
    """
    What is wanted of a clip: frames for its length in seconds, sound at a rate in Hz, up to a length in seconds, and
    what is kept of a frame.
    """

    sample_timestamps: Callable[[float], Sequence[float]]
    sound: tuple[int, float] | None
    prepare_frame: PrepareFrame | None


@dataclass
class _Clip:
    """
    What the passes over a file take: its length in seconds, the decoded video and sound, what is wrong with it, and
    when all of its frames are shown, in seconds after the first.
    """

    duration: float
    video: FullDecoder | SkippingDecoder | DecodedParts | None
    sound: SoundDecoder | None
    remarks: list[str] = field(default_factory=list)
    shown: Sequence[float] = ()

    def media(self, sampling_rate: int | None) -> Media:
        """The clip as callers get it."""
        audio = self.sound.waveform() if self.sound else None
        frames, timestamps, counts = None, [], self.sound.counts if self.sound else {}
        if self.video is not None:
            # Colours stay side by side in memory, as they are decoded: resizing is twice as fast then.
            frames = torch.from_numpy(self.video.picker.images).permute(0, 3, 1, 2)
            timestamps = self.video.picker.timestamps
            counts = {**counts, **self.video.counts}
        return Media(
            frames=frames,
            timestamps=torch.tensor(timestamps, dtype=torch.float64),
            audio=audio,
            sampling_rate=None if audio is None else sampling_rate,
            duration=self.duration,
            num_frames=len(self.shown),
            frame_indices=tuple(nearest_times(self.shown, timestamps)),
            damage=MediaDamage(**counts, remarks=tuple(self.remarks)),
        )


@dataclass(frozen=True)
class _Facts:
    """What a file says about itself: streams that can be decoded, and the length of the first sound in seconds."""

    num_videos: int = 0
    num_sounds: int = 0
    has_picture: bool = False
    has_unknown_sound: bool = False
    formats: frozenset[str] = frozenset()
    sound_seconds: float = 0.0


def _facts(container: InputContainer) -> _Facts:
    sounds = decodable_sounds(container)
    seconds = (container.duration or 0) / av.time_base
    if sounds and sounds[0].duration:
        seconds = float(sounds[0].duration * sounds[0].time_base)
    return _Facts(
        num_videos=len(decodable_videos(container)),
        num_sounds=len(sounds),
        has_picture=bool(video_streams(container)),
        has_unknown_sound=bool(container.streams.audio) and not sounds,
        formats=frozenset(container.format.name.split(",")),
        sound_seconds=seconds,
    )


def _of_one_thread(video: VideoStream) -> VideoStream:
    """A video whose decoder starts no threads, since there are others beside it."""
    video.codec_context.thread_count = 1
    return video


class _ClipReader:
    """Reads a clip: all packets without decoding, then those that are needed, or all of them when that fails.

    Args:
        file (`GuardedFile`): The clip.
        guard (`ClipGuard`): The limits.
        wishes (`_Wishes`): What is wanted of it.
    """

    def __init__(self, file: GuardedFile, guard: ClipGuard, wishes: _Wishes):
        self._file = file
        self._guard = guard
        self._wishes = wishes
        self._facts = _Facts()

    def read(self, blank_video: bool) -> _Clip:
        """Reads the first video that can be used, or where a blank one may stand for it, the sound alone."""
        failure = None
        for which in itertools.count():
            try:
                clip = self._read_video(which, blank_video)
            except UnusableStreamError as error:
                failure = failure or error
                if which + 1 < self._facts.num_videos:
                    continue
                break
            if failure:
                clip.remarks.append(f"its second video or a later one is shown, since it {self._reason(failure)}")
            return clip
        if not blank_video:
            raise failure
        return self._read_sound_alone(self._open(), failure)

    def _open(self) -> InputContainer:
        self._file.seek(0)
        return open_container(self._file, self._guard)

    def _read_video(self, which: int, blank_video: bool) -> _Clip:
        """Reads a video and the sound beside it, or the sound alone where there is no video and need not be one.

        Raises:
            `UnusableStreamError`: The video cannot be used.
        """
        with self._open() as container:
            self._facts = _facts(container)
            if blank_video and not self._facts.has_picture:
                return self._read_sound_alone(container)
            check_has_video(container, self._guard)
            streams = self._streams(container, which)
            timeline = Timeline(container, streams, self._guard)
            if self._wishes.sound:
                self._check_sound_complete(timeline)
            plans, decoders = self._decoders(timeline)
            sound = SoundDecoder(*self._wishes.sound) if streams[1:] and self._wishes.sound else None
            video = None
            if timeline.held is not None:
                self._guard.begin_decoding()
                first = decoders.pop(0)
                if len(plans) > 1:
                    video = self._decode_in_parts(timeline, streams[0], which, plans, sound)
                else:
                    video = self._decode(timeline.held, streams[0], first, sound)
        while video is None:
            with self._open() as container:
                streams = self._streams(container, which)
                packets = timeline.with_mended_times(PacketReader(container, streams))
                self._guard.begin_decoding()
                video = self._decode(packets, streams[0], decoders.pop(0), sound)
        clip = _Clip(timeline.duration, video, sound, self._remarks(timeline), shown=timeline.shown)
        return self._with_usable_sound(clip)

    def _remarks(self, timeline: Timeline) -> list[str]:
        """What is wrong with the file, besides the frames and the sound that are damaged."""
        remarks = []
        if timeline.error:
            remarks.append(told_stop(timeline.error, timeline.duration))
        if timeline.num_mended:
            remarks.append(f"the times of {timeline.num_mended} frames jump, which is mended")
        if self._facts.has_unknown_sound and self._wishes.sound:
            remarks.append("its sound is of a kind that cannot be decoded, and is left out")
        return remarks

    def _streams(self, container: InputContainer, which: int) -> list:
        """A video, made ready to be decoded, and where there is one that can be decoded, the first sound."""
        video = decodable_videos(container)[which]
        prepare_video(video, self._guard)
        return [video, *decodable_sounds(container)[:1]]

    def _check_sound_complete(self, timeline: Timeline) -> None:
        """Raises where only the sound is cut off; sound that is missing within a file costs nothing but itself."""
        if timeline.missing_sound > _SOUND_SLACK_SECONDS and ends_within_a_box(self._file):
            raise MediaError(
                f"{self._guard.name} is cut short: the last {timeline.missing_sound:.2f} s of its sound are not there."
            )

    def _decoders(self, timeline: Timeline) -> tuple[list[SkippingPlan], list[Callable]]:
        """
        The parts of which only some packets are decoded, and what decodes the video, in the order in which it is
        tried; the last one takes what there is, or raises.
        """
        self._guard.check_length(timeline.duration)
        wanted = sorted(self._wishes.sample_timestamps(timeline.duration))
        common = self._of_every_decoder(timeline)
        decoders = [partial(kind, wanted=wanted, **common) for kind in (FullDecoder, TolerantDecoder)]
        # Packets that are read as they are decoded can be read by one decoder alone.
        num_parts = 1 if timeline.held is None else min(torch.get_num_threads(), MAX_PARTS)
        plans = plan_skipping(timeline, wanted, num_parts)
        if plans:
            decoders.insert(0, partial(SkippingDecoder, plan=plans[0], **common))
        return plans, decoders

    def _of_every_decoder(self, timeline: Timeline) -> dict[str, Any]:
        return {"timeline": timeline, "guard": self._guard, "prepare": self._wishes.prepare_frame}

    def _decode_in_parts(
        self,
        timeline: Timeline,
        video: VideoStream,
        which: int,
        plans: Sequence[SkippingPlan],
        sound: SoundDecoder | None,
    ) -> DecodedParts | None:
        """
        As `_decode`, but from several keyframes on at once, by the file opened once more for each further one, and the
        sound beside them.
        """
        opening = threading.Lock()

        def decode(plan: SkippingPlan, room: Callable) -> SkippingDecoder | None:
            make = partial(SkippingDecoder, plan=plan, room=room, **self._of_every_decoder(timeline))
            if plan.is_beginning:
                return self._decode(timeline.held, _of_one_thread(video), make, None)
            with opening:
                container = self._open()
            with container:
                own = _of_one_thread(self._streams(container, which)[0])
                return self._decode(timeline.held, own, make, None)

        others = [partial(self._hear, timeline.held, video, sound)] if sound else []
        return decode_in_parts(plans, decode, others)

    def _hear(self, packets: Iterable[av.Packet], video: VideoStream, sound: SoundDecoder) -> None:
        """Decodes the sound beside a video, until there is enough of it."""
        for packet in packets:
            self._guard.check_time()
            if packet.stream.index != video.index:
                sound.add(packet)
            if sound.is_done:
                break
        sound.finish()

    def _decode(
        self, packets: Iterable[av.Packet], stream: VideoStream, make_decoder: Callable, sound: SoundDecoder | None
    ) -> FullDecoder | SkippingDecoder | None:
        """
        Decodes packets until the last wanted frame and sample are there; `None` if frames are not as they should be.
        """
        decoder = make_decoder(stream)
        for packet in packets:
            self._guard.check_time()
            if packet.stream.index != stream.index:
                if sound and not sound.is_done:
                    sound.add(packet)
            elif not decoder.is_done:
                decoder.add(packet)
            if decoder.is_done and (sound is None or sound.is_done):
                break
        if sound:
            sound.finish()
        return decoder if decoder.finish() else None

    def _with_usable_sound(self, clip: _Clip) -> _Clip:
        """The clip with the first of the file's sounds that can be used, or with none."""
        first, limit = clip.sound, self._guard.limits.max_damaged_share
        if first is None or first.is_usable(limit):
            return clip
        others = self._read_sounds(first=1) if self._facts.num_sounds > 1 else ()
        clip.sound = next((sound for sound in others if sound.is_usable(limit)), None)
        if first.num_faulty:
            done = "is left out" if clip.sound is None else "is left out for another one"
            clip.remarks.append(f"its sound {done} ({MediaDamage(**first.counts)})")
        return clip

    def _read_sound_alone(self, container: InputContainer, failure: MediaError | None = None) -> _Clip:
        """Reads the sound of a file, newly opened, that has no picture, or none that can be used.

        Raises:
            `MediaError`: There is no sound that can be used, or none is wanted where there is a picture.
        """
        if failure and not self._wishes.sound:
            raise failure
        stated, sounds = self._facts.sound_seconds, self._read_sounds(container)
        if stated > self._guard.limits.max_seconds and self._facts.num_sounds:
            # The open container cannot go on where another one has read the file.
            stated, sounds = self._measured_sound(), self._read_sounds()
        try:
            sound = usable_sound(sounds, self._guard)
        except UnusableStreamError as error:
            if failure:
                raise failure from error
            raise
        found = sound.seconds
        if not found:
            raise MediaError(f"{self._guard.name} has neither a picture nor any sound that can be used: leave it out.")
        if self._facts.formats & _STATING_FORMATS and not sound.is_full and found < 0.9 * stated - 0.5:
            raise MediaError(
                f"{self._guard.name} is cut short: it states {stated:.2f} s, but there are {found:.2f} s of it."
            )
        remarks = [f"its picture is left out, since it {self._reason(failure)}"] if failure else []
        if sound.error:
            remarks.append(told_stop(sound.error, found))
        return _Clip(stated or found, None, sound if self._wishes.sound else None, remarks)

    def _read_sounds(self, *opened: InputContainer, first: int = 0) -> Iterator[SoundDecoder]:
        """The sounds of the file; the first one is taken from a container that is open already, where there is one."""
        containers = list(opened)
        sound = self._wishes.sound or _ANY_SOUND
        return read_sounds(lambda: containers.pop() if containers else self._open(), self._guard, *sound, first=first)

    def _measured_sound(self) -> float:
        """Length of the sound in seconds by its packets, for a file that states more than is allowed."""
        with self._open() as container:
            measured = measured_seconds(container, decodable_sounds(container)[0], self._guard)
        self._guard.check_length(measured)
        return measured

    def _reason(self, failure: MediaError) -> str:
        return str(failure).removeprefix(f"{self._guard.name} ").removesuffix(".")
