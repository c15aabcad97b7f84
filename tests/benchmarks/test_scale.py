"""The measurements that docs/scale.md reckons with, at tiny sizes."""

import importlib
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
pytest.importorskip("faiss", reason="needs the extra 'faiss'")
pytest.importorskip("sklearn", reason="needs the extra 'recommend'")
pytest.importorskip("sqlalchemy", reason="needs the extra 'store'")


@pytest.fixture
def bench_scale(monkeypatch):
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("bench_scale")
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(BENCHMARKS)):
            del sys.modules[name]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
@pytest.mark.parametrize("num_parts", [2, pytest.param(None, marks=pytest.mark.slow, id="all")])
def test_page_and_picture(bench_scale, monkeypatch, tmp_path, num_parts):
    """Would fail if a part could no longer be measured, or the page or its picture were not written."""
    monkeypatch.setattr(bench_scale, "PARTS", list(bench_scale.PARTS)[:num_parts])

    @contextmanager
    def threads(count):  # processes would first load what they need
        with ThreadPoolExecutor(count) as pool:
            yield pool

    monkeypatch.setattr(bench_scale, "writing_processes", threads)
    monkeypatch.setattr("store_writes.READY", 0.0)
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- scale -->\n<!-- end of scale -->\nbelow\n")
    options = ["--sizes", "500", "1500", "--num_hashtags", "50", "--runs", "1", "--seconds", "0.1"]
    monkeypatch.setattr(sys, "argv", ["bench_scale.py", *options, "--output", str(page)])
    bench_scale.main()
    text = page.read_text()
    assert text.startswith("above") and text.endswith("below\n")
    assert all(f"| {part} | " in text for part in bench_scale.PARTS) and text.count("| hashtag: ") == 2
    assert text.count("| SQLite |") == 3
    assert (tmp_path / "images" / "scale.png").read_bytes().startswith(b"\x89PNG")


def test_growth_of_a_row(bench_scale):
    """Would fail if what a part takes without any rows were counted to each of its rows."""
    costs = bench_scale.Costs
    found = {1_000: costs(5_000_000, 2.0, 0.001), 3_000: costs(5_200_000, 4.0, 0.002)}
    row = "| part | 5 MB | 100 | 1,000 s | 1.00 ms | 2.00 ms |"
    assert bench_scale.row_of_part("part", found) == row


@pytest.mark.parametrize("output", ["missing.md", "other.md"])
def test_page_without_a_place(bench_scale, monkeypatch, tmp_path, output, capsys):
    """Would fail if it measured for a page that it cannot write into."""
    (tmp_path / "other.md").write_text("no marks")
    monkeypatch.setattr(bench_scale, "measure", lambda *_: pytest.fail("the work has begun"))
    monkeypatch.setattr(sys, "argv", ["bench_scale.py", "--output", str(tmp_path / output)])
    with pytest.raises(SystemExit):
        bench_scale.main()
    assert "does not exist" in capsys.readouterr().err or output == "other.md"
