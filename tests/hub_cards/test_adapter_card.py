"""The card of an adapter, from what its training left behind."""

import json
import re

import pytest
import torch
from card_samples import METRICS, MISSING, SUMMARY, complete, holes, remove
from huggingface_hub import ModelCard
from safetensors.torch import save_file

from transformers_ggm import HashtagPool
from transformers_ggm.hub_cards import write_adapter_card
from transformers_ggm.training.evaluate import trained_checkpoint
from transformers_ggm.training.main import parse_arguments
from transformers_ggm.training.run_data import RunData


@pytest.fixture
def make_run(tmp_path, monkeypatch):
    """A training whose adapter is there, on splits of 5, 2 and 7 rows."""
    rows = {"train": range(5), "validation": range(2), "test": range(7)}
    monkeypatch.setattr(RunData, "rows", lambda self, split: rows[split])

    def make(*arguments, base="someone/ggm"):
        run = parse_arguments(
            ["--data_dir", str(tmp_path / "shorts"), "--output_dir", str(tmp_path / "out"), "--use_cpu", "True",
             "--use_lora", "True", "--base_checkpoint", base, *arguments]
        )  # fmt: skip
        run.folders.checkpoint.mkdir(parents=True)
        (tmp_path / "shorts").mkdir()
        config = {
            "base_model_name_or_path": base, "r": 4, "lora_alpha": 8, "lora_dropout": 0.1,
            "target_modules": "a|b", "modules_to_save": None,
        }  # fmt: skip
        (run.folders.checkpoint / "adapter_config.json").write_text(json.dumps(config))
        save_file({"a": torch.zeros(40, 30)}, run.folders.checkpoint / "adapter_model.safetensors")
        HashtagPool(["snow", "lake"], torch.eye(2), counts=[2, 9]).save_pretrained(run.folders.pool)
        return run

    return make


def card_of(run, summary=SUMMARY):
    write_adapter_card(trained_checkpoint(run), summary)
    return ModelCard.load(run.folders.checkpoint / "README.md")


def test_metadata(make_run):
    """
    Would fail if the Hub could not tell what the adapter changes, how good it is, or under which licence it came.
    """
    run = make_run()
    complete(run)
    card = card_of(run)
    assert (card.data.base_model, card.data.base_model_relation) == ("someone/ggm", "adapter")
    assert (card.data.library_name, card.data.license, card.data.language) == ("peft", "apache-2.0", ["en"])
    assert [result.metric_value for result in card.data.eval_results] == [round(x, 2) for x in METRICS.values()]


def test_local_base_is_none_of_the_hub(make_run, tmp_path):
    """Would fail if a folder of this machine were linked as a model of the Hub, or its path were told."""
    card = card_of(make_run(base=str(tmp_path / "base")))
    assert not {"base_model", "base_model_relation"} & set(card.data.to_dict())
    assert "the folder `base`" in card.text and str(tmp_path) not in card.content


def test_tells_what_the_card_of_a_model_tells(make_run):
    """Would fail if an adapter's course, examples, switches, use or risks were not told."""
    run = make_run()
    complete(run)
    text = card_of(run).text
    for words in ("| duration | 1 h 07 min | 1 h 07 min |", "](training_curve.png)", "Rows 1, 2, 3, 5, 6 of the 7",
                  "| scripts | Latin 2 |", "sections 7 and 8", "| updated layers | `a\\|b` |"):  # fmt: skip
        assert words in text, words
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == ["Use", "Inputs", "Training data", "Training", "Hashtag pool", "Test metrics",
                        "Examples", "Intended use", "Limits and risks"]  # fmt: skip


@pytest.mark.parametrize("missing", MISSING, ids=" and ".join)
def test_missing_facts_leave_no_holes(make_run, missing):
    """Would fail if a fact that is not known left an empty heading, an empty table or a picture that is not there."""
    run = make_run()
    complete(run)
    for name in missing:
        remove(name, run)
    text = card_of(run).text
    assert not holes(text), holes(text)
    assert ("](training_curve.png)" in text) == ("curve" not in missing)
    assert not {"pool"} & set(missing) or "## Hashtag pool" not in text
