"""Measures what reading clips and prepared sets costs, against the plain way of doing each.

    python benchmarks/bench_decoding.py

**Long clips.** It renders clips of 60 s at 1280x720 (H.264 and AAC, a moving scene with camera noise) with keyframes
at several distances, reads 15 frames of each, and prints a Markdown table of ratios; below 1 is faster than decoding
all. Both sides use the same decoder with the same threads, take frames and no sound, and convert the same 15 frames to
RGB; `same frames` says whether these are equal bit for bit. Each ratio is of the best of several runs that take turns.

**Short clips.** 15 frames of a clip of 7.5 s, taken by this package, by the `ffmpeg` program, which decodes all or,
with `-skip_frame noref`, all that others depend on (then other frames come out), and by torchcodec, where these are
installed. `same frames` is in comparison to decoding all with PyAV.

**Prepared sets.** `loading.py` beside this file compares what training reads with what `datasets` does to decode the
same JPEG files, both in two worker processes; above 1 training is the faster one.

`--keep FOLDER` keeps the clips there and uses those that are there already.
"""

import argparse
import hashlib
import importlib.util
import shutil
import subprocess
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from loading import loading

from transformers_ggm.errors import OutputError
from transformers_ggm.processing import GGMVideoProcessor, decode_media
from transformers_ggm.processing.media.frame_images import upright_rgb
from transformers_ggm.utils.files import check_output_folder

SIZE = (1280, 720)
RATE = 30
SAMPLING_RATE = 44_100
NUM_FRAMES = 15


def render_clip(path: Path, seconds: float, keyframe_distance: int, seed: int = 0) -> Path:
    """Writes a clip of a scene that a shaking hand pans over while things move in it, with noise and a tone.

    Args:
        path (`Path`): Where to write it, an MP4 file.
        seconds (`float`): Its length.
        keyframe_distance (`int`): Every how many frames there is a keyframe, at most.
        seed (`int`, defaults to 0): Of the scene and its noise.
    """
    part = path.with_name(f"part-{path.name}")
    with av.open(str(part), "w") as container:
        video = container.add_stream("libx264", rate=RATE)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        video.codec_context.gop_size = keyframe_distance
        video.options = {"preset": "veryfast", "crf": "23"}
        audio = container.add_stream("aac", rate=SAMPLING_RATE, layout="stereo")
        for index, image in enumerate(scene(round(seconds * RATE), np.random.default_rng(seed))):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        write_sound(container, audio, seconds)
    part.replace(path)
    return path


def clip_name(seconds: float, keyframe_distance: int, seed: int = 0) -> str:
    """What a rendered clip is called: another name when this file, which renders it, has changed."""
    renderer = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    return f"{seconds:g}s-{keyframe_distance}-{seed}-{renderer}.mp4"


def scene(num_frames: int, rng: np.random.Generator):
    """Yields (h, w, 3) uint8 images of a textured background that is panned over, discs that cross it, and noise."""
    width, height = SIZE
    ground = texture((height + 200, width + 600), rng)
    discs = [(texture((160, 160), rng), *rng.uniform(0.2, 1.0, 4)) for _ in range(5)]
    rows, columns = np.mgrid[-80:80, -80:80]
    inside = rows**2 + columns**2 < 80**2
    noise = rng.normal(0, 2.5, (8, height, width, 1)).astype(np.int16)
    for index in range(num_frames):
        second = index / RATE
        left = round(300 + 290 * np.sin(0.21 * second) + 3 * np.sin(7 * second))
        top = round(100 + 60 * np.sin(0.33 * second) + 3 * np.cos(5 * second))
        image = ground[top : top + height, left : left + width].copy()
        for disc, a, b, c, d in discs:
            x = round((width - 160) * (0.5 + 0.5 * np.sin(a * second + 9 * c)))
            y = round((height - 160) * (0.5 + 0.5 * np.sin(b * second + 9 * d)))
            image[y : y + 160, x : x + 160][inside] = disc[inside]
        yield np.clip(image.astype(np.int16) + noise[index % 8], 0, 255).astype(np.uint8)


def texture(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """An image (h, w, 3) uint8 with structure at all scales, as photographs have."""
    image = np.zeros((*shape, 3))
    for cell in (4, 16, 64, 256):
        cells = rng.normal(size=(shape[0] // cell + 2, shape[1] // cell + 2, 3))
        image += cell**0.5 * cells.repeat(cell, axis=0).repeat(cell, axis=1)[: shape[0], : shape[1]]
    return np.clip(128 + 55 * image / image.std(), 0, 255).astype(np.uint8)


def write_sound(container, stream, seconds: float) -> None:
    """Writes a rising tone in stereo."""
    times = np.arange(int(seconds * SAMPLING_RATE)) / SAMPLING_RATE
    wave = (0.3 * np.sin(2 * np.pi * (220 + 5 * times) * times)).astype(np.float32)
    for start in range(0, len(wave) - 1023, 1024):
        frame = av.AudioFrame.from_ndarray(np.tile(wave[start : start + 1024], (2, 1)), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = SAMPLING_RATE, start
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def numbers_of(wanted: list[float]) -> list[int]:
    """Which frames of a clip are nearest to the wanted times."""
    return [int(np.ceil(second * RATE - 0.5)) for second in wanted]


def decode_all(path: Path, wanted: list[float]) -> np.ndarray:
    """The frames (f, h, w, 3) uint8 nearest to the wanted times, by decoding every frame of the clip with PyAV."""
    numbers = set(numbers_of(wanted))
    images = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for number, frame in enumerate(container.decode(stream)):
            if number in numbers:
                images.append(upright_rgb(frame))
    return np.stack(images)


def seeking(folder: Path, seconds: float, distances: list[int], num_runs: int) -> list[str]:
    """Compares taking 15 frames of a clip with decoding all of it.

    Args:
        folder (`Path`): Where the clips are, or are written.
        seconds (`float`): Length of the clips.
        distances (`list[int]`): Frames from one keyframe to the next, one clip each.
        num_runs (`int`): How often each side is measured.

    Returns:
        `list[str]`: Lines of a Markdown table.
    """
    lines = [
        "| keyframe every | decoding all | 15 frames | ratio | 15 frames and 10 s of sound | ratio | same frames |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    wanted = GGMVideoProcessor(num_frames=NUM_FRAMES).sample_timestamps(seconds)
    for distance in distances:
        path = folder / clip_name(seconds, distance)
        if not path.exists():
            render_clip(path, seconds, distance)
        ways = {
            "all": lambda path=path: decode_all(path, wanted),
            "taken": lambda path=path: decode_media(path, sample_timestamps=lambda _: wanted).frames.numpy(),
            "sound": lambda path=path: decode_media(path, sample_timestamps=lambda _: wanted, sampling_rate=16_000),
        }
        best, results = best_times(ways, num_runs)
        same = "yes" if np.array_equal(results["all"], results["taken"].transpose(0, 2, 3, 1)) else "NO"
        lines.append(
            f"| {distance} frames | {best['all']:.2f} s | {best['taken']:.2f} s | {best['taken'] / best['all']:.2f}"
            f" | {best['sound']:.2f} s | {best['sound'] / best['all']:.2f} | {same} |"
        )
    return lines


def program_frames(path: Path, wanted: list[float], *options: str) -> np.ndarray:
    """The frames (f, h, w, 3) uint8 at the wanted times as the `ffmpeg` program gives them."""
    last, rate = NUM_FRAMES - 1, (NUM_FRAMES - 1) / (wanted[-1] - wanted[0])
    # Of each wanted time the nearest frame, of two that are equally near the earlier one, up to rounding.
    chosen = f"select='gte(t,{wanted[0]}-0.6/{RATE}+selected_n/{rate})*lte(selected_n,{last})'"
    command = ["ffmpeg", "-nostdin", "-v", "error", *options, "-i", str(path), "-an", "-vf", chosen]
    command += ["-frames:v", str(NUM_FRAMES), "-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, *reversed(SIZE), 3)


def torchcodec_frames(path: Path, wanted: list[float]) -> np.ndarray:
    """The frames (f, h, w, 3) uint8 nearest to the wanted times as torchcodec gives them."""
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(str(path), dimension_order="NHWC", num_ffmpeg_threads=0)
    return decoder.get_frames_at(numbers_of(wanted)).data.numpy()


def others(folder: Path, seconds: float, num_runs: int) -> list[str]:
    """Compares taking 15 frames of a clip with the ways that others offer.

    Args:
        folder (`Path`): Where the clip is, or is written.
        seconds (`float`): Its length.
        num_runs (`int`): How often each way is measured.

    Returns:
        `list[str]`: Lines of a Markdown table.
    """
    path = folder / clip_name(seconds, 2 * RATE)
    wanted = GGMVideoProcessor(num_frames=NUM_FRAMES).sample_timestamps(seconds)
    if not path.exists():
        render_clip(path, seconds, 2 * RATE)
    ways = {
        "PyAV, all frames": lambda: decode_all(path, wanted),
        "this package": lambda: (
            decode_media(path, sample_timestamps=lambda _: wanted).frames.permute(0, 2, 3, 1).numpy()
        ),
    }
    if shutil.which("ffmpeg"):
        ways["`ffmpeg`, all frames"] = lambda: program_frames(path, wanted)
        ways["`ffmpeg -skip_frame noref`"] = lambda: program_frames(path, wanted, "-skip_frame", "noref")
    if importlib.util.find_spec("torchcodec"):
        ways["torchcodec"] = lambda: torchcodec_frames(path, wanted)
    best, results = best_times(ways, num_runs)
    expected = results["PyAV, all frames"]
    lines = [f"| 15 frames of {seconds:g} s | seconds | ratio | same frames |", "| --- | ---: | ---: | --- |"]
    return lines + [
        f"| {way} | {best[way]:.3f} | {best[way] / best['PyAV, all frames']:.2f}"
        f" | {'yes' if np.array_equal(frames, expected) else 'no'} |"
        for way, frames in results.items()
    ]


def best_times(ways: dict, num_runs: int) -> tuple[dict, dict]:
    """The least wall time in seconds of each function, and what it gave; they take turns, so that all see one load."""
    best, results = dict.fromkeys(ways, float("inf")), {}
    for _ in range(num_runs):
        for name, function in ways.items():
            started = time.perf_counter()
            results[name] = function()
            best[name] = min(best[name], time.perf_counter() - started)
    return best, results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the clips (default: 60)")
    parser.add_argument(
        "--keyframe_distances",
        type=int,
        nargs="+",
        default=[30, 60, 250],
        help="frames from one keyframe to the next, one clip each (default: 30 60 250)",
    )
    parser.add_argument("--num_runs", type=int, default=3, help="how often each side is measured (default: 3)")
    parser.add_argument("--keep", type=Path, help="folder to keep the clips in (default: none, they are removed)")
    arguments = parser.parse_args()
    try:
        if arguments.keep:
            check_output_folder(arguments.keep, "--keep")
    except OutputError as error:
        parser.error(str(error))
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        print("\n".join(seeking(folder, arguments.seconds, arguments.keyframe_distances, arguments.num_runs)))
        print("\n" + "\n".join(others(folder, 7.5, arguments.num_runs)))
    print("\n" + "\n".join(loading(num_rounds=arguments.num_runs)))


if __name__ == "__main__":
    main()
