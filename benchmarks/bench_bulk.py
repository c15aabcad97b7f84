"""Measures bulk work on Ray: clips a second, and how much memory its actors need at most.

    python benchmarks/bench_bulk.py --num_clips 20000
    python benchmarks/bench_bulk.py --num_clips 2000 --with_model --num_decoders 2

Clips are rendered here, 64 by 64 pixels with sound, and each is read many times under different ids. Without
`--with_model` they are decoded, prepared for the bundled model and sent on to an actor that takes them apart and
throws them away, which needs all memory but the model's. The clock runs from the first clip that comes out, when all
actors have begun. Memory is the resident set at its peak, of an actor and the process that decodes for it together:
pages that both have are counted twice, and those of Ray's store that an actor has touched are counted, too.
"""

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pyarrow as pa
from transformers import pipeline

from transformers_ggm.cluster.actor_stages import ActorStage, stream_through
from transformers_ggm.cluster.bulk_rows import blocks_of, bulk_rows
from transformers_ggm.cluster.clip_stages import Decoder, Tagger
from transformers_ggm.cluster.ray_session import ray_session
from transformers_ggm.cluster.sent_rows import unpacked_rows
from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes

_GIB = 1 << 30


class Unpack:
    """Takes prepared clips apart, as the stage of the model does, and gives their ids."""

    def __call__(self, block: pa.Table) -> pa.Table:
        names = []
        for name, item in unpacked_rows(block):
            if item.error is not None:
                raise item.error
            names.append(name)
        return pa.table({"id": names})


class PeakMemory(threading.Thread):
    """Looks at the processes of actors, once a second, for the most that each of them and its children had."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peaks: dict[str, float] = {}
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(1.0):
            for process in psutil.Process().children(recursive=True):
                try:
                    name = " ".join(process.cmdline())
                    if name.startswith("ray::MapWorker"):
                        family = [process, *process.children(recursive=True)]
                        stage = name.partition("MapBatches(")[2].partition(")")[0]
                        used = sum(member.memory_info().rss for member in family) / _GIB
                        self.peaks[stage] = max(self.peaks.get(stage, 0.0), used)
                except psutil.Error:  # it has just ended
                    continue

    def end(self) -> dict[str, float]:
        self._ended.set()
        self.join()
        return self.peaks


def write_table(folder: Path, num_clips: int, num_files: int) -> Path:
    """A table of so many clips, of few files."""
    for number, recipe in enumerate(sample_recipes("test", num_files)):
        render_clip(recipe, str(folder / f"{number}.mp4"), size=64)
    rows = (
        {"id": str(number), "video": f"{number % num_files}.mp4", "description": f"clip {number}"}
        for number in range(num_clips)
    )
    table = folder / "clips.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return table


def stages(num_decoders: int, batch_size: int, with_model: bool) -> list[ActorStage]:
    suggest = pipeline("hashtag-generation", device="cpu")
    decoder = {"preprocess": suggest.without_models().preprocess, "num_rows": batch_size}
    options = {"model": None, "int8": False, "options": {"batch_size": batch_size, "num_beams": 1}}
    last = ActorStage(Tagger, options) if with_model else ActorStage(Unpack)
    return [ActorStage(Decoder, decoder, num_decoders), last]


def clock(tables: Iterator[pa.Table], num_clips: int, memory: PeakMemory) -> tuple[int, float]:
    """How many clips came out after the first table, and in how many seconds. Tells of each thousand."""
    count, first, begin = 0, None, 0.0
    for table in tables:
        before, count = count, count + table.num_rows
        if first is None:
            first, begin = table.num_rows, time.perf_counter()
        if count // 1000 > before // 1000:
            peaks = ", ".join(f"{stage} {peak:.2f} GiB" for stage, peak in memory.peaks.items())
            print(f"{count} of {num_clips} clips, {time.perf_counter() - begin:.0f} s, at most {peaks}", flush=True)
    return count - (first or 0), time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--num_clips", type=int, default=20000)
    parser.add_argument("--num_files", type=int, default=32, help="clips that are rendered")
    parser.add_argument("--num_decoders", type=int, default=1)
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--with_model", action="store_true", help="the bundled one, greedily")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ray_session():
        table = write_table(Path(folder), arguments.num_clips, arguments.num_files)
        blocks = blocks_of(bulk_rows(table), arguments.num_decoders)
        work = stages(arguments.num_decoders, arguments.batch_size, arguments.with_model)
        memory = PeakMemory()
        memory.start()
        count, seconds = clock(stream_through(work, blocks), arguments.num_clips, memory)
        peaks = memory.end()
    print(f"{count} clips in {seconds:.0f} s: {count / seconds:.1f} a second")
    for stage, peak in peaks.items():
        print(f"{stage}: {peak:.2f} GiB at most in an actor and its children")


if __name__ == "__main__":
    main()
