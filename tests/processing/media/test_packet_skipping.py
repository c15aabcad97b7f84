"""Frames that are taken without decoding the whole clip, against decoding it from start to end."""

import itertools
import threading
from functools import cache

import numpy as np
import pytest
import torch
from clip_samples import decoded_frames, run_ffmpeg, write_sounding_video, write_video
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transformers_ggm.processing import decode_media
from transformers_ggm.processing.media import decoding, timeline
from transformers_ggm.processing.media.audio import SoundDecoder
from transformers_ggm.processing.media.frame_images import upright_rgb
from transformers_ggm.processing.media.frame_picking import nearest_times
from transformers_ggm.processing.media.limits import ClipGuard

X264 = "keyint={}:min-keyint=1:scenecut=0:bframes={}:open-gop={}"
X265 = "log-level=none:keyint={}:min-keyint=1:scenecut=0:bframes={}:open-gop={}"
UNEVEN = [round(0.04 * index + 0.015 * (index % 3) + (1.5 if index > 40 else 0), 3) for index in range(60)]

# Name: file name, and what `write_video` is told.
KINDS = {
    "h264": ("a.mp4", "libx264", {"options": {"x264-params": X264.format(12, 0, 0)}}),
    "h264 b-frames": ("a.mp4", "libx264", {"options": {"x264-params": X264.format(12, 3, 0)}}),
    "h264 open": ("a.mp4", "libx264", {"options": {"x264-params": X264.format(9, 3, 1)}}),
    "h264 open mkv": ("a.mkv", "libx264", {"options": {"x264-params": X264.format(7, 3, 1) + ":ref=8"}}),
    "h264 open ts": ("a.ts", "libx264", {"options": {"x264-params": X264.format(9, 3, 1)}}),
    "h264 open mov": ("a.mov", "libx264", {"options": {"x264-params": X264.format(5, 2, 1) + ":b-pyramid=none"}}),
    "h264 uneven": ("a.mp4", "libx264", {"options": {"x264-params": X264.format(12, 3, 0)}, "times": UNEVEN}),
    "h264 interlaced": ("a.mp4", "libx264", {"options": {"x264-params": X264.format(12, 3, 0) + ":tff=1"}}),
    "hevc": ("a.mp4", "libx265", {"options": {"x265-params": X265.format(12, 3, 0)}, "size": (64, 64)}),
    "hevc open": ("a.mp4", "libx265", {"options": {"x265-params": X265.format(9, 4, 1)}, "size": (64, 64)}),
    "hevc open mkv": ("a.mkv", "libx265", {"options": {"x265-params": X265.format(8, 3, 1)}, "size": (64, 64)}),
    "hevc layers": (
        "a.mp4",
        "libx265",
        {"options": {"x265-params": X265.format(12, 3, 0) + ":temporal-layers=3"}, "size": (64, 64)},
    ),
    "hevc refs": (
        "a.mp4",
        "libx265",
        {"options": {"x265-params": X265.format(15, 7, 0) + ":ref=5"}, "size": (64, 64)},
    ),
    "hevc ts": ("a.ts", "libx265", {"options": {"x265-params": X265.format(12, 3, 0)}, "size": (64, 64)}),
    "vp8": ("a.webm", "libvpx", {"gop_size": 12, "options": {"auto-alt-ref": "1", "lag-in-frames": "8"}}),
    "vp9": ("a.webm", "libvpx-vp9", {"gop_size": 12, "options": {"cpu-used": "8", "lag-in-frames": "8"}}),
    "vp9 uneven": ("a.webm", "libvpx-vp9", {"gop_size": 12, "options": {"cpu-used": "8"}, "times": UNEVEN}),
    "av1": ("a.mp4", "libsvtav1", {"gop_size": 12, "options": {"preset": "12"}, "size": (64, 64)}),
    "mpeg4": ("a.avi", "mpeg4", {"gop_size": 12}),
    "mpeg4 b-frames": ("a.mp4", "mpeg4", {"gop_size": 12, "max_b_frames": 2}),
    "mpeg2 open": ("a.ts", "mpeg2video", {"gop_size": 12, "max_b_frames": 2}),
    "mjpeg": ("a.mov", "mjpeg", {"pix_fmt": "yuvj420p"}),
    "ffv1": ("a.mkv", "ffv1", {"gop_size": 12}),
}
# Keyframes that are none, no keyframes, and times that are none: nothing can be skipped, or it turns out wrong.
HARD_KINDS = {
    "h264 refresh": ("a.ts", "libx264", {"options": {"x264-params": X264.format(12, 0, 0) + ":intra-refresh=1"}}),
    "h264 avi": ("a.avi", "libx264", {"options": {"x264-params": X264.format(12, 3, 0)}}),
    "mpeg4 avi": ("a.avi", "mpeg4", {"gop_size": 12, "max_b_frames": 2}),
    "gif": ("a.gif", "gif", {"pix_fmt": "rgb8"}),
}


@pytest.fixture(scope="module")
def clip_of(tmp_path_factory):
    """Gives the clip of a kind, and its frames in full as (seconds after the first, image)."""

    @cache
    def make(kind):
        name, codec, told = (KINDS | HARD_KINDS)[kind]
        path = write_video(tmp_path_factory.mktemp("clip") / name, codec, **told)
        frames = decoded_frames(path)
        return path, frames, [frame.time - frames[0].time for frame in frames]

    return make


def brute_force(times, wanted):
    """The numbers of the frames that are nearest to the wanted times, the earlier of two."""
    return [min(range(len(times)), key=lambda number: (abs(times[number] - time), times[number])) for time in wanted]


def forbidden(video, **kwargs):
    raise AssertionError("all of the clip is decoded")


def check(path, frames, times, wanted):
    """By one thread, and in parts beside each other where the clip has the keyframes for it."""
    numbers = brute_force(times, wanted)
    for num_threads in (1, 3):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch, "get_num_threads", lambda count=num_threads: count)
            taken = decode_media(path, sample_timestamps=lambda duration: wanted)
        assert taken.timestamps.tolist() == [times[number] for number in numbers]
        for image, number in zip(taken.frames.permute(0, 2, 3, 1).numpy(), numbers):
            assert np.array_equal(image, upright_rgb(frames[number]))


@pytest.mark.parametrize("kind", sorted(KINDS))
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(wanted=st.lists(st.floats(0.0, 4.2), min_size=1, max_size=4).map(sorted))
def test_frames_are_those_of_decoding_all(clip_of, kind, wanted):
    """A frame that is taken by skipping differs from what the clip shows at that time."""
    path, frames, times = clip_of(kind)
    with pytest.MonkeyPatch.context() as patch:
        # Decoding all, when skipping failed, would hide that it did.
        patch.setattr(decoding, "FullDecoder", forbidden)
        check(path, frames, times, wanted)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_frame_can_be_taken_alone(clip_of, kind, monkeypatch):
    """Some frame comes out wrong when the packets before it are skipped: one beside a keyframe, say."""
    path, frames, times = clip_of(kind)
    monkeypatch.setattr(decoding, "FullDecoder", forbidden)
    for number in range(20, 44):
        check(path, frames, times, [times[number]])


@pytest.mark.parametrize("kind", ["h264", "h264 b-frames", "hevc", "vp9", "mjpeg"])
def test_parts_are_decoded_beside_each_other(clip_of, kind, monkeypatch):
    """Would fail if a clip with several keyframes were decoded by one thread, or from one keyframe on twice."""
    path, _, times = clip_of(kind)
    decoded, threads = [], set()
    count = ClipGuard.count_decoded_frame

    def counted(guard):
        decoded.append(1)
        threads.add(threading.get_ident())
        count(guard)

    monkeypatch.setattr(ClipGuard, "count_decoded_frame", counted)
    monkeypatch.setattr(decoding, "FullDecoder", forbidden)
    sizes = []
    for num_threads in (1, 3):
        decoded.clear()
        threads.clear()
        monkeypatch.setattr(torch, "get_num_threads", lambda count=num_threads: count)
        decode_media(path, sample_timestamps=lambda duration: times[::4])
        sizes.append((len(decoded), len(threads)))
    # Where parts meet, a run of frames between them is not decoded any more. A thread may take two of them.
    assert sizes[0][1] == 1 and sizes[1][1] in (2, 3) and sizes[1][0] <= sizes[0][0]


@pytest.mark.parametrize("kind", ["h264 b-frames", "hevc open", "h264 refresh", "gif"])
def test_what_is_kept_of_a_frame(clip_of, kind, monkeypatch):
    """Would fail if a frame were kept as it was, prepared twice, or before it is as large as the first."""
    path, _, times = clip_of(kind)
    wanted = [*times[::7], times[-1], times[-1]]
    whole = decode_media(path, sample_timestamps=lambda duration: wanted)
    for num_threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda count=num_threads: count)
        media = decode_media(
            path, sample_timestamps=lambda duration: wanted, prepare_frame=lambda image: 255 - image[::2, 5:40:5]
        )
        assert torch.equal(media.frames, 255 - whole.frames[:, :, ::2, 5:40:5])
        assert media.timestamps.tolist() == whole.timestamps.tolist()


@pytest.mark.parametrize("sampling_rate", [16_000, 48_000])
def test_sound_beside_parts(tmp_path, sampling_rate, monkeypatch):
    """Would fail if the sound were cut, or mixed up, where several threads decode a clip, or waited for its frames."""
    path = write_sounding_video(tmp_path / "a.mp4", "mpeg4", "aac", layout="stereo")
    add, sounds, threads = SoundDecoder.add, [], set()
    monkeypatch.setattr(SoundDecoder, "add", lambda *given: threads.add(threading.get_ident()) or add(*given))
    for num_threads in (1, 3):
        threads.clear()
        monkeypatch.setattr(torch, "get_num_threads", lambda count=num_threads: count)
        wanted = {"sample_timestamps": lambda duration: [0.1, 0.9, 1.7], "sampling_rate": sampling_rate}
        sounds.append(decode_media(path, **wanted).audio)
        assert (threads == {threading.get_ident()}) == (num_threads == 1)
    assert np.array_equal(*sounds) and len(sounds[0]) >= 1.99 * sampling_rate


def test_frames_of_several_sizes_beside_each_other(tmp_path, monkeypatch):
    """Would fail if the size of all frames hung on which thread was first, or on what is kept of a frame."""
    for name, size in (("a", (64, 64)), ("b", (96, 48))):
        write_video(tmp_path / f"{name}.ts", "mpeg2video", 24, size=size, gop_size=6)
    both = tmp_path / "both.ts"
    both.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    shapes, wanted = [], [0.0, 0.4, 0.8, 1.2, 1.6]
    for num_threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda count=num_threads: count)
        media = decode_media(both, sample_timestamps=lambda duration: wanted)
        shapes.append((tuple(media.frames.shape), media.timestamps.tolist()))
        kept = decode_media(
            both, sample_timestamps=lambda duration: wanted, prepare_frame=lambda image: image[20:30, 50:60]
        )
        assert torch.equal(kept.frames, media.frames[:, :, 20:30, 50:60])
    assert shapes[0] == shapes[1] and shapes[0][0][2:] == (64, 64)


@pytest.mark.parametrize("kind", ["h264 refresh", "mpeg4 avi", "gif"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.52, 0.77, 1.0])
def test_frames_are_right_where_keyframes_are_not_what_they_seem(clip_of, kind, share):
    """Decoding starts at a packet that is marked as a keyframe, or not, and gives a smeared frame."""
    path, frames, times = clip_of(kind)
    check(path, frames, times, [share * times[-1]])


@pytest.mark.parametrize("codec", ["mpeg4", "libx264", "libvpx-vp9"])
def test_keyframes_that_are_none_are_noticed(tmp_path, codec):
    """A file that calls every frame a keyframe, as bad writers do, gives grey or smeared frames."""
    path = write_video(tmp_path / "a.mp4", codec, 40, gop_size=20)
    # Without this table, all frames of an MP4 count as keyframes.
    assert path.read_bytes().count(b"stss") == 1
    path.write_bytes(path.read_bytes().replace(b"stss", b"free"))
    frames = decoded_frames(path)
    times = [frame.time - frames[0].time for frame in frames]
    for number in (1, 13, 20, 27, 39):
        check(path, frames, times, [times[number]])


@pytest.mark.parametrize("plans", [True, False])
def test_of_two_equally_near_frames_the_earlier_is_taken(clip_of, monkeypatch, plans):
    """The choice between equally near frames depends on how the clip is decoded."""
    path, frames, times = clip_of("vp8")
    if not plans:
        monkeypatch.setattr(decoding, "plan_skipping", lambda *_: [])
    check(path, frames, times, [0.0, 0.5, 0.52, 1.0, 1.5])
    halves = [(a + b) / 2 for a, b in itertools.pairwise(times) if (a + b) / 2 - a == b - (a + b) / 2]
    assert len(halves) > 10
    check(path, frames, times, halves)


def test_avi_shows_frames_in_the_order_shown(clip_of):
    """AVI tells no times: frames that are stored in another order than shown are taken for their neighbours."""
    path, frames, _ = clip_of("h264 avi")
    times = [index / 25 for index in range(len(frames))]
    for number in (0, 7, 20, 33, 59):
        media = decode_media(path, sample_timestamps=lambda duration, number=number: [times[number]])
        assert media.timestamps.tolist() == pytest.approx([times[number]])
        assert np.array_equal(media.frames[0].permute(1, 2, 0).numpy(), upright_rgb(frames[number]))


@pytest.mark.parametrize("kind", ["h264 open", "h264 open ts", "h264 refresh", "h264 avi", "vp9", "gif"])
def test_clips_too_large_to_be_held_are_read_again(clip_of, kind, monkeypatch):
    """A large file gives other frames or sound than one that fits into memory."""
    path, _, times = clip_of(kind)
    wanted = [0.1, 0.5 * times[-1], times[-1]]
    expected = decode_media(path, sample_timestamps=lambda duration: wanted)
    monkeypatch.setattr(timeline, "_MAX_HELD_BYTES", 100)
    again = decode_media(path, sample_timestamps=lambda duration: wanted)
    assert again.timestamps.tolist() == expected.timestamps.tolist()
    assert np.array_equal(again.frames, expected.frames)


def test_sound_of_clips_too_large_to_be_held(clip, monkeypatch):
    """The sound of a large file is another than when it fits into memory, or is missing."""
    expected = decode_media(clip, sample_timestamps=lambda duration: [0.0], sampling_rate=16_000)
    monkeypatch.setattr(timeline, "_MAX_HELD_BYTES", 100)
    again = decode_media(clip, sample_timestamps=lambda duration: [0.0], sampling_rate=16_000)
    assert np.array_equal(again.audio, expected.audio)


@given(
    times=st.lists(st.integers(0, 40), min_size=1, max_size=12, unique=True).map(sorted),
    wanted=st.lists(st.integers(-5, 90), max_size=6).map(sorted),
)
def test_nearest_times(times, wanted):
    """The frame that is taken is not the nearest one, or the later of two."""
    assert nearest_times(times, [time / 2 for time in wanted]) == brute_force(times, [time / 2 for time in wanted])


def test_most_of_a_long_clip_is_not_decoded(clip_of, monkeypatch):
    """Every frame of a long clip is decoded for the sake of a few."""
    decoded = []
    monkeypatch.setattr(ClipGuard, "count_decoded_frame", lambda guard: decoded.append(guard))
    path, _, times = clip_of("mjpeg")
    decode_media(path, sample_timestamps=lambda duration: [0.5, 1.0, 1.5])
    assert len(decoded) == 4  # the first frame, from which times count, is the fourth
    path, _, times = clip_of("vp9")
    decoded.clear()
    decode_media(path, sample_timestamps=lambda duration: [times[26], times[50]])
    assert len(decoded) == 1 + 3 + 3


@pytest.mark.parametrize(
    "kind, leaves_out",
    [
        ("h264 b-frames", True),
        ("h264 open ts", True),
        ("hevc", True),
        ("hevc open mkv", True),
        ("h264", False),
        ("hevc layers", False),
        ("hevc ts", False),
        ("vp9", False),
    ],
)
def test_frames_that_no_other_needs_are_left_out(clip_of, kind, leaves_out, monkeypatch):
    """Between wanted frames of one run every B-frame is decoded, or a wanted one that no other needs is left out, or
    one of which it is not sure."""
    decoded = []
    monkeypatch.setattr(ClipGuard, "count_decoded_frame", lambda guard: decoded.append(guard))
    monkeypatch.setattr(decoding, "FullDecoder", forbidden)
    path, frames, times = clip_of(kind)
    num_all = len(frames)
    decode_media(path, sample_timestamps=lambda duration: times)
    assert len(decoded) == num_all
    decoded.clear()
    # Gaps of runs are no question here: some frame of each is wanted.
    wanted = times[::5]
    decode_media(path, sample_timestamps=lambda duration: wanted)
    assert (len(decoded) < 0.85 * num_all) == leaves_out
    check(path, frames, times, wanted)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    report_multiple_bugs=False,
)
@given(
    structure=st.fixed_dictionaries(
        {
            "keyint": st.integers(1, 40),
            "bframes": st.integers(0, 5),
            "open-gop": st.integers(0, 1),
            "ref": st.integers(1, 5),
            "weightb": st.integers(0, 1),
        }
    ),
    has_pyramid=st.booleans(),
    hidden=st.sampled_from([0.0, 0.3, 0.7]),
    wanted=st.lists(st.floats(0.0, 2.4), min_size=1, max_size=8).map(sorted),
)
def test_frames_of_any_structure(tmp_path_factory, codec, structure, has_pyramid, hidden, wanted):
    """Some arrangement of frames that depend on each other, or an edit list that hides the first of them, makes
    frames come out other than decoding all of them gives."""
    told = {"log-level": "none" if codec == "libx265" else "0", "scenecut": 0, **structure}
    told["b-pyramid"] = int(has_pyramid) if codec == "libx265" else ("normal" if has_pyramid else "none")
    parameters = ":".join(f"{name}={value}" for name, value in told.items())
    folder = tmp_path_factory.mktemp("structure")
    path = write_video(
        folder / "whole.mp4", codec, size=(64, 64), options={codec.removeprefix("lib") + "-params": parameters}
    )
    if hidden:
        run_ffmpeg("-ss", hidden, "-i", path, "-c", "copy", folder / "cut.mp4")
        path = folder / "cut.mp4"
    frames = decoded_frames(path)
    check(path, frames, [frame.time - frames[0].time for frame in frames], wanted)
