import json
import runpy
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "text_baselines.py"


@pytest.mark.filterwarnings("ignore:Label")
def test_table(tmp_path, monkeypatch, capsys):
    """Would fail if the documented command did not print metrics of each method."""
    words = {"snow": "cold white flakes", "lake": "water boats", "song": "guitar verse"}
    for split, count in (("train", 30), ("validation", 9), ("test", 9)):
        (tmp_path / split).mkdir()
        rows = [
            {"description": f"{words[tag]} #{tag} {number % 2}", "hashtags": [tag]}
            for number, tag in enumerate(sorted(words) * (count // 3))
        ]
        (tmp_path / split / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setattr(
        sys, "argv", ["text_baselines.py", "--data_dir", str(tmp_path), "--answers", str(tmp_path / "answers.json")]
    )
    monkeypatch.syspath_prepend(EXAMPLE.parent)
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(lines) == 5 and lines[0] == "| method | F1 | ROUGE-1 | ROUGE-2 |"
    metrics = {line.split("|")[1].strip(): float(line.split("|")[2].split()[0]) for line in lines[2:]}
    assert metrics["most frequent hashtags"] <= 50  # one topic of three, or all of them
    assert metrics["TF-IDF nearest neighbours"] == metrics["TF-IDF, logistic regression per hashtag"] == 100
    saved = json.loads((tmp_path / "answers.json").read_text())
    assert saved["answers"]["TF-IDF nearest neighbours"] == saved["hashtags"] and len(saved["hashtags"]) == 9
    assert set(saved["milliseconds"]) == set(saved["answers"]) and saved["known"] == sorted(words)
