"""The examples that compare ways of training a generator on rendered shorts."""

import json
import runpy
import sys
from pathlib import Path

import pytest

from transformers_ggm.data.rendered_shorts import render_shorts

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = pytest.mark.slow


@pytest.fixture
def compare(tmp_path, monkeypatch, capsys):
    """Runs an example on a few clips for an epoch and a seed, and gives its table."""
    render_shorts(tmp_path / "shorts", 16, 4, 4, size=64, num_workers=1, progress_bar=False)
    monkeypatch.syspath_prepend(EXAMPLES)

    def run(name, *arguments):
        few = ["--data_dir", tmp_path / "shorts", "--output_dir", tmp_path / "out", "--epochs", 1, "--seeds", 0]
        monkeypatch.setattr(sys, "argv", [name, *map(str, few), *arguments])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]

    return run


def test_each_way_of_being_taught_is_measured_once(compare, tmp_path):
    """Would fail if a teacher or a way were left out, or what was trained before were trained again."""
    head, *rows = compare("compare_teachers.py", "--goal", "0")
    assert head[1] == "steps to ROUGE-1 0" and len(rows) == 7
    assert all(int(steps) == 1 for _, steps, _ in rows)
    students = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "students").iterdir()}
    assert compare("compare_teachers.py", "--goal", "0") == [head, *rows]
    assert students == {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "students").iterdir()}


def test_kinds_of_positions_are_measured_by_length(compare, tmp_path):
    """Would fail if a kind that was asked for were left out, or a number of hashtags were not shown."""
    kinds = ["absolute", "the same, anew in each hashtag"]
    head, *rows = compare("compare_positions.py", "--kinds", *kinds)
    assert [row[0] for row in rows] == [f"| {kind}" for kind in kinds] and head[1:4] == [
        "shown 10",
        "shown 25",
        "shown 50",
    ]
    run = json.loads((tmp_path / "out" / "runs" / f"{kinds[1]} 0.json").read_text())
    assert set(run) == {"seconds", "10", "25", "50"} and run["seconds"] > 0
