"""Outputs of the benchmarks, which take a quarter of an hour and more, are checked before the work."""

import runpy
import sys
from pathlib import Path

import pytest
import torch

from transformers_ggm.modeling.frame_deduplication import DistinctFrames

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a benchmark until its arguments are read, and gives what it says about them."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setattr("tempfile.TemporaryDirectory", lambda *_: pytest.fail("the work has begun"))
    monkeypatch.setattr("tempfile.mkdtemp", lambda *_, **__: pytest.fail("the work has begun"))

    def start(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        with pytest.raises(SystemExit, match="2"):
            runpy.run_path(str(BENCHMARKS / name), run_name="__main__")
        return capsys.readouterr().err

    return start


def page(folder, *names):
    folder.mkdir(parents=True)
    text = "".join(f"<!-- {name} -->\n<!-- end of {name} -->\n" for name in names)
    (folder / "page.md").write_text(text)
    return folder / "page.md"


def test_page_of_metrics(run, tmp_path):
    """Would fail if `make bench` measured for a page that it cannot write into."""
    assert "is a folder: give the name of a file" in run("bench_suggesting.py", "--output", tmp_path)
    assert "does not exist" in run("bench_suggesting.py", "--output", tmp_path / "missing.md")
    partly = page(tmp_path / "partly", "stages", "quality")
    assert "0 parts between the marks ('<!-- searches -->'" in run("bench_suggesting.py", "--output", partly)
    whole = page(tmp_path / "whole", "stages", "quality", "searches")
    (tmp_path / "whole" / "images").write_text("a file where the picture's folder is to be")
    assert "images is no folder" in run("bench_suggesting.py", "--output", whole)


@pytest.mark.parametrize(
    ("name", "section"),
    [
        ("bench_recommending.py", "recommending"),
        ("bench_reading.py", "reading"),
        ("bench_serving.py", "load"),
        ("bench_growth.py", "growth"),
    ],
)
def test_page_of_one_section(run, tmp_path, name, section):
    """Would fail if a part of `make bench` measured for a page that has no place for it."""
    assert "does not exist" in run(name, "--output", tmp_path / "missing.md")
    assert f"0 parts between the marks ('<!-- {section} -->'" in run(
        name, "--output", page(tmp_path / "other", "stages")
    )


@pytest.mark.parametrize(
    ("name", "option"),
    [("bench_decoding.py", "--keep"), ("bench_throughput.py", "--keep"), ("bench_pool.py", "--folder")],
)
def test_folders_of_clips_and_pools(run, tmp_path, name, option):
    """Would fail if a benchmark rendered clips, or built pools, for a folder that it cannot write into."""
    (tmp_path / "file").write_text("")
    assert f"`{option}` {tmp_path / 'file'} is no folder" in run(name, option, tmp_path / "file")


def test_clips_that_are_kept_follow_their_renderer(monkeypatch, tmp_path):
    """Would fail if clips that other code has rendered were measured as those of this code."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    names = []
    for number in range(2):
        copy = tmp_path / f"{number}.py"
        copy.write_text((BENCHMARKS / "bench_decoding.py").read_text() + "# changed\n" * number)
        names.append(runpy.run_path(str(copy))["clip_name"](7.5, 60))
    assert names[0] != names[1] and names[0].startswith("7.5s-60-0-")


def test_readers_that_are_not_installed(monkeypatch, tmp_path, capsys):
    """Would fail if a package that is missing ended the measurement, or its row were left out in silence."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    installed = runpy.run_path(str(BENCHMARKS / "bench_reading.py"))["installed"]
    readers = {"one": (("torch",), lambda folder: folder), "two": (("torch", "no_such_package"), pytest.fail)}
    assert installed(readers, tmp_path) == {"one": tmp_path}
    assert capsys.readouterr().out == "Left out: two (no_such_package not installed).\n"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu(run):
    """Would fail if the benchmark of a GPU began to write models where there is none."""
    assert "there is no GPU that PyTorch can use" in run("gpu.py")


def test_frames_that_are_all_kept(monkeypatch):
    """Would fail if what is measured as a pass without the search for repeated frames left some out."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    all_frames = runpy.run_path(str(BENCHMARKS / "gpu.py"))["all_frames"]
    still, tower = torch.ones(2, 3, 3, 4, 4), torch.nn.Identity().eval()
    assert len(DistinctFrames.of(still, None, tower).pixel_values) == 2
    with all_frames():
        assert len(DistinctFrames.of(still, None, tower).pixel_values) == 6
