"""Training in processes that Ray starts."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress

import psutil
import pytest
from training_samples import REPOSITORY, command_line, losses, write_scratch_config

from transformers_ggm.data.rendered_shorts import render_shorts
from transformers_ggm.training import callbacks, main

pytest.importorskip("ray.train", reason="needs the extra 'ray'")

# On any machine two processors and little memory; what lies in a socket's path must be short.
IN_SMALL = """
import runpy, sys
import ray
start, folder, sys.argv = ray.init, sys.argv[1], sys.argv[2:]
ray.init = lambda address: start(
    address, num_cpus=2, include_dashboard=False, object_store_memory=300_000_000, _temp_dir=folder
)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


# A busy machine takes longer to start processes than Ray expects, and its memory is not only taken by these.
PATIENT = {
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "600", "RAY_raylet_start_wait_time_s": "600",
    "RAY_memory_monitor_refresh_ms": "0",
}  # fmt: skip


@pytest.fixture
def short_folder():
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def family(process):
    """The descendants of a process."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(process.pid).children(recursive=True)
    return []


def workers(process):
    """The processes that train."""
    found = []
    for one in family(process):
        with suppress(psutil.NoSuchProcess):
            if any("RayTrainWorker" in part for part in one.cmdline()):
                found.append(one)
    return found


@pytest.mark.slow
def test_training_goes_on_after_a_worker_is_killed(tmp_path, short_folder):
    """
    Would fail if Ray's processes were not joined into one training, or it did not go on, with the same losses as
    without Ray, after one of them was killed.
    """
    render_shorts(tmp_path / "shorts", 16, 4, 4, size=32, num_workers=1, progress_bar=False)
    config = write_scratch_config(tmp_path / "scratch.json")
    settings = {"data_dir": tmp_path / "shorts", "scratch_config": config, "num_train_epochs": 6}
    output_dir = tmp_path / "ray"
    halved = {"per_device_train_batch_size": 4, "retriever_per_device_train_batch_size": 4}
    line = command_line(output_dir=output_dir, **settings, **halved)
    own = ["--use_cpu", "--storage_path", str(tmp_path / "state"), "--", *line]
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", IN_SMALL, short_folder, str(REPOSITORY / "examples" / "ray_train.py"), *own],
            env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **PATIENT},
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    started = []
    try:
        run_dir = output_dir / "runs" / "generator"
        while callbacks.last_checkpoint(run_dir) is None:
            assert process.poll() is None, log.read_text()[-3000:]
            time.sleep(0.05)
        started = family(process)
        workers(process)[-1].kill()
        assert process.wait(timeout=600) == 0, log.read_text()[-3000:]
    finally:
        for one in [*family(process), *started]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        process.kill()
        process.wait()
    main(command_line(output_dir=tmp_path / "alone", **settings))
    expected = losses(tmp_path / "alone" / "runs" / "generator")
    assert len(expected) == 12 and losses(run_dir) == pytest.approx(expected, rel=1e-4)
    assert (output_dir / "evaluation" / "test.json").is_file()
