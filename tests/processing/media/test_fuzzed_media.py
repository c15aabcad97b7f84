"""Clips that are damaged at random end in a clip or in our own error, without a crash, a hang or a leak.

`GGM_FUZZ_MUTATIONS` and `GGM_FUZZ_SEED` say how many, and which.
"""

import os
import sys

import pytest
from clip_samples import write_sounding_video, write_video
from fuzz_clips import OUTCOMES, PAYLOAD, damaged, leaks, payloads, run

MUTATIONS = int(os.environ.get("GGM_FUZZ_MUTATIONS", "300"))
SEED = int(os.environ.get("GGM_FUZZ_SEED", "0"))


def write_corpus(folder):
    """Small clips in the containers and codecs that people have."""
    sounding = [("mp4", "libx264", "aac"), ("mov", "mpeg4", "pcm_s16le"), ("webm", "libvpx-vp9", "libopus")]
    sounding += [("avi", "mpeg4", "mp3"), ("mkv", "libx264", "ac3"), ("ts", "mpeg2video", "aac")]
    for suffix, video, audio in sounding:
        write_sounding_video(folder / f"clip-{suffix}.{suffix}", video, audio, seconds=1.2, sound=1.0)
    write_video(folder / "clip-open.mp4", "libx264", 24, options={"x264-params": "keyint=6:bframes=3:open-gop=1"})
    write_video(folder / "clip-hevc.mp4", "libx265", 12, (64, 64), options={"x265-params": "log-level=none"})
    write_video(folder / "clip-vp8.webm", "libvpx", 24)
    write_video(folder / "clip-gif.gif", "gif", 10, pix_fmt="rgb8")
    write_video(folder / "clip-mjpeg.avi", "mjpeg", 8, pix_fmt="yuvj420p")
    write_video(folder / "clip-av1.mp4", "libsvtav1", 12, (64, 64), options={"preset": "12"})


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for leaks in /proc")
def test_damaged_clips_end_in_a_clip_or_in_our_error(tmp_path):
    """A damaged clip crashes or blocks a training run, leaks files or memory, or raises what callers do not expect."""
    write_corpus(tmp_path)
    reports, failures = run(tmp_path, SEED, MUTATIONS)
    assert not failures, "\n\n".join(failures)
    within = counts([report for report in reports if PAYLOAD in report["how"]])
    anywhere = counts([report for report in reports if PAYLOAD not in report["how"]])
    print(f"\ndamage within packets: {within}\ndamage anywhere: {anywhere}")
    assert sum(within.values()) + sum(anywhere.values()) == MUTATIONS
    # Clips that are all refused, or all read, would show nothing.
    assert 0.1 < anywhere["refused"] / sum(anywhere.values()) < 0.95
    # Where the container is whole, most of a clip can be used.
    assert within["refused"] / sum(within.values()) < 0.25 and within["part"] > 0


def counts(reports):
    """How many of the clips were read as if they were whole, read in part, and refused."""
    outcomes = [report["outcome"] for report in reports]
    return {outcome: outcomes.count(outcome) for outcome in OUTCOMES}


def test_damage_is_the_same_in_every_run():
    """The seed and number of a failure do not reproduce it."""
    clips = [bytes(range(256)) * 8, b"moov" * 500]
    first = [damaged(3, number, clips) for number in range(50)]
    assert first == [damaged(3, number, clips) for number in range(50)]
    assert len({data for data, _ in first}) > 40


def test_packets_are_found(tmp_path):
    """Damage that should lie within packets lies in the headers of the container, or nowhere."""
    write_corpus(tmp_path)
    for path in tmp_path.glob("clip-*"):
        data = path.read_bytes()
        places = payloads(data)
        assert len(places) >= 8 and all(0 <= start < end <= len(data) for start, end in places)
        assert sum(end - start for start, end in places) > 0.3 * len(data)


def test_leaks_are_seen():
    """The fuzz test passes although files or memory are lost."""
    report = {"files": 5, "now_mib": 300.0, "peak_mib": 300.0}
    assert not leaks(0, [report] * 50)
    assert len(leaks(0, [report] * 40 + [report | {"files": 6}])) == 1
    assert len(leaks(0, [report] * 40 + [report | {"now_mib": 600.0}])) == 1
    assert len(leaks(0, [report] * 40 + [report | {"peak_mib": 3000.0}])) == 1


CRASHING = """
import json, os, sys
first, count = int(sys.argv[3]), int(sys.argv[4])
for number in range(first, first + count):
    print(json.dumps({"number": number, "how": "", "outcome": "whole"}), flush=True)
    if number == 3:
        os.abort()
    print(json.dumps({"outcome": "whole" if number != 5 else "ValueError"}), flush=True)
"""


def test_a_crash_is_a_failure_and_not_the_end(tmp_path):
    """A crash of FFmpeg passes unseen, or the clips after it are left out."""
    (tmp_path / "clip-a").write_bytes(bytes(100))
    script = tmp_path / "crashing.py"
    script.write_text(CRASHING)
    reports, failures = run(tmp_path, seed=7, count=8, script=str(script))
    assert [report["number"] for report in reports] == list(range(8))
    assert len(failures) == 2
    assert "seed 7, number 3" in failures[0]
    assert (tmp_path / "failed-7-3.bin").read_bytes() == damaged(7, 3, [bytes(100)])[0]
    assert "seed 7, number 5" in failures[1]
