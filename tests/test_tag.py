"""Folders of clips to JSON lines: with the bundled model, as the command does it."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from held_work import HeldWork, wait_until
from transformers import pipeline

from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes
from transformers_ggm.errors import DatasetError, MediaError
from transformers_ggm.tag import main, tag_folder

HELD = Path(__file__).with_name("tag_with_a_held_clip.py")
needs_fork = pytest.mark.skipif(
    multiprocessing.get_start_method() != "fork", reason="what holds a clip is known to forked processes only"
)


@pytest.fixture(scope="module")
def suggest():
    return pipeline("hashtag-generation", device="cpu", num_beams=1)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """Five clips, in a folder and one in it, with words for the first of them."""
    folder = tmp_path_factory.mktemp("rendered")
    (folder / "more").mkdir()
    recipes = sample_recipes("test", 5)
    for number, recipe in enumerate(recipes):
        render_clip(recipe, str(folder / ("more" if number > 2 else "") / f"{number}.MP4"), size=32)
    row = {"file_name": "0.MP4", "description": recipes[0].description}
    (folder / "metadata.jsonl").write_text(json.dumps(row) + "\n")
    return folder


@pytest.fixture
def clips(rendered, tmp_path):
    return shutil.copytree(rendered, tmp_path / "clips")


def rows(path):
    text = path.read_text(encoding="utf-8")
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


NAMES = ["0.MP4", "1.MP4", "2.MP4", "more/3.MP4", "more/4.MP4"]


def test_every_clip_gets_what_the_pipeline_says_of_it(suggest, clips, tmp_path, capsys):
    """Would fail if a clip were missing or twice, its words not read, or what cannot be read not told."""
    (clips / "more" / "broken.mp4").write_bytes(b"not a clip")
    (clips / ".hidden.mp4").write_bytes(b"")
    (clips / "notes.txt").write_text("no clip")
    output = tmp_path / "tags.jsonl"
    assert (
        main([str(clips), "--output", str(output), "--num_beams", "1", "--num_workers", "2", "--device", "cpu"]) == 0
    )
    *tagged, broken = rows(output)
    assert [row["file_name"] for row in tagged] == NAMES
    items = [{"video": str(clips / name)} for name in NAMES]
    items[0]["description"] = json.loads((clips / "metadata.jsonl").read_text())["description"]
    for row, expected in zip(tagged, suggest(items)):
        assert [tag["hashtag"] for tag in row["hashtags"]] == [tag["hashtag"] for tag in expected]
        assert [tag["score"] for tag in row["hashtags"]] == pytest.approx([tag["score"] for tag in expected], rel=1e-3)
    assert broken["file_name"] == "more/broken.mp4" and "broken.mp4" in broken["error"]
    told = capsys.readouterr().err
    assert "5 clips tagged, 1 skipped, 0 done before" in told and broken["error"] in told


def test_what_is_done_is_not_done_again(suggest, clips, tmp_path):
    """Would fail if a second call tagged a clip anew or left out a new one, or half a line stayed in the file."""
    output = tmp_path / "tags.jsonl"
    (clips / "1.MP4").rename(tmp_path / "later.mp4")
    first = tag_folder(suggest, clips, output, top_n=2)
    assert (first.tagged, first.before) == (4, 0)
    content = output.read_bytes()
    with output.open("ab") as file:
        file.write(b'{"file_name": "1.M')
    (tmp_path / "later.mp4").rename(clips / "1.MP4")
    second = tag_folder(suggest, clips, output, top_n=2)
    assert (second.tagged, second.skipped, second.before) == (1, {}, 4)
    assert output.read_bytes().startswith(content)
    assert [row["file_name"] for row in rows(output)] == [NAMES[0], *NAMES[2:], NAMES[1]]
    assert tag_folder(suggest, clips, output).before == 5 and len(rows(output)) == 5


def test_an_error_can_end_it_and_lines_before_stay(suggest, clips, tmp_path):
    """Would fail if `on_error="raise"` went on, or the lines of the clips before the broken one were lost."""
    (clips / "2.MP4").write_bytes(b"not a clip")
    with pytest.raises(MediaError, match=r"2\.MP4"):
        tag_folder(suggest, clips, tmp_path / "tags.jsonl", batch_size=2, on_error="raise")
    assert [row["file_name"] for row in rows(tmp_path / "tags.jsonl")] == NAMES[:2]


def test_wrong_folders_and_files_are_told(suggest, clips, tmp_path, capsys):
    """Would fail if a mistyped folder, an empty one, or a file of something else ended in a trace or in silence."""
    assert main([str(tmp_path / "missing"), "--output", str(tmp_path / "tags.jsonl")]) == 1
    assert "missing is not a folder" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main([str(tmp_path / "empty"), "--output", str(tmp_path / "tags.jsonl")]) == 1
    assert "no clip in" in capsys.readouterr().err
    (tmp_path / "other.jsonl").write_text('{"file_name": "0.MP4"}\n["something else"]\n')
    with pytest.raises(DatasetError, match=r"other\.jsonl, line 2"):
        tag_folder(suggest, clips, tmp_path / "other.jsonl")


@pytest.mark.slow
@needs_fork
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_command_is_gone_on_with(clips, tmp_path, how):
    """Would fail if a kill or Ctrl-C left a file that cannot be gone on with, workers that live on, or a clip without
    its line, or if Ctrl-C were answered by tracebacks."""
    output, held = tmp_path / "tags.jsonl", HeldWork(tmp_path / "pipe")
    arguments = [str(clips), "--output", str(output), "--batch_size", "1", "--num_workers", "2", "--device", "cpu"]
    process = subprocess.Popen(
        [sys.executable, HELD, str(held.path), Path(NAMES[2]).name, *arguments],
        start_new_session=True, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        held.wait_for_reader(process)
        wait_until(lambda: output.exists() and output.read_bytes().count(b"\n") == 2, process)
        if how == signal.SIGINT:
            os.killpg(process.pid, how)  # as a terminal sends it to all
            told = process.communicate()[1]
            assert process.returncode == 130 and "goes on where this one was" in told and "Traceback" not in told
            assert not _is_alive(process.pid)
        else:
            process.kill()
            process.wait()
    finally:
        process.kill()
        held.let_go()
    for _ in range(15_000):  # minutes, which nothing takes that ends at all
        if not _is_alive(process.pid):
            break
        time.sleep(0.02)
    assert not _is_alive(process.pid)
    assert [row["file_name"] for row in rows(output)] == NAMES[:2]
    command = [sys.executable, "-m", "transformers_ggm.tag", *arguments]
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0 and "3 clips tagged, 0 skipped, 2 done before" in again.stderr
    assert [row["file_name"] for row in rows(output)] == NAMES


def _is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
