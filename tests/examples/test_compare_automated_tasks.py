"""The example that compares automated tasks."""

import json
import runpy
import sys
from pathlib import Path

import pytest

pytest.importorskip("sklearn")

EXAMPLE = Path(__file__).parents[2] / "examples" / "compare_automated_tasks.py"
CONFIG = {
    "vocab_size": 300,
    "text": {
        "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
        "decoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16, "max_position_embeddings": 80,
    },
    "vision": {
        "model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8], "hidden_size": 8, "depths": [1],
        "layer_type": "basic",
    },
    "retriever_text": {
        "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
        "max_position_embeddings": 64,
    },
    "projection_dim": 8,
    "video_processor": {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}},
}  # fmt: skip


@pytest.fixture
def command(tmp_path):
    for split in ("train", "validation"):
        (tmp_path / split).mkdir()
        rows = [{"description": f"first snow on hill {n}", "hashtags": ["snow"]} for n in range(6)]
        rows += [{"description": f"a calm and blue lake {n}", "hashtags": ["lake", "blue"]} for n in range(6)]
        (tmp_path / split / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return [
        EXAMPLE.name, "--data_dir", str(tmp_path), "--output", str(tmp_path / "out.json"), "--num_train_epochs", "1",
        "--scratch_config", str(tmp_path / "config.json"), "--seeds", "0", "1", "--batch_size", "4",
    ]  # fmt: skip


@pytest.fixture(autouse=True)
def beside_other_examples(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLE.parent)


def test_each_task_is_trained_once(command, tmp_path, monkeypatch, capsys):
    """Would fail if a task were left out, one that is there were trained again, or the table told of others."""
    monkeypatch.setattr(sys, "argv", [*command, "--tasks", "none", "missing_word"])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    runs = json.loads((tmp_path / "out.json").read_text())["runs"]
    assert [(run["task"], run["seed"]) for run in runs] == [
        ("none", 0), ("missing_word", 0), ("none", 1), ("missing_word", 1),
    ]  # fmt: skip
    assert all(len(run["rouge1"]) == 1 and run["processor_seconds"] >= 0 for run in runs)
    monkeypatch.setattr(sys, "argv", [*command, "--tasks", "none", "next_word", "--seeds", "0"])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    again = json.loads((tmp_path / "out.json").read_text())["runs"]
    assert again[:4] == runs and [run["task"] for run in again[4:]] == ["next_word"]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in lines[-3:]] == ["| none", "| missing_word", "| next_word"]


def test_epochs_to_a_figure():
    """Would fail if the place between two epochs were another, or a figure that was not reached were told of."""
    epochs_to = runpy.run_path(str(EXAMPLE))["epochs_to"]
    assert epochs_to([10.0, 20.0, 30.0], 15.0) == pytest.approx(1.5)
    assert epochs_to([10.0], 5.0) == pytest.approx(0.5)
    assert epochs_to([10.0, 20.0], 25.0) is None
