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
    monkeypatch.syspath_prepend(EXAMPLES)
    runpy.run_path(str(EXAMPLES / "recommend.py"), run_name="__main__")


def test_tables(tmp_path, monkeypatch, capsys):
    """Would fail if the command did not print a line of each source and ranker, or did not find the topics."""
    write_data(tmp_path, {"train": 90, "validation": 60, "test": 30})
    saved = ("--output_dir", tmp_path / "out", "--plot", tmp_path / "plot.png", "--answers", tmp_path / "answers.json")
    run(monkeypatch, tmp_path, *map(str, saved))
    lines = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    table = {name.strip(): [cell.strip() for cell in cells] for name, *cells in lines}
    assert {"posts_sparse", "classes", "words", "history", "frequent", "reciprocal ranks", "learned weights"} <= set(
        table
    )
    assert {"without words", "without posts_sparse"} <= set(table)
    assert table["with a history"][0] == "30" and "without any" not in table
    assert float(table["history"][3]) == 100 and table["all sources"][0].startswith("100.0")
    assert (tmp_path / "out" / "ranker" / "model.safetensors").is_file() and (tmp_path / "plot.png").is_file()
    assert (tmp_path / "out" / "posts" / "posts.json").is_file()
    answers = json.loads((tmp_path / "answers.json").read_text())
    assert answers["answers"]["all sources"] == answers["hashtags"] and len(answers["hashtags"]) == 30
    assert {len(row) for row in answers["answers"]["history"]} == {1}  # as many as were best, not all
    assert answers["milliseconds"]["all sources"] > answers["milliseconds"]["posts_sparse"] > 0


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
    assert set(options) <= {"sources", "neighbours", "k", "hidden_size", "texts", "frame_times", "leave_one_out"}
    kinds = {name.partition("_")[0] for name in options["sources"]}
    assert kinds <= {"posts", "classes", "words", "history", "frequent", "pool"}
    assert {name.partition("_")[2] for name in options["sources"]} <= {"", "dense", "frames", "sound"}


def test_leave_one_out(tmp_path, monkeypatch, capsys):
    """Would fail if few rows could not be fitted on together with those that the sources learned from."""
    write_data(tmp_path, {"train": 60, "validation": 12, "test": 12})
    run(monkeypatch, tmp_path, "--leave_one_out", "--no_ablation", "--split", "validation")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| all sources")]
    assert lines[0].split("|")[2].strip().startswith("100.0")


def test_without_a_column(tmp_path, monkeypatch, capsys):
    """Would fail if a column that is left out were read all the same, or the wrong rows were compared."""
    write_data(tmp_path, {"train": 90, "validation": 60, "test": 30})
    for split in ("train", "validation", "test"):
        file = tmp_path / split / "metadata.jsonl"
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        rows = [row | {"description": "look", "seen": row["description"] * (int(row["id"]) % 2)} for row in rows]
        file.write_text("".join(json.dumps({**row, "user": None}) + "\n" for row in rows))
    run(monkeypatch, tmp_path, "--texts", "seen", "--without", "seen", "--no_ablation")
    lines = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    table = {name.strip(): [cell.strip() for cell in cells] for name, *cells in lines}
    assert float(table["without seen"][0].split()[0]) < float(table["all sources"][0].split()[0])
    assert table["all rows"][0] == "30" and table["rows that have any"][0] == "15"
    _, known, unknown, difference, p_value = map(float, table["rows that have any"])
    assert known == 100 and unknown < 60 and difference > 40 and p_value < 0.05


def test_classes_do_not_see_what_they_are_asked_for(monkeypatch):
    """Would fail if a row's own hashtags told the regressions what to answer for it."""
    monkeypatch.syspath_prepend(EXAMPLES)
    from recommend_sources import ClassesSource

    from transformers_ggm.recommendation import Clues

    rows = [Clues(f"{words} {number}") for number in range(10) for words in WORDS.values()]
    hashtags = [[tag] for _ in range(10) for tag in WORDS]
    hashtags[0] = ["lake"]  # that of a row about snow
    source = ClassesSource("classes", rows, hashtags)
    assert source.training_candidates(rows, k=1)[0][0].hashtag == "snow"
    found = source.candidates([Clues("guitar"), Clues("boats")], k=1)
    assert [row[0].hashtag for row in found] == ["song", "lake"]


def test_sounds_are_told_apart(monkeypatch):
    """Would fail if the numbers of a sound were not those of its pitch, or one without sound were in the way."""
    import numpy as np
    import torch

    monkeypatch.syspath_prepend(EXAMPLES)
    from recommend_sources import RememberingEncoder, SoundEncoder

    seconds = np.arange(16_000) / 16_000
    sounds = [torch.tensor(np.sin(2 * np.pi * pitch * seconds), dtype=torch.float32) for pitch in (300, 310, 3000)]
    encoder = RememberingEncoder(SoundEncoder(sounds))
    low, near, high, none = encoder.encode([*sounds, None])
    assert (low - near).norm() < (low - high).norm() and not none.any()
    assert torch.equal(encoder.encode(sounds[:1])[0], low) and encoder.reads == "sound"
