"""Distillation from a teacher, against a few lines of plain PyTorch."""

import copy
import logging

import pytest
import torch
from classifier_samples import train_miniature, write_reader, write_words
from trainer_samples import FAST, losses_of, make_models
from training_samples import command_line

from transformers_ggm import (
    GGMForHashtagClassification,
    GGMForHashtagGeneration,
    GGMTrainingArguments,
    RetrieverTrainingArguments,
)
from transformers_ggm.data import DataCollatorForHashtagGeneration, DataCollatorForHashtagRetrieval
from transformers_ggm.data.collator import is_true_of
from transformers_ggm.errors import ArgumentError
from transformers_ggm.modeling import hashtag_contrastive_loss
from transformers_ggm.training import main
from transformers_ggm.training.distillation import (
    GGMDistillationTrainer,
    RetrieverDistillationTrainer,
    binary_soft_loss,
    check_same_tokens,
    init_from_teacher,
    soft_cross_entropy,
    warn_if_far_behind,
)
from transformers_ggm.training.distillation_arguments import DistillationArguments
from transformers_ggm.training.main import parse_arguments

# One step over one batch, down the whole gradient.
ONE_STEP = {
    **FAST, "learning_rate": 1.0, "optim": "sgd", "max_grad_norm": 0.0, "max_steps": 1,
    "lr_scheduler_type": "constant", "save_strategy": "no", "report_to": "none",
}  # fmt: skip


def divergence(student, teacher, temperature):
    """KL(p_teacher || p_student), written out."""
    target, found = (torch.softmax(logits / temperature, -1) for logits in (teacher, student))
    return (target * (target.log() - found.log())).sum(-1)


def moved(model, seed=5):
    """Another model of the same kind: its teacher."""
    teacher = copy.deepcopy(model)
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in teacher.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return teacher


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_soft_losses_are_divergences(temperature):
    """Would fail if a distribution were softened on one side only, or the two were taken the other way round."""
    student, teacher = torch.randn(2, 3, 7)
    expected = divergence(student, teacher, temperature)
    torch.testing.assert_close(soft_cross_entropy(student, teacher, temperature), expected, atol=1e-6, rtol=1e-5)
    yes, sure = torch.sigmoid(student / temperature), torch.sigmoid(teacher / temperature)
    each = sure * (sure / yes).log() + (1 - sure) * ((1 - sure) / (1 - yes)).log()
    torch.testing.assert_close(binary_soft_loss(student, teacher, temperature), each.sum(-1), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("accumulated", [1, 2])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_generator_goes_down_both_losses(posts, tmp_path, accumulated, smoothing):
    """
    Would fail if padding counted, rows of a small batch weighed more than others, the teacher read other targets than
    its student, or label smoothing took them from it.
    """
    parts = make_models(posts)
    model, processor = parts[:2]
    rows = posts.select(range(8)).remove_columns("video")
    settings = DistillationArguments(distillation_alpha_hard=0.5, distillation_alpha_soft=3.0)
    teacher, before = moved(model), copy.deepcopy(model).train()
    collator = DataCollatorForHashtagGeneration(processor, training=False)
    arguments = GGMTrainingArguments(
        str(tmp_path), **{**ONE_STEP, "per_device_train_batch_size": 8 // accumulated},
        gradient_accumulation_steps=accumulated, label_smoothing_factor=smoothing,
    )  # fmt: skip
    trainer = GGMDistillationTrainer(
        model, arguments, train_dataset=rows, processing_class=processor, data_collator=collator, teacher=teacher,
        distillation=settings,
    )  # fmt: skip
    batch = collator([trainer.train_dataset[index] for index in range(8)])
    logits = before(**batch).logits
    labels = batch["labels"]
    hard = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), ignore_index=-100, label_smoothing=smoothing
    )
    with torch.no_grad():
        taught = teacher(**batch).logits
    soft = divergence(logits, taught, settings.distillation_temperature)[labels != -100].mean()
    loss = 0.5 * hard + 3.0 * soft
    loss.backward()
    trainer.train()
    assert losses_of(trainer)[0] == pytest.approx(loss.item(), rel=1e-3)
    after = dict(model.named_parameters())
    for name, weight in before.named_parameters():
        if weight.grad is not None:
            torch.testing.assert_close(after[name], weight - weight.grad, atol=1e-5, rtol=1e-3, msg=name)


def test_retriever_goes_down_both_losses(posts, tmp_path):
    """Would fail if hashtags were not taught which queries are theirs, or similarities were not scaled."""
    parts = make_models(posts)
    retriever, processor = parts[2:]
    teacher, before = moved(retriever), copy.deepcopy(retriever).train()
    collator = DataCollatorForHashtagRetrieval(processor, query="video", frames_per_clip=0)
    settings = DistillationArguments(distillation_alpha_soft=2.0, distillation_temperature=1.5)
    arguments = RetrieverTrainingArguments(str(tmp_path), **{**ONE_STEP, "per_device_train_batch_size": 16})
    batches = []

    class Noting(RetrieverDistillationTrainer):
        def soft_loss(self, outputs, inputs, num_items_in_batch):
            batches.append(inputs)
            return super().soft_loss(outputs, inputs, num_items_in_batch)

    trainer = Noting(
        retriever, arguments, train_dataset=posts, processing_class=processor, data_collator=collator,
        teacher=teacher, distillation=settings,
    )  # fmt: skip
    trainer.train()
    (batch,) = batches
    inputs = {name: value for name, value in batch.items() if not name.endswith("hashtag_ids")}
    outputs, taught = before(**inputs), teacher(**inputs)
    is_true = is_true_of(batch["hashtag_ids"], batch["true_hashtag_ids"])
    hard = hashtag_contrastive_loss(outputs.video_embeds, outputs.hashtag_embeds, outputs.logit_scale, is_true)
    ours, theirs = (each.logit_scale * each.video_embeds @ each.hashtag_embeds.T for each in (outputs, taught))
    soft = (divergence(ours, theirs, 1.5).mean() + divergence(ours.T, theirs.T, 1.5).mean()) / 2
    assert losses_of(trainer)[0] == pytest.approx((hard + 2 * soft).item(), rel=1e-3)


def test_weight_of_the_teacher_falls(posts, tmp_path):
    """Would fail if the teacher weighed as much at the end as at the start."""
    settings = DistillationArguments(distillation_alpha_soft=4.0, distillation_alpha_soft_end=1.0)
    assert [settings.alpha_soft(share) for share in (0, 0.5, 1)] == [4.0, 2.5, 1.0]
    model, processor, *_ = make_models(posts)
    asked = []

    class Noting(GGMDistillationTrainer):
        def soft_loss(self, outputs, inputs, num_items_in_batch):
            asked.append(self.state.global_step / self.state.max_steps)
            return super().soft_loss(outputs, inputs, num_items_in_batch)

    arguments = GGMTrainingArguments(str(tmp_path), **{**ONE_STEP, "max_steps": 4, "learning_rate": 1e-3})
    rows = posts.remove_columns("video")
    Noting(model, arguments, train_dataset=rows, processing_class=processor, teacher=moved(model)).train()
    assert asked == [0, 0.25, 0.5, 0.75]


def test_teacher_stays_as_it_is(posts, tmp_path):
    """Would fail if the teacher learned, dropped units, or was asked in evaluation."""
    model, processor, *_ = make_models(posts)
    teacher = moved(model).train()
    weights = copy.deepcopy(teacher.state_dict())
    rows = posts.remove_columns("video")
    trainer = GGMDistillationTrainer(
        model, GGMTrainingArguments(str(tmp_path), **{**ONE_STEP, "predict_with_generate": False}),
        train_dataset=rows, eval_dataset=rows, processing_class=processor, teacher=teacher,
    )  # fmt: skip
    trainer.train()
    assert not teacher.training and not any(weight.requires_grad for weight in teacher.parameters())
    assert all(torch.equal(weight, weights[name]) for name, weight in teacher.state_dict().items())
    trainer.teach = None
    assert trainer.evaluate()["eval_loss"] > 0


def test_weights_reach_as_far_as_the_teachers(posts):
    """Would fail if a larger student got weights of other places, or none."""
    teacher = make_models(posts)[0]
    config = copy.deepcopy(teacher.config)
    config.text_config.encoder_ffn_dim += 8
    config.text_config.encoder_layers += 1
    student = GGMForHashtagGeneration(config)
    name = "model.encoder.text_encoder.layers.0.fc1.weight"
    fresh = student.get_parameter(name)[-8:].clone()
    assert init_from_teacher(student, teacher) == sum(weight.numel() for weight in teacher.parameters())
    assert torch.equal(student.get_parameter(name)[:-8], teacher.get_parameter(name))
    assert torch.equal(student.get_parameter(name)[-8:], fresh)


def test_tokens_have_to_be_the_same(posts):
    """Would fail if a teacher of other tokens taught at random."""
    tokenizer = make_models(posts)[1].tokenizer
    check_same_tokens(tokenizer, copy.deepcopy(tokenizer), "teacher")
    other = copy.deepcopy(tokenizer)
    other.add_tokens(["#newtrend"])
    with pytest.raises(ArgumentError, match="another tokenizer"):
        check_same_tokens(tokenizer, other, "teacher")


def test_a_teacher_far_behind_is_told_of(caplog):
    """Would fail if a teacher that harms were not told of, or one that helps were."""
    with caplog.at_level(logging.WARNING, logger="transformers_ggm"):
        warn_if_far_behind(57.8, 60.0, "rouge1")
        assert not caplog.records
        warn_if_far_behind(47.0, 60.0, "rouge1")
    assert "47.0 against 60.0" in caplog.text


@pytest.mark.parametrize("init", [pytest.param(False, marks=pytest.mark.slow), True])
def test_train_with_a_teacher(finished, train, init):
    """Would fail if `train.py` left out the teacher of a stage, or a checkpoint taught by one were another kind."""
    output = train(teacher=finished / "checkpoint", init_from_teacher=init)
    ours, theirs = (GGMForHashtagGeneration.from_pretrained(each / "checkpoint") for each in (output, finished))
    assert any(not torch.equal(weight, theirs.state_dict()[name]) for name, weight in ours.state_dict().items())
    assert {file.name for file in (output / "checkpoint").iterdir()} == {
        file.name for file in (finished / "checkpoint").iterdir()
    }


def test_train_a_classifier_with_a_teacher(tmp_path):
    """Would fail if the classifier had no teacher, or one with other hashtags were taken."""
    words = write_words(tmp_path / "words")
    reader = write_reader(tmp_path / "reader.json")
    given = {"data_dir": words, "scratch_config": reader, "classifier_num_train_epochs": 1}
    alone = train_miniature(tmp_path / "alone", **given)
    (tmp_path / "teacher").mkdir()
    (tmp_path / "teacher" / "classifier").symlink_to(alone.folders.classifier)
    taught = train_miniature(tmp_path / "taught", **given, teacher=tmp_path / "teacher")
    ours, theirs = (
        GGMForHashtagClassification.from_pretrained(run.folders.classifier).state_dict() for run in (taught, alone)
    )
    assert any(not torch.equal(weight, theirs[name]) for name, weight in ours.items())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"distillation_alpha_soft": -1}, "distillation_alpha_soft"),
        ({"distillation_temperature": 0}, "distillation_temperature"),
        ({"init_from_teacher": True}, "needs a `teacher`"),
        ({"teacher": "x", "generator": "instructed", "language_model": "y"}, "leave it out"),
    ],
    ids=str,
)
def test_arguments_that_mean_nothing(arguments, message, tmp_path):
    """Would fail if a training began that its arguments do not describe."""
    with pytest.raises(ArgumentError, match=message):
        parse_arguments(command_line(data_dir="unused", output_dir=tmp_path, **arguments))


def test_a_teacher_that_is_not_there(shorts_dir, scratch_config, tmp_path):
    """Would fail if the generator were trained without the teacher that was named."""
    line = command_line(data_dir=shorts_dir, output_dir=tmp_path, scratch_config=scratch_config, teacher="nowhere")
    with pytest.raises(ArgumentError, match="name the folder of a whole checkpoint"):
        main([*line, "--num_guidance", "0", "--stages", "prepare", "generator"])
