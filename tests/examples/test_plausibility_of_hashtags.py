"""The script that measures what a masked language model knows of hashtags."""

import runpy
import sys
from pathlib import Path

import pytest
from test_recommend import write_data

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SIZES = {"num_epochs": 1, "vocabulary": 100, "rows_to_distill": 6, "rows_to_damage": 6, "rows_to_rank": 50}


def test_tables(tmp_path, monkeypatch, capsys):
    """Would fail if the command did not print a line of each scorer and ranker, or trained again what it has saved."""
    pytest.importorskip("wordfreq")
    write_data(tmp_path, {"train": 60, "validation": 60, "test": 50})
    numbers = [part for name, number in SIZES.items() for part in (f"--{name}", str(number))]
    command = ["plausibility_of_hashtags.py", "--data_dir", str(tmp_path), "--output_dir", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", [*command, *numbers, "--sources", "posts", "words", "history", "frequent"])
    runpy.run_path(str(EXAMPLES / "plausibility_of_hashtags.py"), run_name="__main__")
    lines = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    names = [name.strip() for name, *_ in lines]
    assert {"known in training", "PLL", "PLL-word-l2r", "one pass"} <= set(names)
    assert names.index("ranker") < names.index("without") < len(names) - 2
    assert (tmp_path / "out" / "distilled" / "model.safetensors").is_file()
