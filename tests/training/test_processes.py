import json
import shutil

import pytest
import torch
from process_samples import train_in_two_processes
from safetensors.torch import load_file
from training_samples import command_line, losses

from transformers_ggm.training.automated_tasks import HEADS_FILE
from transformers_ggm.training.callbacks import last_checkpoint

# Half the batch in each process.
HALVED = {"per_device_train_batch_size": 4, "retriever_per_device_train_batch_size": 4}
# How processes talk to each other, of which there is nothing to see in one.
TALK = {
    "ddp_backend": "gloo", "ddp_find_unused_parameters": True, "ddp_bucket_cap_mb": 1, "ddp_broadcast_buffers": True,
    "ddp_timeout": 600,
}  # fmt: skip


@pytest.fixture(scope="module")
def two_processes(shorts_dir, scratch_config, tmp_path_factory):
    """Output folder of the training `finished` in two processes."""
    output_dir = tmp_path_factory.mktemp("two")
    train_in_two_processes(
        command_line(data_dir=shorts_dir, output_dir=output_dir, scratch_config=scratch_config, **HALVED, **TALK)
    )
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
    train_in_two_processes(command_line(output_dir=two, scratch_config=scratch_config, **arguments, **HALVED))
    expected = losses(one / "runs" / "retriever")
    assert len(expected) == 4 and losses(two / "runs" / "retriever") == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_automated_tasks_are_those_of_one_process(shorts_dir, scratch_config, train, tmp_path):
    """Would fail if a process learned a task from its own rows alone, weighed tokens otherwise, or waited for ever."""
    arguments = {
        "data_dir": shorts_dir, "stages": ["prepare", "generator"], "num_guidance": 0, "inputs": "text",
        "automated_tasks": ["missing_word", "next_word", "next_character"],
    }  # fmt: skip
    one, two = train(tmp_path / "one", **arguments), tmp_path / "two"
    train_in_two_processes(command_line(output_dir=two, scratch_config=scratch_config, **arguments, **HALVED))
    expected = losses(one / "runs" / "generator")
    assert len(expected) == 4 and losses(two / "runs" / "generator") == pytest.approx(expected, rel=1e-4)
    (heads, others) = (load_file(last_checkpoint(run / "runs" / "generator") / HEADS_FILE) for run in (one, two))
    for name, weight in heads.items():
        torch.testing.assert_close(others[name], weight, atol=1e-4, rtol=1e-3)
