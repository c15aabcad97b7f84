"""Measures how many videos a second are tagged: by the model alone, and from files with and without workers.

    python benchmarks/bench_throughput.py
    python benchmarks/bench_throughput.py --device cuda --batch_sizes 1 8 32 128 256 --workers 4 8 16 --num_clips 512

Clips are rendered here, 7.5 s at 1280x720 with sound. "Model alone" gets frames that are resized and sound features
that are made before the clock runs; all else is what `pipeline("hashtag-generation")` does with files. Two models have
the published sizes, random weights, and write 32 tokens in bfloat16: with two towers by five beams, with one tower
greedily. The bundled checkpoint decodes greedily too. Settings take turns, and the most videos a second of several
runs count.

The ceiling is what workers could reach at best. Where the model runs on the processor, it is the model's processor
time divided by that of model and decoding; on a GPU, what all cores together can decode, divided by the model's videos
a second. On a GPU, the model is measured as a share of the rate at which the card multiplies large bfloat16 matrices
too.
"""

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from base_size import write_checkpoint
from bench_decoding import clip_name, render_clip
from measured_page import machine
from settings import NEW_TOKENS, WORDS
from torch.utils.flop_counter import FlopCounterMode
from transformers import pipeline
from transformers.utils import logging

from transformers_ggm import HashtagGenerationPipeline
from transformers_ggm.data.prepare.options import available_cores
from transformers_ggm.errors import OutputError
from transformers_ggm.pipelines import DEMO_CHECKPOINT
from transformers_ggm.utils.files import check_output_folder

NUM_FILES = 4
MODELS = ["published", "base", "bundled"]


@dataclass
class Timed:
    """The fastest of several runs.

    Args:
        run (`Callable`): What is timed.
        seconds (`float`): Wall time.
        processor_seconds (`float`): Time on all cores, of this process alone: the least of any run.
    """

    run: Callable[[], Any]
    seconds: float = float("inf")
    processor_seconds: float = float("inf")

    def once(self) -> None:
        started, processor = time.perf_counter(), time.process_time()
        self.run()
        self.seconds = min(self.seconds, time.perf_counter() - started)
        self.processor_seconds = min(self.processor_seconds, time.process_time() - processor)


@dataclass
class Workload:
    """A model, and clips for it.

    Args:
        suggest ([`HashtagGenerationPipeline`]): The model.
        items (`list[dict]`): As many as one run tags; the first few again and again.
        decoding (`dict`): Arguments of `generate`.
    """

    suggest: HashtagGenerationPipeline
    items: list[dict[str, Any]]
    decoding: dict[str, Any]
    rows: list[dict[str, Any]] = field(init=False)

    def __post_init__(self):
        ready = [self.suggest.preprocess(item) for item in self.items[:NUM_FILES]]
        self.rows = [ready[number % NUM_FILES] for number in range(len(self.items))]

    def alone(self, batch_size: int) -> None:
        """Tags what is prepared."""
        rows = iter(self.rows)
        while batch := list(itertools.islice(rows, batch_size)):
            inputs = {name: [row[name] for row in batch] for name in batch[0]}
            outputs = self.suggest.forward(inputs, **self.decoding)
            for values in zip(*outputs.values()):
                self.suggest.postprocess(dict(zip(outputs, values)))

    def from_files(self, batch_size: int, num_workers: int) -> None:
        """Tags the files."""
        self.suggest(self.items, batch_size=batch_size, num_workers=num_workers, **self.decoding)

    def decode(self) -> None:
        """Prepares each file once."""
        for item in self.items[:NUM_FILES]:
            self.suggest.preprocess(item)

    def operations(self, batch_size: int) -> int:
        """Floating-point operations for a video."""
        with FlopCounterMode(display=False) as counter:
            self.alone(batch_size)
        return counter.get_total_flops() // len(self.rows)


def matrix_rate(device: torch.device) -> float:
    """Floating-point operations a second with which a device multiplies large bfloat16 matrices."""
    size = 8192 if device.type == "cuda" else 2048
    first, second = torch.randn(2, size, size, device=device, dtype=torch.bfloat16)
    timed = Timed(lambda: [first @ second, torch.cuda.synchronize() if device.type == "cuda" else None])
    for _ in range(10):
        timed.once()
    return 2 * size**3 / timed.seconds


def rows_of_table(
    name: str, work: Workload, batch_sizes: list[int], workers: list[int], num_runs: int, rate: float | None
) -> list[str]:
    """Lines of a Markdown table, one for a batch size."""
    decoding = Timed(work.decode)
    decoding.once()
    decoding.once()
    # Of one clip.
    decode_seconds = decoding.processor_seconds / min(NUM_FILES, len(work.items))
    operations = None if rate is None else work.operations(min(batch_sizes))
    lines = []
    for batch_size in batch_sizes:
        ways = {"alone": Timed(lambda size=batch_size: work.alone(size))}
        for count in (0, *workers):
            ways[count] = Timed(lambda size=batch_size, count=count: work.from_files(size, count))
        work.alone(batch_size)
        for _ in range(num_runs):
            for timed in ways.values():
                timed.once()
        speeds = {way: len(work.items) / timed.seconds for way, timed in ways.items()}
        if rate is None:
            model_seconds = ways["alone"].processor_seconds / len(work.items)
            ceiling = model_seconds / (model_seconds + decode_seconds)
        else:
            ceiling = min(1.0, available_cores() / decode_seconds / speeds["alone"])
        cells = [f"{speeds[way]:.2f}" for way in ("alone", 0, *workers)]
        cells += [f"{max(speeds[count] for count in workers) / speeds['alone']:.2f}", f"{ceiling:.2f}"]
        if rate is not None:
            cells.append(f"{speeds['alone'] * operations / rate:.1%}")
        lines.append(f"| {name} | {batch_size} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    return lines


def header(workers: list[int], on_gpu: bool) -> list[str]:
    """The first two lines of the table."""
    columns = ["videos a second", "batch", "model alone", "files, no workers"]
    columns += [f"{count} worker{'s' * (count > 1)}" for count in workers] + ["best of workers / alone", "ceiling"]
    columns += ["share of the matrix rate"] if on_gpu else []
    return ["| " + " | ".join(columns) + " |", "|---|" + "---:|" * (len(columns) - 1)]


def clips(folder: Path) -> list[Path]:
    """Clips in a folder, rendered where they are not there yet."""
    files = [folder / clip_name(7.5, 60, number) for number in range(NUM_FILES)]
    return [file if file.exists() else render_clip(file, 7.5, 60, seed=number) for number, file in enumerate(files)]


def workloads(
    folder: Path, files: list[Path], device: torch.device, num_clips: int, names: list[str]
) -> dict[str, Workload]:
    """The models that are measured, by what to call them."""
    items = [{"video": str(files[number % NUM_FILES]), "description": WORDS} for number in range(num_clips)]
    made = {}
    for name, num_beams, title in (("published", 5, "two towers, five beams"), ("base", 1, "one tower, greedy")):
        if name in names:
            write_checkpoint(folder / name, shared_vision=name == "base")
            suggest = pipeline("hashtag-generation", model=str(folder / name), dtype=torch.bfloat16, device=device)
            decoding = {"num_beams": num_beams, "min_new_tokens": NEW_TOKENS, "max_new_tokens": NEW_TOKENS}
            made[title] = Workload(suggest, items, decoding)
    if "bundled" in names:
        suggest = pipeline("hashtag-generation", model=DEMO_CHECKPOINT, device=device)
        made["bundled checkpoint, greedy"] = Workload(suggest, items, {"num_beams": 1})
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"), help="such as cuda (default: cpu)")
    parser.add_argument("--batch_sizes", type=int, nargs="+", default=[8], help="videos at a time (default: 8)")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="processes (default: 1 2 4)")
    parser.add_argument("--num_clips", type=int, default=32, help="videos of one run (default: 32)")
    parser.add_argument("--num_runs", type=int, default=2, help="how often each setting is measured (default: 2)")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS, help="default: all")
    parser.add_argument("--keep", type=Path, help="folder to keep the clips in (default: none, they are removed)")
    arguments = parser.parse_args()
    try:
        if arguments.keep:
            check_output_folder(arguments.keep, "--keep")
    except OutputError as error:
        parser.error(str(error))
    logging.set_verbosity_error()
    on_gpu = arguments.device.type == "cuda"
    rate = matrix_rate(arguments.device) if on_gpu else None
    name = f"{torch.cuda.get_device_name()}, {rate / 1e12:.0f} TFLOP/s of bf16 matrices; " if on_gpu else ""
    lines = [f"Measured on {name}{machine()}, {os.cpu_count()} cores.", "", *header(arguments.workers, on_gpu)]
    print("\n".join(lines), flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        files = clips(arguments.keep or folder)
        made = workloads(folder, files, arguments.device, arguments.num_clips, arguments.models)
        for model, work in made.items():
            rows_of_table(model, work, arguments.batch_sizes, arguments.workers, arguments.num_runs, rate)


if __name__ == "__main__":
    main()
