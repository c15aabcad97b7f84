"""Each argument that `train.py` has from transformers: it works in every stage, or is refused by its name."""

import json
import os
from contextlib import contextmanager
from dataclasses import fields

import pytest
import torch
from training_samples import REPOSITORY, command_line, history, weights
from transformers import Seq2SeqTrainingArguments
from transformers.utils import logging

from transformers_ggm.errors import ArgumentError
from transformers_ggm.evaluation import hashtag_metrics
from transformers_ggm.training import check_arguments, main
from transformers_ggm.training.callbacks import last_checkpoint
from transformers_ggm.training.main import parse_arguments
from transformers_ggm.training.model_card_callback import ModelCardCallback

ALL_STAGES = ["prepare", "retriever", "pool", "guidance", "classifier", "generator", "evaluate"]
NAMES = {field.name for field in fields(Seq2SeqTrainingArguments)}
# Of transformers 5.24.
NEW = {"activation_checkpointing", "activation_checkpointing_kwargs"}

# What works, with a value that is not the default, put together to as few trainings as may be.
QUICK_RUNS = {
    "by epochs": {
        "num_train_epochs": 2, "per_device_train_batch_size": 4, "per_device_eval_batch_size": 3,
        "gradient_accumulation_steps": 2, "learning_rate": 2e-3, "warmup_steps": 1, "weight_decay": 0.1,
        "adam_beta1": 0.8, "adam_beta2": 0.9, "adam_epsilon": 1e-6, "max_grad_norm": 0.5, "optim": "adamw_torch",
        "optim_args": "eps=1e-7", "lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": '{"min_lr": 1e-5}',
        "label_smoothing_factor": 0.1, "neftune_noise_alpha": 5.0, "average_tokens_across_devices": False,
        "seed": 7, "data_seed": 8, "eval_strategy": "epoch", "save_strategy": "epoch", "load_best_model_at_end": True,
        "logging_strategy": "epoch", "logging_first_step": True, "logging_nan_inf_filter": False,
        "log_on_each_node": False, "log_level": "warning", "log_level_replica": "error", "disable_tqdm": True,
        "include_num_input_tokens_seen": "non_padding", "report_to": "none", "run_name": "run", "project": "project",
        "trackio_space_id": "none", "trackio_bucket_id": "none", "trackio_static_space_id": "none", "do_eval": True,
        "dataloader_pin_memory": False, "use_cpu": True, "local_rank": 0,
    },
    "by steps": {
        "max_steps": 3, "eval_strategy": "steps", "save_strategy": "steps", "eval_steps": 1, "save_steps": 2,
        "logging_steps": 2, "eval_delay": 3, "eval_on_start": True, "eval_accumulation_steps": 1,
        "per_device_eval_batch_size": 3, "metric_for_best_model": "f1", "greater_is_better": True,
        "generation_max_length": 8, "generation_num_beams": 2, "dataloader_drop_last": True,
        "train_sampling_strategy": "group_by_length", "bf16": True, "bf16_full_eval": True, "use_cache": True,
        "torch_empty_cache_steps": 1, "gradient_checkpointing": True,
        "gradient_checkpointing_kwargs": '{"use_reentrant": false}',
    },
    "by the loss": {
        "predict_with_generate": False, "prediction_loss_only": True, "metric_for_best_model": "loss",
        "save_strategy": "best", "auto_find_batch_size": True, "ignore_data_skip": True,
        "restore_callback_states_from_checkpoint": True, "fp16_full_eval": True, "ddp_find_unused_parameters": True,
        "ddp_bucket_cap_mb": 5, "ddp_broadcast_buffers": True, "ddp_timeout": 100, "num_train_epochs": 2,
    },
}  # fmt: skip
SLOW_RUNS = {
    "by workers": {
        "dataloader_num_workers": 1, "dataloader_persistent_workers": True, "dataloader_prefetch_factor": 3,
        "dataloader_in_order": False, "dataloader_multiprocessing_context": "forkserver", "num_train_epochs": 1,
    },
    "compiled": {
        "torch_compile": True, "torch_compile_backend": "eager", "torch_compile_mode": "default",
        "full_determinism": True, "skip_memory_metrics": False, "num_train_epochs": 1,
    },
}  # fmt: skip
if NEW <= NAMES:
    QUICK_RUNS["by the loss"] |= {
        "activation_checkpointing": True, "activation_checkpointing_kwargs": '{"use_reentrant": false}',
    }  # fmt: skip
RUNS = {**QUICK_RUNS, **SLOW_RUNS}

REFUSED = {
    "remove_unused_columns": True, "label_names": "tags", "include_for_metrics": "inputs", "batch_eval_metrics": True,
    "eval_do_concat_batches": False, "eval_use_gather_object": True, "length_column_name": "frames",
    "sortish_sampler": True, "accelerator_config": '{"split_batches": true}', "do_train": True, "do_predict": True,
    "resume_from_checkpoint": "checkpoint-3", "save_total_limit": 1, "save_only_model": True,
    "save_on_each_node": True, "enable_jit_checkpoint": True, "generation_config": "facebook/bart-base",
    "hub_strategy": "end", "hub_always_push": True, "use_liger_kernel": True,
    "optim_target_modules": "all-linear", "fsdp": "full_shard", "fsdp_config": '{"min_num_params": 1}',
    "deepspeed": "zero2.json", "ddp_static_graph": True, "debug": "underflow_overflow", "ddp_backend": "gloo",
}  # fmt: skip
# Needs a GPU; here it is refused.
OF_GPUS = {"fp16": True, "tf32": True}
# Not given on a command line.
OF_PYTHON = {"parallelism_config", "liger_kernel_config"}
# Tried in `test_publish.py`.
OF_THE_HUB = {"push_to_hub", "hub_model_id", "hub_private_repo", "hub_revision", "hub_token"}

# What a stage does in its own way, as the page on training says.
OWN_WAY = {
    "retriever": {
        "num_train_epochs": 1, "learning_rate": 1e-3, "warmup_steps": 0, "weight_decay": 0.01, "max_steps": -1,
        "per_device_train_batch_size": 8, "per_device_eval_batch_size": 8, "gradient_accumulation_steps": 1,
        "label_smoothing_factor": 0.0, "neftune_noise_alpha": None, "include_num_input_tokens_seen": "no",
        "load_best_model_at_end": True, "metric_for_best_model": "eval_loss", "greater_is_better": False,
        "predict_with_generate": False,
    },
    "classifier": {
        "num_train_epochs": 1, "learning_rate": 1e-3, "warmup_steps": 0, "max_steps": -1,
        "per_device_train_batch_size": 8, "label_smoothing_factor": 0.0, "neftune_noise_alpha": None,
        "include_num_input_tokens_seen": "no", "load_best_model_at_end": False, "metric_for_best_model": "f1",
        "greater_is_better": True, "predict_with_generate": False, "prediction_loss_only": False,
    },
    "generator": {"load_best_model_at_end": False},
}  # fmt: skip
OWN = {
    "stages": ALL_STAGES, "retriever_num_train_epochs": 1, "classifier_num_train_epochs": 1,
    "classifier_learning_rate": 1e-3, "classifier_warmup_steps": 0, "classifier_per_device_train_batch_size": 8,
}  # fmt: skip


def test_every_argument_is_known():
    """Would fail if transformers had an argument of which nobody has said what it does here: say so in this file."""
    works = {name for run in (*QUICK_RUNS.values(), *SLOW_RUNS.values()) for name in run}
    known = works | set(REFUSED) | set(OF_GPUS) | OF_PYTHON | OF_THE_HUB | {"output_dir"}
    assert NAMES - known == set()
    assert known - NAMES - NEW == set()


def test_page_tells_what_is_not_as_in_transformers():
    """Would fail if an argument were refused, or taken in another way, that the page on training does not tell of."""
    page = (REPOSITORY / "docs" / "training.md").read_text(encoding="utf-8")
    names = {*check_arguments.REFUSED, *check_arguments.CHOICES, *(name for own in OWN_WAY.values() for name in own)}
    assert [name for name in sorted(names) if name not in page] == []


@pytest.fixture(scope="module")
def trained(shorts_dir, scratch_config, tmp_path_factory):
    """Runs the training of a name, once, and gives its output folder and the arguments of each stage's trainer."""
    finished = {}

    def run(name):
        if name not in finished:
            output_dir, seen = tmp_path_factory.mktemp("run"), {}
            begin = ModelCardCallback.on_train_begin

            def on_train_begin(self, args, state, control, **kwargs):
                seen[os.path.basename(args.output_dir)] = args
                begin(self, args, state, control, **kwargs)

            with pytest.MonkeyPatch.context() as patched, process_as_it_was():
                patched.setattr(ModelCardCallback, "on_train_begin", on_train_begin)
                settings = {"data_dir": shorts_dir, "output_dir": output_dir, "scratch_config": scratch_config}
                main(command_line(**settings, **OWN, **RUNS[name]))
            finished[name] = output_dir, seen
        return finished[name]

    return run


@contextmanager
def process_as_it_was():
    """Sets back what a training sets for its whole process."""
    verbosity, environment = logging.get_verbosity(), dict(os.environ)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        torch.use_deterministic_algorithms(False)
        os.environ.clear()
        os.environ.update(environment)


@pytest.mark.parametrize("name", [*QUICK_RUNS, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW_RUNS)])
def test_arguments_work(trained, name):
    """Would fail if a training with these arguments did not come to its end, or one got lost on the way to a stage."""
    run, seen = trained(name)
    given = parse_arguments(command_line(data_dir="unused", output_dir=run, **OWN, **RUNS[name])).training
    for stage, own in OWN_WAY.items():
        values = {name: own.get(name, getattr(given, name)) for name in RUNS[name]}
        assert {name: getattr(seen[stage], name) for name in values} == values
        assert evaluated(run, stage)
    metrics = read_json(run / "evaluation" / "test.json")["best_checkpoint"]
    assert metrics.keys() >= hashtag_metrics([["snow"]], [["snow"]]).keys()
    assert len((run / "evaluation" / "predictions.jsonl").read_text().splitlines()) == 4


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def evaluated(run, stage):
    """Step and metrics of each validation of a stage."""
    return {entry["step"]: entry for entry in history(run / "runs" / stage) if "eval_loss" in entry}


def test_text_tokens_of_the_generator_are_counted(trained):
    """Would fail if pixels were counted as tokens, or nothing."""
    run, _ = trained("by epochs")
    counted = {
        stage: read_json(last_checkpoint(run / "runs" / stage) / "trainer_state.json")["num_input_tokens_seen"]
        for stage in OWN_WAY
    }
    assert counted["retriever"] == counted["classifier"] == 0 < counted["generator"]


def test_steps_are_saved_and_evaluated_when_they_are_to_be(trained):
    """Would fail if a stage kept other checkpoints than were asked for, or the last step had no metrics."""
    run, _ = trained("by steps")
    assert sorted(evaluated(run, "generator")) == [0, 3]
    assert sorted(evaluated(run, "classifier")) == sorted(evaluated(run, "retriever")) == [0, 2]
    saved = {int(folder.name.split("-")[1]) for folder in (run / "runs" / "generator").glob("checkpoint-*")}
    assert saved == {3}


def test_validation_by_the_loss_alone(trained):
    """Would fail if hashtags were generated all the same, or the best checkpoint were that of the largest loss."""
    run, _ = trained("by the loss")
    metrics = evaluated(run, "generator")
    assert len(metrics) == 2 and not any("eval_rouge1" in entry for entry in metrics.values())
    best = min(metrics, key=lambda step: metrics[step]["eval_loss"])
    published, expected = weights(run / "checkpoint"), weights(run / "runs" / "generator" / f"checkpoint-{best}")
    assert all(torch.equal(published[name], expected[name]) for name in expected)


@pytest.mark.parametrize("name", [*REFUSED, *OF_GPUS])
def test_arguments_are_refused(name, tmp_path):
    """
    Would fail if an argument that cannot be used were passed over, or told of after something was read or written.
    """
    line = command_line(
        data_dir="missing",
        output_dir=tmp_path / "run",
        scratch_config="missing",
        **{name: {**REFUSED, **OF_GPUS}[name]},
    )
    with pytest.raises(ArgumentError, match=f"`{name}`"), process_as_it_was():
        main(line)
    assert not list(tmp_path.iterdir())


UNUSABLE = {
    "num_train_epochs": {"num_train_epochs": 0},
    "classifier_num_train_epochs": {"classifier_num_train_epochs": 0},
    "per_device_train_batch_size": {"per_device_train_batch_size": 0},
    "retriever_per_device_train_batch_size": {"retriever_per_device_train_batch_size": 0},
    "per_device_eval_batch_size": {"per_device_eval_batch_size": 0},
    "gradient_accumulation_steps": {"gradient_accumulation_steps": 0},
    "learning_rate": {"learning_rate": "nan"},
    "retriever_learning_rate": {"retriever_learning_rate": -1},
    "weight_decay": {"weight_decay": -0.1},
    "adam_beta1": {"adam_beta1": 1.0},
    "adam_epsilon": {"adam_epsilon": -1},
    "warmup_steps": {"warmup_steps": -1},
    "label_smoothing_factor": {"label_smoothing_factor": 1.0},
    "neftune_noise_alpha": {"neftune_noise_alpha": -1},
    "seed": {"seed": -1},
    "eval_accumulation_steps": {"eval_accumulation_steps": 0},
    "generation_max_length": {"generation_max_length": 1},
    "generation_num_beams": {"generation_num_beams": 0},
    "torch_empty_cache_steps": {"torch_empty_cache_steps": 0},
    "logging_steps": {"logging_steps": 0},
    "eval_strategy": {"eval_strategy": "no"},
    "save_strategy": {"save_strategy": "steps"},
    "save_steps": {"eval_strategy": "steps", "save_strategy": "steps", "eval_steps": 2, "save_steps": 3},
    "eval_steps": {"eval_strategy": "steps", "save_strategy": "steps", "eval_steps": 0.5, "save_steps": 3},
    "metric_for_best_model": {"metric_for_best_model": "bleu"},
    "predict_with_generate": {"predict_with_generate": False},
    "prediction_loss_only": {"prediction_loss_only": True},
    "greater_is_better": {"greater_is_better": False},
    "train_sampling_strategy": {"train_sampling_strategy": "batch_rebalance"},
    "include_num_input_tokens_seen": {"include_num_input_tokens_seen": "some"},
    "ddp_find_unused_parameters": {"ddp_find_unused_parameters": False},
    "bf16": {"bf16": True, "fp16_full_eval": True, "bf16_full_eval": True},
    "optim": {"optim": "adamw_anyprecision"},
    "optim_args": {"optim_args": "eps"},
    "lr_scheduler_type": {"lr_scheduler_type": "cosine_with_min_lr"},
    "lr_scheduler_kwargs": {"lr_scheduler_type": "cosine", "lr_scheduler_kwargs": '{"cycles": 3}'},
    "gradient_checkpointing_kwargs": {"gradient_checkpointing_kwargs": "use_reentrant"},
    "dataloader_persistent_workers": {"dataloader_persistent_workers": True},
    "dataloader_prefetch_factor": {"dataloader_prefetch_factor": 2},
    "dataloader_num_workers": {"dataloader_num_workers": -1},
    "dataloader_multiprocessing_context": {"dataloader_multiprocessing_context": "spawn"},
    "torch_compile_backend": {"torch_compile_backend": "gcc"},
    "torch_compile_mode": {"torch_compile_mode": "quick"},
    "report_to": {"report_to": "paper"},
}


@pytest.mark.contract
@pytest.mark.parametrize("name", UNUSABLE)
def test_values_are_refused(name, tmp_path):
    """Would fail if a value that no training can be run with came to light in the middle of it, without its name."""
    line = command_line(data_dir="missing", output_dir=tmp_path / "run", scratch_config="missing", **UNUSABLE[name])
    with pytest.raises(ArgumentError, match=f"`{name}`"):
        main(line)
    assert not list(tmp_path.iterdir())


def test_metrics_of_validation():
    """Would fail if a metric that validation gives could not decide, or one could that it does not give."""
    assert set(check_arguments.METRICS) == set(hashtag_metrics([["snow"]], [["snow"]]))
