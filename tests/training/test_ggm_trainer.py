"""The generator's trainer, as a notebook uses it: a plain dataset, and nothing of `train.py`."""

import json
from dataclasses import replace

import pytest
import torch
from datasets import Dataset, DatasetDict
from huggingface_hub import ModelCard
from trainer_samples import FORMS, Killed, ggm_trainer, losses_of, make_models
from training_samples import weights
from transformers import Seq2SeqTrainingArguments

from transformers_ggm import (
    DataCollatorForHashtagGeneration,
    GGMForHashtagGeneration,
    GGMProcessor,
    GGMTrainer,
    GGMTrainingArguments,
)
from transformers_ggm.data import decode_split, load_prepared
from transformers_ggm.data.prepare import ClipOptions, WorkOptions, prepare_shorts
from transformers_ggm.errors import ArgumentError, DatasetError
from transformers_ggm.evaluation import hashtag_metrics
from transformers_ggm.training import callbacks
from transformers_ggm.training.run_records import TrainingRecord

GUIDANCE = ["snow", "lake", "dog", "winter"]


def test_every_form_of_a_clip_is_learnt_alike(posts, tmp_path):
    """Would fail if how a user keeps the clips changed what is learnt, or workers could not read a form."""
    posts = posts.select(range(8))
    trained = {}
    for form, make in FORMS.items():
        workers = 1 if form == "Video of bytes" else 0
        rows = make(posts, make_models(posts)[1])
        trainer = ggm_trainer(tmp_path / form, rows, dataloader_num_workers=workers, save_strategy="no")
        trainer.train()
        trained[form] = losses_of(trainer)
    assert len(trained["paths"]) == 1
    assert all(losses == trained["paths"] for losses in trained.values())


def test_further_columns_change_nothing(posts, tmp_path):
    """Would fail if a dataset had to be stripped of what is not for the model, or the rest confused the trainer."""
    posts = posts.select(range(8))
    more = posts.add_column("label", list(range(8))).add_column("input_ids", [[1, 2]] * 8)
    trainers = [ggm_trainer(tmp_path / str(index), rows) for index, rows in enumerate((posts, more))]
    for trainer in trainers:
        trainer.train()
    assert losses_of(trainers[0]) == losses_of(trainers[1])


def test_metrics_are_those_of_the_predictions(posts, validation, tmp_path):
    """Would fail if validation had metrics of other rows, of cut off hashtags, or of what is drawn for training."""
    trainer = ggm_trainer(tmp_path, posts, validation, per_device_eval_batch_size=3, eval_strategy="epoch")
    trainer.train()
    logged = [entry for entry in trainer.state.log_history if "eval_rouge1" in entry]
    metrics, output = trainer.evaluate(), trainer.predict(validation)
    predictions = trainer.processing_class.decode_hashtags(output.predictions)
    assert len(predictions) == len(validation) == 4
    expected = hashtag_metrics(predictions, validation["hashtags"][:])
    assert {name: metrics[f"eval_{name}"] for name in expected} == pytest.approx(expected)
    assert {name: logged[-1][f"eval_{name}"] for name in expected} == pytest.approx(expected)
    assert {name: output.metrics[f"test_{name}"] for name in expected} == pytest.approx(expected)


def test_several_validation_sets(posts, validation, tmp_path):
    """Would fail if a `DatasetDict` could not be validated on by name."""
    splits = DatasetDict({"a": validation.select([0, 1]), "b": validation.select([2, 3])})
    metrics = ggm_trainer(tmp_path, posts, splits).evaluate()
    assert {"eval_a_f1", "eval_b_f1", "eval_b_loss"} <= metrics.keys()


def test_guidance_is_read_and_dropped(posts, tmp_path):
    """Would fail if the column `guidance` did not reach the model, or training showed it every true hashtag."""
    posts = Dataset.from_dict({"description": ["a"] * 8, "hashtags": [["snow"]] * 8, "guidance": [GUIDANCE] * 8})
    trainer = ggm_trainer(tmp_path, posts, posts)
    tokenizer = trainer.processing_class.tokenizer
    train, evaluated = (
        tokenizer.batch_decode(next(iter(loader))["input_ids"], skip_special_tokens=True)
        for loader in (trainer.get_train_dataloader(), trainer.get_eval_dataloader())
    )
    assert len({*evaluated}) == 1 and all(f"#{tag}" in evaluated[0] for tag in GUIDANCE)
    assert 0 < sum("#snow" in text for text in train) < 8 and all("#lake" in text for text in train)


def test_own_collator_decides(posts, tmp_path):
    """Would fail if a user's collator were passed over, or its training draws came into the evaluation."""
    parts = make_models(posts)
    collator = DataCollatorForHashtagGeneration(parts[1], guidance_dropout=1.0, inputs=["text"], seed=3)
    posts = posts.add_column("guidance", posts["hashtags"][:])
    trainer = ggm_trainer(tmp_path, posts, posts, parts=parts, data_collator=collator)
    assert trainer.data_collator is collator
    assert trainer.eval_data_collator == replace(collator, training=False)
    shown = next(iter(trainer.get_train_dataloader()))
    assert "pixel_values_videos" not in shown and "#" not in "".join(
        parts[1].tokenizer.batch_decode(shown["input_ids"])
    )
    assert "#" in "".join(parts[1].tokenizer.batch_decode(next(iter(trainer.get_eval_dataloader()))["input_ids"]))


def test_labels_are_smoothed(posts, tmp_path):
    """Would fail if label smoothing, of which transformers keeps the labels from the model, ended in an error."""
    trainer = ggm_trainer(tmp_path, posts, posts, label_smoothing_factor=0.1)
    trainer.train()
    assert trainer.evaluate()["eval_loss"] > 0


def test_saved_model_is_whole(posts, validation, tmp_path):
    """Would fail if what is saved could not be loaded again, or its processor were missing."""
    trainer = ggm_trainer(tmp_path / "run", posts)
    trainer.train()
    trainer.save_model(str(tmp_path / "saved"))
    loaded = GGMForHashtagGeneration.from_pretrained(tmp_path / "saved")
    expected = trainer.model.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.state_dict().items())
    processor = GGMProcessor.from_pretrained(tmp_path / "saved")
    assert processor.to_dict() == trainer.processing_class.to_dict()
    again = ggm_trainer(tmp_path / "again", posts, parts=(loaded, processor))
    assert (again.predict(validation).predictions == trainer.predict(validation).predictions).all()


def test_resumed_training_ends_like_an_uninterrupted_one(posts, tmp_path, monkeypatch):
    """Would fail if a training that was killed in an epoch went on with other draws, rows or weights."""
    settings = {"num_train_epochs": 2, "per_device_train_batch_size": 4, "save_strategy": "steps", "save_steps": 3}
    posts = posts.add_column("guidance", posts["hashtags"][:])
    ggm_trainer(tmp_path / "whole", posts, **settings).train()

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == 5:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(callbacks.EpochCallback, "on_step_begin", on_step_begin, raising=False)
        with pytest.raises(Killed):
            ggm_trainer(tmp_path / "killed", posts, **settings).train()
    ggm_trainer(tmp_path / "killed", posts, **settings).train(resume_from_checkpoint=True)
    whole, resumed = (weights(tmp_path / name / "checkpoint-8") for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_rows_without_hashtags_are_predicted(posts, validation, tmp_path):
    """Would fail if the clips that hashtags are wanted for had to have some, or left the order of the rows."""
    trainer = ggm_trainer(tmp_path, posts, per_device_eval_batch_size=4)
    known = trainer.predict(validation).predictions
    unknown = trainer.predict(validation.remove_columns("hashtags"))
    assert unknown.label_ids is None and (unknown.predictions == known).all()


def test_clips_that_were_decoded_once_are_learnt_like_files(posts, shorts_dir, tmp_path):
    """Would fail if prepared or decoded clips could not be trained on, or guidance did not reach them."""
    clip = ClipOptions(lossless=True, frames_per_second=1.0, sampling_rate=8000)
    prepare_shorts(shorts_dir, tmp_path / "prepared", clip=clip, work=WorkOptions(num_workers=1))
    parts = make_models(posts)
    forms = {
        "files": posts,
        "prepared": load_prepared(tmp_path / "prepared")["train"],
        "decoded": decode_split(posts, tmp_path / "train.arrow", parts[1], parts[3]),
    }
    losses = {}
    for form, rows in forms.items():
        rows = rows.add_column("guidance", [GUIDANCE] * len(rows))
        trainer = ggm_trainer(tmp_path / form, rows)
        trainer.train()
        losses[form] = losses_of(trainer)
        if form != "files":
            ggm_trainer(tmp_path / form, rows, train_sampling_strategy="group_by_length").train()
    assert losses["files"] == losses["prepared"] == losses["decoded"] and len(losses["files"]) == 2


def test_card_tells_what_the_trainer_knows(posts, validation, tmp_path):
    """Would fail if the card of a pushed model told of another training, or had holes."""
    trainer = ggm_trainer(
        tmp_path / "tags", posts, validation, eval_strategy="epoch", load_best_model_at_end=True, num_train_epochs=2
    )
    trainer.train()
    trainer.create_model_card(license="mit", language="en", dataset="someone/clips")
    card = ModelCard.load(tmp_path / "tags" / "README.md")
    assert card.data.license == "mit" and card.data.datasets == "someone/clips"
    assert card.data.pipeline_tag == "video-text-to-text" and "hashtag-generation" in card.data.tags
    assert "# tags\n" in card.text and "It learnt from 16 rows." in card.text
    assert "| `learning_rate` | 0.001 |" in card.text and "| `guidance_dropout` | 0.3333 |" in card.text
    best = trainer.state.best_global_step
    (figures,) = [entry for entry in trainer.state.log_history if entry["step"] == best and "eval_f1" in entry]
    assert f"| published step | {best} |" in card.text and f"| F1 | {figures['eval_f1']:.2f} |" in card.text
    assert not any(hole in card.text for hole in ("{{", "{%", "None", "\n\n\n", str(tmp_path)))
    assert TrainingRecord(trainer.args.output_dir).read()["outcome"]["steps"] == 4


def test_pushed_model_can_be_loaded(hub, posts, tmp_path):
    """Would fail if `push_to_hub` sent a model that nobody can load, or without its card."""
    trainer = ggm_trainer(tmp_path / "run", posts, hub_model_id="someone/tags")
    trainer.train()
    trainer.push_to_hub()
    files = hub.repositories["someone/tags"].commit("main").files
    assert not any(name.startswith("checkpoint-") for name in files)
    assert 'from_pretrained("someone/tags")' in files["README.md"].decode()
    loaded = GGMForHashtagGeneration.from_pretrained("someone/tags")
    expected = trainer.model.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.state_dict().items())
    assert GGMProcessor.from_pretrained("someone/tags").decode_hashtags([[]]) == [[]]


def test_what_cannot_be_trained_with_is_told(posts, tmp_path):
    """Would fail if a user who forgot something got an error of a library instead of what to do."""
    model, processor, *_ = make_models(posts)
    with pytest.raises(ArgumentError, match="`processing_class` is missing"):
        GGMTrainer(model, GGMTrainingArguments(str(tmp_path)), train_dataset=posts)
    with pytest.raises(ArgumentError, match="`remove_unused_columns` must be False"):
        GGMTrainer(model, Seq2SeqTrainingArguments(str(tmp_path)), train_dataset=posts, processing_class=processor)
    for name in ("remove_unused_columns", "batch_eval_metrics"):
        with pytest.raises(ArgumentError, match=f"`{name}` cannot be set"):
            GGMTrainingArguments(str(tmp_path), **{name: True})
    with pytest.raises(ArgumentError, match="`learning_rate` is -1"):
        GGMTrainingArguments(str(tmp_path), learning_rate=-1.0)
    with pytest.raises(DatasetError, match="`eval_dataset` has no column 'hashtags'"):
        ggm_trainer(tmp_path, posts, posts.remove_columns("hashtags"))
    with pytest.raises(DatasetError, match=r"`eval_dataset\['a'\]` has no column 'hashtags'"):
        ggm_trainer(tmp_path, posts, {"a": posts.remove_columns("hashtags")})
    with pytest.raises(ArgumentError, match="'group_by_length' has to know"):
        ggm_trainer(tmp_path, posts, train_sampling_strategy="group_by_length").train()


def test_arguments_are_the_papers():
    """Would fail if a notebook trained with other settings than `train.py` and the released research code."""
    arguments = GGMTrainingArguments("unused", use_cpu=True)
    settings = (arguments.learning_rate, arguments.num_train_epochs, arguments.warmup_steps, arguments.max_grad_norm)
    assert settings == (5e-5, 30.0, 20, 1.0) and arguments.per_device_train_batch_size == 32
    assert arguments.predict_with_generate and arguments.metric_for_best_model == "rouge1"
    assert json.dumps(arguments.to_sanitized_dict())
