"""Accumulated batches, against the gradients of PyTorch's own backward pass."""

import copy

import pytest
import torch
from plain_trainer_samples import Rows, make_parts, plain_trainer
from training_samples import SCRATCH
from transformers import Trainer

from transformers_ggm import DataCollatorForHashtagGeneration, GGMForHashtagClassification
from transformers_ggm.data import DataCollatorForHashtagClassification
from transformers_ggm.training.from_scratch import ScratchConfig

HASHTAGS = ["rain", "snow", "lake", "dog", "cat", "song", "night", "river"]


def generator_parts():
    model, processor, _ = make_parts()
    return model, DataCollatorForHashtagGeneration(processor, training=False)


def classifier_parts():
    _, processor, _ = make_parts()
    config = ScratchConfig(**SCRATCH).classifier_config(processor.tokenizer, HASHTAGS, ["text"], dropout=0.0)
    return GGMForHashtagClassification(config), DataCollatorForHashtagClassification(HASHTAGS, processor.tokenizer)


@pytest.mark.parametrize("accumulated", [1, 2, 4])
@pytest.mark.parametrize("make", [generator_parts, classifier_parts])
def test_step_is_that_of_the_whole_batch(make, accumulated, tmp_path):
    """
    Would fail if batches that are accumulated were added up where the whole is their mean, or if rows weighed
    otherwise in a small batch than in a large one: tokens of the generator, rows of the classifier.
    """
    model, collator = make()
    rows = Rows(8)
    before = copy.deepcopy(model).train()
    loss = before(**collator(list(rows))).loss
    loss.backward()
    trainer = plain_trainer(
        tmp_path, model, collator, rows, Trainer, gradient_accumulation_steps=accumulated,
        per_device_train_batch_size=8 // accumulated,
    )  # fmt: skip
    trainer.train()
    (logged,) = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert logged == pytest.approx(loss.item(), rel=1e-4)
    after = dict(model.named_parameters())
    for name, weight in before.named_parameters():
        if weight.grad is not None:
            torch.testing.assert_close(after[name], weight - weight.grad, atol=1e-5, rtol=1e-4, msg=name)
