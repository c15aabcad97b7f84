"""What the card tells about a training, gathered while it runs."""

import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from transformers import TrainerCallback, TrainingArguments

from .run_records import TrainingRecord, package_versions

_SPEEDS = ("eval_runtime", "eval_samples_per_second", "eval_steps_per_second", "eval_model_preparation_time")


class ModelCardCallback(TrainerCallback):
    """
    Writes what a training is run with and how it goes into the record beside its checkpoints, in `args.output_dir`,
    from which the card of the result is filled (see [`~transformers_ggm.training.run_records.TrainingRecord`]).

    To the training arguments and versions it adds

    - `hardware` (`list[str]`): the device of each process;
    - `progress`: `step` and `seconds` up to the last checkpoint, from which a training that was killed goes on;
    - `outcome`, once the training has come to its end: `steps`, `epochs`, `seconds` (validation included, without what
      was computed after the last checkpoint before a kill; `None` where that is not known) and `loss`, the last one
      that was logged (`None` where none was).

    Args:
        facts (`dict`, *optional*): what else the record is to have, ready for JSON; in the place of the callback's own
            of the same name.
    """

    def __init__(self, facts: Mapping[str, Any] | None = None):
        self.facts = dict(facts or {})

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        hardware = gather_object(device_names(args))
        if not state.is_world_process_zero:
            return
        record = TrainingRecord(args.output_dir)
        self.seconds_before = seconds_until(record.read(), state.global_step)
        self.began = time.monotonic()
        own = {
            "training": args.to_sanitized_dict(),
            "num_processes": args.world_size,
            "versions": package_versions(with_peft=hasattr(model, "peft_config")),
        }
        progress = {"step": state.global_step, "seconds": self.seconds_before}
        record.write(**{**own, **self.facts, "hardware": hardware, "progress": progress})

    def on_save(self, args, state, control, **kwargs):
        if state.is_world_process_zero:
            progress = {"step": state.global_step, "seconds": self._seconds()}
            TrainingRecord(args.output_dir).add(progress=progress)

    def on_train_end(self, args, state, control, **kwargs):
        if not state.is_world_process_zero:
            return
        losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
        outcome = {
            "steps": state.global_step,
            "epochs": state.epoch,
            "seconds": self._seconds(),
            "loss": losses[-1] if losses else None,
        }
        TrainingRecord(args.output_dir).add(outcome=outcome)

    def _seconds(self) -> float | None:
        if self.seconds_before is None:
            return None
        return self.seconds_before + time.monotonic() - self.began


def seconds_until(record: Mapping[str, Any] | None, step: int) -> float | None:
    """
    How long a training took up to the step from which it goes on, `None` where its record does not tell.

    Args:
        record (`dict`, *optional*): the one that an earlier process left behind.
        step (`int`): 0 for a training that begins.
    """
    if step == 0:
        return 0.0
    progress = {} if record is None else record.get("progress", {})
    return progress.get("seconds") if progress.get("step") == step else None


def note_published(record: TrainingRecord, log_history: Sequence[Mapping[str, Any]], step: int) -> None:
    """
    Adds to a record which step's weights were published, and the metrics of its validation by name.

    Args:
        record ([`~transformers_ggm.training.run_records.TrainingRecord`]): that of the training.
        log_history (`list[dict]`): of the Trainer's state.
        step (`int`): the step.
    """
    figures = {
        name.removeprefix("eval_"): value
        for entry in log_history
        if entry["step"] == step
        for name, value in entry.items()
        if name.startswith("eval_") and name not in _SPEEDS
    }
    record.add(published={"step": step, "validation": figures})


def device_names(args: TrainingArguments) -> list[str]:
    """The devices that this process computes on, as their makers call them."""
    if args.device.type == "cuda":
        devices = range(args.n_gpu) if args.n_gpu > 1 else [args.device]
        return [torch.cuda.get_device_name(device) for device in devices]
    if args.device.type == "cpu":
        threads = torch.get_num_threads()
        return [f"{cpu_name()}, {threads} thread{'s' if threads > 1 else ''}"]
    return [args.device.type]


def cpu_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's model where the system tells it, else its architecture."""
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine() or "CPU"
