"""Clips whose pixels are not square (DV, DVD, broadcast, anamorphic lenses): frames as players show them."""

from fractions import Fraction

import av
import numpy as np
import pytest
from clip_samples import decoded_frames, patch_display_matrix, write_video
from damaged_clips import overwrite_packets
from hypothesis import given
from hypothesis import strategies as st

from transformers_ggm.errors import MediaError
from transformers_ggm.processing import MediaLimits, decode_media
from transformers_ggm.processing.media import decoding
from transformers_ggm.processing.media.frame_images import displayed_size, upright_rgb

X264 = {"options": {"x264-params": "keyint=10:bframes=2:log-level=-1", "crf": "12"}}
# Name: file name, codec, and what `write_video` is told; all can say what their pixels are like.
KINDS = {
    "mp4": ("a.mp4", "libx264", X264),
    "mkv": ("a.mkv", "libx264", X264),
    "ts": ("a.ts", "libx264", X264),
    "flv": ("a.flv", "libx264", X264),
    "mov": ("a.mov", "mpeg4", {}),
    "avi": ("a.avi", "mpeg4", {}),
    "mjpeg": ("a.mov", "mjpeg", {"pix_fmt": "yuvj420p"}),
    "hevc": ("a.mp4", "libx265", {"options": {"x265-params": "log-level=none"}, "size": (64, 64)}),
}
WIDE, NARROW = Fraction(4, 3), Fraction(8, 9)


def anamorphic(folder, kind, aspect, **more):
    name, codec, told = KINDS[kind]
    return write_video(folder / name, codec, count=20, sample_aspect_ratio=aspect, **told, **more)


def some_times(duration):
    return [0.0, 0.32, 0.6]


def scaled_by_ffmpeg(path):
    """The frames at those times by FFmpeg's own filter for such clips."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        graph = av.filter.Graph()
        size, aspect = f"{stream.width}x{stream.height}", stream.sample_aspect_ratio
        told = f"video_size={size}:pix_fmt={stream.pix_fmt}:time_base={stream.time_base}:pixel_aspect={aspect}"
        source = graph.add("buffer", told)
        scale = graph.add("scale", "w=iw*sar:h=ih:flags=bicubic")
        colours = graph.add("format", "rgb24")
        sink = graph.add("buffersink")
        for first, second in ((source, scale), (scale, colours), (colours, sink)):
            first.link_to(second)
        graph.configure()
        images = []
        for frame in container.decode(stream):
            graph.push(frame)
            images.append(graph.pull().to_ndarray())
    return np.stack([images[number] for number in (0, 8, 15)])


@pytest.mark.parametrize("aspect", [WIDE, NARROW, Fraction(16, 11)])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_frames_have_the_width_that_players_show(tmp_path, kind, aspect):
    """Would fail if people in anamorphic clips came out thin or stout, or at other pixels than FFmpeg's."""
    path = anamorphic(tmp_path, kind, aspect)
    frames = decode_media(path, sample_timestamps=some_times).frames.permute(0, 2, 3, 1).numpy()
    expected = scaled_by_ffmpeg(path)
    assert frames.shape[1] == expected.shape[1] and abs(frames.shape[2] - expected.shape[2]) <= 1
    if frames.shape == expected.shape:
        assert np.abs(frames.astype(int) - expected).mean() < 2
    width, height = KINDS[kind][2].get("size", (64, 48))
    assert frames.shape[2] / height == pytest.approx(width * aspect / height, abs=0.02)


@pytest.mark.parametrize("aspect", [Fraction(1), None])
def test_square_pixels_stay_as_they_are(tmp_path, aspect):
    """Would fail if frames of ordinary clips were resized, or changed in the least."""
    told = {} if aspect is None else {"sample_aspect_ratio": aspect}
    path = write_video(tmp_path / "a.mp4", "libx264", count=20, **X264, **told)
    frames = decode_media(path, sample_timestamps=some_times).frames.permute(0, 2, 3, 1).numpy()
    decoded = decoded_frames(path)
    assert np.array_equal(frames, np.stack([upright_rgb(decoded[number]) for number in (0, 8, 15)]))
    assert frames.shape == (3, 48, 64, 3)


def test_both_decoders_give_the_same(tmp_path, monkeypatch):
    """Would fail if the width depended on whether the clip is decoded in full, or is damaged."""
    path = anamorphic(tmp_path, "mp4", WIDE)
    skipped = decode_media(path, sample_timestamps=some_times).frames
    monkeypatch.setattr(decoding, "plan_skipping", lambda *_: [])
    assert np.array_equal(decode_media(path, sample_timestamps=some_times).frames, skipped)
    media = decode_media(overwrite_packets(path, [5]), sample_timestamps=some_times)
    assert media.damage and media.frames.shape == skipped.shape and np.array_equal(media.frames[0], skipped[0])


@pytest.mark.parametrize("turn", [(0, 1, -1, 0), (0, -1, 1, 0), (-1, 0, 0, -1), (1, 0, 0, 1)])
def test_turned_clips_are_widened_before_they_are_turned(tmp_path, turn):
    """Would fail if the aspect of stored pixels were applied to those of a clip that was filmed sideways."""
    path = anamorphic(tmp_path, "mp4", WIDE)
    upright = decode_media(path, sample_timestamps=some_times).frames.numpy()
    turned = decode_media(patch_display_matrix(path, turn), sample_timestamps=some_times).frames.numpy()
    count = {(0, 1): -1, (0, -1): 1, (-1, 0): 2, (1, 0): 0}[turn[:2]]
    assert np.array_equal(turned, np.rot90(upright, count, axes=(2, 3)))


def test_the_file_goes_before_the_frames(tmp_path):
    """Would fail if what the container says about pixels, which players heed first, were passed over."""
    path = anamorphic(tmp_path, "mp4", WIDE)
    data = path.read_bytes()
    told = b"pasp" + (4).to_bytes(4, "big") + (3).to_bytes(4, "big")
    assert data.count(told) == 1
    path.write_bytes(data.replace(told, b"pasp" + (2).to_bytes(4, "big") + (1).to_bytes(4, "big")))
    assert decode_media(path, sample_timestamps=some_times).frames.shape == (3, 3, 48, 128)


@pytest.mark.parametrize("aspect", [Fraction(1, 30), Fraction(200, 7), Fraction(65_535, 1), Fraction(1, 65_535)])
def test_absurd_aspects_are_passed_over(tmp_path, aspect):
    """Would fail if a damaged header made frames of one column, or filled the memory."""
    for kind in ("mp4", "avi"):
        path = anamorphic(tmp_path, kind, aspect)
        assert decode_media(path, sample_timestamps=some_times).frames.shape == (3, 3, 48, 64)


def test_limits_hold_for_the_shown_size(tmp_path):
    """Would fail if an anamorphic clip gave frames of more pixels than allowed."""
    path = anamorphic(tmp_path, "mp4", Fraction(2))
    assert decode_media(path, sample_timestamps=some_times, limits=MediaLimits(max_pixels=128 * 48)).frames is not None
    with pytest.raises(MediaError, match=r"128x48.*MediaLimits\.max_pixels"):
        decode_media(path, sample_timestamps=some_times, limits=MediaLimits(max_pixels=128 * 48 - 1))


@given(
    width=st.integers(1, 8192),
    height=st.integers(1, 8192),
    aspect=st.fractions(min_value=Fraction(1, 5), max_value=5, max_denominator=255),
)
def test_displayed_size(width, height, aspect):
    """Would fail if the height changed, the width were off by more than rounding, or there were no column left."""
    shown_width, shown_height = displayed_size(width, height, aspect)
    assert shown_height == height and shown_width >= 1
    assert abs(shown_width - width * aspect) <= 0.5 or shown_width == 1
    assert displayed_size(width, height, 1) == (width, height)
