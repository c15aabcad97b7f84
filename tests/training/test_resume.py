import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from held_work import HeldWork
from training_samples import command_line, losses, weights, write_scratch_config

from transformers_ggm.training import callbacks

# Everything that draws random numbers, so that a resume that does not restore them is seen.
RANDOM = {
    "fusion_dropout": 0.1, "frame_dropout": 0.3, "audio_dropout": 0.3, "description_dropout": 0.3,
    "retriever_frames_per_clip": 1, "num_train_epochs": 3, "retriever_num_train_epochs": 3,
}  # fmt: skip

HELD = Path(__file__).with_name("train_with_a_held_step.py")


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return write_scratch_config(tmp_path_factory.mktemp("config") / "scratch.json", dropout=0.1)


def killing(name, at):
    """A callback's `on_step_begin` that kills the training of this name at this step."""

    def on_step_begin(self, args, state, control, **kwargs):
        if args.output_dir.endswith(name) and state.global_step == at:
            raise Killed

    return on_step_begin


def assert_same_training(first, second):
    for name in ("retriever", "generator"):
        assert losses(first / "runs" / name) == losses(second / "runs" / name)
    for name in ("", "retriever"):
        expected, found = weights(first / "checkpoint" / name), weights(second / "checkpoint" / name)
        assert expected.keys() == found.keys() and all(torch.equal(expected[key], found[key]) for key in expected)
    for name in ("evaluation/test.json", "checkpoint/tokenizer.json", "guidance/train.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    "steps", [{}, {"eval_strategy": "steps", "save_strategy": "steps", "eval_steps": 1, "save_steps": 1}]
)
def test_resumed_training_ends_like_an_uninterrupted_one(train, config, tmp_path, monkeypatch, steps):
    """Would fail if a resume, at the end or in the middle of an epoch, saw other data, dropout or learning rates."""
    settings = {**RANDOM, **steps, "scratch_config": config}
    whole = train(tmp_path / "whole", **settings)

    for name, at in (("retriever", 2), ("generator", 3 if steps else 4)):
        with monkeypatch.context() as patched:
            patched.setattr(callbacks.EpochCallback, "on_step_begin", killing(name, at))
            with pytest.raises(Killed):
                train(tmp_path / "killed", **settings)
        assert callbacks.last_checkpoint(tmp_path / "killed" / "runs" / name) is not None
    train(tmp_path / "killed", **settings)
    assert_same_training(whole, tmp_path / "killed")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_killed_process_resumes(train, shorts_dir, config, tmp_path):
    """
    Would fail if a training that was killed for good (no memory, no power) could not go on, or went on differently.
    """
    settings = {**RANDOM, "scratch_config": config}
    output_dir, held = tmp_path / "killed", HeldWork(tmp_path / "pipe")
    line = command_line(data_dir=shorts_dir, output_dir=output_dir, **settings)
    process = subprocess.Popen(
        [sys.executable, HELD, str(held.path), "3", *line],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        held.wait_for_reader(process)  # in the middle of the second epoch
    finally:
        process.kill()
        process.wait()
        held.let_go()
    assert callbacks.last_checkpoint(output_dir / "runs" / "generator").name == "checkpoint-2"
    assert not (output_dir / "checkpoint" / "config.json").exists()
    train(output_dir, **settings)
    assert_same_training(train(tmp_path / "whole", **settings), output_dir)


def test_kill_while_files_are_published(train, finished, tmp_path, monkeypatch):
    """Would fail if a kill between the training and its result made the checkpoint look finished, or stopped it."""
    from transformers_ggm.training import generator

    publish = generator.publish_files

    def killed(source, target):
        for file in sorted(source.iterdir())[:3]:
            file.replace(target / file.name)
        raise Killed

    monkeypatch.setattr(generator, "publish_files", killed)
    with pytest.raises(Killed):
        train()
    monkeypatch.setattr(generator, "publish_files", publish)
    (tmp_path / "run" / "checkpoint" / "config.json").unlink(missing_ok=True)
    assert_same_training(finished, train())
