import json
import os
import re
import shutil
from itertools import chain

import pytest
import torch
import yaml
from card_samples import DATA_CARD, MEAN, METRICS, MISSING, SUMMARY, complete, holes, remove
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import eval_results_to_model_index, model_index_to_eval_results
from safetensors.torch import save_file

from transformers_ggm import HashtagPool
from transformers_ggm.hub_cards import write_model_card
from transformers_ggm.training.evaluate import trained_checkpoint
from transformers_ggm.training.main import parse_arguments
from transformers_ggm.training.run_data import RunData
from transformers_ggm.training.run_records import TrainingRecord


@pytest.fixture(autouse=True)
def prepared_rows(monkeypatch):
    """Splits of 5, 2 and 7 rows."""
    rows = {"train": range(5), "validation": range(2), "test": range(7)}
    monkeypatch.setattr(RunData, "rows", lambda self, split: rows[split])


@pytest.fixture
def make_run(tmp_path):
    """A training whose checkpoint is there."""

    def make(*arguments, frame_position_embedding="none", audio_config=None):
        checkpoint = tmp_path / "out" / "checkpoint"
        (checkpoint / "retriever").mkdir(parents=True, exist_ok=True)
        config = {
            "vision_config": {"model_type": "vit"}, "text_config": {"model_type": "bart"},
            "audio_config": audio_config, "frame_position_embedding": frame_position_embedding,
        }  # fmt: skip
        (checkpoint / "config.json").write_text(json.dumps(config))
        (checkpoint / "retriever" / "config.json").write_text('{"backbone_config": {"model_type": "clip"}}')
        save_file({"a": torch.zeros(40, 30), "b": torch.zeros(34)}, checkpoint / "model.safetensors")
        save_file({"a": torch.zeros(5)}, checkpoint / "retriever" / "model.safetensors")
        pool = HashtagPool(["snow", "lake", "rain"], torch.eye(3), counts=[2, 9, 2])
        pool.save_pretrained(checkpoint / "hashtag_pool")
        (tmp_path / "shorts").mkdir(exist_ok=True)
        common = ["--data_dir", str(tmp_path / "shorts"), "--output_dir", str(tmp_path / "out"), "--use_cpu", "True"]
        return parse_arguments([*common, *arguments])

    return make


def write(run, summary=SUMMARY):
    """The card's metadata and text."""
    for folder in (run.folders.generator_run, run.folders.retriever_run):
        TrainingRecord(folder).write(**run.facts())
    write_model_card(trained_checkpoint(run), summary)
    content = (run.folders.checkpoint / "README.md").read_text(encoding="utf-8")
    _, header, text = content.split("---\n", 2)
    return yaml.safe_load(header), text


def card_of(run, summary=SUMMARY):
    """The card as the Hub's own reader has it."""
    write_model_card(trained_checkpoint(run), summary)
    return ModelCard.load(run.folders.checkpoint / "README.md")


def table_value(text, name):
    """The value beside a name in one of the card's tables."""
    return re.search(rf"^\| `?{re.escape(name)}`? \| (.*?) \|", text, re.MULTILINE)[1]


def test_metadata(make_run):
    """Would fail if the Hub could not tell what the checkpoint is for, made of, and how good."""
    metadata, _ = write(make_run())
    assert "license" not in metadata and metadata["library_name"] == "transformers"
    assert metadata["pipeline_tag"] == "video-text-to-text"
    assert {"hashtag-generation", "video", "ggm"} <= set(metadata["tags"])
    assert metadata["base_model"] == [
        "openai/clip-vit-base-patch32",
        "google/vit-base-patch16-224-in21k",
        "facebook/bart-base",
        "laion/clap-htsat-unfused",
    ]
    (entry,) = metadata["model-index"]
    (result,) = entry["results"]
    assert result["dataset"] == {"name": "shorts", "type": "shorts", "split": "test"}
    values = {metric["name"]: metric["value"] for metric in result["metrics"]}
    assert values == {"ROUGE-1": 41.24, "ROUGE-2": 12.0, "Precision": 30.5, "Recall": 28.25, "F1": 29.3}


def test_card_is_one_that_the_hub_reads(make_run):
    """Would fail if the Hub's own reader found other metrics in the card, or none."""
    run = make_run()
    write(run)
    card = ModelCard.load(run.folders.checkpoint / "README.md")
    assert [result.metric_value for result in card.data.eval_results] == [41.24, 12.0, 30.5, 28.25, 29.3]


def test_facts(make_run):
    """Would fail if a metric in the card were not the one that was found."""
    _, text = write(make_run("--learning_rate", "3e-4", "--retriever_num_train_epochs", "7", "--seed", "11"))
    assert [table_value(text, split) for split in ("train", "validation", "test")] == ["5", "2", "7"]
    assert "| generator | `.` | 1,234 | `vit`, `bart` |" in text
    assert "| retriever | `retriever` | 5 | `clip` |" in text
    assert "#lake (9), #rain (2), #snow (2)." in text and "\n3 hashtags, those of the training split" in text
    assert table_value(text, "learning_rate") == "0.0003" and table_value(text, "seed") == "11"
    assert table_value(text, "retriever_num_train_epochs") == "7"
    assert (
        table_value(text, "torch") == torch.__version__.split("+")[0]
        or table_value(text, "torch") in torch.__version__
    )
    assert "| ROUGE-1 | 41.24 | 40.11 |" in text and "mean of the best 3 checkpoints" in text
    assert "On the 7 rows of the test split" in text and "split into words\nby wordninja 2.0.0;" in text
    assert "| k | 1 | 50 |" in text and "| recall | 9.88 | 64.20 |" in text


def test_sections(make_run):
    """Would fail if the card said nothing of use, limits or where the method comes from, or had a hole."""
    _, text = write(make_run())
    for title in ("Use", "Training data", "Training", "Hashtag pool", "Test metrics", "Intended use", "Citation"):
        assert f"\n## {title}\n" in text
    assert "Biased or offensive hashtags" in text and "sections 7 and 8" in text and "yu-etal-2023-generating" in text
    assert not re.search(r"\{\{|\{%|\bNone\b|\bundefined\b|\n\n\n", text)
    assert str(make_run().folders.output.parent) not in text


def test_settings_are_those_of_the_training(make_run):
    """Would fail if evaluating again with other arguments changed what the card says about the training."""
    write(make_run("--learning_rate", "3e-4", "--retriever_learning_rate", "2e-4"))
    run = make_run("--scratch_config", "other.json")
    write_model_card(trained_checkpoint(run), SUMMARY)
    text = (run.folders.checkpoint / "README.md").read_text(encoding="utf-8")
    assert table_value(text, "learning_rate") == "0.0003" and table_value(text, "retriever_learning_rate") == "0.0002"
    assert "from scratch" not in text and "facebook/bart-base" in text


def test_unknown_settings_are_left_out(make_run):
    """Would fail if the card of a training that left no record of its arguments made some up."""
    run = make_run()
    write_model_card(trained_checkpoint(run), SUMMARY)
    text = (run.folders.checkpoint / "README.md").read_text(encoding="utf-8")
    assert "learning_rate" not in text and "| torch |" not in text
    assert "\n\n\n" not in text


def test_trained_from_scratch(make_run):
    """Would fail if a small model with a random start looked like one made from pretrained backbones."""
    metadata, text = write(make_run("--scratch_config", "small.json"))
    assert "base_model" not in metadata
    assert "**Trained from scratch:**" in text and "random weights" in text
    for name in ("openai/clip-vit-base-patch32", "google/vit-base-patch16-224-in21k", "facebook/bart-base"):
        assert name in text
    assert "`vision`" not in text


def test_demonstration(make_run, tmp_path):
    """Would fail if the card of the demonstration model did not say plainly that it knows rendered clips alone."""
    run = make_run("--scratch_config", "small.json")
    (tmp_path / "shorts" / "README.md").write_text(DATA_CARD)
    metadata, text = write(run)
    assert "**A demonstration.** This model was trained on the synthetic clips of Rendered shorts alone" in text
    assert "> Short clips made by code.\n" in text and "More about them" not in text
    assert "people who wrote" not in text and "Not for suggesting hashtags to people" in text
    assert metadata["model-index"][0]["results"][0]["dataset"]["name"] == "Rendered shorts"
    assert metadata["model-index"][0]["results"][0]["dataset"]["type"] == "rendered-shorts"


NAMES = {
    "# My clips\n\nOnes of mine.\n": "My clips",
    "---\npretty_name: Other clips\n---\n": "Other clips",
    "only words\n": "shorts",
    "": "shorts",
}


@pytest.mark.parametrize("card, name", NAMES.items(), ids=["title", "pretty name", "no title", "empty"])
def test_name_of_the_data(make_run, tmp_path, card, name):
    """Would fail if the data's own title were not used, or a folder without one had no name."""
    run = make_run()
    (tmp_path / "shorts" / "README.md").write_text(card)
    metadata, text = write(run)
    assert metadata["model-index"][0]["name"] == f"GGM trained on {name}" and f"\n# GGM trained on {name}\n" in text
    assert "A demonstration" not in text


def test_what_the_model_cannot_do(make_run):
    """Would fail if the card claimed senses that the model lacks, or limits that it does not have."""
    _, deaf = write(make_run())
    _, hearing = write(make_run(frame_position_embedding="learned", audio_config={"model_type": "whisper"}))
    assert "does not hear the sound" in deaf and "no position in time" in deaf and "hears the sound" not in deaf
    assert "does not hear the sound" not in hearing and "no position in time" not in hearing
    assert "hears the sound" in hearing and "`whisper`" in hearing


def test_what_the_generator_goes_by(make_run):
    """Would fail if the card claimed that the model reads, sees or hears what was withheld from it in training."""
    _, text = write(make_run("--inputs", "text", "video", "audio", audio_config={"model_type": "whisper"}))
    assert "reads the description, looks at the frames, hears the sound and reads the hashtags that" in text
    assert "trained without" not in text and table_value(text, "inputs") == "text, video, audio"
    _, text = write(make_run("--inputs", "video", "--fusion", "decoder"))
    assert "The generator looks at the frames and reads the hashtags that a retriever" in text
    assert "trained without descriptions:" in text and 'in suggest("clip.mp4"):' in text
    assert table_value(text, "inputs") == "video" and table_value(text, "fusion") == "decoder"


def test_card_without_guidance(make_run):
    """Would fail if the card spoke of a retriever and a pool that the checkpoint does not have."""
    run = make_run("--num_guidance", "0", "--inputs", "text")
    for folder in (run.folders.retriever, run.folders.pool):
        shutil.rmtree(folder)
    TrainingRecord(run.folders.generator_run).write(**run.facts())
    write_model_card(
        trained_checkpoint(run), {name: value for name, value in SUMMARY.items() if name != "retrieval_recall_at_k"}
    )
    _, header, text = (run.folders.checkpoint / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    assert yaml.safe_load(header)["base_model"] == ["google/vit-base-patch16-224-in21k", "facebook/bart-base"]
    assert not re.search(r"\bretriever\b|\bpool\b|\bnearest\b", text.split("## Intended use")[0])
    assert "The generator reads the description;\nit writes hashtags." in text
    assert 'in suggest({"description": "first snow of the year"}):' in text and "trained without frames:" in text
    assert not re.search(r"\{\{|\{%|\bNone\b|\bundefined\b|\n\n\n", text)


def test_backbones_that_were_not_used(make_run):
    """Would fail if a backbone that did not go into the model were named as one."""
    metadata, _ = write(make_run("--vision_from_retriever", "True", "--audio", "none"))
    assert metadata["base_model"] == ["openai/clip-vit-base-patch32", "facebook/bart-base"]


def test_one_checkpoint_has_no_mean(make_run):
    """Would fail if the mean of one checkpoint were given as something of its own; or recall by cause got lost."""
    metrics = {**METRICS, "f1_of_means": 31.0, "recall_seen": 77.0}
    summary = {**SUMMARY, "best_checkpoint": metrics, "mean_of_best_1": metrics}
    del summary["mean_of_best_3"]
    _, text = write(make_run(), summary)
    assert "mean of the best" not in text and "| Recall of `seen` | 77.00 |\n" in text
    assert "| F1 of mean precision and recall | 31.00 |\n" in text


def test_hub_id(make_run):
    """Would fail if the usage of a model that is pushed to the Hub did not name it."""
    _, text = write(make_run("--hub_model_id", "someone/ggm"))
    assert 'pipeline("hashtag-generation", model="someone/ggm")' in text


def test_card_is_written_whole_or_not_at_all(make_run, monkeypatch):
    """Would fail if a failure cost the card that was there, or left half a one."""
    run = make_run()
    write(run)
    before = (run.folders.checkpoint / "README.md").read_bytes()

    def fail(*args):
        raise OSError("no")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no"):
        write_model_card(trained_checkpoint(run), {**SUMMARY, "test_videos": 8})
    assert (run.folders.checkpoint / "README.md").read_bytes() == before
    assert not list(run.folders.checkpoint.glob(".*partial*"))
    with pytest.raises(KeyError):
        write_model_card(trained_checkpoint(run), {})
    assert (run.folders.checkpoint / "README.md").read_bytes() == before


def test_model_index_is_that_of_the_metrics(make_run):
    """Would fail if the Hub read other metrics than the results file has, or lost some on the way there and back."""
    metrics = {**METRICS, "f1_of_means": 29.325}
    card = card_of(make_run(), {**SUMMARY, "best_checkpoint": metrics, "mean_of_best_3": metrics})
    index = card.data.to_dict()["model-index"]
    name, results = model_index_to_eval_results(index)
    assert eval_results_to_model_index(name, results) == index and name == card.data.model_name
    assert [result.metric_value for result in results] == [round(x, 2) for x in metrics.values()]
    assert {result.metric_type for result in results} == set(card.data.metrics)
    assert {result.dataset_split for result in results} == {"test"}


def test_every_metric_is_one_of_the_results(make_run):
    """Would fail if a metric in the card were none of the results file, or one of those were not told."""
    _, text = write(make_run())
    section = text.split("\n## Test metrics\n")[1].split("\n## ")[0]
    told = re.findall(r"(?<=\| )\d+\.\d\d(?= \|)", section)
    known = [*chain(*zip(METRICS.values(), MEAN.values())), *SUMMARY["retrieval_recall_at_k"].values()]
    assert told == [f"{value:.2f}" for value in known]


def test_order_of_hashtags_is_told(make_run):
    """
    Would fail if ROUGE-2, which goes by the order of hashtags, were told without the order that it was measured in.
    """
    _, text = write(make_run(), {**SUMMARY, "hashtag_order": {"order": "sorted", "seed": 3}})
    assert "\nby wordninja 2.0.0, in sorted order (seed 3); precision" in text


def test_bases_and_their_relation(make_run):
    """Would fail if the Hub took a model with several backbones for a merge of them, or one without for a finetune."""
    metadata, _ = write(make_run())
    assert metadata["base_model_relation"] == "finetune" and len(metadata["base_model"]) == 4
    metadata, _ = write(make_run("--scratch_config", "small.json"))
    assert not {"base_model", "base_model_relation"} & set(metadata)


@pytest.mark.parametrize(
    ("licence", "expected", "said"),
    [
        ("license: cc-by-4.0\nlanguage: [en, de]", {"license": "cc-by-4.0", "language": ["en", "de"]}, "cc-by-4.0"),
        ("license: [mit, cc0-1.0]", {"license": ["mit", "cc0-1.0"]}, "mit, cc0-1.0"),
        ("license: other\nlicense_name: mine\nlicense_link: LICENSE",
         {"license": "other", "license_name": "mine", "license_link": "LICENSE"}, "mine"),
        ("language: tr", {"language": "tr"}, None),
        ("tags: [video]", {}, None),
    ],
)  # fmt: skip
def test_licence_and_language_are_those_of_the_data(make_run, tmp_path, licence, expected, said):
    """Would fail if a licence or language were made up, or what the data card says were lost."""
    run = make_run()
    (tmp_path / "shorts" / "README.md").write_text(f"---\n{licence}\n---\n# Clips\n")
    metadata, text = write(run)
    names = {"license", "license_name", "license_link", "language"}
    assert {name: value for name, value in metadata.items() if name in names} == expected
    assert ("licence" in text) == (said is not None) and (said is None or f"above, {said}, is that" in text)


def test_data_of_the_hub(make_run, tmp_path):
    """Would fail if the Hub could not link the data that it has, or a local folder were named as one of its own."""
    metadata, _ = write(make_run())
    assert "datasets" not in metadata
    cached = tmp_path / "datasets--someone--clips" / "snapshots" / ("0a" * 20)
    cached.mkdir(parents=True)
    metadata, text = write(make_run("--data_dir", str(cached)))
    assert metadata["datasets"] == ["someone/clips"]
    assert metadata["model-index"][0]["results"][0]["dataset"]["type"] == "someone/clips"
    assert "https://huggingface.co/datasets/someone/clips" in text and "0a0a" not in text


def test_course_of_the_training(make_run):
    """Would fail if hardware, duration, losses or the chosen step were not those that the training recorded."""
    run = make_run()
    complete(run)
    card = card_of(run)
    values = {"hardware": "2 x Some GPU", "duration": "1 h 07 min", "steps": "2,820", "epochs": "30"}
    values |= {"last training loss": "0.1235", "published step": "1,234", "its loss on the validation split": "1.5"}
    values |= {"its ROUGE-1 on the validation split": "44.44"}
    for name, value in values.items():
        assert f"| {name} | {value} | {value} |\n" in card.text
    assert "](training_curve.png)" in card.text and table_value(card.text, "Python").count(".") == 2
    assert card.data.language == ["en"] and card.data.license == "apache-2.0"


def test_one_part_was_not_recorded(make_run):
    """Would fail if what is known of one training were taken for the other's, or it were left out for both."""
    run = make_run()
    complete(run)
    TrainingRecord(run.folders.retriever_run).write(**run.facts())
    text = card_of(run).text
    assert "| | generator |\n" in text and "| steps | 2,820 |\n" in text
    TrainingRecord(run.folders.retriever_run).write(
        **run.facts(), outcome={"steps": 7, "seconds": None, "loss": None, "epochs": 1.0}
    )
    text = card_of(run).text
    assert "| steps | 7 | 2,820 |\n" in text and "| duration | - | 1 h 07 min |\n" in text


def test_examples_are_shown_as_they_are(make_run):
    """Would fail if examples were picked by what they say, or their rule were not the one that the card names."""
    run = make_run()
    complete(run)
    section = card_of(run).text.split("\n## Examples\n")[1].split("\n## ")[0]
    assert "Rows 1, 2, 3, 5, 6 of the 7 of the test split: at even distances" in section
    assert re.findall(r"^\| (\d) \| clip (\d) ", section, re.MULTILINE) == [
        ("1", "0"), ("2", "1"), ("3", "2"), ("5", "4"), ("6", "5")
    ]  # fmt: skip
    assert section.count("| #snow #lake | **#lake** #ugly&#95;word |") == 5


def test_switches(make_run):
    """Would fail if the card claimed a modality that training withheld, or another dropout than there was."""
    run = make_run("--inputs", "text", "video", "--description_dropout", "0.25", "--num_guidance", "8")
    _, text = write(run)
    assert table_value(text, "description") == "withheld from 25 % of the rows"
    assert table_value(text, "frames") == "used" and table_value(text, "sound") == "not used"
    assert table_value(text, "guidance").startswith("8 hashtags, those that are true left out with a chance of 33.3 %")


def test_pool_with_hashtags_that_training_lacked(make_run):
    """Would fail if hashtags of no training row were told to be those of the training split."""
    run = make_run()
    HashtagPool(["snow", "lake"], torch.eye(2), counts=[2, 0]).save_pretrained(run.folders.pool)
    _, text = write(run)
    assert "2 hashtags, those of the training split and 1 that it does not have." in text
    assert "#snow (2)." in text and "#lake" not in text


@pytest.mark.parametrize("missing", MISSING, ids=" and ".join)
def test_missing_facts_leave_no_holes(make_run, missing):
    """Would fail if a fact that is not known left an empty heading, an empty table or a picture that is not there."""
    run = make_run()
    complete(run)
    for name in missing:
        remove(name, run)
    summary = SUMMARY if "records" not in missing else {k: v for k, v in SUMMARY.items() if k[:9] != "retrieval"}
    text = card_of(run, summary).text
    assert not holes(text), holes(text)
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert all((run.folders.checkpoint / picture).exists() for picture in pictures)
    assert len(pictures) == ("curve" not in missing)
    headings = {"predictions": "Examples", "empty predictions": "Examples", "pool": "Hashtag pool"}
    for name, heading in headings.items():
        assert name not in missing or f"## {heading}" not in text
    if not missing:
        assert all(f"## {heading}\n" in text for heading in headings.values())


def test_holes_are_found():
    """Would fail if the search for holes above found none where there are some."""
    for text in ("## A\n\n## B\nwords", "words\n## A\n", "| a |\n|---|\n\nwords", "is None", "a\n\n\nb"):
        assert holes(text), text
    assert not holes("# A\n\nwords\n\n## B\n\n| a |\n|---|\n| 1 |\n")
