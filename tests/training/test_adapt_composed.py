"""Training an adapter of the generator of a checkpoint that was composed of parts, guided by its sources."""

import json

import pytest
import torch
from composed_parts import write_parts
from instructed_samples import write_llama
from recommender_samples import write_posts
from training_samples import command_line
from transformers import pipeline

from transformers_ggm.errors import ArgumentError
from transformers_ggm.pipelines.compose import CheckpointComposition, compose_checkpoint
from transformers_ggm.recommendation import clues_of
from transformers_ggm.training import main
from transformers_ggm.training.main import parse_arguments

pytest.importorskip("peft", reason="peft is not installed: it may want an older transformers")

HASHTAGS = ["winter", "cold", "water", "boat", "music", "band", "snow", "weekend", "lake", "starteronly"]
ADAPTER = {
    "use_lora": True,
    "lora_r": 2,
    "learning_rate": 1e-2,
    "inputs": ["text"],
    "num_guidance": 3,
    "num_train_epochs": 1,
    "num_best_checkpoints": 1,
    "per_device_eval_batch_size": 20,
    "max_target_length": 8,
}
KINDS = {"ggm": {}, "instructed": {"generator": "instructed", "max_text_length": 128}}


@pytest.fixture(scope="module")
def given(finished, tmp_path_factory):
    """By name, what a starter is made of."""
    folder = tmp_path_factory.mktemp("parts")
    parts = write_parts(folder)
    (folder / "tags.txt").write_text("\n".join(HASHTAGS))
    generators = {"ggm": str(finished / "checkpoint"), "instructed": str(write_llama(folder / "llama"))}
    return {**generators, **parts, "hashtags": str(folder / "tags.txt")}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return write_posts(tmp_path_factory.mktemp("data") / "posts", {"train": 8, "validation": 50, "test": 5})


def composed(given, target, kind, *others):
    parts = {name: given[name] for name in (*others, "hashtags")}
    return compose_checkpoint(CheckpointComposition(generator=given[kind], **parts), target)


def load(folder):
    return pipeline("hashtag-generation", model=str(folder), device="cpu")


def rows_of(data_dir, split):
    return [json.loads(line) for line in (data_dir / split / "metadata.jsonl").read_text().splitlines()]


def guiding(suggest, items):
    """What guides the generator of a pipeline for each item."""
    told = suggest(items, return_guidance=True, num_guidance=3, max_new_tokens=2)
    return [[tag["hashtag"][1:] for tag in row["guidance"]] for row in told]


@pytest.mark.parametrize(
    ("kind", "others"),
    [
        pytest.param("ggm", ("retriever",), id="with_retriever-ggm"),
        pytest.param("instructed", ("retriever",), id="with_retriever-instructed", marks=pytest.mark.slow),
        pytest.param("ggm", ("text_encoder",), id="without_retriever-ggm", marks=pytest.mark.slow),
        pytest.param("instructed", ("text_encoder",), id="without_retriever-instructed"),
    ],
)
def test_an_adapter_of_a_composed_generator(given, data_dir, tmp_path, kind, others):
    """Would fail if an adapter could not be trained on a composed checkpoint, were guided otherwise in training than
    by the base or by itself afterwards, or forgot a source, or a hashtag of the list."""
    starter, run = composed(given, tmp_path / "starter", kind, *others), tmp_path / "run"
    main(command_line(base_checkpoint=starter, data_dir=data_dir, output_dir=run, **ADAPTER, **KINDS[kind]))
    adapted, before = load(run / "checkpoint"), load(starter)
    rows = {split: rows_of(data_dir, split) for split in ("test", "train", "validation")}
    items = [
        {"description": row["description"], "history": clues.history}
        for row, clues in zip(rows["test"], clues_of(*rows.values()))
    ]
    trained_with = [row[:3] for row in json.loads((run / "guidance" / "test.json").read_text())]
    assert trained_with == guiding(before, items) == guiding(adapted, items)
    assert all(len(row) == 3 for row in trained_with)
    names = [source.name for source in before.recommender.sources]
    assert [source.name for source in adapted.recommender.sources] == names and names[-1] == "generator"
    assert "starteronly" in adapted.recommender.counts
    assert (run / "checkpoint" / "adapter_config.json").is_file()
    card = (run / "checkpoint" / "README.md").read_text()
    assert f"fused from the sources {', '.join(names[:-1])}" in card and "those of the training split" not in card
    assert ("those of the checkpoint that was adapted" in card) is ("retriever" in others)


@pytest.mark.slow
def test_a_ranker_of_the_adapter(given, data_dir, tmp_path):
    """Would fail if the adapter's checkpoint had a ranker that knows another generator, or could not get its own."""
    starter = composed(given, tmp_path / "starter", "ggm", "retriever")
    ranked, adapted = tmp_path / "ranked", tmp_path / "adapted"
    data = {"data_dir": data_dir, "per_device_eval_batch_size": 25}
    main(command_line(base_checkpoint=starter, output_dir=ranked, stages=["ranker"], **data))
    main(command_line(base_checkpoint=ranked / "checkpoint", output_dir=adapted, **{**ADAPTER, **data}))
    described = json.loads((adapted / "checkpoint" / "recommendation.json").read_text())
    assert described["ranker"] is False and not (adapted / "checkpoint" / "ranker").exists()
    main(command_line(base_checkpoint=adapted / "checkpoint", output_dir=tmp_path / "out", **data))
    suggest = load(tmp_path / "out" / "checkpoint")
    assert suggest.recommender.ranker is not None and (tmp_path / "out" / "evaluation" / "test.json").is_file()
    assert (tmp_path / "out" / "checkpoint" / "adapter_config.json").is_file()


def test_what_cannot_be_adapted(given, data_dir, tmp_path):
    """Would fail if a base without generator, or of another kind, or stages of other trainings were found out late."""
    base = composed(given, tmp_path / "starter", "instructed")
    arguments = {**ADAPTER, "data_dir": data_dir, "output_dir": tmp_path / "out", "base_checkpoint": base}
    with pytest.raises(ArgumentError, match="--generator instructed"):
        parse_arguments(command_line(**arguments))
    with pytest.raises(ArgumentError, match="'ranker'"):
        parse_arguments(command_line(**arguments, generator="instructed", stages=["generator", "ranker"]))
    words = compose_checkpoint(CheckpointComposition(hashtags=given["hashtags"]), tmp_path / "words")
    with pytest.raises(ArgumentError, match="no generator"):
        parse_arguments(command_line(**{**arguments, "base_checkpoint": words}))


@pytest.mark.parametrize("kind", [pytest.param("ggm", marks=pytest.mark.slow), "instructed"])
def test_the_whole_generator_of_a_starter(given, data_dir, tmp_path, kind):
    """Would fail if all of a composed generator could not be trained on, were guided otherwise than by the base, left
    parts of the starter behind, or had the card of another kind of model."""
    starter, run = composed(given, tmp_path / "starter", kind, "retriever", "text_encoder"), tmp_path / "run"
    whole = {name: value for name, value in ADAPTER.items() if "lora" not in name} | KINDS[kind]
    named = {"base_checkpoint": starter, "data_dir": data_dir, "output_dir": run, "stages": ["generator"]}
    main(command_line(**named, **whole))
    trained, before = load(run / "checkpoint"), load(starter)
    rows = {split: rows_of(data_dir, split) for split in ("test", "train", "validation")}
    items = [
        {"description": row["description"], "history": clues.history}
        for row, clues in zip(rows["test"], clues_of(*rows.values()))
    ]
    assert guiding(trained, items) == guiding(before, items)
    assert type(trained.model) is type(before.model) and not (run / "checkpoint" / "adapter_config.json").exists()
    weights = [dict(suggest.model.named_parameters()) for suggest in (trained, before)]
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    names = [source.name for source in before.recommender.sources]
    assert [source.name for source in trained.recommender.sources] == names
    card = (run / "checkpoint" / "README.md").read_text()
    assert f"fused from the sources {', '.join(names[:-1])}" in card and "a local one, `starter`" in card
    assert "vit-base" not in card and "bart-base" not in card and str(tmp_path) not in card
    assert ("Its generator is a language" in card) is (kind == "instructed")
    main(command_line(base_checkpoint=run / "checkpoint", output_dir=tmp_path / "ranked", data_dir=data_dir))
    assert load(tmp_path / "ranked" / "checkpoint").recommender.ranker is not None


def test_a_whole_generator_without_sources(finished, data_dir, tmp_path):
    """Would fail if a base that does not recommend, or other sources, were taken and something else were trained."""
    named = {"data_dir": data_dir, "output_dir": tmp_path / "out", "stages": ["generator"]}
    with pytest.raises(ArgumentError, match=r"recommendation\.json"):
        parse_arguments(command_line(base_checkpoint=finished / "checkpoint", **named))
