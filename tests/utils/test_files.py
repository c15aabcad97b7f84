import os
import tempfile
from pathlib import Path

import pytest

from transformers_ggm.errors import OutputError
from transformers_ggm.utils.files import (
    atomic_folder,
    check_output_file,
    check_output_folder,
    write_json,
    write_lines,
    write_text,
)


def names(folder):
    return sorted(os.listdir(folder))


def test_folder_appears_whole(tmp_path):
    """Would fail if the folder were there before it is complete, or anything else stayed behind."""
    with atomic_folder(tmp_path / "a" / "model") as folder:
        (folder / "config.json").write_text("{}")
        assert not (tmp_path / "a" / "model").exists()
    assert names(tmp_path / "a") == ["model"] and names(tmp_path / "a" / "model") == ["config.json"]


def test_old_folder_is_replaced(tmp_path):
    """Would fail if a file of the old folder stayed in the new one."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old").write_text("")
    with atomic_folder(tmp_path / "model") as folder:
        (folder / "new").write_text("")
        assert names(tmp_path / "model") == ["old"]
    assert names(tmp_path) == ["model"] and names(tmp_path / "model") == ["new"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("is_there", [False, True])
def test_failure_leaves_everything_as_it_was(tmp_path, error, is_there):
    """Would fail if a failed or interrupted write left half a folder, or cost the one that was there."""
    if is_there:
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "old").write_text("")
    with pytest.raises(error), atomic_folder(tmp_path / "model") as folder:
        (folder / "half").write_text("")
        raise error
    assert names(tmp_path) == (["model"] if is_there else [])
    assert not is_there or names(tmp_path / "model") == ["old"]


def test_failed_last_step_brings_the_old_folder_back(tmp_path, monkeypatch):
    """Would fail if the old folder were gone when the new one cannot take its place."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old").write_text("")
    rename = type(tmp_path).rename

    def failing(self, target):
        if ".partial" in self.name:
            raise OSError("no")
        return rename(self, target)

    monkeypatch.setattr(type(tmp_path), "rename", failing)
    with pytest.raises(OSError, match="no"), atomic_folder(tmp_path / "model") as folder:
        (folder / "new").write_text("")
    assert names(tmp_path) == ["model"] and names(tmp_path / "model") == ["old"]


def test_leftovers_of_a_killed_process(tmp_path):
    """
    Would fail if what a killed process with the same number left (in a container it is always 1) were in the way.
    """
    (tmp_path / "model").mkdir()
    for kind in ("partial", "replaced"):
        leftover = tmp_path / f".model.{kind}-{os.getpid()}"
        leftover.mkdir()
        (leftover / "half").write_text("")
    with atomic_folder(tmp_path / "model") as folder:
        (folder / "new").write_text("")
    assert names(tmp_path) == ["model"] and names(tmp_path / "model") == ["new"]


def test_file_is_written_whole(tmp_path, monkeypatch):
    """Would fail if a failed write left half a file, or cost the one that was there."""
    write_json(tmp_path / "a.json", {"ü": 1})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "ü": 1\n}\n'

    def fail(*args):
        raise OSError("no")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no"):
        write_text(tmp_path / "a.json", "other")
    assert names(tmp_path) == ["a.json"] and "ü" in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_lines_appear_together(tmp_path):
    """Would fail if a list that was cut off passed for whole, or its length were told wrongly."""

    def lines():
        yield "first"
        assert names(tmp_path) != ["list.txt"]
        yield "zweite"

    assert write_lines(tmp_path / "list.txt", lines()) == 2
    assert names(tmp_path) == ["list.txt"] and (tmp_path / "list.txt").read_text() == "first\nzweite\n"

    def broken():
        yield "third"
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_lines(tmp_path / "list.txt", broken())
    assert names(tmp_path) == ["list.txt"] and (tmp_path / "list.txt").read_text() == "first\nzweite\n"


def test_outputs_that_can_be_written(tmp_path):
    """Would fail if a good output were refused, not made, touched, or left with something in it."""
    (tmp_path / "page.md").write_text("words")
    before = (tmp_path / "page.md").stat().st_mtime_ns
    for folder in (tmp_path, tmp_path / "new" / "folder", str(tmp_path / "x")):
        assert check_output_folder(folder) == Path(folder)
    assert names(tmp_path) == ["new", "page.md", "x"] and names(tmp_path / "new" / "folder") == []
    assert check_output_file(tmp_path / "page.md").read_text() == "words"
    assert (tmp_path / "page.md").stat().st_mtime_ns == before
    check_output_file(tmp_path / "a" / "b" / "new.md")
    assert names(tmp_path / "a" / "b") == []


def test_relative_outputs(tmp_path, monkeypatch):
    """Would fail if an output without a folder before it, or behind a link, were refused."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    for folder in ("out", ".", "link", "link/new", ""):
        check_output_folder(folder)
    check_output_file("tags.jsonl")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("file", "`--out` .*file is no folder: give another folder"),
        ("file/below/it", "`--out` .*it lies in what is no folder: give another folder"),
        ("nothing", "`--out` .*nothing is no folder"),
        ("closed", "`--out` .*closed cannot be written to"),
        ("closed/new", "`--out` .*new cannot be written to"),
        ("x" * 300, "`--out` .* cannot be written to"),
        ("a\0b", "`--out` .* cannot be written to"),
    ],
)
def test_outputs_that_cannot_be_written(tmp_path, monkeypatch, name, message):
    """Would fail if hours of work ended with what could have been known before them, or in an error of the system."""
    (tmp_path / "file").write_text("")
    (tmp_path / "nothing").symlink_to("gone")
    (tmp_path / "closed").mkdir()
    make = tempfile.TemporaryFile

    def refusing(dir):  # as a read-only file system does: tests may run as a user who may do anything
        if "closed" in str(dir):
            raise OSError(30, "Read-only file system")
        return make(dir=dir)

    monkeypatch.setattr(tempfile, "TemporaryFile", refusing)
    with pytest.raises(OutputError, match=message):
        check_output_folder(tmp_path / name, "--out")
    if name != "file":
        with pytest.raises(OutputError, match="`--out`"):
            check_output_file(tmp_path / name / "page.md", "--out")
    with pytest.raises(OutputError, match="is a folder: give the name of a file"):
        check_output_file(tmp_path, "--out")
