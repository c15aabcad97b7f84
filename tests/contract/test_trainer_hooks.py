"""What transformers' `Trainer` asks of itself, and so of ours, which override it."""

import inspect

import pytest
import torch
from torch import nn
from torch.utils.data import SequentialSampler
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from transformers_ggm.training.shorts_trainer import ShortsTrainerMixin

pytestmark = pytest.mark.contract
# Those that trainers of this package override, and those of its base that they call.
HOOKS = (
    "_get_train_sampler", "_get_eval_sampler", "_load_from_checkpoint", "_prepare_inputs", "compute_loss",
    "evaluation_loop", "get_train_dataloader", "get_eval_dataloader", "get_test_dataloader", "prediction_step",
    "get_batch_samples", "_save_optimizer_and_scheduler", "_load_optimizer_and_scheduler",
)  # fmt: skip


class Line(nn.Module):
    """y = wx"""

    accepts_loss_kwargs = True

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x, labels=None, num_items_in_batch=None):
        self.num_items_in_batch = num_items_in_batch
        predicted = self.weight * x
        return (
            {"logits": predicted}
            if labels is None
            else {"loss": (predicted - labels).square().mean(), "logits": predicted}
        )


class Recorder:
    """Notes the calls of the hooks with what they are called with."""

    def __init__(self, *args, **kwargs):
        self.calls = {}
        super().__init__(*args, **kwargs)


def recorded(name):
    def hook(self, *args, **kwargs):
        self.calls.setdefault(name, []).append((args, kwargs))
        return getattr(super(Recorder, self), name)(*args, **kwargs)

    return hook


for _name in HOOKS:
    setattr(Recorder, _name, recorded(_name))


class RecordingTrainer(Recorder, Trainer):
    """`Trainer`, each hook of which is noted."""


class Epochs(TrainerCallback):
    """Notes what callbacks are told."""

    def __init__(self):
        self.epochs = []

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.epochs.append(state.epoch)


ROWS = [{"x": float(number), "labels": 3.0 * number} for number in range(8)]


def as_batch(rows):
    return {name: torch.tensor([row[name] for row in rows]) for name in rows[0]}


@pytest.fixture
def trainer(tmp_path):
    settings = {
        "learning_rate": 0.01, "per_device_train_batch_size": 4, "num_train_epochs": 2, "save_strategy": "epoch",
        "eval_strategy": "epoch", "metric_for_best_model": "eval_loss", "load_best_model_at_end": True,
        "remove_unused_columns": False, "report_to": "none", "use_cpu": True, "disable_tqdm": True, "optim": "sgd",
    }  # fmt: skip
    arguments = TrainingArguments(output_dir=str(tmp_path), **settings)
    return RecordingTrainer(
        Line(), arguments, train_dataset=ROWS, eval_dataset=ROWS, data_collator=as_batch, callbacks=[Epochs()]
    )


def test_every_hook_is_called(trainer, tmp_path):
    """
    Would fail if `Trainer` went other ways than those that our trainers override: they would stand there for nothing.
    """
    trainer.train()
    trainer.predict([{"x": row["x"]} for row in ROWS])
    of_resume = {"_load_from_checkpoint", "_load_optimizer_and_scheduler"}
    assert set(HOOKS) - of_resume == set(trainer.calls) - of_resume
    (checkpoint, *_) = sorted(tmp_path.glob(f"{PREFIX_CHECKPOINT_DIR}-*"))
    trainer.train(resume_from_checkpoint=str(checkpoint))
    for name in of_resume:
        args, kwargs = trainer.calls[name][-1]
        assert (*args, *kwargs.values())[0] == str(checkpoint)


def test_losses_know_of_all_targets_of_a_step(trainer):
    """Would fail if batches that are accumulated were weighed by their number, not by their targets."""
    trainer.train()
    first, *_ = trainer.calls["compute_loss"]
    assert int(first[1]["num_items_in_batch"]) == 4 and not first[1].get("return_outputs")


def test_predictions_need_no_labels(trainer):
    """Would fail if rows that are to be predicted had to have targets."""
    output = trainer.predict([{"x": 2.0}])
    assert output.label_ids is None and output.predictions.shape == (1,)
    args, kwargs = trainer.calls["prediction_step"][0]
    assert len((*args, *kwargs)) == 4


def test_collators_are_asked_for_when_loaders_are_made(trainer):
    """Would fail if evaluation shuffled and dropped what training is to, since the collator was taken before."""
    trainer.train_dataset = ROWS[:6]
    trainer.data_collator = lambda rows: {"collated": len(rows)}
    trainer.args.dataloader_drop_last = True
    loader = trainer.get_train_dataloader()
    trainer.args.dataloader_drop_last = False
    trainer.data_collator = as_batch
    assert [batch["collated"] for batch in loader] == [4]
    assert "x" in next(iter(trainer.get_eval_dataloader()))


def test_own_gathering_is_kept_in_evaluation(trainer):
    """Would fail if the rows that fill up a last batch of several processes counted twice in the metrics."""
    gathered = []

    def gather(tensors):
        gathered.append(tensors)
        return tensors

    trainer.gather_function = gather
    trainer.evaluate()
    assert gathered
    assert callable(trainer.accelerator.gather_for_metrics)


def test_samplers_are_those_that_are_given(trainer, monkeypatch):
    """Would fail if predictions came in another order than the rows, or batches of like length were mixed."""
    monkeypatch.setattr(
        type(trainer), "_get_train_sampler", lambda self, dataset=None: SequentialSampler(dataset or ROWS)
    )
    monkeypatch.setattr(type(trainer), "_get_eval_sampler", lambda self, dataset: SequentialSampler(dataset))
    for loader in (trainer.get_train_dataloader(), trainer.get_eval_dataloader(ROWS)):
        assert torch.cat([batch["x"] for batch in loader]).tolist() == [row["x"] for row in ROWS]


def test_the_card_is_written_before_the_push(trainer, hub, tmp_path, monkeypatch):
    """Would fail if a push sent the card of `Trainer` in the place of ours, or called ours without what it needs."""
    written = {}

    def create_model_card(self, model_name=None, license=None, **kwargs):
        written.update(model_name=model_name, license=license, repository=self.hub_model_id, more=kwargs)
        (tmp_path / "README.md").write_text("ours")

    monkeypatch.setattr(type(trainer), "create_model_card", create_model_card)
    trainer.args.hub_model_id = "someone/line"
    trainer.push_to_hub(license="mit")
    assert written == {"model_name": "line", "license": "mit", "repository": "someone/line", "more": {}}
    assert hub.repositories["someone/line"].commit("main").files["README.md"] == b"ours"
    ours, theirs = (inspect.signature(kind.create_model_card) for kind in (ShortsTrainerMixin, Trainer))
    assert [*ours.parameters] == [*theirs.parameters]


def test_the_course_is_told(trainer, tmp_path):
    """Would fail if neither epochs nor the best step could be told from the state of a training."""
    trainer.train()
    epochs = next(each for each in trainer.callback_handler.callbacks if isinstance(each, Epochs)).epochs
    assert [int(epoch) for epoch in epochs] == [0, 1]
    assert trainer.state.best_global_step == 4
    assert not trainer.is_fsdp_enabled
    assert {entry["step"] for entry in trainer.state.log_history if "eval_loss" in entry} == {2, 4}
    assert (tmp_path / f"{PREFIX_CHECKPOINT_DIR}-4" / "trainer_state.json").is_file()
