"""Training of an instructed language model with similar posts as examples."""

import json

import pytest
import torch
from composed_parts import write_parts
from datasets import Dataset
from instructed_samples import write_llama
from recommender_samples import write_posts
from training_samples import command_line
from transformers import pipeline

from transformers_ggm import InstructedProcessor, PostIndex
from transformers_ggm.errors import ArgumentError
from transformers_ggm.pipelines.compose import CheckpointComposition, compose_checkpoint
from transformers_ggm.processing.hashtags import remove_hashtags
from transformers_ggm.training import main
from transformers_ggm.training.generator import generator_collator
from transformers_ggm.training.main import parse_arguments
from transformers_ggm.training.trainer_datasets import generator_rows

SHORT = {
    "generator": "instructed",
    "inputs": ["text"],
    "num_guidance": 2,
    "num_examples": 2,
    "num_train_epochs": 1,
    "num_best_checkpoints": 1,
    "per_device_train_batch_size": 4,
    "per_device_eval_batch_size": 20,
    "max_text_length": 256,
    "max_target_length": 6,
    "learning_rate": 1e-3,
}


@pytest.fixture(scope="module")
def language_model(tmp_path_factory):
    return str(write_llama(tmp_path_factory.mktemp("llama")))


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """Posts, of which the first was posted again, and again with other marks."""
    folder = write_posts(tmp_path_factory.mktemp("data") / "posts", {"train": 12, "validation": 4, "test": 4}, False)
    file = folder / "train" / "metadata.jsonl"
    first = json.loads(file.read_text().splitlines()[0])
    again = [{**first, "description": first["description"] + mark} for mark in ("", "!!!")]
    file.write_text(file.read_text() + "".join(json.dumps(row) + "\n" for row in again))
    return folder


@pytest.fixture(scope="module")
def trained(language_model, data_dir, tmp_path_factory):
    output_dir = tmp_path_factory.mktemp("trained")
    named = {"data_dir": data_dir, "output_dir": output_dir, "language_model": language_model}
    stages = ["prepare", "posts", "guidance", "generator", "evaluate"]
    main(command_line(**named, **SHORT, sources=["posts", "words", "frequent", "generator"], stages=stages))
    return output_dir


def rows_of(data_dir, split):
    return [json.loads(line) for line in (data_dir / split / "metadata.jsonl").read_text().splitlines()]


def examples_of(output_dir, split):
    return json.loads((output_dir / "guidance" / f"{split}_examples.json").read_text())


def test_targets_do_not_leak(trained, data_dir):
    """Would fail if a training row were its own example, or a copy of it were, or other splits were examples."""
    words = {split: [remove_hashtags(row["description"]) for row in rows_of(data_dir, split)] for split in
             ("train", "validation", "test")}  # fmt: skip
    for split, texts in words.items():
        rows = examples_of(trained, split)
        assert len(rows) == len(texts) and max(map(len, rows)) == 2
        for own, row in zip(texts, rows):
            assert all(post["text"] in words["train"] and post["text"].strip("!") != own.strip("!") for post in row)
    first = examples_of(trained, "train")[0]
    assert first and not any("number0" in post["text"] for post in first)


def test_the_model_learns_with_what_the_pipeline_shows(trained, data_dir, language_model):
    """Would fail if training, evaluation and pipeline asked with different examples, or the checkpoint forgot them."""
    checkpoint = trained / "checkpoint"
    assert InstructedProcessor.from_pretrained(checkpoint).num_examples == 2
    assert PostIndex.from_pretrained(checkpoint / "posts").stores_text
    named = {"data_dir": data_dir, "output_dir": trained, "language_model": language_model}
    run = parse_arguments(command_line(**named, **SHORT, sources=["posts", "words"]))
    rows = run.shorts.for_generator("test")
    batch = generator_collator(run, training=False)([rows[number] for number in range(4)])
    suggest = pipeline("hashtag-generation", model=str(checkpoint), device="cpu")
    asked = []
    generate = suggest.model.generate

    def noting(**kwargs):
        asked.append(kwargs["input_ids"])
        return generate(**kwargs)

    suggest.model.generate = noting
    suggest([{"description": row["description"]} for row in rows_of(data_dir, "test")], batch_size=4)
    assert torch.equal(asked[0], batch["input_ids"])


def test_rows_of_any_dataset(language_model):
    """Would fail if the column of examples did not reach the prompts of a trainer's dataset."""
    from transformers_ggm.data.instructed_collator import DataCollatorForInstructedGeneration

    processor = InstructedProcessor.from_language_model_pretrained(language_model)
    posts = Dataset.from_dict({
        "description": ["first snow", "my dog"], "hashtags": [["snow"], ["dog"]],
        "examples": [[{"text": "a cold lake", "hashtags": ["lake"]}], []],
    })  # fmt: skip
    rows = generator_rows(posts, processor, ["text"])
    batch = DataCollatorForInstructedGeneration(processor, inputs=["text"])([rows[0], rows[1]])
    texts = processor.tokenizer.batch_decode(batch["input_ids"])
    assert "a cold lake" in texts[0] and "#lake" in texts[0] and "a cold lake" not in texts[1]


def test_what_is_refused(language_model, data_dir, tmp_path):
    """Would fail if examples were asked for where there are none, and it were found out after a training."""
    named = {"data_dir": data_dir, "output_dir": tmp_path, "language_model": language_model}
    with pytest.raises(ArgumentError, match="add 'posts'"):
        parse_arguments(command_line(**named, **SHORT, sources=["words"]))
    with pytest.raises(ArgumentError, match="0 or more"):
        parse_arguments(command_line(**named, **{**SHORT, "num_examples": -1}, sources=["posts"]))
    ggm = {"data_dir": data_dir, "output_dir": tmp_path, "num_examples": 2, "sources": ["posts", "words"]}
    with pytest.raises(ArgumentError, match="--generator instructed"):
        parse_arguments(command_line(**ggm))


def test_an_adapter_of_a_starter_with_its_own_posts(language_model, data_dir, tmp_path):
    """Would fail if the posts that a starter was composed with told the targets of a training on the same posts, by
    examples or by guidance."""
    pytest.importorskip("peft", reason="peft is not installed: it may want an older transformers")
    parts = write_parts(tmp_path / "parts")
    posts = str(data_dir / "train" / "metadata.jsonl")
    composition = CheckpointComposition(
        generator=language_model, posts=posts, hashtags=parts["hashtags"], num_examples=2
    )
    starter, run = compose_checkpoint(composition, tmp_path / "starter"), tmp_path / "run"
    named = {"base_checkpoint": starter, "data_dir": data_dir, "output_dir": run}
    main(command_line(**named, **SHORT, use_lora=True, lora_r=2))
    texts = [remove_hashtags(row["description"]).strip("!") for row in rows_of(data_dir, "train")]
    for own, row in zip(texts, examples_of(run, "train")):
        assert all(remove_hashtags(post["text"]).strip("!") != own for post in row)
    assert InstructedProcessor.from_pretrained(run / "checkpoint").num_examples == 2
    silent = compose_checkpoint(CheckpointComposition(generator=language_model, posts=posts), tmp_path / "silent")
    with pytest.raises(ArgumentError, match="whose words are kept"):
        main(
            command_line(
                **{**named, "base_checkpoint": silent, "output_dir": tmp_path / "out"}, **SHORT, use_lora=True
            )
        )
