"""The example of training in a notebook."""

import json
import runpy
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "train_in_a_notebook.py"


@pytest.mark.slow
def test_both_models_are_trained(tmp_path, monkeypatch):
    """Would fail if the cells did not run from top to bottom, or the checkpoint of all parts could not be used."""
    monkeypatch.chdir(tmp_path)
    names = runpy.run_path(str(EXAMPLE))
    assert len(names["posts"]["train"]) == 32 and len(names["posts"]["test"]) == 8
    for trainer in (names["retriever_trainer"], names["trainer"]):
        assert trainer.state.epoch == 2
    losses = [entry["eval_loss"] for entry in names["retriever_trainer"].state.log_history if "eval_loss" in entry]
    assert len(losses) == 3  # untrained, and after each epoch
    assert names["metrics"]["eval_f1"] > 20  # a model that learnt nothing, or guidance of other rows, has next to none
    assert names["suggestions"] and all(suggestion["hashtag"].startswith("#") for suggestion in names["suggestions"])
    checkpoint = tmp_path / "outputs" / "notebook" / "checkpoint"
    assert json.loads((checkpoint / "config.json").read_text())["model_type"] == "ggm"
    assert (checkpoint / "retriever" / "config.json").is_file() and (checkpoint / "hashtag_pool").is_dir()
