"""What a GPU makes of models of the published sizes: clips a second, ways of writing, steps of training, and memory.

    python benchmarks/gpu.py

For one card, in bfloat16. The model has one tower: its generator has the retriever's vision encoder. Weights are
random, and clips are held in memory, decoded. The table of `--batch_sizes` ends with the first one that does not fit.

- **Batches**: clips a second of the whole pipeline but decoding, 32 tokens written greedily, what share that is of
  the rate at which the card multiplies large matrices, and the most memory that the card had in use.
- **Writing**: `generate` over a batch alone, five hashtags of which three are among the retrieved ones, a token at a
  time with the growing cache and with the static one, with drafts, and by five beams.
- **Repeated frames**: clips of one still and clips that move, with the search for frames that repeat and without it.
- **Training**: steps a second of the generator in mixed precision, in a process of its own, without FSDP and cut up by
  FSDP2 as `examples/accelerate/fsdp2.yaml` has it.

`--device cpu --checkpoint demo` tries the script where there is no card; nothing of that is worth keeping.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from base_size import write_checkpoint
from bench_throughput import NUM_FILES, Timed, Workload, matrix_rate
from drafts import by_own_searches
from measured_page import machine
from settings import NEW_TOKENS, WORDS, retrieved_and_others
from transformers import pipeline
from transformers.utils import logging
from written_answer import writing

from transformers_ggm import HashtagGenerationPipeline
from transformers_ggm.modeling.frame_deduplication import DistinctFrames
from transformers_ggm.pipelines import DEMO_CHECKPOINT

HERE = Path(__file__).resolve().parent
NUM_FRAMES, SIZE = 15, 256
# Clips of a run: as many as fill the largest batch, and no fewer than this.
LEAST_CLIPS = 32
GIB = 1 << 30
WAYS = {
    "greedy, a token at a time": ({"num_beams": 1}, False),
    "the same, static cache": ({"num_beams": 1, "cache_implementation": "static"}, False),
    "greedy, with drafts": ({"num_beams": 1}, True),
    "five beams, by transformers": ({"num_beams": 5}, False),
    "five beams": ({"num_beams": 5}, True),
}


def clips(num_clips: int, moves: bool = True) -> list[dict[str, Any]]:
    """Noise as clips in memory; where it does not move, every frame is the first."""
    shape = (NUM_FILES, NUM_FRAMES if moves else 1, SIZE, SIZE, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    videos = np.broadcast_to(pixels, (NUM_FILES, NUM_FRAMES, SIZE, SIZE, 3))
    return [{"video": videos[number % NUM_FILES], "description": WORDS} for number in range(num_clips)]


def seconds_of(run: Callable[[], Any], device: torch.device, num_runs: int = 3) -> float:
    """The least of some runs, after one that warms up; on a GPU until all is computed."""

    def whole() -> None:
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()

    whole()
    timed = Timed(whole)
    for _ in range(num_runs):
        timed.once()
    return timed.seconds


def batches(suggest: HashtagGenerationPipeline, batch_sizes: list[int], rate: float) -> Iterator[str]:
    """Rows of a table of clips a second by batch size, up to one that does not fit."""
    yield from ("| batch | clips a second | share of the matrix rate | memory, GiB |", "|---:|---:|---:|---:|")
    decoding = {"num_beams": 1, "min_new_tokens": NEW_TOKENS, "max_new_tokens": NEW_TOKENS}
    operations = Workload(suggest, clips(2), decoding).operations(2)
    for batch_size in batch_sizes:
        work = Workload(suggest, clips(max(batch_size, LEAST_CLIPS)), decoding)
        forget_memory(suggest.device)
        try:
            seconds = seconds_of(partial(work.alone, batch_size), suggest.device)
        except torch.cuda.OutOfMemoryError:
            yield f"| {batch_size} | does not fit | | |"
            return
        speed = len(work.items) / seconds
        yield f"| {batch_size} | {speed:.1f} | {speed * operations / rate:.1%} | {memory(suggest.device)} |"


def ways_of_writing(suggest: HashtagGenerationPipeline, batch_sizes: list[int]) -> Iterator[str]:
    """Rows of a table of milliseconds a clip, the encoders included, by way of writing and batch size."""
    yield f"| five hashtags | {' | '.join(f'batch of {size}, ms a clip' for size in batch_sizes)} |"
    yield "|---|" + "---:|" * len(batch_sizes)
    answer = writing(retrieved_and_others(suggest, clips(1)[0]), suggest.processor.tokenizer)
    for way, (arguments, is_own) in WAYS.items():
        options = {**arguments, "logits_processor": answer, "max_new_tokens": NEW_TOKENS}
        cells = []
        for size in batch_sizes:
            work = Workload(suggest, clips(size), options)
            with by_own_searches(is_own):
                seconds = seconds_of(partial(work.alone, size), suggest.device)
            cells.append(f"{1000 * seconds / size:.1f}")
        yield f"| {way} | {' | '.join(cells)} |"


def repeated_frames(suggest: HashtagGenerationPipeline, batch_size: int) -> Iterator[str]:
    """Rows of a table of what a clip takes the vision encoder, with and without the search for repeated frames."""
    yield from ("| clips | searched for | not searched for |", "|---|---:|---:|")
    for name, moves in (("of one still", False), ("that move", True)):
        rows = Workload(suggest, clips(batch_size, moves), {}).rows
        seen = suggest.processor(
            videos=[row["frames"] for row in rows], allow_empty=True, do_resize=False, do_center_crop=False
        )
        pixels = seen["pixel_values_videos"].to(suggest.device, suggest.retriever.dtype)
        cells = []
        for keep_all in (False, True):
            with all_frames() if keep_all else nullcontext(), torch.inference_mode():
                seconds = seconds_of(partial(suggest.retriever.get_video_features, pixels), suggest.device)
            cells.append(f"{1000 * seconds / batch_size:.2f}")
        yield f"| {name} | {' | '.join(cells)} |"


@contextmanager
def all_frames() -> Iterator[None]:
    """Has towers see every frame."""

    def kept(pixel_values_videos, frame_mask, tower):
        return DistinctFrames(pixel_values_videos.flatten(0, 1), tuple(pixel_values_videos.shape[:2]))

    with mock.patch.object(DistinctFrames, "of", kept):
        yield


def trainings(checkpoint: str, device: torch.device, batch_sizes: list[int], steps: int) -> Iterator[str]:
    """Rows of a table of steps a second and memory, each measured by a process of its own."""
    yield from ("| training | clips a step | steps a second | memory, GiB |", "|---|---:|---:|---:|")
    ways = {"one process": [sys.executable]}
    if device.type == "cuda":
        launch = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--num_processes", "1"]
        ways["FSDP2, one process"] = [*launch, "--config_file", str(HERE.parent / "examples/accelerate/fsdp2.yaml")]
    for name, command in ways.items():
        for size in batch_sizes:
            script = [str(HERE / "gpu_training.py"), checkpoint, "--batch_size", str(size), "--steps", str(steps)]
            done = subprocess.run(
                [*command, *script, "--device", device.type], capture_output=True, text=True, check=False
            )
            if done.returncode:
                reason = (done.stderr.strip() or "no reason was given").splitlines()[-1]
                yield f"| {name} | {size} | failed: {reason} | |"
                break
            told = json.loads(done.stdout.splitlines()[-1])
            yield f"| {name} | {size} | {told['rate']:.2f} | {told['memory']} |"


def forget_memory(device: torch.device) -> None:
    """Begins anew to note the most memory in use."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def memory(device: torch.device) -> str:
    """The most that was in use, in GiB."""
    return f"{torch.cuda.max_memory_allocated() / GIB:.1f}" if device.type == "cuda" else "–"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", type=torch.device, default=torch.device("cuda"), help="default: cuda")
    parser.add_argument("--checkpoint", help="another one than that of the published sizes; 'demo' is the bundled one")
    parser.add_argument("--batch_sizes", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64, 128, 256])
    parser.add_argument("--train_batch_sizes", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--train_steps", type=int, default=20, help="of each training that is measured (default: 20)")
    arguments = parser.parse_args()
    if arguments.device.type == "cuda" and not torch.cuda.is_available():
        parser.error("there is no GPU that PyTorch can use; --device cpu --checkpoint demo tries the script without.")
    logging.set_verbosity_error()
    device, rate = arguments.device, matrix_rate(arguments.device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "no GPU"
    print(f"Measured on {name}, {rate / 1e12:.0f} TFLOP/s of bf16 matrices; {machine()}.", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = str(DEMO_CHECKPOINT) if arguments.checkpoint == "demo" else arguments.checkpoint or folder
        if arguments.checkpoint is None:
            write_checkpoint(Path(folder), shared_vision=True)
        suggest = pipeline("hashtag-generation", model=checkpoint, dtype=torch.bfloat16, device=device)
        some = sorted({min(arguments.batch_sizes), min(32, max(arguments.batch_sizes))})
        parts = {
            "Batches": batches(suggest, arguments.batch_sizes, rate),
            "Writing": ways_of_writing(suggest, some),
            "Repeated frames, ms a clip": repeated_frames(suggest, max(some)),
            "Training": trainings(checkpoint, device, arguments.train_batch_sizes, arguments.train_steps),
        }
        for title, lines in parts.items():
            print(f"\n### {title}\n", flush=True)
            for line in lines:
                print(line, flush=True)


if __name__ == "__main__":
    main()
