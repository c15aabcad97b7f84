"""The card of a model that a trainer pushes."""

import re

import pytest
from card_samples import RECORDED, holes

from transformers_ggm.hub_cards import TrainerFacts, write_trainer_card
from transformers_ggm.hub_cards.trainer_card import make_trainer_card

RECORD = {
    "training": {"learning_rate": 5e-5, "metric_for_best_model": "rouge1"},
    "data": {"guidance_dropout": 1 / 3, "inputs": ["text", "video"]},
    "num_processes": 2,
    "versions": {"Python": "3.11.7"},
}
RECORDS = {"none": None, "begun": RECORD, "ended": {**RECORD, **RECORDED}}


@pytest.mark.parametrize("part", ["generator", "language model", "retriever"])
@pytest.mark.parametrize("record", RECORDS)
def test_cards_have_no_holes(tmp_path, part, record):
    """Would fail if what a trainer does not know left a heading without text, or a trace of the template."""
    card = make_trainer_card(TrainerFacts(tmp_path, part, "tags", record=RECORDS[record]))
    assert not holes(re.sub(r"```python.*?```", "(code)", card.text, flags=re.DOTALL))


def test_facts_are_those_of_the_training(tmp_path):
    """Would fail if the card told other figures, another base or other data than it was given."""
    facts = TrainerFacts(
        tmp_path, "generator", "tags", "someone/tags", "facebook/bart-base", 40, RECORDS["ended"], {"license": "mit"}
    )
    card = make_trainer_card(facts)
    assert card.data.base_model == "facebook/bart-base" and card.data.license == "mit"
    assert card.data.metrics == ["rouge", "f1"]
    for line in (
        "It learnt from 40 rows.",
        "| ROUGE-1 | 44.44 |",
        "| `guidance_dropout` | 0.3333 |",
        "| steps | 2,820 |",
    ):
        assert line in card.text
    local = make_trainer_card(TrainerFacts(tmp_path, "generator", "tags", base_model=str(tmp_path)))
    assert local.data.base_model is None and str(tmp_path) not in local.text
    write_trainer_card(facts)
    assert (tmp_path / "README.md").read_text(encoding="utf-8").startswith("---\n")


def test_a_language_model_is_told_of(tmp_path):
    """Would fail if the card of a tuned language model said how to load a GGM, or not what was tuned."""
    facts = TrainerFacts(tmp_path, "language model", "tags", "someone/tags", "someone/tiny-llama")
    card = make_trainer_card(facts)
    assert "[someone/tiny-llama](https://huggingface.co/someone/tiny-llama), tuned" in card.text
    assert "InstructedForHashtagGeneration.from_pretrained" in card.text and "GGMFor" not in card.text
    assert card.data.pipeline_tag == "video-text-to-text"
