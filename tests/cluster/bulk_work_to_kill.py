"""
Bulk work of two stages that do next to nothing, and its killing at seeded points:

    python bulk_work_to_kill.py FOLDER SEED NUM_KILLS

It is killed, and done again where that ended it, until it is whole. `kills.json` in the folder tells what was killed.
"""

import contextlib
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow as pa

# Before Ray is imported. The cluster, and who connects to it, want no token; actors are not to wait for all others.
os.environ |= {"RAY_AUTH_MODE": "disabled", "RAY_worker_niceness": "0"}

from transformers_ggm.cluster import bulk_output
from transformers_ggm.cluster.actor_stages import ActorStage, stream_through
from transformers_ggm.cluster.bulk_output import BulkOutput
from transformers_ggm.cluster.bulk_rows import blocks_of
from transformers_ggm.cluster.ray_session import ray_session

NUM_ROWS = 400
# Rows of these numbers cannot be done.
BAD = 10


class First:
    """Gives each block on in two halves."""

    def __init__(self, folder):
        self.folder = folder
        Path(folder, "pids", f"first-{os.getpid()}").touch()

    def __call__(self, block):
        yield block.slice(0, 1)
        yield block.slice(1)


class Second:
    """Notes in a file that it is at a row, and takes a moment for it."""

    def __init__(self, folder):
        self.folder = folder
        Path(folder, "pids", f"second-{os.getpid()}").touch()

    def __call__(self, block):
        names = block["id"].to_pylist()
        with open(f"{self.folder}/begun.txt", "a") as file:
            file.writelines(f"{name}\n" for name in names)
        time.sleep(0.01 * len(names))
        errors = ["it is bad" if int(name) % BAD == 0 else None for name in names]
        return pa.table({"id": names, "error": pa.array(errors, pa.string()), "twice": [2 * int(i) for i in names]})


def work(folder, address):
    """One call, as `tag_bulk` makes it."""
    # Many parts, so that kills come between and within their writing.
    bulk_output._PART_ROWS = 10
    stages = [ActorStage(First, {"folder": folder}), ActorStage(Second, {"folder": folder}, num_actors=2)]
    with BulkOutput.opened(Path(folder, "output"), {"work": "nothing"}) as output, ray_session(address):
        known = output.done | output.rejects.keys()
        rows = ({"id": str(number)} for number in range(NUM_ROWS) if str(number) not in known)
        for table in stream_through(stages, blocks_of(rows, num_actors=20)):
            output.add(table)


def kill(victim, process, folder):
    """Kills the driver, or the newest actor of a stage, and tells whether it was there."""
    if victim == "driver":
        process.kill()
        return True
    actors = sorted(Path(folder, "pids").glob(f"{victim}-*"), key=lambda file: file.stat().st_mtime)
    try:
        os.kill(int(actors[-1].name.partition("-")[2]), signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def num_begun(folder):
    file = Path(folder, "begun.txt")
    return file.read_text().count("\n") if file.is_file() else 0


def kill_and_do_again(folder, address, points):
    """Goes through the points, each when so many more rows were begun, and gives what was killed at which."""
    fork, killed = multiprocessing.get_context("fork"), []
    while True:
        process = fork.Process(target=work, args=(folder, address))
        process.start()
        while process.is_alive():
            before = num_begun(folder)
            wanted, delay, victim = points[0] if points else (float("inf"), 0, "")
            while process.is_alive() and num_begun(folder) < before + wanted:
                time.sleep(0.005)
            time.sleep(delay)
            if process.is_alive() and kill(victim, process, folder):
                killed.append([victim, num_begun(folder)])
                points.pop(0)
        process.join()
        if process.exitcode == 0 and not points:
            return killed
        if process.exitcode not in (0, -signal.SIGKILL):
            raise SystemExit(f"The work ended with {process.exitcode} after {killed}.")
        if process.exitcode == 0:
            # All was done before the last points: the next one is met by work that is done anew.
            for file in Path(folder, "output").glob("*.parquet"):
                file.unlink()


def main(folder, seed, num_kills):
    rng = random.Random(int(seed))
    Path(folder, "pids").mkdir()
    victims = [("driver", "first", "second")[number % 3] for number in range(int(num_kills))]
    rng.shuffle(victims)
    points = [(rng.randrange(2, 30), rng.uniform(0, 0.1), victim) for victim in victims]
    small = ["--num-cpus=2", "--include-dashboard=false", "--object-store-memory=100000000"]
    here = ["--node-ip-address=127.0.0.1", "--port=0", f"--temp-dir={folder}/r", "--disable-usage-stats"]
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", *small, *here]
    cluster = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        while "Ray runtime started" not in cluster.stdout.readline():
            pass
        address = Path(folder, "r", "ray_current_cluster")
        while not address.is_file():
            time.sleep(0.1)
        killed = kill_and_do_again(folder, address.read_text().strip(), points)
    finally:
        # Not by `ray stop`, which ends all clusters that there are.
        running = psutil.Process(cluster.pid)
        for process in (*running.children(recursive=True), running):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        cluster.wait()
    Path(folder, "kills.json").write_text(json.dumps(killed))


if __name__ == "__main__":
    main(*sys.argv[1:])
