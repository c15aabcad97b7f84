"""Tasks that the text itself gives, against a few lines of plain PyTorch."""

import copy
import logging
import random

import pytest
import torch
from plain_trainer_samples import Rows, make_parts
from trainer_samples import FAST, Killed, losses_of
from training_samples import SCRATCH, command_line, weights
from transformers import T5Config, TrainerCallback

from transformers_ggm import GGMConfig, GGMForHashtagGeneration, GGMTrainer, GGMTrainingArguments
from transformers_ggm.data import DataCollatorForHashtagGeneration
from transformers_ggm.errors import ArgumentError, CheckpointError
from transformers_ggm.training.automated_task_arguments import AUTOMATED_TASKS, AutomatedTaskArguments
from transformers_ggm.training.automated_task_inputs import AutomatedTaskCollator, Piece, pieces_of
from transformers_ggm.training.automated_tasks import (
    HEADS,
    HEADS_FILE,
    GGMAutomatedTaskDistillationTrainer,
    GGMAutomatedTaskTrainer,
)
from transformers_ggm.training.from_scratch import ScratchConfig
from transformers_ggm.training.main import parse_arguments

# One step over one batch, down the whole gradient.
ONE_STEP = {
    **FAST, "learning_rate": 1.0, "optim": "sgd", "max_grad_norm": 0.0, "max_steps": 1,
    "lr_scheduler_type": "constant", "save_strategy": "no", "report_to": "none",
}  # fmt: skip
TEXTS = ["the first snow of the year fell on a quiet lake", "what a night by the river it was", "rain", ""]


@pytest.fixture
def parts():
    model, processor, _ = make_parts()
    return model, processor


def dropping_parts():
    """A generator with dropout, and its processor."""
    torch.manual_seed(0)
    config = ScratchConfig(**{**SCRATCH, "text": {**SCRATCH["text"], "dropout": 0.2}})
    processor, _ = config.processors(TEXTS, ["snow", "lake"], max_text_length=64)
    return GGMForHashtagGeneration(config.generator_config(processor.tokenizer)), processor


def rows_of(texts, hashtags=("snow",), guidance=("lake", "rain")):
    clip = {"frames": None, "input_features": None}
    rows = [{"description": text, "hashtags": [*hashtags], "guidance": [*guidance]} for text in texts]
    return [{**clip, **row, "index": index} for index, row in enumerate(rows)]


def task_trainer(folder, parts, tasks=AUTOMATED_TASKS, weight=0.5, kind=GGMAutomatedTaskTrainer, **arguments):
    model, processor = parts
    of_kind = {name: arguments.pop(name) for name in ("teacher",) if name in arguments}
    if kind is not GGMTrainer:
        of_kind["automated_tasks"] = AutomatedTaskArguments([*tasks], weight)
    return kind(
        model, GGMTrainingArguments(str(folder), **{**ONE_STEP, **arguments}), train_dataset=Rows(8),
        eval_dataset=Rows(4), processing_class=processor, data_collator=DataCollatorForHashtagGeneration(processor),
        **of_kind,
    )  # fmt: skip


def cross_entropy(logits, labels):
    """The mean of -log p over what is not -100, written out."""
    chosen = labels != -100
    return -logits.log_softmax(-1)[chosen].gather(-1, labels[chosen][:, None]).mean()


def missing_word(model, heads, ids, mask, labels):
    return cross_entropy(encoded(model, ids, mask) @ model.model.shared.weight.T, labels)


def next_word(model, heads, ids, mask, labels):
    shifted = model.model.shared(labels.clamp(min=0)).roll(1, dims=1)
    shifted = torch.cat([heads.start.expand(len(labels), 1, -1), shifted[:, 1:]], dim=1)
    decoded = model.model.decoder(
        inputs_embeds=shifted, encoder_hidden_states=encoded(model, ids, mask), encoder_attention_mask=mask
    )
    return cross_entropy(decoded.last_hidden_state @ model.model.shared.weight.T, labels)


def next_character(model, heads, ids, mask, labels):
    head = heads.next_character
    means = torch.stack([row[of != 0].mean(0) for row, of in zip(encoded(model, ids, mask), mask)])
    hidden = torch.tanh(means @ head.first_state.weight.T + head.first_state.bias)[None]
    seen, logits = torch.full(labels[:, :1].shape, 256), []
    for place in range(labels.shape[1]):
        output, hidden = head.recurrent(head.embedding(seen), hidden)
        logits.append(head.output(output))
        seen = labels[:, place : place + 1].clamp(min=0)
    return cross_entropy(torch.cat(logits, dim=1), labels)


def encoded(model, ids, mask):
    return model.model.encoder.text_encoder(input_ids=ids, attention_mask=mask).last_hidden_state


BY_HAND = {"missing_word": missing_word, "next_word": next_word, "next_character": next_character}


def inputs_of(batch, task):
    return (batch[f"{task}_{name}"] for name in ("input_ids", "attention_mask", "labels"))


@pytest.mark.parametrize("accumulated", [1, 4])
@pytest.mark.parametrize("tasks", [*([task] for task in AUTOMATED_TASKS), AUTOMATED_TASKS], ids=str)
def test_step_goes_down_both_losses(parts, tmp_path, tasks, accumulated):
    """
    Would fail if a loss were another than that by hand, batches that are accumulated weighed otherwise than their
    tokens, or heads did not learn.
    """
    model, _ = parts
    trainer = task_trainer(
        tmp_path, parts, tasks, per_device_train_batch_size=8 // accumulated, gradient_accumulation_steps=accumulated
    )
    before, heads = copy.deepcopy(model).train(), copy.deepcopy(trainer.task_heads)
    trainer.data_collator.collator.set_epoch(0)
    batch = trainer.data_collator(list(Rows(8)))
    hard = before(**{name: batch[name] for name in ("input_ids", "attention_mask", "labels")}).loss
    loss = hard + 0.5 * sum(BY_HAND[task](before, heads, *inputs_of(batch, task)) for task in tasks)
    loss.backward()
    trainer.train()
    assert losses_of(trainer)[0] == pytest.approx(loss.item(), rel=1e-3)
    for trained, start in ((model, before), (trainer.task_heads, heads)):
        after = dict(trained.named_parameters())
        for name, weight in start.named_parameters():
            if weight.grad is not None:
                torch.testing.assert_close(after[name], weight - weight.grad, atol=1e-5, rtol=1e-3, msg=name)


def test_whole_words_are_masked(parts):
    """Would fail if a part of a word were left to be seen, other words than the labels' were hidden, or too few."""
    _, processor = parts
    processor.max_text_length = 512
    collator = AutomatedTaskCollator(DataCollatorForHashtagGeneration(processor), ["missing_word"])
    words = [f"{first}{second}" for first in ("snow", "lake", "night") for second in ("storm", "fall", "walk")] * 4
    for seed in range(5):
        (piece,) = pieces_of({"description": " ".join(words)}, processor)
        ids, labels = collator.missing_word([piece], random.Random(seed))
        whole = processor.tokenizer(" ".join(words))["input_ids"]
        assert [label if seen == collator.mask else seen for seen, label in zip(ids, labels)] == whole
        assert all((label != -100) == (seen == collator.mask) for seen, label in zip(ids, labels))
        left = processor.tokenizer.decode([seen for seen in ids if seen != collator.mask], skip_special_tokens=True)
        assert len(left.split()) == len(words) - round(0.15 * len(words))
        assert set(left.split()) <= set(words)


def test_chinese_characters_are_words(parts):
    """Would fail if a text without spaces were hidden as a whole."""
    _, processor = parts
    (piece,) = pieces_of({"description": "第一场雪 first"}, processor)
    assert [piece.text[begin:end] for begin, end in piece.words] == [*"第一场雪", "first"]


def test_a_text_is_as_long_as_the_generator_reads_it(parts):
    """Would fail if a long text were read further than there is room for, or withheld texts were."""
    _, processor = parts
    row = {"description": "snow " * 200, "transcript": "", "screen_text": "never read"}
    pieces = pieces_of(row, processor)
    collator = AutomatedTaskCollator(DataCollatorForHashtagGeneration(processor), ["missing_word"])
    assert [type(piece) for piece in pieces] == [Piece]
    assert len(collator.missing_word(pieces, random.Random(0))[0]) == processor.max_text_length
    withheld = DataCollatorForHashtagGeneration(processor, inputs=["video"])
    batch = AutomatedTaskCollator(withheld, AUTOMATED_TASKS)([*rows_of(["first snow"])])
    assert all((batch[f"{task}_labels"] == -100).all() for task in AUTOMATED_TASKS)


def test_next_characters_are_written_without_later_words(parts, tmp_path):
    """Would fail if the encoder read a word that is to be written, or a character were predicted by later ones."""
    _, processor = parts
    collator = AutomatedTaskCollator(DataCollatorForHashtagGeneration(processor), ["next_character"])
    text = TEXTS[0]
    (piece,) = pieces_of({"description": text}, processor)
    for seed in range(8):
        ids, written = collator.next_character([piece], random.Random(seed))
        read = processor.tokenizer.decode(ids, skip_special_tokens=True)
        assert read and text.startswith(read)
        assert read.strip() + " " + bytes(written).decode() == text
    head = task_trainer(tmp_path, parts).task_heads.next_character
    states, mask = torch.randn(1, 3, 16), torch.ones(1, 3, dtype=torch.int64)
    first = torch.tensor([[*b"snow is cold"]])
    second = torch.tensor([[*b"snow on lake"]])
    ours, others = (head(states, mask, labels) for labels in (first, second))
    assert torch.equal(ours[:, :6], others[:, :6])
    assert not torch.equal(ours[:, 6:], others[:, 6:])


def test_tasks_know_no_hashtags(parts):
    """Would fail if targets or guidance reached a task, or the decoder read the words that it is to write."""
    _, processor = parts
    collator = AutomatedTaskCollator(DataCollatorForHashtagGeneration(processor), AUTOMATED_TASKS)
    collator.collator.set_epoch(0)
    ours = collator(rows_of(TEXTS))
    others = collator(rows_of([f"{text} #lake" for text in TEXTS], ["night"], ["song"]))
    assert not torch.equal(ours["input_ids"], others["input_ids"])
    for name in ours:
        assert not name.startswith(AUTOMATED_TASKS) or torch.equal(ours[name], others[name]), name
    tokenizer = processor.tokenizer
    assert ours["next_word_input_ids"].tolist() == [[tokenizer.bos_token_id, tokenizer.eos_token_id]] * len(TEXTS)
    for labels, text in zip(ours["next_word_labels"], TEXTS):
        assert tokenizer.decode(labels[labels != -100], skip_special_tokens=True) == text


def test_draws_depend_on_seed_epoch_and_row(parts):
    """Would fail if a training that goes on masked other words, or an epoch the same as the one before."""
    _, processor = parts
    rows = rows_of(TEXTS)

    def drawn(epoch, order, seed=0):
        collator = AutomatedTaskCollator(DataCollatorForHashtagGeneration(processor, seed=seed), ["missing_word"])
        collator.collator.set_epoch(epoch)
        batch = collator([rows[index] for index in order])
        return {index: ids[ids != 1].tolist() for index, ids in zip(order, batch["missing_word_input_ids"])}

    assert drawn(0, [0, 1, 2]) == drawn(0, [2, 1, 0])
    assert drawn(0, [0, 1]) != drawn(1, [0, 1])
    assert drawn(0, [0, 1]) != drawn(0, [0, 1], seed=1)


def test_weight_0_is_as_without(tmp_path):
    """Would fail if tasks changed a training, its draws or its start, other than by their loss."""
    settings = {"max_steps": 3, "optim": "adamw_torch", "learning_rate": 1e-2, "per_device_train_batch_size": 4}
    without = task_trainer(tmp_path / "without", dropping_parts(), kind=GGMTrainer, **settings)
    without.train()
    zero = task_trainer(tmp_path / "zero", dropping_parts(), weight=0.0, **settings)
    zero.train()
    some = task_trainer(tmp_path / "some", dropping_parts(), weight=0.1, **settings)
    some.train()
    assert losses_of(without) == losses_of(zero) != losses_of(some)
    expected = without.model.state_dict()
    assert all(torch.equal(weight, expected[name]) for name, weight in zero.model.state_dict().items())


class KillAt(TrainerCallback):
    def __init__(self, step):
        self.step = step

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            raise Killed


@pytest.mark.contract
def test_resumed_training_ends_like_an_uninterrupted_one(tmp_path, caplog):
    """
    Would fail if heads or their optimizer's state were lost, other words were masked after a resume, or checkpoints
    held anything of the tasks.
    """
    settings = {
        "max_steps": 5, "optim": "adamw_torch", "learning_rate": 1e-2, "per_device_train_batch_size": 4,
        "save_strategy": "steps", "save_steps": 3,
    }  # fmt: skip
    plain = task_trainer(tmp_path / "plain", dropping_parts(), kind=GGMTrainer, **settings)
    plain.train()
    whole = task_trainer(tmp_path / "whole", dropping_parts(), **settings)
    whole.train()
    killed = task_trainer(tmp_path / "killed", dropping_parts(), **settings)
    killed.add_callback(KillAt(4))
    with pytest.raises(Killed):
        killed.train()
    again = task_trainer(tmp_path / "killed", dropping_parts(), **settings)
    with caplog.at_level(logging.WARNING):
        again.train(resume_from_checkpoint=True)
    assert HEADS not in caplog.text
    assert losses_of(again) == losses_of(whole)
    for ours, theirs in ((again.model, whole.model), (again.task_heads, whole.task_heads)):
        expected = theirs.state_dict()
        assert expected and all(torch.equal(weight, expected[name]) for name, weight in ours.state_dict().items())
    checkpoint = tmp_path / "whole" / "checkpoint-3"
    assert weights(checkpoint).keys() == weights(tmp_path / "plain" / "checkpoint-3").keys()
    assert {file.name for file in checkpoint.iterdir()} - {HEADS_FILE} == {
        file.name for file in (tmp_path / "plain" / "checkpoint-3").iterdir()
    }
    _, told = GGMForHashtagGeneration.from_pretrained(checkpoint, output_loading_info=True)
    assert not any(told.values())
    assert dict(again.model.named_parameters()).keys() == dict(plain.model.named_parameters()).keys()
    with pytest.raises(CheckpointError, match="other automated tasks"):
        task_trainer(tmp_path / "other", dropping_parts(), ["next_word"], **settings).train(str(checkpoint))


def test_best_model_is_loaded_without_heads(parts, tmp_path, caplog):
    """Would fail if what is loaded at the end of a training had to have heads, or evaluation had tasks."""
    trainer = task_trainer(
        tmp_path, parts, learning_rate=1e-2, max_steps=2, eval_strategy="steps", eval_steps=1, save_strategy="steps",
        save_steps=1, load_best_model_at_end=True, metric_for_best_model="loss", predict_with_generate=False,
    )  # fmt: skip
    with caplog.at_level(logging.WARNING):
        trainer.train()
    assert HEADS not in caplog.text
    assert trainer.evaluate()["eval_loss"] == pytest.approx(trainer.state.best_metric, rel=1e-4)
    model = copy.deepcopy(trainer.model).eval()
    batch = trainer.eval_data_collator(list(Rows(4)))
    assert model(**batch).loss.item() == pytest.approx(trainer.state.best_metric, rel=1e-4)


def test_beside_a_teacher(parts, tmp_path):
    """Would fail if the teacher were shown what is the tasks', or one of the two losses were lost."""
    model, _ = parts
    start = copy.deepcopy(model)
    teacher = copy.deepcopy(model)
    with torch.no_grad():
        teacher.model.shared.weight.mul_(1.5)
    found = {}
    for name, kind in (("both", GGMAutomatedTaskDistillationTrainer), ("tasks", GGMAutomatedTaskTrainer)):
        model.load_state_dict(start.state_dict())
        of_kind = {"teacher": copy.deepcopy(teacher)} if name == "both" else {}
        trainer = task_trainer(tmp_path / name, parts, kind=kind, **of_kind)
        trainer.train()
        found[name] = losses_of(trainer)[0]
        if name == "both":
            trainer.data_collator.collator.set_epoch(0)
            batch = trainer.data_collator.collator(list(Rows(8)))
    with torch.no_grad():
        ours, theirs = ((each.train()(**batch).logits / 2).log_softmax(-1) for each in (start, teacher))
    soft = (theirs.exp() * (theirs - ours)).sum(-1)[batch["labels"] != -100].mean()
    assert found["both"] == pytest.approx(found["tasks"] + 4 * soft.item(), rel=1e-3)


def test_bfloat16(parts, tmp_path):
    """Would fail if a task could not be computed in mixed precision."""
    half = task_trainer(tmp_path / "half", copy.deepcopy(parts), bf16=True)
    full = task_trainer(tmp_path / "full", parts)
    for trainer in (half, full):
        trainer.train()
    assert losses_of(half) != losses_of(full)
    assert losses_of(half) == pytest.approx(losses_of(full), rel=0.02)


def test_other_text_backbones(parts, tmp_path):
    """Would fail if a task could be learned by BART alone, or the states of T5 were not scaled for its head."""
    _, processor = parts
    text = T5Config(
        vocab_size=len(processor.tokenizer), d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, dropout_rate=0.0,
        decoder_start_token_id=1, pad_token_id=1, eos_token_id=3,
    )  # fmt: skip
    config = ScratchConfig(**SCRATCH).generator_config(processor.tokenizer)
    torch.manual_seed(0)
    model = GGMForHashtagGeneration(GGMConfig(config.vision_config, text))
    trainer = task_trainer(tmp_path, (model, processor), ["missing_word"], weight=1.0)
    before = copy.deepcopy(model).eval()
    trainer.data_collator.collator.set_epoch(0)
    batch = trainer.data_collator(list(Rows(8)))
    with torch.no_grad():
        hard = before(**{name: batch[name] for name in ("input_ids", "attention_mask", "labels")}).loss
        ids, mask, labels = inputs_of(batch, "missing_word")
        states = encoded(before, ids, mask) * 16**-0.5
        soft = cross_entropy(states @ before.model.shared.weight.T, labels)
    trainer.train()
    assert losses_of(trainer)[0] == pytest.approx((hard + soft).item(), rel=1e-3)
    every = task_trainer(tmp_path, (model, processor))
    every.train()
    assert all(weight.isfinite().all() for weight in model.parameters())


def test_a_trainer_needs_a_task(parts, tmp_path):
    """Would fail if a training went on that its arguments do not describe."""
    with pytest.raises(ArgumentError, match="has no task"):
        task_trainer(tmp_path, parts, [])


def test_train_with_tasks(finished, train):
    """Would fail if `train.py` left out the tasks, or a checkpoint had anything of them."""
    output = train(automated_tasks=["missing_word", "next_character"], automated_task_weight=0.5)
    ours, theirs = weights(output / "checkpoint"), weights(finished / "checkpoint")
    assert ours.keys() == theirs.keys()
    assert any(not torch.equal(weight, theirs[name]) for name, weight in ours.items())
    assert {file.name for file in (output / "checkpoint").iterdir()} == {
        file.name for file in (finished / "checkpoint").iterdir()
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"automated_tasks": ["next_sentence"]}, "choose some of"),
        ({"automated_tasks": ["next_word", "next_word"]}, "each once"),
        ({"automated_task_weight": -1}, "automated_task_weight"),
        ({"automated_tasks": ["next_word"], "generator": "instructed", "language_model": "x"}, "leave them out"),
    ],
    ids=str,
)
def test_arguments_that_mean_nothing(arguments, message, tmp_path):
    """Would fail if a training began that its arguments do not describe."""
    with pytest.raises(ArgumentError, match=message):
        parse_arguments(command_line(data_dir="unused", output_dir=tmp_path, **arguments))
