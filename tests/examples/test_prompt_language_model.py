"""The example that asks a language model for hashtags."""

import json
import sys

import pytest
from instructed_samples import write_llama


@pytest.mark.slow
def test_all_ways(tmp_path, monkeypatch, load_example):
    """Would fail if the example broke, or its figures were not kept for every way of asking."""
    example = load_example("prompt_language_model")
    posts = [
        {"id": str(place), "description": f"first snow on lake {place}", "hashtags": ["snow", "lake"]}
        for place in range(12)
    ]
    for split, rows in (("train", posts[:9]), ("test", posts[9:])):
        (tmp_path / split).mkdir()
        (tmp_path / split / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "model").mkdir()
    model = write_llama(tmp_path / "model")
    arguments = [
        "--language_model",
        model,
        "--data_dir",
        tmp_path,
        "--tune_rows",
        4,
        "--output",
        tmp_path / "out.json",
    ]
    monkeypatch.setattr(sys, "argv", ["prompt_language_model.py", *map(str, arguments)])
    monkeypatch.chdir(tmp_path)
    example.main()
    figures = json.loads((tmp_path / "out.json").read_text())["figures"]
    assert set(figures) == {"retrieved", *example.WAYS}
    assert figures["retrieved"]["f1"] == pytest.approx(100.0)
    assert len(figures["guided"]["f1_against_plain"]) == 2
