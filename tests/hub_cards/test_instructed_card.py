"""The card of a checkpoint whose generator is a tuned language model."""

import json
import re

import pytest
import torch
from card_samples import MISSING, SUMMARY, complete, holes, remove
from huggingface_hub import ModelCard
from safetensors.torch import save_file

from transformers_ggm import HashtagPool
from transformers_ggm.hub_cards import write_instructed_card
from transformers_ggm.processing.processing_instructed import INSTRUCTION
from transformers_ggm.training.evaluate import trained_checkpoint
from transformers_ggm.training.main import parse_arguments
from transformers_ggm.training.run_data import RunData


@pytest.fixture
def make_run(tmp_path, monkeypatch):
    """A training whose checkpoint is there, on splits of 5, 2 and 7 rows."""
    rows = {"train": range(5), "validation": range(2), "test": range(7)}
    monkeypatch.setattr(RunData, "rows", lambda self, split: rows[split])

    def make(*arguments):
        checkpoint = tmp_path / "out" / "checkpoint"
        checkpoint.mkdir(parents=True)
        (tmp_path / "shorts").mkdir()
        config = {"model_type": "ggm_instructed", "language_model_config": {"model_type": "llama"}}
        (checkpoint / "config.json").write_text(json.dumps(config))
        settings = {"instruction": INSTRUCTION, "num_hashtags": 8, "num_guidance": 20, "num_examples": 2}
        (checkpoint / "processor_config.json").write_text(json.dumps({**settings, "max_prompt_length": 512}))
        save_file({"a": torch.zeros(40, 30)}, checkpoint / "model.safetensors")
        HashtagPool(["snow", "lake"], torch.eye(2), counts=[2, 9]).save_pretrained(checkpoint / "hashtag_pool")
        named = ["--data_dir", str(tmp_path / "shorts"), "--output_dir", str(tmp_path / "out"), "--use_cpu", "True"]
        return parse_arguments([*named, "--generator", "instructed", *arguments])

    return make


def card_of(run, summary=SUMMARY):
    write_instructed_card(trained_checkpoint(run), summary)
    return ModelCard.load(run.folders.checkpoint / "README.md")


def test_it_tells_the_language_model_and_the_prompt(make_run, tmp_path):
    """Would fail if the card spoke of a GGM's backbones, kept the model, its licence or its prompt to itself, or named
    a folder of this machine."""
    language_model = tmp_path / "tiny-llama"
    language_model.mkdir()
    (language_model / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Tiny\n")
    card = card_of(make_run("--language_model", str(language_model), "--inputs", "text"))
    text = " ".join(card.text.split())
    assert "language model, `tiny-llama`" in text and "the language model is apache-2.0, by its own card" in text
    assert "Its author wrote: first snow of the year" in text and "#winter #snowday" in text
    assert "Write up to 8 hashtags" in text and "| similar posts as examples at most | 2 |" in card.text
    assert "| generator | `.` | 1,200 | `llama` |" in card.text and str(tmp_path) not in card.text
    assert not re.search("vit-base|bart-base|clap|It is a Guided", card.text)
    assert card.data.base_model is None and card.data.license is None


def test_a_model_of_the_hub(make_run):
    """Would fail if the Hub could not link the card to the model that was tuned, or a licence were made up."""
    card = card_of(make_run("--language_model", "someone/tiny-llama"))
    assert (card.data.base_model, card.data.base_model_relation) == ("someone/tiny-llama", "finetune")
    assert "[someone/tiny-llama](https://huggingface.co/someone/tiny-llama)" in card.text
    assert "whose own licence holds for it, too" in card.text and "apache" not in card.text


@pytest.mark.parametrize("missing", [names for names in MISSING if len(names) != 2], ids=str)
def test_cards_have_no_holes(make_run, missing):
    """Would fail if what a training did not leave behind left a heading without text, or a trace of the template."""
    run = make_run("--language_model", "someone/tiny-llama")
    complete(run)
    for name in missing:
        remove(name, run)
    assert not holes(re.sub(r"```.*?```", "(code)", card_of(run).text, flags=re.DOTALL))
