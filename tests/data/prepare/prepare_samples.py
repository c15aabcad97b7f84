"""What the tests of preparation share: a source of bad and good rows, and short ways to prepare."""

import json
from concurrent.futures import Future

from transformers_ggm.data.prepare import ClipOptions, WorkOptions, prepare_shorts

# The frame rule and the rate of the processors in data_samples.py.
RULE = {"frames_per_second": 1.0, "sampling_rate": 8000}


def prepare(source, output_dir, clips_per_shard=2, num_workers=1, clip=None, **arguments):
    """Prepares with the frame rule of the tests' processors."""
    return prepare_shorts(
        source,
        output_dir,
        clip=ClipOptions(**RULE, **(clip or {})),
        work=WorkOptions(num_workers=num_workers, clips_per_shard=clips_per_shard),
        **arguments,
    )


class InThisProcess:
    """Decodes at once: starting processes takes longer than the clips of these tests."""

    def __init__(self, work, *_):
        self.work = work

    def submit(self, task, *_):
        future = Future()
        future.set_result(self.work(task))
        return future

    def __exit__(self, *_):
        pass


def read_lines(path):
    """A JSON Lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def files_of(folder):
    """Every file below a folder with its time of writing and its size."""
    return {
        str(file.relative_to(folder)): (file.stat().st_mtime_ns, file.stat().st_size)
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
