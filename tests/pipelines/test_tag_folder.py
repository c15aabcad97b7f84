"""Folders of clips to JSON lines: with the bundled model, as the command does it."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import pytest
from held_work import HeldWork, wait_until
from spoken_names import SPOKEN, whole
from transformers import pipeline

from transformers_ggm.cli import main
from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes
from transformers_ggm.errors import DatasetError, InputError, MediaError
from transformers_ggm.pipelines.tag_folder import tag_folder
from transformers_ggm.utils.file_locks import alone_with

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


def test_what_is_not_to_be_shown_is_left_out(suggest, clips, tmp_path, capsys):
    """Would fail if the command's `--safe`, `--blocked` and `--platform` did not reach the pipeline."""
    shutil.rmtree(clips / "more")
    options = ["--num_beams", "1", "--num_workers", "0", "--device", "cpu", "--safe", "--platform", "x"]
    options += ["--blocked", "*beach*", "--blocked", "growing"]
    assert main(["tag", str(clips), "--output", str(tmp_path / "tags.jsonl"), *options]) == 0
    items = [{"video": str(clips / name)} for name in NAMES[:3]]
    items[0]["description"] = json.loads((clips / "metadata.jsonl").read_text())["description"]
    expected = suggest(items, safe=True, platform="x", blocked=["*beach*", "growing"])
    shown = [[tag["hashtag"] for tag in row["hashtags"]] for row in rows(tmp_path / "tags.jsonl")]
    assert shown == [[tag["hashtag"] for tag in tags] for tags in expected]
    assert shown != [[tag["hashtag"] for tag in tags] for tags in suggest(items)]
    assert main(["tag", str(clips), "--output", "tags.jsonl", "--platform", "nowhere", "--model", "none"]) == 1
    assert "nowhere" in capsys.readouterr().err


def test_every_clip_gets_what_the_pipeline_says_of_it(suggest, clips, tmp_path, capsys):
    """Would fail if a clip were missing or twice, its words not read, or what cannot be read not told."""
    (clips / "more" / "broken.mp4").write_bytes(b"not a clip")
    (clips / ".hidden.mp4").write_bytes(b"")
    (clips / "notes.txt").write_text("no clip")
    output = tmp_path / "tags.jsonl"
    assert (
        main(["tag", str(clips), "--output", str(output), "--num_beams", "1", "--num_workers", "2", "--device", "cpu"])
        == 0
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
    assert main(["tag", str(tmp_path / "missing"), "--output", str(tmp_path / "tags.jsonl")]) == 1
    assert "missing is not a folder" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["tag", str(tmp_path / "empty"), "--output", str(tmp_path / "tags.jsonl")]) == 1
    assert "no clip in" in capsys.readouterr().err
    (tmp_path / "other.jsonl").write_text('{"file_name": "0.MP4"}\n["something else"]\n')
    with pytest.raises(DatasetError, match=r"other\.jsonl, line 2"):
        tag_folder(suggest, clips, tmp_path / "other.jsonl")


@pytest.fixture
def one(rendered, tmp_path):
    """A folder with one clip, and a copy of it under any name."""
    folder = tmp_path / "one"
    folder.mkdir()

    def put(name):
        (folder / name).parent.mkdir(exist_ok=True)
        return shutil.copy(rendered / "0.MP4", folder / name)

    return folder, put


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are text there")
def test_names_of_any_bytes_survive(suggest, one, tmp_path, capsys):
    """Would fail if a name that is not UTF-8 stopped the command, came back as another, or was tagged again."""
    folder, put = one
    names = [b"caf\xe9.mp4", b"\xff\xfe\xed\xa0\x80.mp4", b"good.mp4", b"new\nline 'quote' \"double\" \\.mp4"]
    for name in names[:-1]:
        put(os.fsdecode(name))
    (folder / os.fsdecode(names[-1])).write_bytes(b"broken")
    arguments = ["tag", str(folder), "--output", str(tmp_path / "tags.jsonl"), "--num_beams", "1", "--device", "cpu"]
    assert main([*arguments, "--num_workers", "1"]) == 0
    found = rows(tmp_path / "tags.jsonl")
    assert sorted(os.fsencode(row["file_name"]) for row in found) == sorted(names)
    assert [os.fsencode(row["file_name"]) for row in found if "error" in row] == [names[-1]]
    assert all(os.path.exists(folder / row["file_name"]) for row in found)
    assert main(arguments) == 0 and len(rows(tmp_path / "tags.jsonl")) == len(names)
    assert "4 done before" in capsys.readouterr().err


def test_all_languages_go_through(suggest, one, tmp_path, monkeypatch):
    """
    Would fail if a name or a description in some script, from right to left or cut in two, stopped the command, or did
    not reach the model as it is.
    """
    folder, put = one
    seen = {}
    tokenize = suggest.processor.__class__.__call__

    def spy(self, *args, **kwargs):
        seen.update(dict.fromkeys(kwargs.get("text", ())))
        return tokenize(self, *args, **kwargs)

    monkeypatch.setattr(suggest.processor.__class__, "__call__", spy)
    for name in SPOKEN:
        put(f"{name}.mp4")
    lines = [{"file_name": f"{name}.mp4", "description": words} for name, words in SPOKEN.items()]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    report = tag_folder(suggest, folder, tmp_path / "tags.jsonl", batch_size=4, num_workers=1)
    assert (report.tagged, report.skipped) == (len(SPOKEN), {})
    assert report.rows_without_clip == report.clips_without_row == []
    assert {row["file_name"] for row in rows(tmp_path / "tags.jsonl")} == {f"{name}.mp4" for name in SPOKEN}
    assert set(seen) == {whole(words) for words in SPOKEN.values()}


@pytest.mark.parametrize("stored, written", [("NFD", "NFC"), ("NFC", "NFD")])
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_metadata_is_read_as_everywhere(suggest, one, tmp_path, monkeypatch, stored, written, kind):
    """
    Would fail if a name in another spelling lost its words, if a byte order mark, a blank line or a table of another
    kind stopped the command, or if rows and clips that do not meet were not counted.
    """
    folder, put = one
    given = []
    name = "été à la plage/가나.mp4"
    put(unicodedata.normalize(stored, name))
    put("unnamed.mp4")
    spelled = unicodedata.normalize(written, name)
    if kind == "jsonl":
        lines = [json.dumps({"file_name": spelled, "description": "words"}), "", json.dumps({"file_name": "gone.mp4"})]
        lines += ["  ", json.dumps({"description": "alone", "hashtags": 3})]
    else:
        lines = ["file_name,description", f"{spelled},words", "gone.mp4,more", ",alone"]
    (folder / f"metadata.{kind}").write_text("\ufeff" + "\r\n".join(lines) + "\r\n\r\n", encoding="utf-8")
    original = suggest.__class__.__call__

    def spy(self, items, **kwargs):
        return original(self, (given.append(item) or item for item in items), **kwargs)

    monkeypatch.setattr(suggest.__class__, "__call__", spy)
    report = tag_folder(suggest, folder, tmp_path / "tags.jsonl")
    stored_name = str(folder / unicodedata.normalize(stored, name))
    assert {item["video"]: item["description"] for item in given} == {
        stored_name: "words",
        str(folder / "unnamed.mp4"): "",
    }
    assert report.rows_without_clip[0] == "gone.mp4" and len(report.rows_without_clip) == 2
    assert report.clips_without_row == ["unnamed.mp4"]
    told = str(report)
    assert "Rows of metadata without a clip: 2 ('gone.mp4'" in told
    assert "Clips without a row of metadata: 1 ('unnamed.mp4')" in told


def test_metadata_of_split_folders_is_read(suggest, one, tmp_path):
    """Would fail if the words of a folder in the Hub's convention, with splits, were passed over."""
    folder, put = one
    for split in ("train", "test"):
        put(f"{split}/a.mp4")
        (folder / split / "metadata.jsonl").write_text(json.dumps({"file_name": "a.mp4", "description": split}))
    report = tag_folder(suggest, folder, tmp_path / "tags.jsonl")
    assert (report.tagged, report.rows_without_clip, report.clips_without_row) == (2, [], [])


def test_what_is_left_out_is_told(suggest, one, capsys):
    """Would fail if files of other names were left out in silence, or the command's own were counted among them."""
    folder, put = one
    put("a.mp4")
    put("b.mp4?token=a.b")
    (folder / "b.srt").write_text("1")
    output = folder / "tags.jsonl"
    for _ in range(2):
        report = tag_folder(suggest, folder, output)
        assert report.left_out == ["b.srt"] and "1 .srt ('b.srt')" in str(report)
    assert [row["file_name"] for row in rows(output)] == ["a.mp4", "b.mp4?token=a.b"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"batch_size": 0}, "batch_size=0"),
        ({"batch_size": -1}, "batch_size=-1"),
        ({"batch_size": True}, "batch_size=True"),
        ({"batch_size": 2.0}, "batch_size=2.0"),
        ({"num_workers": -1}, "num_workers=-1"),
        ({"top_n": 0}, "top_n=0"),
        ({"num_beams": 0}, "num_beams=0"),
        ({"max_new_tokens": 0}, "max_new_tokens=0"),
        ({"num_return_sequences": 0}, "num_return_sequences=0"),
    ],
)
def test_numbers_are_checked_before_any_work(suggest, one, tmp_path, capsys, arguments, message):
    """
    Would fail if an impossible number gave an empty file and a report of clips that were not tagged, in the pipeline,
    the function or the command.
    """
    folder, put = one
    clip = put("a.mp4")
    output = tmp_path / "tags.jsonl"
    for call in (lambda: tag_folder(suggest, folder, output, **arguments), lambda: suggest(clip, **arguments)):
        with pytest.raises(InputError, match=message):
            call()
    with pytest.raises(InputError, match=message):
        suggest([clip], **arguments)
    ((name, value),) = arguments.items()
    if name in ("batch_size", "num_workers", "top_n", "num_beams") and type(value) is int:
        assert (
            main(["tag", str(folder), "--output", str(output), f"--{name}", str(value), "--model", "not/looked-at"])
            == 1
        )
        assert message in capsys.readouterr().err
    assert not output.exists()


def test_outputs_are_checked_before_any_work(one, tmp_path, capsys):
    """Would fail if a model were loaded, or clips decoded, for a file that cannot be written."""
    folder, put = one
    put("a.mp4")
    for output, message in ((tmp_path, "is a folder"), (tmp_path / "missing" / "a.jsonl", "is not a folder")):
        assert main(["tag", str(folder), "--output", str(output), "--model", "not/looked-at"]) == 1
        assert message in capsys.readouterr().err


def test_a_second_command_is_told_who_is_at_it(suggest, one, tmp_path):
    """Would fail if two commands wrote into one file."""
    folder, put = one
    put("a.mp4")
    output = tmp_path / "tags.jsonl"
    with (
        alone_with(output, output.with_name(".tags.jsonl.lock")),
        pytest.raises(DatasetError, match=f"tags.jsonl is being written by process {os.getpid()} on"),
    ):
        tag_folder(suggest, folder, output)
    assert not output.exists()
    assert tag_folder(suggest, folder, output).tagged == 1


@pytest.mark.slow
@needs_fork
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_command_is_gone_on_with(clips, tmp_path, how):
    """
    Would fail if a kill or Ctrl-C left a file that cannot be gone on with, workers that live on, or a clip without its
    line, or if Ctrl-C were answered by tracebacks.
    """
    output, held = tmp_path / "tags.jsonl", HeldWork(tmp_path / "pipe")
    arguments = [
        "tag",
        str(clips),
        "--output",
        str(output),
        "--batch_size",
        "1",
        "--num_workers",
        "2",
        "--device",
        "cpu",
    ]
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
    command = [sys.executable, "-m", "transformers_ggm", *arguments]
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0 and "3 clips tagged, 0 skipped, 2 done before" in again.stderr
    assert [row["file_name"] for row in rows(output)] == NAMES


def _is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
