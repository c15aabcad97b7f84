"""Clips as phones and editors write them: any codec and container, turned, cut, joined, with any sound or none."""

import itertools

import av
import numpy as np
import pytest
import torch
from clip_samples import (
    ffmpeg_images,
    moving_images,
    patch_display_matrix,
    remux,
    write_sounding_video,
    write_video,
)
from processing_samples import dominant_frequency

from transformers_ggm.errors import InputError
from transformers_ggm.processing import GGMVideoProcessor, decode_media

X264 = {"options": {"x264-params": "log-level=-1", "crf": "12"}}
X265 = {"options": {"x265-params": "log-level=none"}, "size": (64, 64)}
VP9 = {"options": {"cpu-used": "8", "crf": "10", "b": "0"}}
BT709, BT470BG, SMPTE170M, SMPTE240M, BT2020 = 1, 5, 6, 7, 9
LIMITED, FULL = 1, 2


def all_times(duration):
    """The times of ten frames at 25 a second."""
    return [index / 25 for index in range(10)]


COLOURS = {
    "untagged": ("a.mp4", "libx264", X264),
    "untagged hd": ("a.mp4", "libx264", {**X264, "size": (1280, 720)}),
    "bt709": ("a.mp4", "libx264", {**X264, "colorspace": BT709}),
    "bt601": ("a.mp4", "libx264", {**X264, "colorspace": SMPTE170M}),
    "bt470bg": ("a.mp4", "libx264", {**X264, "colorspace": BT470BG}),
    "smpte240m": ("a.mp4", "libx264", {**X264, "colorspace": SMPTE240M}),
    "full range": ("a.mp4", "libx264", {**X264, "color_range": FULL}),
    "full range bt709": ("a.mp4", "libx264", {**X264, "color_range": FULL, "colorspace": BT709}),
    "yuvj420p": ("a.mp4", "libx264", {**X264, "pix_fmt": "yuvj420p"}),
    "full range vp9": ("a.webm", "libvpx-vp9", {**VP9, "color_range": FULL, "colorspace": SMPTE170M}),
    "full range bt470bg": ("a.mkv", "ffv1", {"color_range": FULL, "colorspace": BT470BG}),
    "10 bit": ("a.mp4", "libx264", {**X264, "pix_fmt": "yuv420p10le", "colorspace": BT709}),
    "10 bit hevc bt2020": ("a.mp4", "libx265", {**X265, "pix_fmt": "yuv420p10le", "colorspace": BT2020}),
    "10 bit full range": ("a.mkv", "ffv1", {"pix_fmt": "yuv420p10le", "colorspace": BT709, "color_range": FULL}),
    "4:2:2": ("a.mp4", "libx264", {**X264, "pix_fmt": "yuv422p"}),
    "4:4:4 bt709": ("a.mp4", "libx264", {**X264, "pix_fmt": "yuv444p", "colorspace": BT709}),
    "odd": ("a.webm", "libvpx-vp9", {**VP9, "size": (67, 51)}),
    "odd height bt709": ("a.webm", "libvpx-vp9", {**VP9, "size": (66, 51), "colorspace": BT709}),
    "odd width": ("a.webm", "libvpx-vp9", {**VP9, "size": (67, 50)}),
    "vp8": ("a.webm", "libvpx", {}),
    "av1": ("a.mkv", "libsvtav1", {"size": (64, 64), "options": {"preset": "12"}}),
    "mpeg4": ("a.avi", "mpeg4", {}),
    "mpeg2": ("a.ts", "mpeg2video", {}),
    "motion jpeg": ("a.mov", "mjpeg", {"pix_fmt": "yuvj422p"}),
    "grey": ("a.mkv", "ffv1", {"pix_fmt": "gray"}),
    "rgb": ("a.mkv", "ffv1", {"pix_fmt": "bgr0"}),
    "rgb with alpha": ("a.mov", "png", {"pix_fmt": "rgba"}),
    "gif": ("a.gif", "gif", {"pix_fmt": "rgb8"}),
}


@pytest.mark.parametrize("kind", sorted(COLOURS))
def test_colours_are_those_of_ffmpeg(tmp_path, kind):
    """Colours are off: another YUV matrix or range than the file says, or chroma that is shifted or smeared."""
    name, codec, told = COLOURS[kind]
    path = write_video(tmp_path / name, codec, count=10, **told)
    width, height = told.get("size", (64, 48))
    media = decode_media(path, sample_timestamps=all_times)
    expected = ffmpeg_images(path, height, width)
    assert media.frames.shape == expected.shape
    assert np.abs(media.frames.numpy().astype(int) - expected).max() <= 2


MATRICES = [(a, 0, 0, d) for a, d in itertools.product((1, -1), repeat=2)]
MATRICES += [(0, b, c, 0) for b, c in itertools.product((1, -1), repeat=2)]


@pytest.mark.parametrize("matrix", MATRICES)
def test_frames_are_upright_and_not_mirrored(tmp_path, matrix):
    """A clip filmed sideways or by a front camera reaches the model turned or mirrored."""
    path = patch_display_matrix(write_video(tmp_path / "a.mp4", "libx264", count=10, **X264), matrix)
    height, width = (48, 64) if matrix[0] else (64, 48)
    media = decode_media(path, sample_timestamps=all_times)
    expected = ffmpeg_images(path, height, width)
    assert media.frames.shape == expected.shape
    assert np.abs(media.frames.numpy().astype(int) - expected).max() <= 2


@pytest.mark.parametrize("matrix", MATRICES)
def test_turned_frames_are_resized_as_they_come(tmp_path, matrix):
    """A frame that is turned or mirrored in memory is resized otherwise than when it is stored so."""
    path = patch_display_matrix(write_video(tmp_path / "a.mp4", "libx264", count=10, **X264), matrix)
    processor = GGMVideoProcessor(size={"shortest_edge": 32}, crop_size=24)
    resized, whole = (processor.decode(path, fps=25, resize=resize) for resize in (True, False))
    expected = processor.resize_frames(whole.frames)
    assert torch.equal(resized.frames, expected)
    # Resized once more they would be others.
    assert not torch.equal(processor.resize_frames(expected), expected)
    assert torch.equal(processor.frames_of(resized), expected)
    assert torch.equal(processor(resized)["pixel_values_videos"], processor(whole)["pixel_values_videos"])
    as_it_is = {"do_resize": False, "do_center_crop": False}
    assert torch.equal(GGMVideoProcessor(size=24).frames_of(resized, **as_it_is), expected)
    with pytest.raises(InputError, match="resized for another processor"):
        GGMVideoProcessor(size=24).frames_of(resized)


def test_frames_are_where_the_matrix_puts_them(tmp_path):
    """The frames are turned the wrong way, where there is no `ffmpeg` to compare with."""
    path = write_video(tmp_path / "a.mp4", "libx264", count=10, **X264)
    plain = decode_media(path, sample_timestamps=all_times).frames.numpy()
    # x' = -y, y' = x: a quarter turn clockwise.
    turned = decode_media(patch_display_matrix(path, (0, 1, -1, 0)), sample_timestamps=all_times).frames.numpy()
    assert np.array_equal(turned, np.rot90(plain, -1, axes=(2, 3)))
    # No angle of an even number of quarter turns: taken for the nearest.
    tilted = patch_display_matrix(path, (0.98, 0.2, -0.2, 0.98))
    assert np.array_equal(decode_media(tilted, sample_timestamps=all_times).frames.numpy(), plain)


def test_frames_of_other_sizes_are_fitted_to_the_first(tmp_path):
    """A clip that changes its size midway (screen recordings) cannot be one tensor, or is stretched sideways."""
    parts = []
    for index, size in enumerate([(64, 48), (32, 96)]):
        parts.append(write_video(tmp_path / f"{index}.ts", "mpeg2video", count=10, size=size).read_bytes())
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(parts))
    frames = decode_media(path, sample_timestamps=lambda duration: [0.0, duration]).frames
    assert frames.shape == (2, 3, 48, 64)


@pytest.mark.parametrize("times", [[0.0], [0.0, 0.5], [0.0, 1.0, 1.1, 1.2, 4.0]])
@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.webm", "libvpx-vp9"), ("a.mkv", "mpeg4"), ("a.gif", "gif")]
)
def test_few_and_uneven_frames(tmp_path, name, codec, times):
    """A clip of one frame, or of frames at uneven times, is refused or its frames are taken at wrong times."""
    told = {"pix_fmt": "rgb8"} if codec == "gif" else {}
    path = write_video(tmp_path / name, codec, times=times, **told)
    media = decode_media(path, sample_timestamps=lambda duration: [0.0, 0.7 * times[-1], duration])
    nearest = min(times, key=lambda time: abs(time - 0.7 * times[-1]))
    assert media.timestamps.tolist() == pytest.approx([0.0, nearest, times[-1]], abs=0.011)
    assert times[-1] - 0.011 <= media.duration <= times[-1] + 1.5


def test_gif_tells_how_long_it_lasts(tmp_path):
    """The length of a GIF is taken for other than the sum of its delays."""
    path = write_video(tmp_path / "a.gif", "gif", count=20, rate=10, pix_fmt="rgb8")
    assert decode_media(path, sample_timestamps=lambda duration: [0.0]).duration == pytest.approx(2.0, abs=0.05)


def test_a_hidden_beginning_stays_hidden(tmp_path):
    """Frames that an editor cut off without encoding anew (an edit list) are shown, and all times are shifted."""
    whole = write_video(tmp_path / "whole.mp4", "libx264", count=50, **X264)
    # Negative times cannot be stored: MP4 hides the frames before zero by an edit list.
    path = remux(whole, tmp_path / "cut.mp4", shift=-0.6, options={"avoid_negative_ts": "disabled"})
    assert any(packet.is_discard for packet in av.open(str(path)).demux(video=0))
    media = decode_media(path, sample_timestamps=lambda duration: [0.0, 0.4, duration])
    expected = decode_media(whole, sample_timestamps=lambda duration: [0.6, 1.0, duration])
    assert media.duration == pytest.approx(1.4, abs=0.05)
    assert media.timestamps.tolist() == pytest.approx([0.0, 0.4, 1.36])
    assert np.array_equal(media.frames.numpy(), expected.frames.numpy())


@pytest.mark.parametrize("shift", [-0.2, 3600.0])
def test_times_count_from_the_first_frame_shown(tmp_path, shift):
    """A clip whose clock starts before zero, or late, is sampled at wrong times."""
    whole = write_video(tmp_path / "whole.mp4", "libx264", count=50, **X264)
    path = remux(whole, tmp_path / "shifted.ts", shift=shift, options={"avoid_negative_ts": "disabled"})
    media = decode_media(path, sample_timestamps=lambda duration: [0.0, 1.0, duration])
    expected = decode_media(whole, sample_timestamps=lambda duration: [0.0, 1.0, duration])
    assert media.duration == pytest.approx(2.0, abs=0.05)
    assert np.array_equal(media.frames.numpy(), expected.frames.numpy())


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.webm", {"live": "1"}), ("a.mkv", {"live": "1"}), ("a.mp4", {"movflags": "frag_keyframe+empty_moov"})],
)
def test_a_missing_length_is_measured(tmp_path, name, options):
    """A clip that was written while it was filmed, and does not say how long it is, is refused or cut."""
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    whole = write_video(tmp_path / "whole.mp4", codec, count=50)
    path = remux(whole, tmp_path / name, options=options)
    media = decode_media(path, sample_timestamps=lambda duration: [0.0, duration])
    assert media.duration == pytest.approx(2.0, abs=0.05)
    assert media.timestamps.tolist() == pytest.approx([0.0, 1.96], abs=2e-3)


def test_a_cover_image_is_no_video(tmp_path):
    """The cover image beside a video is taken for its frames."""
    whole = write_video(tmp_path / "whole.mp4", "libx264", count=10, **X264)
    path = remux(whole, tmp_path / "covered.mp4", cover=(255, 0, 0))
    assert len(av.open(str(path)).streams.video) == 2
    expected = decode_media(whole, sample_timestamps=all_times)
    assert np.array_equal(decode_media(path, sample_timestamps=all_times).frames, expected.frames)


@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.mp4", "aac", 44_100),
        ("a.mp4", "aac", 8_000),
        ("a.mov", "pcm_s16le", 96_000),
        ("a.mkv", "ac3", 32_000),
        ("a.webm", "libopus", 48_000),
        ("a.avi", "pcm_s16le", 11_025),
    ],
)
def test_sound_of_any_kind(tmp_path, name, codec, rate, layout):
    """Sound of some rate or number of channels comes at a wrong pitch, length or loudness."""
    video = {"webm": "libvpx", "avi": "mpeg4"}.get(name[2:], "libx264")
    path = write_sounding_video(tmp_path / name, video, codec, layout=layout, rate=rate)
    media = decode_media(path, sample_timestamps=lambda duration: [0.0], sampling_rate=16_000)
    assert len(media.audio) / 16_000 == pytest.approx(2.0, abs=0.15)
    assert dominant_frequency(media.audio[4_000:28_000], 16_000) == pytest.approx(440, abs=5)
    assert 0.2 < np.abs(media.audio[4_000:28_000]).max() < 1.0


@pytest.mark.parametrize(("sound", "start"), [(5.0, 0.0), (0.5, 0.0), (1.0, 0.8)])
def test_sound_longer_or_shorter_than_the_picture(tmp_path, sound, start):
    """Sound that ends after or before the picture changes the video's length, or is cut; or silence is put before."""
    path = write_sounding_video(tmp_path / "a.mp4", "libx264", "aac", sound=sound, start=start)
    media = decode_media(path, sample_timestamps=lambda duration: [0.0, duration], sampling_rate=16_000)
    assert media.duration == pytest.approx(2.0, abs=0.05)
    assert media.timestamps.tolist() == pytest.approx([0.0, 1.9])
    assert len(media.audio) / 16_000 == pytest.approx(sound, abs=0.1)
    assert np.abs(media.audio[1_600:3_200]).max() > 0.2


def test_sound_that_changes_its_form_midway(tmp_path):
    """Sound that goes on in another rate or with other channels (joined recordings) ends in an error."""
    parts = [
        write_sounding_video(tmp_path / f"{rate}.ts", "mpeg2video", "aac", layout=layout, rate=rate).read_bytes()
        for rate, layout in [(48_000, "stereo"), (44_100, "mono")]
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(parts))
    media = decode_media(path, sample_timestamps=lambda duration: [0.0], sampling_rate=16_000)
    assert len(media.audio) / 16_000 == pytest.approx(4.0, abs=0.3)
    assert dominant_frequency(media.audio[36_000:60_000], 16_000) == pytest.approx(440, abs=5)


def test_decoded_frames_are_all_different():
    """The test clips show one image again and again, so that a wrong frame would pass for the right one."""
    images = list(moving_images(60))
    assert all(np.abs(a.astype(int) - b).mean() > 10 for a, b in itertools.combinations(images, 2))
