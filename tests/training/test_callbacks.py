import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import TrainerControl, TrainerState, TrainingArguments

from transformers_ggm.training.callbacks import (
    EpochCallback,
    EvaluateLastStep,
    KeepBestCheckpoints,
    best_checkpoints,
    best_steps,
    last_checkpoint,
)

METRICS = {10: 3.0, 20: 5.0, 30: 1.0, 40: 5.0, 50: 4.0}


def log_history(metrics):
    """A Trainer's log with a training loss and an evaluation at each step."""
    history = []
    for step, metric in metrics.items():
        history += [{"step": step, "loss": 9.0}, {"step": step, "eval_rouge1": metric, "eval_loss": 1.0}]
    return history


def write_checkpoint(run_dir, step, metrics):
    folder = run_dir / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    history = log_history({at: metric for at, metric in metrics.items() if at <= step})
    (folder / "trainer_state.json").write_text(json.dumps({"log_history": history}))
    return folder


def folders(run_dir):
    return {int(folder.name.split("-")[1]) for folder in run_dir.iterdir()}


def save_all(run_dir, callback, metrics):
    """Saves a checkpoint at every step, as a training would."""
    arguments = TrainingArguments(output_dir=run_dir, use_cpu=True, report_to="none")
    for step in metrics:
        write_checkpoint(run_dir, step, metrics)
        history = log_history({at: metric for at, metric in metrics.items() if at <= step})
        state = TrainerState(global_step=step, log_history=history, is_world_process_zero=True)
        callback.on_save(arguments, state, TrainerControl())


def test_best_steps():
    """Would fail if the order were not best first, the earlier of two equal ones first."""
    assert [step for step, _ in best_steps(log_history(METRICS), "rouge1")] == [20, 40, 50, 10, 30]
    assert best_steps(log_history(METRICS), "eval_rouge1")[0] == (20, 5.0)
    assert [step for step, _ in best_steps(log_history(METRICS), "rouge1", greater_is_better=False)][:2] == [30, 10]
    assert best_steps([], "rouge1") == [] and best_steps(log_history(METRICS), "bleu") == []


def test_an_evaluation_repeated_after_a_resume_counts_once():
    """Would fail if a step that was evaluated twice were two of the best checkpoints."""
    assert best_steps(log_history(METRICS) + log_history({20: 5.0}), "rouge1")[:2] == [(20, 5.0), (40, 5.0)]


@pytest.mark.contract
@given(st.lists(st.floats(0, 100), min_size=1, max_size=8), st.integers(1, 4), st.booleans())
def test_best_checkpoints_are_kept(tmp_path_factory, metrics, num_best, greater_is_better):
    """Would fail if a checkpoint that the final metrics need were deleted, the newest one, or too few."""
    run_dir = tmp_path_factory.mktemp("run")
    metrics = dict(enumerate(metrics, start=1))
    save_all(run_dir, KeepBestCheckpoints(num_best, "rouge1", greater_is_better), metrics)
    ranked = sorted(metrics, key=lambda step: (-metrics[step] if greater_is_better else metrics[step], step))
    assert folders(run_dir) == {*ranked[:num_best], max(metrics)}
    best = best_checkpoints(run_dir, "rouge1", num_best, greater_is_better)
    assert [int(folder.name.split("-")[1]) for folder in best] == ranked[:num_best]


def test_evaluations_between_checkpoints(tmp_path):
    """Would fail if a step that was evaluated but not saved took the place of a saved one."""
    arguments = TrainingArguments(output_dir=tmp_path, use_cpu=True, report_to="none")
    for step in (20, 30, 50):
        write_checkpoint(tmp_path, step, METRICS)
    state = TrainerState(global_step=50, log_history=log_history(METRICS), is_world_process_zero=True)
    KeepBestCheckpoints(2, "rouge1").on_save(arguments, state, TrainerControl())
    assert folders(tmp_path) == {20, 50}


def test_other_processes_delete_nothing(tmp_path):
    """Would fail if two processes deleted the same folders at once."""
    write_checkpoint(tmp_path, 10, METRICS)
    arguments = TrainingArguments(output_dir=tmp_path, use_cpu=True, report_to="none")
    state = TrainerState(global_step=20, log_history=[], is_world_process_zero=False)
    KeepBestCheckpoints(1, "rouge1").on_save(arguments, state, TrainerControl())
    assert folders(tmp_path) == {10}


def test_last_checkpoint_skips_incomplete_ones(tmp_path):
    """Would fail if training went on from a checkpoint that a kill cut short, or compared steps as text."""
    assert last_checkpoint(tmp_path / "missing") is None and last_checkpoint(tmp_path) is None
    for step in (9, 10):
        write_checkpoint(tmp_path, step, METRICS)
    (tmp_path / "checkpoint-100").mkdir()
    (tmp_path / "checkpoint-100" / "model.safetensors").write_bytes(b"half")
    assert last_checkpoint(tmp_path).name == "checkpoint-10"


def test_best_checkpoints_of_no_training(tmp_path):
    """Would fail if asking for checkpoints before there are any ended in an error."""
    assert best_checkpoints(tmp_path, "rouge1", 3) == []


@pytest.mark.parametrize("epoch, expected", [(0, 0), (2.0, 2), (1.5, 1)])
def test_epoch_callback(epoch, expected):
    """Would fail if the collator were told another epoch after a resume in its middle than before it."""
    told = []
    callback = EpochCallback(SimpleNamespace(set_epoch=told.append))
    callback.on_epoch_begin(None, TrainerState(epoch=epoch), TrainerControl())
    assert told == [expected]


@pytest.mark.parametrize("step", [3, 4])
@pytest.mark.parametrize("strategy", ["steps", "epoch"])
def test_last_step_is_evaluated(tmp_path, strategy, step):
    """Would fail if a training that ends before `eval_delay` had no metrics, or one were evaluated too often."""
    arguments = TrainingArguments(
        output_dir=tmp_path, eval_strategy=strategy, eval_steps=10, eval_delay=9, use_cpu=True, report_to="none"
    )
    asked = {}
    for event in ("step", "epoch"):
        control = TrainerControl()
        state = TrainerState(global_step=step, max_steps=4)
        getattr(EvaluateLastStep(), f"on_{event}_end")(arguments, state, control)
        asked[event] = control.should_evaluate
    assert asked == {"step": step == 4 and strategy == "steps", "epoch": step == 4 and strategy == "epoch"}
