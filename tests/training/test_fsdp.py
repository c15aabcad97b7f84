"""Training by FSDP in two processes on CPUs, with the configuration that users are given."""

import shutil
from pathlib import Path

import pytest
import torch
from accelerate.commands.config import load_config_from_file
from accelerate.commands.launch import launch_command_parser
from process_samples import train_in_two_processes
from training_samples import REPOSITORY, command_line, losses, weights
from transformers import pipeline

CONFIGURATIONS = REPOSITORY / "examples" / "accelerate"
SCRIPT = Path(__file__).with_name("train_by_fsdp_on_cpus.py")


@pytest.fixture(scope="module")
def train_by_fsdp(shorts_dir, scratch_config):
    """Trains the generator by FSDP into a folder that has all earlier stages."""

    def run(output_dir):
        # Half the batch in each process.
        arguments = {"stages": ["generator"], "per_device_train_batch_size": 4, "output_dir": output_dir}
        line = command_line(data_dir=shorts_dir, scratch_config=scratch_config, **arguments)
        train_in_two_processes(line, (f"--config_file={CONFIGURATIONS / 'fsdp2.yaml'}",), SCRIPT)
        return output_dir

    return run


@pytest.fixture(scope="module")
def sharded(finished, train_by_fsdp, tmp_path_factory):
    """Output folder of the training `finished`, the generator trained by FSDP."""
    output_dir = tmp_path_factory.mktemp("sharded")
    for part in ("prepared", "guidance", "checkpoint/retriever", "checkpoint/hashtag_pool"):
        shutil.copytree(finished / part, output_dir / part)
    return train_by_fsdp(output_dir)


def assert_close_weights(first, second):
    expected, found = weights(first), weights(second)
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values, atol=2e-4, rtol=1e-3, msg=name)


@pytest.mark.slow
def test_training_is_that_of_one_process(finished, sharded):
    """Would fail if sharded training took other steps than one process does, or did not store whole weights."""
    run_dir = sharded / "runs" / "generator"
    assert (run_dir / "checkpoint-4" / "pytorch_model_fsdp.bin").is_file(), "FSDP was not used"
    expected = losses(finished / "runs" / "generator")
    assert len(expected) == 4 and losses(run_dir) == pytest.approx(expected, rel=1e-4)
    assert_close_weights(finished / "checkpoint", sharded / "checkpoint")
    suggest = pipeline("hashtag-generation", model=str(sharded / "checkpoint"), device="cpu")
    assert isinstance(suggest({"description": "first snow in toronto"}), list)


@pytest.mark.slow
def test_resumed_training_ends_like_an_uninterrupted_one(sharded, train_by_fsdp, tmp_path):
    """
    Would fail if a sharded training could not go on from its last checkpoint, or went on with other weights, optimiser
    states or data.
    """
    resumed = shutil.copytree(sharded, tmp_path / "resumed")
    shutil.rmtree(resumed / "runs" / "generator" / "checkpoint-4")
    for file in (resumed / "checkpoint").glob("*.*"):
        file.unlink()
    train_by_fsdp(resumed)
    assert losses(resumed / "runs" / "generator") == pytest.approx(losses(sharded / "runs" / "generator"), rel=1e-5)
    assert_close_weights(sharded / "checkpoint", resumed / "checkpoint")


@pytest.mark.slow
def test_a_retriever_is_not_cut_up(shorts_dir, scratch_config, tmp_path):
    """Would fail if all stages by FSDP ended in an error of PyTorch's that does not say what to do."""
    arguments = {"stages": ["prepare", "retriever"], "per_device_train_batch_size": 4, "output_dir": tmp_path / "run"}
    line = command_line(data_dir=shorts_dir, scratch_config=scratch_config, **arguments)
    with pytest.raises(AssertionError, match="Launch its stage without FSDP"):
        train_in_two_processes(line, (f"--config_file={CONFIGURATIONS / 'fsdp2.yaml'}",), SCRIPT)


@pytest.mark.parametrize("file", sorted(CONFIGURATIONS.glob("*.yaml")), ids=lambda file: file.stem)
def test_configurations_are_what_accelerate_knows(file):
    """Would fail if a shipped configuration had a setting that accelerate does not have, or has renamed."""
    config = load_config_from_file(str(file))
    assert config.distributed_type in ("FSDP", "DEEPSPEED")
    known = set(vars(launch_command_parser().parse_args(["train.py"])))
    settings = {**config.fsdp_config, **{f"{name}": value for name, value in config.deepspeed_config.items()}}
    assert settings and set(settings) <= known
