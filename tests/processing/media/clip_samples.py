"""Clips in many codecs and containers for decoding tests, made on the spot."""

import shutil
import subprocess
from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition

FFMPEG = shutil.which("ffmpeg")


def moving_images(count, size=(64, 48), seed=0):
    """Images (h, w, 3) uint8 of coloured noise that a block moves over, all different and hard to predict."""
    width, height = size
    rng = np.random.default_rng(seed)
    ground = rng.integers(0, 256, ((height + count) // 4 + 1, (width + 2 * count) // 4 + 1, 3), np.uint8)
    ground = ground.repeat(4, 0).repeat(4, 1)
    for index in range(count):
        image = ground[index : index + height, 2 * index : 2 * index + width].copy()
        left = 3 * index % (width - 12)
        image[8:20, left : left + 12] = (255 - 2 * index % 200, 40, 5 * index % 256)
        yield image


def write_video(path, codec, count=60, size=(64, 48), pix_fmt="yuv420p", rate=25, options=None, times=None, **context):
    """Writes a video without sound; `times` are the frames' times in seconds, `context` settings of the encoder.

    Skips the test where the installed PyAV cannot write it.
    """
    try:
        av.Codec(codec, "w")
    except Exception:
        pytest.skip(f"this PyAV cannot write {codec}")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        for name, value in context.items():
            setattr(stream.codec_context, name, value)
        base = Fraction(1, 1000) if times else Fraction(1, rate)
        stream.codec_context.time_base = base
        for index, image in enumerate(moving_images(len(times) if times else count, size)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = round(times[index] / base) if times else index, base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def decoded_frames(path):
    """All frames of a clip as PyAV gives them, decoding from start to end."""
    with av.open(str(path)) as container:
        stream = next(
            stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic
        )
        return list(container.decode(stream))


def run_ffmpeg(*arguments):
    """Runs Debian's `ffmpeg` program and gives what it writes; skips the test where there is none."""
    if FFMPEG is None:
        pytest.skip("the `ffmpeg` program is not installed: apt-get install ffmpeg")
    command = [FFMPEG, "-nostdin", "-v", "error", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def ffmpeg_images(path, height, width):
    """All frames of a clip as the `ffmpeg` program gives them, upright, (f, 3, h, w) uint8."""
    raw = run_ffmpeg(
        "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"
    )
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3).transpose(0, 3, 1, 2)


def patch_display_matrix(path, matrix):
    """Writes (a, b, c, d) as the display matrix of an MP4 file's first track: x' = a x + c y, y' = b x + d y."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + (52 if data[data.index(b"tkhd") + 4] else 40)
    a, b, c, d = (round(value * 65536) for value in matrix)
    numbers = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], ">i4")
    data[start : start + 36] = numbers.tobytes()
    path.write_bytes(data)
    return path


def remux(source, path, shift=0.0, options=None, cover=None):
    """Copies a clip's packets into another file, `shift` seconds later, with the PNG `cover` as its cover image."""
    with av.open(str(source)) as given, av.open(str(path), "w", options=options or {}) as container:
        streams = {stream.index: container.add_stream_from_template(stream) for stream in given.streams}
        if cover is not None:
            picture = container.add_stream("png")
            picture.width, picture.height, picture.pix_fmt = 16, 16, "rgb24"
            picture.disposition = Disposition.attached_pic.value
        for packet in given.demux():
            if packet.dts is not None:
                offset = round(shift / packet.time_base)
                packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
                packet.stream = streams[packet.stream.index]
                container.mux(packet)
        if cover is not None:
            frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), cover, np.uint8), format="rgb24")
            container.mux([*picture.encode(frame), *picture.encode()])
    return path


def write_sounding_video(
    path, video_codec, audio_codec, seconds=2.0, sound=2.0, layout="mono", rate=48_000, start=0.0
):
    """Writes a grey video at 10 frames per second with a tone of 440 Hz, `sound` seconds of it from `start` on."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(video_codec, rate=10)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        audio = container.add_stream(audio_codec, rate=rate, layout=layout)
        for index in range(round(10 * seconds)):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), index, np.uint8), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 10)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        context = audio.codec_context
        tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(sound * rate)) / rate)
        samples = np.tile(tone.astype(np.float32), (len(audio.layout.channels), 1))
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, round(start * rate), Fraction(1, rate)
        resampler = av.AudioResampler(context.format.name, layout, rate, context.frame_size or 1024)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(audio.encode(piece))
        container.mux(audio.encode())
    return path
