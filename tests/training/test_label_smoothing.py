"""Smoothed labels, against PyTorch's own cross-entropy."""

import copy

import pytest
import torch
from plain_trainer_samples import Rows, make_parts, plain_trainer
from process_samples import train_in_two_processes
from training_samples import command_line, losses
from transformers import BartConfig, MBartConfig, ViTConfig

from transformers_ggm import DataCollatorForHashtagGeneration, GGMConfig, GGMForHashtagGeneration

SMOOTHING = 0.2


@pytest.fixture
def parts():
    return make_parts()


def smoothed(model, batch):
    """The loss of a batch, by PyTorch."""
    logits = model(**{name: value for name, value in batch.items() if name != "decoder_input_ids"}).logits
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), batch["labels"].flatten(), ignore_index=-100, label_smoothing=SMOOTHING
    )


@pytest.mark.parametrize("accumulated", [1, 2, 4])
def test_step_goes_down_the_smoothed_loss(parts, tmp_path, accumulated):
    """
    Would fail if the trainer could not smooth, or if rows with few tokens in a small batch weighed more than others.
    """
    model, processor, _ = parts
    collator = DataCollatorForHashtagGeneration(processor, training=False, model=model)
    rows = Rows(8)
    before = copy.deepcopy(model).train()
    loss = smoothed(before, collator(list(rows)))
    loss.backward()
    trainer = plain_trainer(
        tmp_path, model, collator, rows, label_smoothing_factor=SMOOTHING, gradient_accumulation_steps=accumulated,
        per_device_train_batch_size=8 // accumulated,
    )  # fmt: skip
    trainer.train()
    (logged,) = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert logged == pytest.approx(loss.item(), rel=1e-4)
    after = dict(model.named_parameters())
    for name, weight in before.named_parameters():
        if weight.grad is not None:
            torch.testing.assert_close(after[name], weight - weight.grad, atol=1e-5, rtol=1e-4, msg=name)
    assert any(not torch.equal(after[name], weight) for name, weight in before.named_parameters())


@pytest.mark.parametrize("generate", [True, False])
def test_evaluation_is_smoothed_too(parts, tmp_path, generate):
    """
    Would fail if the validation loss were another one than that of training, or generation went on from the labels.
    """
    model, processor, _ = parts
    collator = DataCollatorForHashtagGeneration(processor, training=False, model=model)
    rows = Rows(8)
    trainer = plain_trainer(
        tmp_path, model, collator, rows, label_smoothing_factor=SMOOTHING, predict_with_generate=generate,
        per_device_eval_batch_size=8,
    )  # fmt: skip
    written = []
    trainer.compute_metrics = (lambda prediction: written.append(prediction.predictions) or {}) if generate else None
    batch = collator(list(rows))
    with torch.no_grad():
        expected = smoothed(model.eval(), batch).item()
    assert trainer.evaluate()["eval_loss"] == pytest.approx(expected, rel=1e-4)
    if generate:
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        ids = model.generate(**inputs).numpy()
        assert (written[0][:, : ids.shape[1]] == ids).all()


@pytest.mark.parametrize("text_config", [BartConfig, MBartConfig])
def test_decoder_inputs_are_the_models_own(parts, text_config):
    """Would fail if the batch began with another token than the model begins with, which for mBART is the language."""
    size = {"encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    vision = ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32)
    text = text_config(vocab_size=400, d_model=16, pad_token_id=1, decoder_start_token_id=2, **size, **heads)
    model = GGMForHashtagGeneration(GGMConfig(vision, text))
    processor = parts[1]
    batch = DataCollatorForHashtagGeneration(processor, model=model)(list(Rows(4)))
    assert torch.equal(batch["decoder_input_ids"], model.prepare_decoder_input_ids_from_labels(batch["labels"]))
    assert "decoder_input_ids" not in DataCollatorForHashtagGeneration(processor)(list(Rows(4)))


@pytest.mark.slow
def test_loss_curve_is_that_of_one_process(shorts_dir, scratch_config, train, tmp_path):
    """Would fail if two processes weighed the tokens of a smoothed loss otherwise than one does."""
    settings = {"label_smoothing_factor": SMOOTHING, "num_guidance": 0, "stages": ["prepare", "generator"]}
    one, two = train(tmp_path / "one", **settings), tmp_path / "two"
    line = command_line(
        data_dir=shorts_dir, output_dir=two, scratch_config=scratch_config, per_device_train_batch_size=4, **settings
    )
    train_in_two_processes(line)
    expected = losses(one / "runs" / "generator")
    assert len(expected) == 4 and losses(two / "runs" / "generator") == pytest.approx(expected, rel=1e-4)
