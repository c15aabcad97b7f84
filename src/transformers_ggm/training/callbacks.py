"""Callbacks and checkpoint bookkeeping shared by both trainings."""

import json
import shutil
from pathlib import Path

from transformers import TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR


class EpochCallback(TrainerCallback):
    """Tells a collator which epoch begins, so that its randomness differs from epoch to epoch and survives a resume."""

    def __init__(self, collator):
        self.collator = collator

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.collator.set_epoch(int(state.epoch))


class KeepBestCheckpoints(TrainerCallback):
    """
    Deletes every checkpoint but the best few by a validation figure and the newest, from which training resumes.

    Args:
        num_best (`int`): how many of the best ones to keep.
        metric (`str`): the figure, e.g. `"rouge1"`; more is better.
    """

    def __init__(self, num_best: int, metric: str):
        self.num_best = num_best
        self.metric = f"eval_{metric}"

    def on_save(self, args, state, control, **kwargs):
        if not state.is_world_process_zero:
            return
        keep = {step for step, _ in best_steps(state.log_history, self.metric)[: self.num_best]} | {state.global_step}
        for folder in Path(args.output_dir).glob(f"{PREFIX_CHECKPOINT_DIR}-*"):
            if step_of(folder) not in keep:
                shutil.rmtree(folder)


def step_of(checkpoint: Path) -> int:
    """The step at which a checkpoint folder was written."""
    return int(checkpoint.name.rsplit("-", 1)[1])


def best_steps(log_history: list[dict], metric: str) -> list[tuple[int, float]]:
    """Steps and figures of every evaluation, best first; the earlier of two equal ones comes first."""
    figures = {entry["step"]: entry[metric] for entry in log_history if metric in entry}
    return sorted(figures.items(), key=lambda item: (-item[1], item[0]))


def best_checkpoints(run_dir: Path, metric: str, num_best: int) -> list[Path]:
    """Folders of the best checkpoints of a finished run, best first."""
    newest = last_checkpoint(run_dir)
    if newest is None:
        return []
    history = json.loads((newest / "trainer_state.json").read_text())["log_history"]
    folders = [run_dir / f"{PREFIX_CHECKPOINT_DIR}-{step}" for step, _ in best_steps(history, f"eval_{metric}")]
    return [folder for folder in folders if folder.is_dir()][:num_best]


def last_checkpoint(run_dir: Path) -> Path | None:
    """The newest complete checkpoint of a run; one that a kill cut short has no `trainer_state.json` and is skipped."""
    folders = sorted(run_dir.glob(f"{PREFIX_CHECKPOINT_DIR}-*"), key=step_of, reverse=True)
    return next((folder for folder in folders if (folder / "trainer_state.json").is_file()), None)
