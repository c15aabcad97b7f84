import json
import os
import shutil
import socket
import subprocess
import sys

import pytest
from training_samples import REPOSITORY, command_line, losses


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def train_in_two_processes(**arguments):
    """
    A training with half the batch in each process. On CPUs, accelerate starts several processes of its own with
    `--multi_gpu` only (`--cpu` leaves that to an MPI launcher).
    """
    settings = {"per_device_train_batch_size": 4, "retriever_per_device_train_batch_size": 4}
    launch = ["--multi_gpu", "--num_processes=2", "--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no"]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "accelerate.commands.launch", *launch, f"--main_process_port={free_port()}"),
            *(REPOSITORY / "train.py", *command_line(**settings, **arguments)),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output, _ = process.communicate(timeout=1200)
    finally:
        process.terminate()  # a request, on which it ends its processes too; no matter once it is done
    assert process.returncode == 0, output[-3000:]


@pytest.fixture(scope="module")
def two_processes(shorts_dir, scratch_config, tmp_path_factory):
    """Output folder of the training `finished` in two processes."""
    output_dir = tmp_path_factory.mktemp("two")
    train_in_two_processes(data_dir=shorts_dir, output_dir=output_dir, scratch_config=scratch_config)
    return output_dir


@pytest.mark.slow
@pytest.mark.parametrize("name", ["retriever", "generator"])
def test_loss_curve_is_that_of_one_process(finished, two_processes, name):
    """
    Would fail if two processes saw other data than one, weighed tokens otherwise, averaged gradients wrongly, or a
    process's negatives were its own ones alone.
    """
    run_dir = two_processes / "runs" / name
    newest = max(run_dir.glob("checkpoint-*"), key=lambda folder: int(folder.name.split("-")[1]))
    assert (newest / "rng_state_1.pth").is_file(), "there was one process only"
    expected = losses(finished / "runs" / name)
    assert len(expected) == 4 and losses(run_dir) == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_results_are_those_of_one_process(finished, two_processes):
    """Would fail if two processes counted a test row twice, or wrote files at once."""
    for name in ("guidance/test.json", "checkpoint/tokenizer.json", "evaluation/predictions.jsonl"):
        assert (two_processes / name).read_bytes() == (finished / name).read_bytes()
    one, two = (json.loads((folder / "evaluation" / "test.json").read_text()) for folder in (finished, two_processes))
    assert one["best_checkpoint"] == pytest.approx(two["best_checkpoint"])
    assert "| `processes` | 2 |" in (two_processes / "checkpoint" / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("query", ["text", "video+text"])
def test_retriever_of_descriptions_is_that_of_one_process(shorts_dir, scratch_config, train, tmp_path, query):
    """Would fail if a process whose rows lack clips or words waited for the other, or left it without a gradient."""
    data_dir = shutil.copytree(shorts_dir, tmp_path / "shorts")
    metadata = data_dir / "train" / "metadata.jsonl"
    rows = [json.loads(line) for line in metadata.read_text().splitlines()]
    for row in rows[:12]:
        del row["file_name"]  # most batches of a process are without any clip
        row["description"] = row["description"] or "words alone"
    metadata.write_text("\n".join(map(json.dumps, rows)))
    arguments = {"data_dir": data_dir, "stages": ["prepare", "retriever"], "retriever_query": query}
    one, two = train(tmp_path / "one", **arguments), tmp_path / "two"
    train_in_two_processes(output_dir=two, scratch_config=scratch_config, **arguments)
    expected = losses(one / "runs" / "retriever")
    assert len(expected) == 4 and losses(two / "runs" / "retriever") == pytest.approx(expected, rel=1e-4)
