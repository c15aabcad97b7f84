"""What arguments that transformers has do in this package's trainings, where that could go astray."""

import json
import shutil
from functools import partial

import pytest
from plain_trainer_samples import Rows, make_parts, plain_trainer
from training_samples import command_line, losses

from transformers_ggm import DataCollatorForHashtagGeneration, GGMTrainer
from transformers_ggm.errors import ArgumentError
from transformers_ggm.training import callbacks, main
from transformers_ggm.training.classifier import classifier_training_arguments
from transformers_ggm.training.generator import generator_training_arguments
from transformers_ggm.training.main import parse_arguments
from transformers_ggm.training.retriever import retriever_training_arguments


def test_too_few_rows_for_a_batch(shorts_dir, scratch_config, tmp_path):
    """
    Would fail if a training without a single batch began, or the rows that decoding leaves were not counted again.
    """
    settings = {"data_dir": shorts_dir, "scratch_config": scratch_config, "dataloader_drop_last": True}
    with pytest.raises(ArgumentError, match=r"`dataloader_drop_last`.*there are 16.*batch of 17"):
        main(command_line(**settings, output_dir=tmp_path / "run", per_device_train_batch_size=17))
    assert not list(tmp_path.iterdir())
    trainer = generation_trainer(tmp_path, dataloader_drop_last=True, per_device_train_batch_size=9)
    with pytest.raises(ArgumentError, match="`dataloader_drop_last`"):
        trainer.train()


def generation_trainer(output_dir, **arguments):
    """The generator's trainer on eight rows."""
    model, processor, _ = make_parts()
    collator = DataCollatorForHashtagGeneration(processor, training=False, model=model)
    trainer_class = partial(GGMTrainer, processing_class=processor)
    return plain_trainer(output_dir, model, collator, Rows(8), trainer_class, **arguments)


def test_incomplete_batches_are_left_out_in_training_alone(tmp_path):
    """Would fail if validation or prediction left rows out as training does, or took batches in another order."""
    settings = {"per_device_train_batch_size": 3, "per_device_eval_batch_size": 3}
    trainer = generation_trainer(tmp_path, dataloader_drop_last=True, dataloader_in_order=False, **settings)
    loaders = [trainer.get_train_dataloader(), trainer.get_eval_dataloader(), trainer.get_test_dataloader(Rows(8))]
    assert [len(loader) for loader in loaders] == [2, 3, 3]
    assert [loader.in_order for loader in loaders] == [False, True, True]
    assert trainer.args.dataloader_drop_last and not trainer.args.dataloader_in_order


@pytest.mark.parametrize("strategy", ["random", "group_by_length"])
def test_order_goes_by_the_data_seed(tmp_path, strategy):
    """Would fail if `data_seed` did not decide on the order of the rows, or `seed` did so beside it."""
    orders = []
    for seed, data_seed in ((1, 5), (2, 5), (1, 6), (5, None)):
        trainer = generation_trainer(tmp_path, seed=seed, data_seed=data_seed, train_sampling_strategy=strategy)
        trainer.train_dataset.frame_counts = lambda: [1, 9, 1, 9, 5, 5, 2, 8]
        orders.append([batch["input_ids"].tolist() for batch in trainer.get_train_dataloader()])
    assert orders[0] == orders[1] == orders[3] != orders[2]


@pytest.mark.parametrize("kind", ["reduce_lr_on_plateau", "greedy"])
def test_schedules_know_what_is_better(tmp_path, kind):
    """Would fail if a stage's learning rate fell because its validation metric got better."""
    line = command_line(data_dir="unused", output_dir=tmp_path, lr_scheduler_type=kind)
    run = parse_arguments([*line, "--lr_scheduler_kwargs", '{"patience": 3}'])
    makers = [retriever_training_arguments, classifier_training_arguments, generator_training_arguments]
    modes = [make(run).lr_scheduler_kwargs for make in makers]
    assert modes == [{"patience": 3, "mode": mode} for mode in ("min", "max", "max")]
    assert run.training.lr_scheduler_kwargs == {"patience": 3}


def test_batch_size_is_found(tmp_path, monkeypatch):
    """
    Would fail if a training did not begin anew with smaller batches when the memory does not hold the first ones.
    """
    step = GGMTrainer.training_step
    tried = []

    def training_step(self, model, inputs, num_items_in_batch=None):
        tried.append(len(inputs["input_ids"]))
        if tried[-1] > 4:
            raise RuntimeError("CUDA out of memory.")
        return step(self, model, inputs, num_items_in_batch)

    monkeypatch.setattr(GGMTrainer, "training_step", training_step)
    generation_trainer(tmp_path, auto_find_batch_size=True, per_device_train_batch_size=5).train()
    assert tried == [5, 4, 4]


def test_going_on_by_other_rules(train, tmp_path, monkeypatch):
    """Would fail if a training could not go on where batches are not skipped or callbacks get their states back."""
    settings = {
        "ignore_data_skip": True, "restore_callback_states_from_checkpoint": True, "num_guidance": 0,
        "stages": ["prepare", "generator"], "eval_strategy": "steps", "save_strategy": "steps", "eval_steps": 1,
        "save_steps": 1,
    }  # fmt: skip

    class Killed(BaseException):
        """Stands for a kill: nothing catches it."""

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == 3:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(callbacks.EpochCallback, "on_step_begin", on_step_begin, raising=False)
        with pytest.raises(Killed):
            train(**settings)
    run = train(**settings)
    assert len(losses(run / "runs" / "generator")) == 4


def test_test_metrics_are_by_the_checkpoints_own_decoding(finished, train, tmp_path):
    """Would fail if what makes validation quick changed the metrics of the checkpoint, which has its own settings."""
    run = shutil.copytree(finished, tmp_path / "run")
    settings = {"generation_max_length": 3, "generation_num_beams": 2, "predict_with_generate": False}
    train(run, stages=["evaluate"], overwrite_stages=["evaluate"], metric_for_best_model="loss", **settings)
    names = [line["predicted"] for line in predictions(run)]
    assert names == [line["predicted"] for line in predictions(finished)]


def predictions(run):
    return [json.loads(line) for line in (run / "evaluation" / "predictions.jsonl").read_text().splitlines()]
