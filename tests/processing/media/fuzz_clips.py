"""Damages clips at random and decodes them, in a process of its own, since a damaged clip can crash FFmpeg.

`run(folder, seed, count)` is what tests call. The n-th damaged clip of a seed is the same in every run over the same
clips; `folder` keeps the clips that ended otherwise than they should.
"""

import argparse
import faulthandler
import io
import json
import os
import random
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from functools import cache
from pathlib import Path

# Values that overflow, or are off by one, in fields of two to eight bytes.
EXTREMES = [0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1]
# Where headers are: boxes of MP4, chunks of AVI, elements of Matroska, start codes of MPEG and H.264.
_BOXES = "ftyp moov mvhd tkhd mdhd stsd avc1 avcC hvcC stts ctts stsz stco stsc stss elst trex tfhd trun esds mp4a"
_CHUNKS = "hdrl avih strh strf idx1 movi 00dc"
LANDMARKS = [name.encode() for name in f"{_BOXES} {_CHUNKS}".split()]
LANDMARKS += [b"\x1a\x45\xdf\xa3", b"\x15\x49\xa9\x66", b"\x16\x54\xae\x6b", b"\xe0", b"\xb0", b"\x1f\x43\xb6\x75"]
LANDMARKS += [b"\x00\x00\x01", b"GIF89a", b"\x21\xf9", b"\x2c", b"\x47"]

# How often a clip keeps its container and is damaged within the packets of its picture and its sound.
PAYLOAD_SHARE = 0.4
PAYLOAD = "overwrite_payloads"
# How decoding may end: with a clip without damage, with one that tells of damage, or with our error.
OUTCOMES = ("whole", "part", "refused")

# What a damaged clip may take at most, far above what a small clip takes.
HANG_SECONDS = 60
GROWTH_MIB = 150
PEAK_MIB = 1_000


def truncate(rng, data, _):
    return data[: rng.randrange(len(data))]


def flip_bits(rng, data, _):
    for _ in range(rng.choice([1, 4, 64])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def overwrite_header_field(rng, data, _):
    places = [place for mark in LANDMARKS if (place := data.find(mark, rng.randrange(len(data)))) >= 0]
    places += [place for mark in LANDMARKS if (place := data.find(mark)) >= 0]
    size = rng.choice([1, 2, 4, 8])
    at = max(0, rng.choice(places or [0]) - 4 + rng.randrange(32))
    value = rng.choice([*EXTREMES, rng.getrandbits(64)]) % 256**size
    data[at : at + size] = value.to_bytes(size, rng.choice(["big", "little"]))
    return data


def splice(rng, data, others):
    other = rng.choice(others)
    start = rng.randrange(len(other))
    at = rng.randrange(len(data))
    length = rng.randrange(1, 2_000)
    data[at : at + rng.choice([0, length])] = other[start : start + length]
    return data


def duplicate(rng, data, _):
    start, at = rng.randrange(len(data)), rng.randrange(len(data))
    chunk = data[start : start + rng.randrange(1, 4_000)]
    data[at:at] = chunk * rng.choice([1, 1, 20])
    return data


def zero(rng, data, _):
    start = rng.randrange(len(data))
    length = min(rng.randrange(1, 3_000), len(data) - start)
    data[start : start + length] = bytes(length)
    return data


def scramble(rng, data, _):
    start = rng.randrange(len(data))
    length = min(rng.randrange(1, 500), len(data) - start)
    data[start : start + length] = rng.randbytes(length)
    return data


def cut_out(rng, data, _):
    start = rng.randrange(len(data))
    del data[start : start + rng.randrange(1, 2_000)]
    return data


DAMAGES = [
    truncate,
    flip_bits,
    overwrite_header_field,
    overwrite_header_field,
    splice,
    duplicate,
    zero,
    scramble,
    cut_out,
]


@cache
def payloads(clip: bytes) -> list[tuple[int, int]]:
    """Where the packets of a clip start and end, those of the video and of the sound; none in what is no clip."""
    if clip[:1] == b"\x47" and len(clip) % 188 == 0:
        # MPEG-TS cuts packets in pieces. Eight bytes are left out for the headers.
        return [(start + 8, start + 188) for start in range(0, len(clip), 188)]
    import av

    places, start = [], 0
    with suppress(av.FFmpegError), av.open(io.BytesIO(clip)) as container:
        for packet in container.demux():
            start = clip.find(bytes(packet)) if packet.size else -1
            if start >= 0:
                places.append((start, start + packet.size))
    return places


def overwrite_payloads(rng, data, places):
    """Puts noise, zeros, wrong bits or bytes of another packet into some packets, or into parts of them."""
    for start, end in rng.sample(places, min(len(places), rng.choice([1, 1, 2, 5, 20]))):
        first = rng.choice([start, rng.randrange(start, end)])
        last = rng.choice([end, rng.randrange(first, end) + 1])
        size = last - first
        kind = rng.randrange(4)
        if kind == 0:
            data[first:last] = rng.randbytes(size)
        elif kind == 1:
            data[first:last] = bytes(size)
        elif kind == 2:
            for _ in range(rng.choice([1, 8])):
                data[rng.randrange(first, last)] ^= 1 << rng.randrange(8)
        else:
            other = rng.choice(places)[0]
            data[first:last] = data[other : other + size].ljust(size, b"\0")
    return data


def damaged(seed: int, number: int, clips: list[bytes]) -> tuple[bytes, str]:
    """The damaged clip of a number, and what was done to which clip."""
    rng = random.Random(f"{seed}-{number}")
    which = rng.randrange(len(clips))
    data = bytearray(clips[which])
    if rng.random() < PAYLOAD_SHARE and payloads(clips[which]):
        return bytes(overwrite_payloads(rng, data, payloads(clips[which]))), f"clip {which}: {PAYLOAD}"
    names = []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        damage = rng.choice(DAMAGES)
        names.append(damage.__name__)
        data = damage(rng, data, clips) or bytearray(b"\0")
    return bytes(data), f"clip {which}: {', '.join(names)}"


def decode(path: Path) -> str:
    """Decodes a file as it would be for training; gives how that ended, one of `OUTCOMES`, or raises."""
    import numpy as np

    from transformers_ggm.errors import MediaError
    from transformers_ggm.processing import MediaLimits, decode_media
    from transformers_ggm.processing.media.audio import load_sound

    with suppress(MediaError):
        sound = load_sound(path, 16_000, max_seconds=2.0, max_bytes=1 << 24)
        assert sound is None or len(sound) <= 32_000
    limits = MediaLimits(
        max_bytes=1 << 24, max_seconds=60.0, max_pixels=1 << 18, max_frames=2_000, max_wall_seconds=20.0
    )
    try:
        media = decode_media(
            path,
            sample_timestamps=lambda duration: [0.0, 0.4 * duration, duration],
            sampling_rate=16_000,
            max_audio_seconds=2.0,
            limits=limits,
        )
    except MediaError as error:
        if path.name not in str(error):
            raise AssertionError(f"the error does not name the file: {error}") from error
        return "refused"
    assert len(media.frames) == len(media.timestamps) == 3
    assert media.audio is None or len(media.audio) <= 32_000
    assert media.audio is None or np.isfinite(media.audio).all()
    assert 0.0 <= media.duration <= 60.0
    return "part" if media.damage else "whole"


def memory() -> tuple[float, float]:
    """How much memory this process has now, and had at most, in MiB."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return tuple(int(status[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))


def decode_damaged(folder: Path, seed: int, first: int, count: int) -> None:
    """Decodes damaged clips one after the other, and writes a line of JSON for each."""

    from transformers.utils import logging

    # A line for each damaged clip would fill memory.
    logging.set_verbosity_error()
    clips = read_clips(folder)
    faulthandler.enable()
    path = folder / "damaged.bin"
    for number in range(first, first + count):
        data, how = damaged(seed, number, clips)
        path.write_bytes(data)
        print(json.dumps({"number": number, "how": how}), flush=True)
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        started = time.monotonic()
        try:
            outcome = decode(path)
        except BaseException:
            outcome = traceback.format_exc()
        faulthandler.cancel_dump_traceback_later()
        now, most = memory()
        end = {"outcome": outcome, "seconds": time.monotonic() - started, "now_mib": now, "peak_mib": most}
        print(json.dumps({**end, "files": len(os.listdir("/proc/self/fd"))}), flush=True)


def run(folder: Path, seed: int, count: int, script: str = __file__) -> tuple[list[dict], list[str]]:
    """Decodes `count` damaged variants of the files `clip-*` in a folder.

    Returns:
        The reports of the decodings, and descriptions of all that went wrong. A process that crashes or hangs is one
        of these, and another goes on with the next clip.
    """
    reports, failures = [], []
    while len(reports) < count:
        first = len(reports)
        command = [sys.executable, script, str(folder), str(seed), str(first), str(count - first)]
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace")
        crash = {"outcome": f"the process ended with {ended.returncode}: {ended.stderr[-2000:]}"}
        lines = [json.loads(line) for line in ended.stdout.splitlines()]
        if not lines:
            raise RuntimeError(f"the process that decodes does not start: {ended.stderr[-2000:]}")
        reports += [begin | end for begin, end in zip(lines[::2], [*lines[1::2], crash])]
        if ended.returncode and len(lines) % 2 == 0:
            failures.append(f"seed {seed}, after number {reports[-1]['number']}: {crash['outcome']}")
        failures += [describe(folder, seed, report) for report in reports[first:] if has_failed(report)]
        failures += leaks(seed, reports[first:])
    return reports, failures


def has_failed(report: dict) -> bool:
    return report["outcome"] not in OUTCOMES


def describe(folder: Path, seed: int, report: dict) -> str:
    """Says which damaged clip failed and how, and keeps it."""
    kept = folder / f"failed-{seed}-{report['number']}.bin"
    kept.write_bytes(damaged(seed, report["number"], read_clips(folder))[0])
    return f"seed {seed}, number {report['number']} ({report['how']}), kept as {kept}:\n{report['outcome']}"


def read_clips(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob("clip-*"))]


def leaks(seed: int, reports: list[dict]) -> list[str]:
    """What a process lost from clip to clip, or took too much of."""
    settled = [report for report in reports if "files" in report][20:]
    if not settled:
        return []
    failures = []
    if settled[-1]["files"] > settled[0]["files"]:
        failures.append(f"seed {seed}: open files grow from {settled[0]['files']} to {settled[-1]['files']}")
    half = settled[len(settled) // 2]
    if settled[-1]["now_mib"] - half["now_mib"] > GROWTH_MIB:
        failures.append(f"seed {seed}: memory grows from {half['now_mib']:.0f} to {settled[-1]['now_mib']:.0f} MiB")
    if settled[-1]["peak_mib"] - reports[0].get("now_mib", 0) > PEAK_MIB:
        failures.append(f"seed {seed}: memory reaches {settled[-1]['peak_mib']:.0f} MiB")
    return failures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    for name in ("seed", "first", "count"):
        parser.add_argument(name, type=int)
    arguments = parser.parse_args()
    decode_damaged(arguments.folder, arguments.seed, arguments.first, arguments.count)
