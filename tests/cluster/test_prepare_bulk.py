"""Preparing on a cluster: the same set as one machine prepares, and what a kill costs."""

import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile

import pytest

from transformers_ggm.cli import main
from transformers_ggm.cluster import prepare_bulk as module
from transformers_ggm.cluster.prepare_bulk import prepare_bulk
from transformers_ggm.cluster.source_rows import ranges_of
from transformers_ggm.data import load_prepared
from transformers_ggm.data.prepare import ClipOptions, ReadingOptions, WorkOptions, prepare_shorts, text_reading
from transformers_ggm.errors import DatasetError, InputError

CLIP = ClipOptions(frames_per_second=1.0, sampling_rate=8000, short_side=16)
WORK = WorkOptions(num_workers=1, clips_per_shard=4)


@pytest.fixture(scope="module")
def shorts(rendered, tmp_path_factory):
    """Eight rows about rendered clips: one is broken, and one is words alone; a further column with times."""
    folder = tmp_path_factory.mktemp("shorts") / "train"
    folder.mkdir()
    clips = sorted(path for path in rendered.rglob("*.mp4") if path.stat().st_size > 100)
    rows = [{"file_name": f"{number}.mp4", "likes": number / 2} for number in range(7)]
    for number, row in enumerate(rows):
        shutil.copy(clips[number % len(clips)], folder / row["file_name"])
    (folder / "5.mp4").write_bytes(b"no clip")
    rows.insert(2, {"file_name": None, "likes": None})
    for number, row in enumerate(rows):
        row |= {"description": f"number {number}", "hashtags": ["every", f"only{number}"]}
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder.parent


@pytest.fixture(scope="module")
def expected(shorts, tmp_path_factory):
    """The set as this machine prepares it."""
    folder = tmp_path_factory.mktemp("expected") / "set"
    return folder, prepare_shorts(shorts, folder, clip=CLIP, work=WORK)


def rows_of(folder):
    """All rows, files of frames and sounds byte by byte."""
    return {name: split.with_format("arrow")[:].to_pylist() for name, split in load_prepared(folder).items()}


@pytest.mark.slow
def test_the_same_set(cluster, shorts, expected, tmp_path):
    """Would fail if a row, its order, a file, a reject or a setting were another than without a cluster."""
    folder, record = expected
    assert prepare_bulk(shorts, tmp_path / "set", clip=CLIP, work=WORK) == record
    assert rows_of(tmp_path / "set") == rows_of(folder)
    names = [{str(file.relative_to(top)) for file in top.rglob("*")} for top in (folder, tmp_path / "set")]
    assert names[0] == names[1] and record["rejected"] == 1
    assert (tmp_path / "set" / "rejects.jsonl").read_text() == (folder / "rejects.jsonl").read_text()
    # Recognised as finished, by either.
    assert prepare_bulk(shorts, tmp_path / "set", clip=CLIP, work=WORK) == record
    assert prepare_shorts(shorts, tmp_path / "set", clip=CLIP, work=WORK) == record
    with pytest.raises(DatasetError, match="another clip than is asked for"):
        prepare_bulk(shorts, tmp_path / "set", clip=ClipOptions(), work=WORK)


@pytest.mark.slow
def test_rejected_clips_alone_are_tried_again(cluster, shorts, tmp_path, monkeypatch):
    """Would fail if good clips went to the cluster once more, or a mended one took another's place."""
    raw, spans = tmp_path / "raw", []
    shutil.copytree(shorts, raw)
    prepare_shorts(raw, tmp_path / "set", clip=CLIP, work=WORK)
    shutil.copy(raw / "train" / "0.mp4", raw / "train" / "5.mp4")

    def noted(split, given, num_rows):
        spans.append(list(given))
        return ranges_of(split, spans[-1], num_rows)

    monkeypatch.setattr(module, "ranges_of", noted)
    again = WorkOptions(num_workers=1, clips_per_shard=4, retry_rejected=True)
    record = prepare_bulk(raw, tmp_path / "set", clip=CLIP, work=again)
    assert spans == [[(6, 7)]] and record["rejected"] == 0
    prepare_shorts(raw, tmp_path / "fresh", clip=CLIP, work=WORK)
    assert rows_of(tmp_path / "set") == rows_of(tmp_path / "fresh")


@pytest.mark.slow
def test_clips_within_files(cluster, shorts, tmp_path):
    """Would fail if a clip that lies within a tar were lost, or another row's, on its way to a decoder."""
    source = tmp_path / "clips.tar"
    rows = [json.loads(line) for line in (shorts / "train" / "metadata.jsonl").read_text().splitlines()]
    with tarfile.open(source, "w") as tar:
        for row in filter(lambda row: row["file_name"], rows):
            words = json.dumps({"description": row["description"], "hashtags": row["hashtags"]}).encode()
            tar.add(shorts / "train" / row["file_name"], row["file_name"])
            member = tarfile.TarInfo(row["file_name"].replace(".mp4", ".json"))
            member.size = len(words)
            tar.addfile(member, io.BytesIO(words))
    here = prepare_shorts(source, tmp_path / "here", clip=CLIP, work=WORK, build_corpus=False)
    there = prepare_bulk(source, tmp_path / "there", clip=CLIP, work=WORK, build_corpus=False)
    assert there == here and here["read"] == 7
    assert rows_of(tmp_path / "here") == rows_of(tmp_path / "there")


@pytest.mark.slow
def test_screens_are_read(cluster, shorts, tmp_path, monkeypatch):
    """Would fail if what stands on screens were not read on the cluster, or were another clip's."""

    class Screen:
        def __init__(self, options):
            pass

        def read(self, frames):
            return f"{len(frames)} frames of {frames.float().mean():.0f}"

    class Reader(module.TextReader):
        def __init__(self, reading):
            text_reading.ScreenReader = Screen  # in the process of the actor
            super().__init__(reading)

    monkeypatch.setattr(text_reading, "ScreenReader", Screen)
    monkeypatch.setattr(module, "TextReader", Reader)
    reading = ReadingOptions(read_screen=True)
    here = prepare_shorts(shorts, tmp_path / "here", clip=CLIP, work=WORK, reading=reading)
    assert prepare_bulk(shorts, tmp_path / "there", clip=CLIP, work=WORK, reading=reading) == here
    assert rows_of(tmp_path / "there") == rows_of(tmp_path / "here")
    assert len({row["screen_text"] for row in rows_of(tmp_path / "here")["train"]}) > 2


def test_arguments(shorts, tmp_path, capsys):
    """Would fail if an option for a cluster were passed over without one, or a wrong number reached a cluster."""
    with pytest.raises(InputError, match="give 1 reader at least"):
        prepare_bulk(shorts, tmp_path / "set", num_readers=0)
    command = ["prepare", "--data_dir", str(shorts), "--output_dir", str(tmp_path / "set")]
    assert main([*command, "--num_readers", "2"]) == 2
    assert "for --engine ray" in capsys.readouterr().err


@pytest.mark.slow
def test_an_actor_is_killed(cluster, shorts, expected, tmp_path, monkeypatch):
    """Would fail if a dead actor ended the work, or cost a row."""
    mark = tmp_path / "killed"

    class DyingPreparer(module.ClipPreparer):
        def __call__(self, block):
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().__call__(block)

    monkeypatch.setattr(module, "ClipPreparer", DyingPreparer)
    assert prepare_bulk(shorts, tmp_path / "set", clip=CLIP, work=WORK) == expected[1]
    assert mark.exists()
    assert rows_of(tmp_path / "set") == rows_of(expected[0])


# The command, whose process is killed before or after it has written a part.
DRIVER = """
import os, signal, sys
from transformers_ggm.cli import main
from transformers_ggm.cluster import actor_stages
from transformers_ggm.data.prepare import parts

left, when = int(sys.argv[1]), sys.argv[2]
write_part = parts.write_part

def kill(now):
    if left == 0 and now == when:
        os.kill(os.getpid(), signal.SIGKILL)

def write(*arguments):
    global left
    left -= 1
    kill("before")
    count = write_part(*arguments)
    kill("after")
    return count

parts.write_part, actor_stages._BLOCK_ROWS = write, 1
if __name__ == "__main__":
    sys.exit(main(sys.argv[3:]))
"""


@pytest.mark.slow
def test_the_driver_is_killed(cluster, shorts, tmp_path):
    """Would fail if kill -9 lost a row, doubled one, or cost a part that was finished."""
    (tmp_path / "driver.py").write_text(DRIVER)
    command = ["prepare", "--data_dir", str(shorts), "--output_dir", str(tmp_path / "set"), "--engine", "ray",
               "--frames_per_second", "1", "--sampling_rate", "8000", "--short_side", "16", "--num_workers", "1",
               "--clips_per_shard", "1", "--max_rejected_share", "1",
               "--address", cluster.get_runtime_context().gcs_address]  # fmt: skip
    chance, finished = random.Random(7), {}
    for _ in range(2):
        when, left = chance.choice(["before", "after"]), chance.randint(1, 3)
        assert drive(tmp_path / "driver.py", left, when, command) == -signal.SIGKILL
        now = parts_in(tmp_path / "set" / ".work" / "parts-0")
        assert len(now) == len(finished) + left - (when == "before")
        assert {name: now[name] for name in finished} == finished
        finished = now
    assert drive(tmp_path / "driver.py", 0, "never", command) == 0
    work = WorkOptions(num_workers=1, clips_per_shard=1)
    prepare_shorts(shorts, tmp_path / "one", clip=CLIP, work=work)
    assert rows_of(tmp_path / "set") == rows_of(tmp_path / "one")


def drive(script, left, when, command):
    return subprocess.run([sys.executable, script, str(left), when, *command], stderr=subprocess.DEVNULL).returncode


def parts_in(folder):
    return {file.name: file.stat().st_mtime_ns for file in folder.glob("part-*.parquet")}
