"""Times of packets that jump, by themselves and in clips."""

import itertools
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest
from clip_samples import decoded_frames, write_sounding_video, write_video
from hypothesis import given
from hypothesis import strategies as st

from transformers_ggm.errors import MediaError
from transformers_ggm.processing import MediaLimits, decode_media
from transformers_ggm.processing.media import timeline
from transformers_ggm.processing.media.frame_images import upright_rgb
from transformers_ggm.processing.media.timestamps import mended_stamps

MS = 0.001


def mended(times, can_restart=False, max_seconds=600.0):
    """All of the times in milliseconds, after mending; decoding and presentation time are the same."""
    changed = mended_stamps([(time, time) for time in times], MS, can_restart, max_seconds)
    return [changed[number][0] if number in changed else time for number, time in enumerate(times)]


STEADY = list(range(0, 4000, 40))


@given(
    steps=st.lists(st.integers(0, 9_000), min_size=1, max_size=60),
    start=st.integers(-(10**6), 10**9),
    can_restart=st.booleans(),
)
def test_times_that_go_on_are_left_alone(steps, start, can_restart):
    """Would fail if pauses of a clip of uneven frames were taken for errors."""
    times = [start, *(start + time for time in itertools.accumulate(steps))]
    assert mended(times, can_restart) == times


@given(
    number=st.integers(1, len(STEADY) - 2),
    count=st.integers(1, 12),
    error=st.one_of(st.integers(600, 10**9), st.integers(-(10**9), -600)),
    can_restart=st.booleans(),
)
def test_some_wrong_times_do_not_matter(number, count, error, can_restart):
    """Would fail if a damaged time made a clip longer or shorter, or moved the frames after it."""
    times = [time + error * (number <= index < number + count) for index, time in enumerate(STEADY[:-1])]
    times.append(STEADY[-1])
    assert mended(times, can_restart) == STEADY


@given(parts=st.lists(st.integers(10, 60), min_size=2, max_size=4))
def test_clocks_that_start_again(parts):
    """Would fail if the parts of a joined recording lay over one another."""
    times = [40 * index for part in parts for index in range(part)]
    for can_restart in (True, False):
        assert mended(times, can_restart) == [40 * index for index in range(sum(parts))]


@pytest.mark.parametrize("jump", [11_000, 90_000_000])
def test_clocks_that_are_set_ahead(jump):
    """Would fail if a recording whose clock was set were hours long, or a pause where no clock can be set were cut."""
    times = [time + jump * (index >= 50) for index, time in enumerate(STEADY)]
    assert mended(times, can_restart=True) == STEADY
    assert mended(times, can_restart=False) == (STEADY if jump > 600_000 else times)
    assert mended(times, can_restart=False, max_seconds=10**6) == times


def test_frames_far_apart_are_no_errors():
    """Would fail if a slide show of an hour were taken for a short clip with wrong times."""
    times = [1_200_000 * index for index in range(5)]
    assert mended(times) == times


def test_times_that_go_to_and_fro():
    """Would fail if a writer's jitter made a clip many times as long."""
    times = [time + (90 if index % 2 else -90) for index, time in enumerate(STEADY)]
    assert mended(times)[-1] - mended(times)[0] == pytest.approx(STEADY[-1], abs=300)
    assert mended(times) == sorted(mended(times))


def test_a_presentation_time_far_from_the_decoding_time_is_dropped():
    """Would fail if a frame were waited for until an absurd time, or every time that is missing were."""
    stamps = [(time, time + 80) for time in STEADY]
    stamps[20] = (stamps[20][0], 10**9)
    stamps[30] = (None, None)
    assert mended_stamps(stamps, MS, False, 600.0) == {20: (800, None)}


def test_numbers_that_do_not_fit_are_dropped():
    """Would fail if a mended time overflowed FFmpeg's 64 bits."""
    stamps = [(2**63 - 1, 2**63 - 1), *((time, time) for time in STEADY)]
    changed = mended_stamps(stamps, MS, True, 600.0)
    assert all(ticks is None or abs(ticks) < 2**63 for stamp in changed.values() for ticks in stamp)


@pytest.mark.parametrize(
    ("stated", "guessed", "gap"),
    [
        (30, None, 1 / 30),
        (None, 10, 0.1),
        (Fraction(1, 5), None, 5.0),
        (Fraction(1, 512), 1, 0.04),
        (None, None, 0.04),
    ],
)
def test_frame_rates_that_are_nonsense(stated, guessed, gap):
    """Would fail if a damaged header made frames of a clip without times minutes apart."""
    assert timeline.frame_gap(SimpleNamespace(average_rate=stated, guessed_rate=guessed)) == gap


def flv_tags(data):
    """The pieces of an FLV file after its header."""
    tags, start = [], 13
    while start + 11 <= len(data):
        size = int.from_bytes(data[start + 1 : start + 4], "big")
        tags.append(bytearray(data[start : start + 15 + size]))
        start += 15 + size
    return tags


def with_times(path, change):
    """Changes the times in ms of the frames in an FLV file: `change` gets number and time."""
    data = path.read_bytes()
    tags, number = flv_tags(data), -1
    for tag in tags:
        # Video, and neither the beginning of the stream nor its end.
        if tag[0] == 9 and tag[12] == 1:
            number += 1
            time = change(number, int.from_bytes(tag[4:7], "big") | tag[7] << 24) % 2**32
            tag[4:7], tag[7] = (time % 2**24).to_bytes(3, "big"), time >> 24
    path.write_bytes(data[:13] + b"".join(map(bytes, tags)))
    return path


HARM = {
    "one ahead": lambda number, time: time + 5_000_000 * (number == 20),
    "one ahead a little": lambda number, time: time + 3_000 * (number == 20),
    "one back": lambda number, time: time * (number != 20),
    "ten ahead": lambda number, time: time + 5_000_000 * (20 <= number < 30),
    "the first ahead": lambda number, time: time + 5_000_000 * (number == 0),
    "the first long before": lambda number, time: time + 3_600_000 * (number > 0),
    "the last ahead": lambda number, time: time + 5_000_000 * (number == 59),
    "starting again": lambda number, time: time - 1_200 * (number >= 30),
    "before zero": lambda number, time: time - 1_000_000,
    "late": lambda number, time: time + 10_000_000,
    "to and fro": lambda number, time: time + 90 * (-1) ** number,
    "none": lambda number, time: 0,
}


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("harm", sorted(HARM))
def test_clips_with_wrong_times(tmp_path, harm, held, monkeypatch):
    """Would fail if wrong times moved a clip's frames, or refused it for a length that it does not have."""
    path = write_video(tmp_path / "a.flv", "libx264", options={"x264-params": "keyint=15:bframes=2"})
    frames = decoded_frames(path)
    with_times(path, HARM[harm])
    if not held:
        monkeypatch.setattr(timeline, "_MAX_HELD_BYTES", 100)
    wanted = [0.0, 0.4, 1.2, 2.0, 2.36]
    media = decode_media(path, sample_timestamps=lambda duration: wanted)
    assert media.duration == pytest.approx(2.4, abs=0.2)
    slack = 0.15 if harm == "to and fro" else 0.01
    for time, stamp, image in zip(wanted, media.timestamps.tolist(), media.frames.permute(0, 2, 3, 1).numpy()):
        assert stamp == pytest.approx(time, abs=slack)
        near = [frame for frame in frames if abs(frame.time - frames[0].time - time) <= slack]
        assert any(np.array_equal(image, upright_rgb(frame)) for frame in near)
    assert ("jump" in str(media.damage)) == (harm not in ("before zero", "late", "none"))


def test_a_clip_that_is_too_long_still_is(tmp_path):
    """Would fail if the limit could be got round with times that jump, or were no longer found early."""
    path = write_video(tmp_path / "a.flv", "libx264", times=[index * 0.9 for index in range(20)])
    with pytest.raises(MediaError, match=r"MediaLimits\.max_seconds"):
        decode_media(path, sample_timestamps=lambda duration: [0.0], limits=MediaLimits(max_seconds=10.0))
    path = write_video(tmp_path / "b.mp4", "libx264", times=[0.0, 30.0, 60.0])
    with pytest.raises(MediaError, match=r"MediaLimits\.max_seconds"):
        decode_media(path, sample_timestamps=lambda duration: [0.0], limits=MediaLimits(max_seconds=10.0))


def test_joined_recordings_are_shown_one_after_the_other(tmp_path):
    """Would fail if of recordings joined byte by byte only one were seen, or in another size or order."""
    parts = [
        write_sounding_video(tmp_path / f"{rate}.ts", "mpeg2video", "aac", rate=rate).read_bytes()
        for rate in (48_000, 44_100, 32_000)
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(parts))
    media = decode_media(
        path, sample_timestamps=lambda duration: [0.5, 2.5, 4.5], sampling_rate=16_000, max_audio_seconds=20.0
    )
    assert media.duration == pytest.approx(6.0, abs=0.3) and len(media.audio) / 16_000 == pytest.approx(6.0, abs=0.3)
    # Every part gets lighter in the same way.
    greys = media.frames.float().mean(dim=(1, 2, 3))
    assert greys.max() - greys.min() < 3 and greys.min() > 2


def test_recordings_that_change_their_size_midway(tmp_path):
    """Would fail if frames after a change of the decoder's settings were skipped to with the old ones, or refused."""
    sizes = [(64, 48), (96, 64), (32, 96)]
    files = [
        write_video(tmp_path / f"{width}.flv", "libx264", 30, (width, height), options={"x264-params": "keyint=10"})
        for width, height in sizes
    ]
    first = files[0].read_bytes()
    # All but what the others say about themselves at their beginnings.
    others = [bytes(tag) for file in files[1:] for tag in flv_tags(file.read_bytes()) if tag[0] != 18]
    path = tmp_path / "joined.flv"
    path.write_bytes(first + b"".join(others))
    wanted = [0.4, 1.16, 1.2, 1.96, 2.4, 3.36]
    media = decode_media(path, sample_timestamps=lambda duration: wanted)
    assert media.duration == pytest.approx(3.6, abs=0.2) and media.frames.shape == (6, 3, 48, 64)
    for time, image in zip(wanted, media.frames.permute(0, 2, 3, 1).numpy()):
        part, number = divmod(round(time * 25), 30)
        expected = upright_rgb(decoded_frames(files[part])[number], 48, 64)
        assert np.array_equal(image, expected)


def pes_starts(data):
    """Where the headers of video frames start in an MPEG-TS file."""
    for start in range(0, len(data), 188):
        packet = data[start : start + 188]
        is_video = ((packet[1] & 31) << 8 | packet[2]) == 0x100
        payload = 4 + (1 + packet[4] if packet[3] & 0x20 else 0)
        if is_video and packet[1] & 0x40 and packet[payload : payload + 3] == b"\0\0\1":
            yield start + payload


@pytest.mark.parametrize("kept", [0x80, 0x00], ids=["presentation times", "none"])
def test_times_that_are_not_told(tmp_path, kept):
    """
    Would fail if a broadcast whose frames do not tell when to decode or show them were refused, or had no length.
    """
    path = write_video(tmp_path / "a.ts", "libx264", options={"x264-params": "keyint=15:bframes=2"})
    data = bytearray(path.read_bytes())
    for start in pes_starts(data):
        data[start + 7] &= 0x3F | kept
    path.write_bytes(data)
    with av.open(str(path)) as container:
        assert len([packet for packet in container.demux(video=0) if packet.size]) == 60
    media = decode_media(path, sample_timestamps=lambda duration: [0.0, 1.2, duration])
    assert media.duration == pytest.approx(2.4, abs=0.1)
    assert media.timestamps.tolist() == pytest.approx([0.0, 1.2, 2.36], abs=0.05)
