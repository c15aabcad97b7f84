"""What is gathered for the card while a training runs."""

import json
import re
import shutil
import sys
from types import SimpleNamespace

import pytest
import torch
from training_samples import history
from transformers import TrainerControl, TrainerState, TrainingArguments

from transformers_ggm.training import callbacks, model_card_callback
from transformers_ggm.training.model_card_callback import (
    ModelCardCallback,
    cpu_name,
    device_names,
    note_published,
    seconds_until,
)
from transformers_ggm.training.run_records import TrainingRecord


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""
    time = SimpleNamespace(now=100.0)
    monkeypatch.setattr(model_card_callback.time, "monotonic", lambda: time.now)
    return time


@pytest.fixture
def arguments(tmp_path):
    return TrainingArguments(output_dir=tmp_path, use_cpu=True, report_to="none")


def at(step, log=(), main=True):
    return TrainerState(global_step=step, epoch=step / 10, log_history=list(log), is_world_process_zero=main)


def session(arguments, clock, first, saves, end=None):
    """One process of a training: begins at a step, saves after so many seconds at others, ends or is killed."""
    callback, control = ModelCardCallback(), TrainerControl()
    callback.on_train_begin(arguments, at(first), control)
    for step, seconds in saves.items():
        clock.now += seconds
        callback.on_save(arguments, at(step), control)
    clock.now += 1
    if end is not None:
        callback.on_train_end(arguments, at(end, [{"step": 5, "loss": 3.0}, {"step": end, "loss": 2.0}]), control)
    clock.now += 1000


def test_duration_goes_on_after_a_kill(arguments, clock):
    """Would fail if a resumed training counted its last process alone, the time between, or steps that were lost."""
    session(arguments, clock, 0, {10: 7, 20: 5})
    session(arguments, clock, 20, {30: 4})
    session(arguments, clock, 30, {40: 2}, end=40)
    assert TrainingRecord(arguments.output_dir).read()["outcome"] == {
        "steps": 40,
        "epochs": 4.0,
        "seconds": 7 + 5 + 4 + 2 + 1,
        "loss": 2.0,
    }


def test_duration_that_is_not_known_is_not_told(arguments, clock):
    """Would fail if time before a checkpoint of which there is no record were guessed."""
    session(arguments, clock, 0, {10: 7})
    session(arguments, clock, 20, {30: 4}, end=30)  # from a checkpoint that the record does not have
    assert TrainingRecord(arguments.output_dir).read()["outcome"]["seconds"] is None
    session(arguments, clock, 0, {10: 7}, end=10)
    assert TrainingRecord(arguments.output_dir).read()["outcome"]["seconds"] == 8
    assert seconds_until(None, 10) is None and seconds_until({"progress": {"step": 10, "seconds": 3.5}}, 10) == 3.5


def test_other_processes_write_nothing(arguments):
    """Would fail if two processes wrote the same record."""
    callback, control = ModelCardCallback(), TrainerControl()
    for event in ("on_train_begin", "on_save", "on_train_end"):
        getattr(callback, event)(arguments, at(10, main=False), control)
    assert TrainingRecord(arguments.output_dir).read() is None


def test_figures_of_the_published_step(tmp_path):
    """Would fail if the card told the validation of another step, or how fast it went."""
    record = TrainingRecord(tmp_path)
    log = [
        {"step": 4, "eval_rouge1": 1.0},
        {"step": 8, "loss": 9.0, "epoch": 2.0},
        {"step": 8, "eval_rouge1": 2.0, "eval_loss": 3.0, "eval_runtime": 5.0, "eval_samples_per_second": 1.0},
    ]
    note_published(record, log, 8)
    assert record.read() == {"published": {"step": 8, "validation": {"rouge1": 2.0, "loss": 3.0}}}


def test_hardware(arguments, tmp_path, monkeypatch):
    """Would fail if a processor or GPU got another name than its own, or one of several in a process were not told."""
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n\nprocessor\t: 1\nmodel name\t: Other\n")
    assert cpu_name(cpuinfo) == "Some CPU @ 2 GHz"
    assert cpu_name(tmp_path / "missing")
    assert device_names(arguments) == [f"{cpu_name()}, 1 thread"]
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU of {device}")
    cuda = SimpleNamespace(device=torch.device("cuda:1"), n_gpu=1)
    assert device_names(cuda) == ["GPU of cuda:1"]
    assert device_names(SimpleNamespace(device=torch.device("cuda"), n_gpu=2)) == ["GPU of 0", "GPU of 1"]


def read_record(run_dir):
    return json.loads((run_dir / "arguments.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("part", ["generator", "retriever"])
def test_record_of_a_training(finished, part):
    """Would fail if the record were not that of the training: its steps, losses, and the step that was published."""
    run_dir = finished / "runs" / part
    record, log = read_record(run_dir), history(run_dir)
    assert record["outcome"]["steps"] == 4 and record["outcome"]["epochs"] == 2 and record["outcome"]["seconds"] > 0
    assert record["outcome"]["loss"] == [entry["loss"] for entry in log if "loss" in entry][-1]
    (best,) = [entry for entry in log if entry["step"] == record["published"]["step"] and "eval_loss" in entry]
    assert record["published"]["validation"]["loss"] == best["eval_loss"]
    name, sign = ("eval_rouge1", -1) if part == "generator" else ("eval_loss", 1)
    ranked = sorted((sign * entry[name], entry["step"]) for entry in log if "eval_loss" in entry)
    assert record["published"]["step"] == ranked[0][1]
    assert record["training"]["learning_rate"] == 1e-3 and record["versions"]["Python"].count(".") == 2
    assert len(record["hardware"]) == 1


def test_card_tells_the_course(finished):
    """Would fail if what was gathered did not reach the card, or the picture were not the checkpoint's own."""
    card = (finished / "checkpoint" / "README.md").read_text(encoding="utf-8")
    assert "| steps | 4 | 4 |" in card and "| hardware | " in card
    (picture,) = re.findall(r"!\[.*?\]\((.*?)\)", card)
    assert (finished / "checkpoint" / picture).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    rows = (finished / "evaluation" / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    examples = card.split("\n## Examples\n")[1].split("\n## ")[0]
    assert len(re.findall(r"^\| \d+ \|", examples, re.MULTILINE)) == len(rows) == 4


def test_killed_training_adds_up(train, tmp_path, monkeypatch):
    """Would fail if a real resume did not find what the process before it had recorded."""

    def on_step_begin(self, args, state, control, **kwargs):
        if args.output_dir.endswith("generator") and state.global_step == 3:
            raise Killed

    arguments = {"stages": ["prepare", "generator"], "num_guidance": 0, "inputs": ["text"]}
    with monkeypatch.context() as patched:
        patched.setattr(callbacks.EpochCallback, "on_step_begin", on_step_begin, raising=False)
        with pytest.raises(Killed):
            train(**arguments)
    run_dir = tmp_path / "run" / "runs" / "generator"
    before = read_record(run_dir)
    assert "outcome" not in before and before["progress"]["step"] == 2 and before["progress"]["seconds"] > 0
    train(**arguments)
    assert read_record(run_dir)["outcome"]["seconds"] > before["progress"]["seconds"]


def test_old_picture_does_not_stay(finished, train, tmp_path, monkeypatch):
    """Would fail if the picture of an earlier training lay beside new weights where no new one could be drawn."""
    copy = shutil.copytree(finished, tmp_path / "run")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    stages = ["generator", "evaluate"]
    train(copy, stages=stages, overwrite_stages=stages)
    assert not (copy / "checkpoint" / "training_curve.png").exists()
    assert "training_curve" not in (copy / "checkpoint" / "README.md").read_text(encoding="utf-8")
