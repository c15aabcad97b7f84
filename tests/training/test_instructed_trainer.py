"""Training of instructed language models."""

import pytest
import torch
from datasets import Dataset
from instructed_samples import WRITERS, video, write_llama

from transformers_ggm import GGMTrainingArguments, InstructedForHashtagGeneration, InstructedProcessor
from transformers_ggm.data.instructed_collator import DataCollatorForInstructedGeneration
from transformers_ggm.errors import ArgumentError
from transformers_ggm.generation.instructed_writing import instructed_hashtags
from transformers_ggm.training.instructed_trainer import InstructedTrainer

POSTS = {
    "description": ["first snow", "my dog", "a lake"],
    "hashtags": [["snow", "winter"], ["dog"], ["lake"]],
    "guidance": [["snow"], [], []],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_llama(tmp_path_factory.mktemp("llama"))


def load(folder, **settings):
    model = InstructedForHashtagGeneration.from_language_model_pretrained(folder, max_new_tokens=24)
    return model, InstructedProcessor.from_language_model_pretrained(folder, **settings)


def arguments(tmp_path, **changes):
    defaults = {"use_cpu": True, "learning_rate": 3e-3, "warmup_steps": 0, "save_strategy": "no", "disable_tqdm": True}
    return GGMTrainingArguments(str(tmp_path), **defaults | changes)


@pytest.mark.contract
def test_learns_by_heart(folder, tmp_path):
    """Would fail if the loss were on the prompt, labels did not stand behind it, or answers had no end."""
    model, processor = load(folder, instruction="Tags?")
    trainer = InstructedTrainer(
        model, arguments(tmp_path, num_train_epochs=150), train_dataset=Dataset.from_dict(POSTS),
        eval_dataset=Dataset.from_dict(POSTS), processing_class=processor,
        data_collator=DataCollatorForInstructedGeneration(processor, inputs=["text"], guidance_dropout=0.0),
    )  # fmt: skip
    trainer.train()
    assert trainer.evaluate()["eval_f1"] == pytest.approx(100.0)
    columns = {"text": POSTS["description"], "guidance": POSTS["guidance"]}
    written = instructed_hashtags(model.eval(), processor, columns)
    assert [set(row) for row in written] == [set(row) for row in POSTS["hashtags"]]
    assert min(score for row in written for score in row.values()) > 0.3
    predicted = trainer.predict(Dataset.from_dict(POSTS)).predictions
    assert [set(row) for row in processor.decode_hashtags(predicted)] == [set(row) for row in POSTS["hashtags"]]


def test_what_is_drawn(folder):
    """Would fail if targets came in one order, or the guidance always told the answer."""
    processor = load(folder)[1]
    collator = DataCollatorForInstructedGeneration(processor, inputs=["text"])
    row = {"index": 0, "description": "a", "hashtags": ["snow", "ice"], "guidance": ["snow", "dog"], "frames": None,
           "input_features": None}  # fmt: skip
    orders, prompts = set(), set()
    for epoch in range(20):
        collator.set_epoch(epoch)
        batch = collator([row])
        orders.add(tuple(processor.decode_hashtags(batch["labels"])[0]))
        prompts.add("#snow" in processor.tokenizer.decode(batch["input_ids"][0][batch["labels"][0] == -100]))
    assert orders == {("snow", "ice"), ("ice", "snow")} and prompts == {True, False}


@pytest.mark.parametrize("name", ["smolvlm", "qwen3-vl"])
def test_batches_with_frames(name, tmp_path_factory):
    """Would fail if clips of other lengths, or rows without one, could not be in one batch of a training."""
    folder = WRITERS[name](tmp_path_factory.mktemp("seeing"))
    model = InstructedForHashtagGeneration.from_language_model_pretrained(folder)
    processor = InstructedProcessor.from_language_model_pretrained(folder, True)
    rows = [
        {"index": place, "description": "a", "hashtags": ["snow"], "guidance": [], "frames": frames,
         "input_features": None}
        for place, frames in enumerate([video(5), video(2), None])
    ]  # fmt: skip
    batch = DataCollatorForInstructedGeneration(processor)(rows)
    assert torch.isfinite(model(**batch).loss)


def test_smoothed_labels_are_refused(folder, tmp_path):
    """Would fail if an argument that does nothing here were taken without a word."""
    model, processor = load(folder)
    with pytest.raises(ArgumentError, match="label_smoothing"):
        InstructedTrainer(model, arguments(tmp_path, label_smoothing_factor=0.1), processing_class=processor)


def test_its_card(folder, tmp_path):
    """Would fail if what the trainer pushes had the card of a GGM, or forgot which language model was tuned."""
    model, processor = load(folder)
    model.language_model.config._name_or_path = model.language_model.name_or_path = "someone/tiny-llama"
    trainer = InstructedTrainer(model, arguments(tmp_path), processing_class=processor)
    trainer.create_model_card()
    card = (tmp_path / "README.md").read_text()
    assert "someone/tiny-llama" in card and "InstructedProcessor.from_pretrained" in card
