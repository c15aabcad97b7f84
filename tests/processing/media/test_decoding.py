"""Decoding against clips whose frames show their time and whose sound is one known tone."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import av
import numpy as np
import pytest
import torch
from processing_samples import dominant_frequency, grey_of, write_clip, write_tone

from transformers_ggm.errors import MediaError
from transformers_ggm.processing import MediaLimits, decode_media
from transformers_ggm.utils import opening

# Nearly all frames lie in the first fifth of the clip: counting frames would choose them.
UNEVEN = [0.0, 0.04, 0.08, 0.12, 0.16, 0.2, 0.24, 0.28, 0.32, 0.36, 0.4, 0.9, 1.5, 1.6]


def at(*times):
    return lambda duration: times


def shown_times(media, times):
    """Which of `times` each frame of a test clip was painted for."""
    greys = media.frames.float().mean(dim=(1, 2, 3)).tolist()
    return [min(times, key=lambda time: abs(grey_of(time) - grey)) for grey in greys]


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
def test_frames_are_chosen_by_timestamp(tmp_path, suffix):
    """Frames are chosen by their number or by a constant frame rate, so clips of phones are sampled wrongly."""
    path = write_clip(tmp_path / f"uneven.{suffix}", UNEVEN, 2.0)
    media = decode_media(path, sample_timestamps=at(0.0, 0.5, 0.8, 1.3, 1.99))
    nearest = [0.0, 0.4, 0.9, 1.5, 1.6]
    assert shown_times(media, UNEVEN) == nearest
    assert media.timestamps.tolist() == pytest.approx(nearest, abs=2e-3)
    assert 1.6 <= media.duration <= 2.0  # older encoders do not write how long the last frame lasts


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
@pytest.mark.parametrize(
    "times", [UNEVEN, [0.0, 1.5, 1.54, 1.58, 1.62, 1.66, 1.7], [0.0, 3.0, 3.04, 8.0, 8.04, 8.08, 8.12]]
)
def test_the_length_is_measured_where_it_is_stated_wrongly(tmp_path, suffix, times):
    """MP4 states a wrong length where frames come unevenly, so the end of the clip is never seen, or is refused."""
    path = write_clip(tmp_path / f"uneven.{suffix}", times, times[-1] + 0.04)
    media = decode_media(path, sample_timestamps=lambda duration: [0.0, duration])
    assert media.duration == pytest.approx(times[-1] + 0.04, abs=0.1)
    assert media.timestamps.tolist() == pytest.approx([0.0, times[-1]], abs=2e-3)


def test_times_count_from_the_first_frame(tmp_path):
    """A clip that was cut out of a longer one, whose clock does not start at zero, gives its first frame only."""
    times = [0.5 + index / 10 for index in range(15)]
    path = write_clip(tmp_path / "late.mp4", times, 2.0)
    media = decode_media(path, sample_timestamps=at(0.0, 1.0))
    assert media.timestamps.tolist() == pytest.approx([0.0, 1.0], abs=2e-3)
    assert shown_times(media, times) == pytest.approx([0.5, 1.5])


def test_shapes_and_types(clip):
    """The decoded clip has not the documented shapes and dtypes."""
    media = decode_media(clip, sample_timestamps=at(0.0, 1.0, 1.0), sampling_rate=16_000)
    assert media.frames.shape == (3, 3, 48, 64)
    assert media.frames.dtype == torch.uint8
    assert media.timestamps.dtype == torch.float64
    assert media.timestamps.tolist() == pytest.approx([0.0, 1.0, 1.0])
    assert media.audio.dtype == np.float32
    assert media.audio.ndim == 1
    assert media.sampling_rate == 16_000


def test_the_length_is_told_before_frames_are_chosen(clip):
    """The frame rule is asked with another length than the video's."""
    told = []
    decode_media(clip, sample_timestamps=lambda duration: told.append(duration) or [0.0])
    assert told == pytest.approx([2.0], abs=0.1)


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
@pytest.mark.parametrize("channels", [1, 2])
def test_sound_survives_mixing_and_resampling(tmp_path, suffix, channels):
    """The sound is played at a wrong speed, or its channels are interleaved instead of mixed."""
    path = write_clip(tmp_path / f"tone.{suffix}", [0.0, 1.0], 2.0, tone=1000, channels=channels)
    media = decode_media(path, sample_timestamps=at(0.0), sampling_rate=16_000)
    assert dominant_frequency(media.audio, 16_000) == pytest.approx(1000, abs=5)
    assert len(media.audio) / 16_000 == pytest.approx(2.0, abs=0.1)
    # AAC spreads one channel's power over two at mixing, within 3 dB.
    assert 0.2 < np.abs(media.audio[4000:-4000]).max() < 0.8


def test_sound_is_cut_at_the_wanted_length(clip):
    """More sound is kept than asked for, or fewer samples than there are."""
    media = decode_media(clip, sample_timestamps=at(0.0), sampling_rate=8_000, max_audio_seconds=0.5)
    assert len(media.audio) == 4000


def test_sound_is_left_out_when_not_wanted_or_not_there(clip, silent_clip):
    """A silent clip gets a waveform, or sound is decoded that nobody asked for."""
    for path, sampling_rate in [(clip, None), (silent_clip, 16_000)]:
        media = decode_media(path, sample_timestamps=at(0.0), sampling_rate=sampling_rate)
        assert media.audio is None
        assert media.sampling_rate is None


def test_all_kinds_of_sources_give_the_same(clip):
    """One way of handing over a clip decodes it differently, or closes the caller's file."""
    expected = decode_media(clip, sample_timestamps=at(0.0, 1.5), sampling_rate=16_000)
    with open(clip, "rb") as file:
        for source in [str(clip), clip.read_bytes(), memoryview(clip.read_bytes()), file, clip.as_uri()]:
            media = decode_media(source, sample_timestamps=at(0.0, 1.5), sampling_rate=16_000)
            assert torch.equal(media.frames, expected.frames)
            assert np.array_equal(media.audio, expected.audio)
        assert not file.closed


def test_url(clip):
    """A clip cannot be read from the web, or a missing page is not named."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(clip.parent)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        media = decode_media(f"{url}/{clip.name}", sample_timestamps=at(0.0, 1.5))
        assert torch.equal(media.frames, decode_media(clip, sample_timestamps=at(0.0, 1.5)).frames)
        with pytest.raises(MediaError, match=r"missing\.mp4"):
            decode_media(f"{url}/missing.mp4", sample_timestamps=at(0.0))
        with pytest.raises(MediaError, match="max_bytes"):
            decode_media(f"{url}/{clip.name}", sample_timestamps=at(0.0), limits=MediaLimits(max_bytes=100))
    finally:
        server.shutdown()
        server.server_close()


def test_busy_servers_are_asked_again(clip, monkeypatch):
    """Of many clips those are lost at which a server was busy for a moment, or missing ones are asked for for ever."""
    monkeypatch.setattr(opening, "WAITS_SECONDS", (0.0, 0.0))
    asked = []

    class Busy(SimpleHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            status = {"/busy": 503, "/missing": 404}.get(self.path, 200 if len(asked) > 2 else 503)
            self.send_response(status)
            self.end_headers()
            if status == 200:
                self.wfile.write(clip.read_bytes())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        media = decode_media(f"{url}/clip", sample_timestamps=at(0.0))
        assert len(asked) == 3 and media.duration == pytest.approx(2.0, abs=0.1)
        for path, times in (("/missing", 1), ("/busy", 3)):
            asked.clear()
            with pytest.raises(MediaError, match=path):
                decode_media(url + path, sample_timestamps=at(0.0))
            assert asked == [path] * times
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.skipif(not hasattr(av.VideoFrame, "rotation"), reason="this PyAV does not tell a frame's rotation")
def test_clips_filmed_sideways_are_turned(tmp_path):
    """Portrait clips of phones reach the model lying on their side."""
    path = tmp_path / "turned.mp4"
    try:
        write_clip(path, [0.0, 0.1], 0.2, rotation=90)
    except AttributeError:
        pytest.skip("this PyAV cannot write a rotation")
    frames = decode_media(path, sample_timestamps=at(0.0)).frames
    assert frames.shape == (1, 3, 64, 48)
    # The white top half is at the left after a quarter turn counter-clockwise.
    assert frames[0, :, :, :20].float().mean() > 200
    assert frames[0, :, :, 28:].float().mean() < 60


@pytest.mark.parametrize("share", [0.3, 0.6, 0.85])
@pytest.mark.parametrize(("suffix", "options"), [("mp4", {}), ("mp4", {"movflags": "faststart"})])
def test_truncated_clips_are_refused(tmp_path, share, suffix, options):
    """A download that broke off passes for a shorter clip."""
    times = [index / 10 for index in range(30)]
    path = write_clip(tmp_path / f"whole.{suffix}", times, 3.0, tone=440, options=options)
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(MediaError, match="cut short"):
        decode_media(cut, sample_timestamps=at(0.1, 1.5, 2.9), sampling_rate=16_000)


def test_truncated_webm_is_refused(tmp_path):
    """A WebM that broke off passes for a shorter clip, since FFmpeg reads it without an error."""
    times = [index / 10 for index in range(30)]
    path = write_clip(tmp_path / "whole.webm", times, 3.0, tone=440)
    with pytest.raises(MediaError, match="cut short"):
        decode_media(path.read_bytes()[: path.stat().st_size // 2], sample_timestamps=lambda d: [0.1, 0.9 * d])


def sound_file(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        write_tone(container, container.add_stream("aac", rate=48_000, layout="mono"), 1.0, 440, 48_000, 1)
    return path


def html_file(tmp_path):
    path = tmp_path / "page.mp4"
    path.write_text("<!doctype html><html><body>Log in to see this video</body></html>" * 50)
    return path


def playlist_file(tmp_path):
    path = tmp_path / "list.mp4"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nclip.mp4\n#EXT-X-ENDLIST\n")
    return path


def empty_file(tmp_path):
    path = tmp_path / "empty.mp4"
    path.touch()
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (sound_file, "no video stream"),
        (html_file, "cannot be read as a video"),
        (playlist_file, "cannot be read as a video"),
        (empty_file, "is empty"),
        (lambda tmp_path: tmp_path / "missing.mp4", "does not exist"),
        (lambda tmp_path: tmp_path, "folder"),
    ],
)
def test_what_is_no_clip_is_refused_by_name(tmp_path, make, message):
    """A user's mistake ends in an error of FFmpeg or Python that names neither the file nor what to do."""
    path = make(tmp_path)
    with pytest.raises(MediaError, match=message) as error:
        decode_media(path, sample_timestamps=at(0.0))
    assert path.name in str(error.value)


@pytest.mark.parametrize(
    "limits", [MediaLimits(max_bytes=1000), MediaLimits(max_seconds=1.0), MediaLimits(max_pixels=64 * 48 - 1)]
)
@pytest.mark.parametrize("suffix", ["mp4", "webm"])
def test_limits(tmp_path, limits, suffix):
    """A clip over a limit is decoded all the same, or the error does not name the limit."""
    path = write_clip(tmp_path / f"clip.{suffix}", [index / 10 for index in range(20)], 2.0, tone=440)
    changed = next(
        name
        for name in ("max_bytes", "max_seconds", "max_pixels")
        if name in str(limits) and getattr(limits, name) != getattr(MediaLimits(), name)
    )
    with pytest.raises(MediaError, match=changed):
        decode_media(path, sample_timestamps=at(0.0), limits=limits)
    assert len(decode_media(path, sample_timestamps=at(0.0)).frames) == 1


def test_text_files_are_refused(clip):
    """A file opened as text fails deep inside FFmpeg."""
    with open(clip, encoding="latin-1") as file, pytest.raises(MediaError, match="rb"):
        decode_media(file, sample_timestamps=at(0.0))
