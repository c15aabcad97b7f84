"""The script that measures recommendations."""

import json
import runpy
import sys
from pathlib import Path

import pytest

from transformers_ggm.errors import RankerError

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
WORDS = {"snow": "cold white flakes", "lake": "water boats", "song": "guitar verse"}


def write_data(folder, counts):
    """Posts of three topics, one after the other."""
    number = 0
    for split, count in counts.items():
        (folder / split).mkdir()
        rows = []
        for _ in range(count):
            tag = sorted(WORDS)[number % 3]
            time = f"2026-{number // 28 + 1:02d}-{number % 28 + 1:02d}T00:00:00Z"
            row = {"id": str(number), "description": f"{WORDS[tag]} {number}", "hashtags": [tag]}
            rows.append({**row, "user": tag, "time": time})
            number += 1
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / split / "metadata.jsonl").write_text(lines)


def run(monkeypatch, folder, *arguments):
    config = folder / "config.yaml"
    config.write_text("sources: [posts, classes, words, history, frequent]\nneighbours: 5\n")
    command = ["recommend.py", str(config), "--data_dir", str(folder), *arguments]
    monkeypatch.setattr(sys, "argv", command)
    runpy.run_path(str(EXAMPLES / "recommend.py"), run_name="__main__")


def test_tables(tmp_path, monkeypatch, capsys):
    """Would fail if the command did not print a line of each source and ranker, or did not find the topics."""
    write_data(tmp_path, {"train": 90, "validation": 60, "test": 30})
    run(monkeypatch, tmp_path, "--output_dir", str(tmp_path / "out"), "--plot", str(tmp_path / "plot.png"))
    lines = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    table = {name.strip(): [cell.strip() for cell in cells] for name, *cells in lines}
    assert {"posts_sparse", "classes", "words", "history", "frequent", "reciprocal ranks", "learned weights"} <= set(
        table
    )
    assert {"without words", "without posts_sparse"} <= set(table)
    assert float(table["history"][3]) == 100 and table["all sources"][0].startswith("100.0")
    assert (tmp_path / "out" / "ranker" / "model.safetensors").is_file() and (tmp_path / "plot.png").is_file()
    assert (tmp_path / "out" / "posts" / "posts.json").is_file()


def test_too_few_rows_to_fit_on(tmp_path, monkeypatch):
    """Would fail if a ranker were fitted on a handful of rows, or files were left behind."""
    write_data(tmp_path, {"train": 30, "validation": 12, "test": 6})
    with pytest.raises(RankerError, match="50 or more"):
        run(monkeypatch, tmp_path, "--output_dir", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("config", sorted(EXAMPLES.joinpath("recommend").glob("*.yaml")), ids=lambda path: path.stem)
def test_configurations_name_sources_that_are_there(config):
    """Would fail if a configuration named an option or a source that the script does not have."""
    import yaml

    options = yaml.safe_load(config.read_text())
    assert set(options) <= {"sources", "neighbours", "k", "hidden_size"}
    assert set(options["sources"]) <= {"posts", "classes", "words", "history", "frequent", "pool"}
