"""One clip: what is kept of it."""

import io

import numpy as np
import pytest
import soundfile
import torch
from data_samples import write_shorts
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from transformers_ggm import load_shorts
from transformers_ggm.data.prepare import ClipOptions
from transformers_ggm.data.prepare.clips import encode_frames, encode_sound, prepare_clip, shrink
from transformers_ggm.processing import GGMVideoProcessor, Media, MediaLimits, decode_media


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = write_shorts(tmp_path_factory.mktemp("clip"), num_clips=2)
    return next(row["video"] for row in load_shorts(folder)["train"].to_list()[::-1] if row["video"])


def noise(count, height, width):
    return torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(16, 300))
@settings(max_examples=40, deadline=None)
def test_frames_shrink_and_never_grow(height, width, short_side):
    """Would fail if small clips were blown up, large ones kept large, or the picture squeezed."""
    small = shrink(torch.zeros(1, 3, height, width, dtype=torch.uint8), short_side)
    assert min(small.shape[-2:]) == min(short_side, height, width)
    if min(height, width) > short_side:
        scale = short_side / min(height, width)
        assert max(small.shape[-2:]) == pytest.approx(max(height, width) * scale, abs=1)
    else:
        assert small.shape[-2:] == (height, width)


def test_lossless_is_bit_for_bit():
    """Would fail if "lossless" lost something."""
    frames, options = noise(2, 300, 270), ClipOptions(lossless=True)
    stored = [np.asarray(Image.open(io.BytesIO(image["bytes"]))) for image in encode_frames(frames, options)]
    assert torch.equal(torch.from_numpy(np.stack(stored)).permute(0, 3, 1, 2), frames)
    sound = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    media = Media(frames, torch.zeros(2), sound, 16_000, 1.0)
    waveform, rate = soundfile.read(io.BytesIO(encode_sound(media, options)["bytes"]), dtype="float32")
    assert rate == 16_000 and np.array_equal(waveform, sound)


def test_default_is_small_and_near():
    """Would fail if the stored JPEG or FLAC were another format, size or sound."""
    smooth = torch.nn.functional.interpolate(noise(1, 4, 6).float(), (320, 480), mode="bicubic").clamp(0, 255).byte()
    (stored,) = encode_frames(smooth, ClipOptions())
    image = Image.open(io.BytesIO(stored["bytes"]))
    assert image.format == "JPEG" and image.size == (384, 256)
    difference = np.asarray(image).astype(int) - shrink(smooth, 256)[0].permute(1, 2, 0).numpy().astype(int)
    assert np.abs(difference).mean() < 2
    sound = np.sin(np.arange(4000) / 10).astype(np.float32) * 1.5
    encoded = encode_sound(Media(smooth, torch.zeros(1), sound, 16_000, 1.0), ClipOptions())["bytes"]
    waveform, rate = soundfile.read(io.BytesIO(encoded), dtype="float32")
    assert encoded[:4] == b"fLaC" and rate == 16_000
    assert np.abs(waveform - np.clip(sound, -1, 1)).max() < 1e-4


def test_prepared_clip(clip):
    """Would fail if other frames or sound were kept than the frame rule picks."""
    options = ClipOptions(sampling_rate=8000, max_audio_seconds=1.0)
    row = prepare_clip({"video": str(clip), "file_name": "a.mp4", "mood": 3}, options, MediaLimits())
    media = decode_media(
        clip,
        sample_timestamps=GGMVideoProcessor().sample_timestamps,
        sampling_rate=8000,
        max_audio_seconds=1.0,
    )
    assert "video" not in row and row["mood"] == 3 and row["error"] is None
    assert row["timestamps"] == media.timestamps.tolist() and row["duration"] == media.duration
    assert len(row["frames"]) == len(media.frames) and len(row["frame_hashes"]) == 4
    waveform, _ = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="float32")
    assert len(waveform) == 8000 and np.abs(waveform - np.clip(media.audio, -1, 1)).max() < 1e-4


def test_clip_that_cannot_be_read():
    """Would fail if a bad clip raised instead of being marked."""
    row = prepare_clip({"video": b"no video", "file_name": None}, ClipOptions(), MediaLimits())
    assert "cannot be read" in row["error"] and row["frames"] is None and row["audio"] is None


@pytest.mark.parametrize("wrong", [{"num_frames": 0}, {"short_side": 15}, {"jpeg_quality": 101}, {"sampling_rate": 0}])
def test_options_out_of_range(wrong):
    """Would fail if nonsense were noticed in the middle of the work."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ClipOptions(**wrong)
