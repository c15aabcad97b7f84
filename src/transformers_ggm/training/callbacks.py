"""Callbacks and checkpoint bookkeeping shared by both trainings."""

import json
import shutil
from pathlib import Path

from transformers import TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR


class EpochCallback(TrainerCallback):
    """
    Tells a collator which epoch begins, so that its randomness differs from epoch to epoch and survives a resume.
    """

    def __init__(self, collator):
        self.collator = collator

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.collator.set_epoch(int(state.epoch))


class EvaluateLastStep(TrainerCallback):
    """
    Has the end of a training evaluated whatever `eval_delay` says: without metrics no checkpoint would be the best.
    """

    def on_step_end(self, args, state, control, **kwargs):
        if args.eval_strategy == "steps" and state.global_step >= state.max_steps:
            control.should_evaluate = True

    def on_epoch_end(self, args, state, control, **kwargs):
        if args.eval_strategy == "epoch" and state.global_step >= state.max_steps:
            control.should_evaluate = True


class KeepBestCheckpoints(TrainerCallback):
    """
    Deletes every checkpoint but the best few by a validation metric and the newest, from which training resumes.

    Args:
        num_best (`int`): how many of the best ones to keep.
        metric (`str`): the metric, e.g. `"rouge1"`.
        greater_is_better (`bool`, *optional*, defaults to `True`): whether more of it is better.
    """

    def __init__(self, num_best: int, metric: str, greater_is_better: bool = True):
        self.num_best = num_best
        self.metric = metric
        self.greater_is_better = greater_is_better

    def on_save(self, args, state, control, **kwargs):
        if not state.is_world_process_zero:
            return
        folders = {step_of(folder): folder for folder in Path(args.output_dir).glob(f"{PREFIX_CHECKPOINT_DIR}-*")}
        ranked = [step for step, _ in best_steps(state.log_history, self.metric, self.greater_is_better)]
        keep = set([step for step in ranked if step in folders][: self.num_best]) | {state.global_step}
        for step, folder in folders.items():
            if step not in keep:
                shutil.rmtree(folder)


def step_of(checkpoint: Path) -> int:
    """The step at which a checkpoint folder was written."""
    return int(checkpoint.name.rsplit("-", 1)[1])


def best_steps(log_history: list[dict], metric: str, greater_is_better: bool = True) -> list[tuple[int, float]]:
    """
    Steps and metrics of every evaluation, best first; the earlier of two equal ones comes first.

    Args:
        log_history (`list[dict]`): of the Trainer's state.
        metric (`str`): the metric's name, with or without the Trainer's `eval_`.
        greater_is_better (`bool`, *optional*, defaults to `True`): whether more of it is better.
    """
    name = f"eval_{metric.removeprefix('eval_')}"
    sign = -1 if greater_is_better else 1
    figures = {entry["step"]: entry[name] for entry in log_history if name in entry}
    return sorted(figures.items(), key=lambda item: (sign * item[1], item[0]))


def best_checkpoints(run_dir: Path, metric: str, num_best: int, greater_is_better: bool = True) -> list[Path]:
    """Folders of the best checkpoints of a run, best first; see [`best_steps`]."""
    newest = last_checkpoint(run_dir)
    if newest is None:
        return []
    history = json.loads((newest / "trainer_state.json").read_text())["log_history"]
    ranked = best_steps(history, metric, greater_is_better)
    folders = [run_dir / f"{PREFIX_CHECKPOINT_DIR}-{step}" for step, _ in ranked]
    return [folder for folder in folders if folder.is_dir()][:num_best]


def last_checkpoint(run_dir: Path) -> Path | None:
    """
    The newest complete checkpoint of a run; one that a kill cut short has no `trainer_state.json` and is skipped.
    """
    folders = sorted(run_dir.glob(f"{PREFIX_CHECKPOINT_DIR}-*"), key=step_of, reverse=True)
    return next((folder for folder in folders if (folder / "trainer_state.json").is_file()), None)
