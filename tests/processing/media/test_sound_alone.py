"""Files of sound without a picture, which are read on demand only."""

import io

import numpy as np
import pytest
import soundfile
import torch
from processing_samples import dominant_frequency, write_clip

from transformers_ggm.errors import MediaError
from transformers_ggm.processing import MediaLimits, decode_media
from transformers_ggm.processing.media.audio import load_sound, resample

KINDS = {"wav": "PCM_16", "ogg": "VORBIS", "flac": "PCM_16", "aiff": "PCM_16", "mp3": "MPEG_LAYER_III"}


def sound_file(kind, seconds=2.0, frequency=440, rate=32_000, channels=1):
    """The bytes of a file with a tone."""
    tone = 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)
    file = io.BytesIO()
    soundfile.write(file, np.stack([tone] * channels, axis=1), rate, format=kind.upper(), subtype=KINDS[kind])
    return file.getvalue()


def decode(source, **kwargs):
    return decode_media(source, sample_timestamps=lambda duration: [0.0], blank_video=True, **kwargs)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_sound_is_read_without_a_picture(kind, channels):
    """Would fail if a file of sound gave another sound, rate or length than it has, or frames from nowhere."""
    media = decode(sound_file(kind, channels=channels), sampling_rate=16_000)
    assert media.frames is None and media.timestamps.shape == (0,)
    assert media.sampling_rate == 16_000 and media.audio.dtype == np.float32
    assert len(media.audio) / 16_000 == pytest.approx(2.0, abs=0.1) and media.duration == pytest.approx(2.0, abs=0.1)
    assert dominant_frequency(media.audio, 16_000) == pytest.approx(440, abs=3)
    assert np.abs(media.audio).max() == pytest.approx(0.5, abs=0.05)


def test_sound_is_cut_at_the_wanted_length():
    """Would fail if more of a long sound were kept than is wanted, or its length were that of the part."""
    media = decode(sound_file("ogg", seconds=4.0), sampling_rate=8000, max_audio_seconds=1.5)
    assert len(media.audio) == 12_000 and media.duration == pytest.approx(4.0, abs=0.1)


def test_unwanted_sound_is_left_out():
    """Would fail if a deaf model were given sound."""
    media = decode(sound_file("wav"))
    assert (media.frames, media.audio, media.sampling_rate) == (None, None, None)


def test_clips_are_read_as_ever(tmp_path):
    """Would fail if the option took the picture of clips that have one."""
    path = write_clip(tmp_path / "clip.mp4", [0.0, 0.5, 1.0, 1.5], 2.0, tone=440)
    options = {"sample_timestamps": lambda duration: [0.5, 1.5], "sampling_rate": 8000}
    first, second = decode_media(path, **options), decode_media(path, **options, blank_video=True)
    assert torch.equal(first.frames, second.frames) and np.array_equal(first.audio, second.audio)


@pytest.mark.parametrize("kind", KINDS)
def test_without_the_option_it_is_named(kind):
    """Would fail if nobody were told how to use sound without pictures."""
    with pytest.raises(MediaError, match=r"no video stream.*blank_video=True.*--blank_video true"):
        decode_media(sound_file(kind), sample_timestamps=lambda duration: [0.0], sampling_rate=8000)


DAMAGED = {
    "text": b"<!doctype html>" * 500,
    "beginning of an Ogg file": sound_file("ogg")[:2000],
    "half a FLAC file": sound_file("flac")[: len(sound_file("flac")) // 2],
    "half an AIFF file": sound_file("aiff")[: len(sound_file("aiff")) // 2],
    "no sample": sound_file("wav", seconds=0.0),
    "no byte": b"",
}


@pytest.mark.parametrize("rate", [8000, None])
@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_damaged_files(content, rate):
    """Would fail if a damaged file were taken for silence, or raised an error of FFmpeg; also for a deaf model."""
    with pytest.raises(MediaError):
        decode(content, sampling_rate=rate)


def test_a_length_that_is_stated_wrongly_is_no_limit():
    """Would fail if a header that says hours refused a sound of two seconds, or passed for its length."""
    data = bytearray(sound_file("flac", rate=16_000))
    # The number of samples, in 36 bits.
    assert int.from_bytes(data[22:26], "big") == 32_000
    data[22:26] = (1 << 31).to_bytes(4, "big")
    media = decode(bytes(data), sampling_rate=16_000)
    assert media.duration == pytest.approx(2.0, abs=0.2) and len(media.audio) == pytest.approx(32_000, abs=500)
    assert dominant_frequency(media.audio, 16_000) == pytest.approx(440, abs=3)


@pytest.mark.parametrize("kind", ["ogg", "flac", "mp3"])
def test_damage_within_a_file_of_sound(kind):
    """Would fail if noise in the middle of a sound file refused what is good of it, to all that read such files."""
    data = bytearray(sound_file(kind, seconds=8.0))
    middle = len(data) // 2
    data[middle : middle + 60] = np.random.default_rng(0).bytes(60)
    media = decode(bytes(data), sampling_rate=16_000)
    loaded = load_sound(bytes(data), 16_000, max_seconds=10.0, max_bytes=1 << 24)
    for audio in (media.audio, loaded):
        assert len(audio) > 3.5 * 16_000
        assert dominant_frequency(audio[:32_000], 16_000) == pytest.approx(440, abs=3)


def test_loud_arrays_are_resampled_as_they_are():
    """Would fail if numbers that a caller scaled otherwise were taken for damage."""
    assert np.abs(resample(np.full(1000, 3000.0, np.float32), 16_000, 8_000)[100:-100]).min() > 2900


def test_limits():
    """Would fail if a sound over a limit were read all the same."""
    with pytest.raises(MediaError, match="max_seconds"):
        decode(sound_file("ogg", seconds=3.0), sampling_rate=8000, limits=MediaLimits(max_seconds=2.0))
    with pytest.raises(MediaError, match="max_wall_seconds"):
        decode(sound_file("wav", seconds=3.0), sampling_rate=8000, limits=MediaLimits(max_wall_seconds=0.0))
