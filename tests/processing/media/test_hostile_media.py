"""Files that are no clips, clips that lie, and sources that fail: each is refused within the limits."""

import gzip
import io
import os
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import time
import zipfile

import av
import numpy as np
import pytest
from clip_samples import remux, write_sounding_video, write_video
from PIL import Image

from transformers_ggm.errors import MediaError
from transformers_ggm.processing import MediaLimits, decode_media
from transformers_ggm.processing.media.containers import ends_within_a_box
from transformers_ggm.processing.media.frame_picking import FramePicker


def first(duration):
    return [0.0]


def zip_file(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("clip.mp4", os.urandom(5_000))


def tar_file(path):
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("clip.mp4")
        info.size = 5_000
        archive.addfile(info, io.BytesIO(bytes(5_000)))


def gzip_file(path):
    path.write_bytes(gzip.compress(os.urandom(5_000)))


def html_file(path):
    path.write_text("<!doctype html><title>404</title>" + "<p>There is no such video.</p>" * 200)


def json_file(path):
    path.write_text('{"error": "quota exceeded"}' * 50)


def png_file(path):
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(path, format="png")


def jpeg_file(path):
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(path, format="jpeg")


def random_file(path):
    path.write_bytes(np.random.default_rng(0).bytes(200_000))


def zero_file(path):
    path.write_bytes(bytes(200_000))


def one_byte_file(path):
    path.write_bytes(b"\0")


def concat_file(path):
    path.write_text("ffconcat version 1.0\nfile /etc/passwd\n")


def subtitle_file(path):
    path.write_text("1\n00:00:00,000 --> 00:00:02,000\nhello\n\n" * 20)


FILES = [zip_file, tar_file, gzip_file, html_file, json_file, png_file, jpeg_file, random_file, zero_file]
FILES += [one_byte_file, concat_file, subtitle_file]


@pytest.mark.parametrize("make", FILES)
@pytest.mark.parametrize("suffix", ["mp4", "webm", "gif"])
def test_files_that_are_no_clips(tmp_path, make, suffix):
    """Something else under the name of a clip raises what callers do not expect, or is opened as something."""
    path = tmp_path / f"clip.{suffix}"
    make(path)
    for source in (path, path.read_bytes()):
        with pytest.raises(MediaError) as error:
            decode_media(source, sample_timestamps=first, sampling_rate=16_000)
        # No limit was reached.
        assert "MediaLimits" not in str(error.value)


def mp4_of_size(path, width, height):
    """An MP4 that states a size in its headers."""
    data = bytearray(write_video(path, "libx264", 5).read_bytes())
    start = data.index(b"avc1", data.index(b"stsd")) + 4 + 24
    data[start : start + 4] = struct.pack(">HH", width, height)
    path.write_bytes(data)


def gif_of_size(path, width, height):
    """A GIF whose canvas has a size: its decoder makes room for all of it."""
    data = bytearray(write_video(path, "gif", 5, pix_fmt="rgb8").read_bytes())
    data[6:10] = struct.pack("<HH", width, height)
    path.write_bytes(data)


def avi_of_size(path, width, height):
    """An AVI whose frames are raw, and so as large as its header says."""
    data = bytearray(write_video(path, "mpeg4", 5).read_bytes())
    start = data.index(b"strf") + 12
    data[start : start + 8] = struct.pack("<ii", width, height)
    path.write_bytes(data)


def vp8_of_size(path, width, height):
    """A WebM whose first frame states a size."""
    data = bytearray(write_video(path, "libvpx", 5).read_bytes())
    start = data.index(b"\x9d\x01\x2a") + 3
    data[start : start + 4] = struct.pack("<HH", width, height)
    path.write_bytes(data)


CHILD = """
import resource, sys
from transformers_ggm.errors import MediaError
from transformers_ggm.processing import MediaLimits, decode_media
from transformers_ggm.processing.media.frame_picking import FramePicker
now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + 600 * 2**20,) * 2)
for path in sys.argv[1:]:
    try:
        decode_media(path, sample_timestamps=lambda duration: [0.0], limits=MediaLimits(max_pixels=1_000_000))
        print("clip")
    except MediaError as error:
        print("memory" if "memory" in str(error).lower() else "refused")
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory as Linux does")
@pytest.mark.skipif(int(av.__version__.split(".")[0]) < 18, reason="this PyAV decodes frames of any size at opening")
def test_absurd_sizes_cost_no_memory(tmp_path):
    """A file of a few bytes that states a huge picture fills the memory before its size is looked at."""
    paths = []
    for index, (suffix, make) in enumerate(
        [("mp4", mp4_of_size), ("gif", gif_of_size), ("avi", avi_of_size), ("webm", vp8_of_size)]
    ):
        for width, height in [(16_000, 16_000), (65_535, 65_535), (65_535, 1), (0, 0)]:
            path = tmp_path / f"{index}-{width}-{height}.{suffix}"
            make(path, width & 0x3FFF if suffix == "webm" else width, height & 0x3FFF if suffix == "webm" else height)
            paths.append(path)
    ended = subprocess.run([sys.executable, "-c", CHILD, *map(str, paths)], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    outcomes = ended.stdout.split()
    assert len(outcomes) == len(paths)
    assert "memory" not in outcomes
    # MP4 and AVI give their decoder a size that it replaces by that of the frames.
    assert outcomes[4:6] == ["refused"] * 2


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.webm", "libvpx"), ("a.avi", "mpeg4"), ("a.gif", "gif"), ("a.ts", "mpeg2video")],
)
def test_a_size_beyond_the_limit_is_named(tmp_path, name, codec):
    """The error for a picture that is too large does not say how large it is, or which limit to raise."""
    path = write_video(tmp_path / name, codec, 2, (640, 480), "rgb8" if codec == "gif" else "yuv420p")
    with pytest.raises(MediaError, match=r"640x480.*MediaLimits\.max_pixels"):
        decode_media(path, sample_timestamps=first, limits=MediaLimits(max_pixels=1_000))


def test_a_size_far_beyond_the_limit_is_refused(tmp_path):
    """The error for an absurd picture does not hint at the limit."""
    path = tmp_path / "large.gif"
    gif_of_size(path, 20_000, 20_000)
    with pytest.raises(MediaError, match=r"MediaLimits\.max_pixels"):
        decode_media(path, sample_timestamps=first)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.webm", "libvpx"), ("a.avi", "mpeg4")])
def test_too_many_frames(tmp_path, name, codec):
    """A clip of more frames than allowed is decoded all the same."""
    path = write_video(tmp_path / name, codec, 20)
    assert len(decode_media(path, sample_timestamps=first, limits=MediaLimits(max_frames=20)).frames) == 1
    with pytest.raises(MediaError, match=r"MediaLimits\.max_frames"):
        decode_media(path, sample_timestamps=first, limits=MediaLimits(max_frames=19))


@pytest.mark.parametrize("part", ["index", "picture", "sound"])
def test_what_is_missing_at_the_end(tmp_path, part):
    """
    A file without its index, or of which only the sound is cut off, passes for whole, or a limit is blamed for it.
    """
    options = {"index": {}, "picture": {"movflags": "faststart"}, "sound": {"movflags": "faststart"}}[part]
    whole = write_sounding_video(tmp_path / "whole.mp4", "libx264", "aac", seconds=2.0, sound=4.0)
    path = remux(whole, tmp_path / "a.mp4", options=options)
    data = path.read_bytes()
    assert not ends_within_a_box(io.BytesIO(data))
    # The picture ends halfway through the sound.
    data = data[: round({"index": 0.9, "picture": 0.3, "sound": 0.9}[part] * len(data))]
    assert ends_within_a_box(io.BytesIO(data)) == (part != "index" or data.find(b"mdat") > 0)
    path.write_bytes(data)
    with pytest.raises(MediaError, match="cut short") as error:
        decode_media(path, sample_timestamps=first, sampling_rate=16_000)
    assert path.name in str(error.value) and "MediaLimits" not in str(error.value)


def test_boxes_without_an_end(tmp_path):
    """A recording whose last box goes on to the end of the file, as may be, or junk, is said to be cut short."""
    data = bytearray(write_video(tmp_path / "a.mp4", "libx264", 5).read_bytes())
    assert not ends_within_a_box(io.BytesIO(data + bytes(100)))
    assert not ends_within_a_box(io.BytesIO(data + b"\x00\x00\x00\x00free" + bytes(100)))
    large = b"\x00\x00\x00\x01free" + (116).to_bytes(8, "big") + bytes(100)
    assert not ends_within_a_box(io.BytesIO(data + large))
    assert ends_within_a_box(io.BytesIO(data + large[:-1]))
    assert not ends_within_a_box(io.BytesIO(b""))


class Source(io.BytesIO):
    """A file whose reads do what a test wants."""

    def __init__(self, data, read):
        super().__init__(data)
        self.num_reads = 0
        self._misread = read

    def read(self, size=-1):
        self.num_reads += 1
        return self._misread(self, super().read, size)


@pytest.fixture
def large_clip(tmp_path):
    """A clip that takes many reads."""
    return write_video(tmp_path / "large.mp4", "mpeg4", 120, (320, 240), options={"qmax": "2"})


def test_reading_that_takes_too_long_is_ended(large_clip):
    """A clip on a slow disk, or one that decodes for ever, stops a whole run."""

    def slowly(source, read, size):
        time.sleep(0.05)
        return read(size)

    whole, source = (Source(large_clip.read_bytes(), read) for read in (lambda _, read, size: read(size), slowly))
    decode_media(whole, sample_timestamps=first)
    with pytest.raises(MediaError, match=r"MediaLimits\.max_wall_seconds"):
        decode_media(source, sample_timestamps=first, limits=MediaLimits(max_wall_seconds=0.2))
    assert source.num_reads < whole.num_reads
    assert len(decode_media(large_clip, sample_timestamps=first).frames) == 1


def test_decoding_that_takes_too_long_is_ended(large_clip, monkeypatch):
    """Only slow reads are noticed, not slow decoding."""
    added = []
    add = FramePicker.add

    def slow_add(picker, frame, seconds):
        added.append(frame)
        add(picker, frame, seconds)

    monkeypatch.setattr(FramePicker, "add", slow_add)
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0 * len(added))
    with pytest.raises(MediaError, match=r"MediaLimits\.max_wall_seconds"):
        decode_media(large_clip, sample_timestamps=lambda duration: [0.0, duration])
    assert len(added) == 1


@pytest.mark.parametrize("nth", [1, 2, 3, 10, 40])
def test_a_read_that_fails_ends_in_our_error(large_clip, nth):
    """A failing disk or mount raises what callers do not expect, or fails the clip after this one instead."""

    def failing(source, read, size):
        if source.num_reads >= nth:
            raise OSError("the disk is gone")
        return read(size)

    with pytest.raises(MediaError, match="the disk is gone"):
        decode_media(Source(large_clip.read_bytes(), failing), sample_timestamps=lambda d: [0.0, d])
    assert len(decode_media(large_clip, sample_timestamps=first).frames) == 1


def test_a_read_that_gives_too_much_is_no_crash(large_clip):
    """A file object that gives more than it was asked for overruns the decoder's memory."""
    source = Source(large_clip.read_bytes(), lambda source, read, size: read(size) + b"\xff" * 1_000_000)
    # What is too much is passed over, so that the clip is read all the same.
    assert len(decode_media(source, sample_timestamps=first).frames) == 1


def test_a_server_that_trickles_is_left(tmp_path):
    """A server that sends a byte now and then holds a worker for ever."""
    server = socket.create_server(("127.0.0.1", 0))

    def trickle():
        connection, _ = server.accept()
        with connection:
            connection.recv(10_000)
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            try:
                for _ in range(600):
                    connection.sendall(b"x")
                    time.sleep(0.05)
            except OSError:
                return

    thread = threading.Thread(target=trickle, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.getsockname()[1]}/clip.mp4"
    with pytest.raises(MediaError, match=r"MediaLimits\.max_wall_seconds"):
        decode_media(url, sample_timestamps=first, limits=MediaLimits(max_wall_seconds=0.5))
    server.close()
    thread.join(timeout=10)
    assert not thread.is_alive()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts open files in /proc")
def test_no_file_stays_open(tmp_path):
    """Files of clips that are read or refused stay open, until a long run has too many of them."""
    good = write_sounding_video(tmp_path / "good.mp4", "libx264", "aac")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    random_file(tmp_path / "random.mp4")

    def read_all():
        for path in (good, cut, tmp_path / "random.mp4", tmp_path / "missing.mp4"):
            try:
                decode_media(path, sample_timestamps=first, sampling_rate=16_000)
            except MediaError as error:
                assert path.name in str(error)
        return len(os.listdir("/proc/self/fd"))

    before = read_all()
    assert [read_all() for _ in range(5)][-1] == before


def test_titles_in_a_broken_encoding_do_no_harm(tmp_path):
    """A clip with a title that is no UTF-8 is refused, or raises a Unicode error."""
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "aaaaaaaa"
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux([*stream.encode(av.VideoFrame(64, 48, "yuv420p")), *stream.encode()])
    path.write_bytes(path.read_bytes().replace(b"aaaaaaaa", b"\xff\xfe\xfa\xc3\x28\xa0\xa1\xff"))
    assert len(decode_media(path, sample_timestamps=first).frames) == 1


def test_sound_at_an_absurd_rate(tmp_path):
    """A rate of 1 Hz in a header makes hours of sound out of a short clip, and fills the memory."""
    path = write_sounding_video(tmp_path / "a.avi", "mpeg4", "pcm_s16le", rate=8_000)
    data = bytearray(path.read_bytes())
    start = data.index(b"strf", data.index(b"auds")) + 12
    assert struct.unpack("<I", data[start : start + 4]) == (8_000,)
    data[start : start + 4] = struct.pack("<I", 1)
    path.write_bytes(data)
    media = decode_media(path, sample_timestamps=first, sampling_rate=16_000, max_audio_seconds=3.0)
    assert media.audio is not None
    assert len(media.audio) <= 48_000
