"""Measures `ggm serve` under load, beside the pipeline's own throughput with the same clips.

    python benchmarks/bench_serving.py --output docs/serving.md
    python benchmarks/bench_serving.py --engine ray --seconds 60

The server, with the bundled checkpoint, and its clients share this machine, over loopback. 200 clients each send a
clip of 7 s that was rendered here, wait for the answer, and send the next; four more of each kind behave badly: they
send what is no clip, half of one, one by and by, or do not wait for the answer. The pipeline tags the same clips in
batches of the same size before and after: without workers and with one for each core, computing in one thread and in
as many as there are cores. The fastest of these ways counts.
With `--engine ray` there are two replicas, and one of them is killed half-way. Between its marks, the page is written
anew.

Where others use the machine too, clips a second say little, but processor time a clip does.
"""

import argparse
import asyncio
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import torch
from load_clients import Answered, Clip, Load
from measured_page import check_page, machine, picture_of, write_sections
from transformers import pipeline
from transformers.utils import logging

from transformers_ggm.data.prepare.options import available_cores
from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes
from transformers_ggm.utils.plotting import new_figure, save_figure

BATCH_SIZE, NUM_BAD = 16, 4
SECTIONS = {None: "load", "ray": "killed replica"}
PICTURE = "serving.png"
QUANTILES = (50, 95, 99)
RIGHT, ODD = "right", ("other hashtags", "another's")
MIB = 1 << 20
# Of the memory of a server that begins, which is not the one to grow by what is kept for later.
WARM_UP = 0.25


@dataclass
class Measured:
    """What a load came to.

    Args:
        load ([`Load`]): The clients.
        begin (`float`): When it began, by `time.perf_counter`.
        memory (`list[tuple[float, float]]`): Seconds from the beginning, and MiB of all processes that answer.
        server_seconds, client_seconds (`float`): Processor time of those who answer, and of those who ask.
        killed (`float`, *optional*): When a replica was killed.
        at_kill (`int`): Requests that were under way then.
    """

    load: Load
    begin: float
    memory: list[tuple[float, float]] = field(default_factory=list)
    server_seconds: float = 0.0
    client_seconds: float = 0.0
    killed: float | None = None
    at_kill: int = 0

    @property
    def answered(self) -> list[Answered]:
        return self.load.answered

    @property
    def rate(self) -> float:
        """Right answers a second, while all clients asked."""
        end = self.begin + self.load.seconds
        return sum(each.outcome == RIGHT and each.end <= end for each in self.answered) / self.load.seconds

    def quantiles(self) -> dict[int, float]:
        """Seconds of right answers."""
        cuts = statistics.quantiles([each.end - each.begin for each in self.answered if each.outcome == RIGHT], n=100)
        return {each: cuts[each - 1] for each in QUANTILES}

    def slope(self) -> float:
        """MiB a minute that memory grew by, once the server was warm."""
        warm = [each for each in self.memory if each[0] > WARM_UP * self.load.seconds]
        seconds, sizes = zip(*warm)
        return 60 * statistics.linear_regression(seconds, sizes).slope


def clips(suggest, folder: Path, number: int) -> list[Clip]:
    """Rendered ones that no two answers are alike of."""
    made: dict[tuple[str, ...], Clip] = {}
    for index, recipe in enumerate(sample_recipes("test", 4 * number)):
        file = folder / f"{index}.mp4"
        render_clip(recipe, str(file))
        answer = suggest(str(file), description=recipe.description)
        hashtags = [tag["hashtag"] for tag in answer]
        made.setdefault(tuple(hashtags), Clip(file.read_bytes(), recipe.description, hashtags))
        if len(made) == number:
            break
    return [*made.values()]


@dataclass
class Rate:
    """How fast a pipeline is.

    Args:
        clips (`float`): Clips a second.
        milliseconds (`float`): Processor time a clip, on all cores.
    """

    clips: float
    milliseconds: float


def pipeline_rate(suggest, files: list[dict[str, str]], num_workers: int) -> Rate:
    """Tags clips from files, in batches."""
    begin, used = time.perf_counter(), sum(os.times()[:4])
    suggest(files, batch_size=BATCH_SIZE, num_workers=num_workers)
    seconds = time.perf_counter() - begin
    return Rate(len(files) / seconds, 1000 * (sum(os.times()[:4]) - used) / len(files))


def best_rate(suggest, files: list[dict[str, str]]) -> Rate:
    """Of the ways to tag them the fastest."""
    rates, threads = [], torch.get_num_threads()
    for number in {1, threads}:
        torch.set_num_threads(number)
        rates += [pipeline_rate(suggest, files, workers) for workers in (0, available_cores())]
    torch.set_num_threads(threads)
    return max(rates, key=lambda each: each.clips)


def as_files(sent: list[Clip], folder: Path, repeats: int) -> list[dict[str, str]]:
    """Clips as the pipeline takes them."""
    items = []
    for index, clip in enumerate(sent):
        file = folder / f"sent-{index}.mp4"
        file.write_bytes(clip.video)
        items.append({"video": str(file), "description": clip.description})
    return items * repeats


@contextlib.contextmanager
def server(engine: str | None, log: Path) -> Iterator[tuple[psutil.Process, int]]:
    """`ggm serve`, ready, and its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "transformers_ggm", "serve", "--port", str(port), "--drain_seconds", "0"]
    command += ["--max_batch_size", str(BATCH_SIZE)]
    if engine == "ray":
        command += ["--engine", "ray", "--min_replicas", "2", "--max_replicas", "2"]
    # Ray's workers give way to all other processes, and to the clients, unless they are told not to.
    environment = {**os.environ, "RAY_worker_niceness": "0"}
    with log.open("w") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"http://127.0.0.1:{port}/ready", timeout=5).status_code == 200:
                    break
            if process.poll() is not None:
                raise RuntimeError(f"The server has ended:\n{log.read_text()}")
            time.sleep(0.5)
        yield psutil.Process(process.pid), port
    finally:
        process.terminate()
        process.wait(60)


def replicas(process: psutil.Process) -> list[psutil.Process]:
    """The processes that answer: Ray's replicas, or the server itself."""
    found = [each for each in process.children(recursive=True) if "ServeReplica" in "".join(each.cmdline())]
    return found or [process]


def with_children(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those who decode for them, too."""
    return [*processes, *(child for each in processes for child in each.children(recursive=True))]


def processor_seconds(processes: list[psutil.Process]) -> float:
    """Of all cores, so far."""
    return sum(sum(each.cpu_times()[:2]) for each in with_children(processes))


def resident(processes: list[psutil.Process]) -> float:
    """MiB of memory."""
    return sum(each.memory_info().rss for each in with_children(processes)) / MIB


async def measured(process: psutil.Process, load: Load, num_clients: int, kills: bool) -> Measured:
    """Runs the load, and looks at memory every second meanwhile."""
    result = Measured(load, time.perf_counter())
    used, used_here = processor_seconds(replicas(process)), time.process_time()
    running = asyncio.create_task(load.run(num_clients, 0 if kills else NUM_BAD))
    while not running.done():
        seconds = time.perf_counter() - result.begin
        if kills and result.killed is None and seconds > load.seconds / 2:
            victim = replicas(process)[0]
            result.killed, result.at_kill = time.perf_counter(), len(load.under_way)
            victim.kill()
        if seconds < load.seconds:
            with contextlib.suppress(psutil.NoSuchProcess):
                result.memory.append((seconds, resident(replicas(process))))
        await asyncio.wait({running}, timeout=1)
    await running
    if not kills:  # what is killed cannot be asked
        result.server_seconds = processor_seconds(replicas(process)) - used
    result.client_seconds = time.process_time() - used_here
    return result


def table(result: Measured, num_clients: int, rates: list[Rate]) -> list[str]:
    """Lines of Markdown about a load."""
    outcomes = Counter(each.outcome for each in result.answered)
    failed = [f"{count} ({each})" for each, count in outcomes.items() if each != RIGHT and each not in ODD]
    rows = {
        "clients, and for how long": f"{num_clients}, {result.load.seconds:.0f} s",
        "requests answered": f"{len(result.answered)}",
        **{f"of these {outcome}": f"{outcomes[outcome]}" for outcome in (RIGHT, *ODD)},
        "failed": ", ".join(failed) or "0",
        "lost, without any answer": str(len(result.load.under_way)),
        **{f"seconds, {each}% of them within": f"{seconds:.2f}" for each, seconds in result.quantiles().items()},
        "clips a second": f"**{result.rate:.1f}**",
        "memory at the end": f"{result.memory[-1][1]:.0f} MiB",
    }
    rows |= rate_rows(result, rates) if result.killed is None else killed_rows(result)
    lines = ["| | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows.items())]
    return [*lines, "", *bad_table(result.load.bad)] if result.load.bad else lines


def rate_rows(result: Measured, rates: list[Rate]) -> dict[str, str]:
    """A load beside the pipeline alone."""
    number, alone = len(result.answered), statistics.mean(rate.clips for rate in rates)
    return {
        "its growth, once warm": f"{result.slope():+.1f} MiB a minute",
        "clips a second of the pipeline, before and after": ", ".join(f"{rate.clips:.1f}" for rate in rates),
        "share of the pipeline's": f"**{result.rate / alone:.2f}**",
        "processor time a clip of the server": f"{1000 * result.server_seconds / number:.0f} ms",
        "of the clients": f"{1000 * result.client_seconds / number:.0f} ms",
        "of the pipeline, before and after": ", ".join(f"{rate.milliseconds:.0f} ms" for rate in rates),
    }


def bad_table(bad: Counter) -> list[str]:
    """What clients that behave badly were told."""
    lines = ["| clients that behave badly | told |", "|---|---|"]
    for kind in sorted({kind for kind, _ in bad}):
        told = ", ".join(f"{count} times {what}" for (of, what), count in bad.items() if of == kind)
        lines.append(f"| {kind} | {told} |")
    return lines


def killed_rows(result: Measured) -> dict[str, str]:
    """What became of a load when a replica was killed."""
    failed = [each for each in result.answered if each.outcome != RIGHT and each.outcome not in ODD]
    later = sum(each.begin > result.killed for each in failed)
    return {
        "requests under way when a replica was killed": str(result.at_kill),
        "failed of those": str(len(failed) - later),
        "failed of those sent later": str(later),
    }


def plot(result: Measured, path: Path) -> None:
    """Latency of each answer and memory, over time."""
    figure = new_figure(9, 3.2)
    left, right = figure.subplots(1, 2)
    right_answers = [each for each in result.answered if each.outcome == RIGHT]
    begins = [each.begin - result.begin for each in right_answers]
    seconds = [each.end - each.begin for each in right_answers]
    left.plot(begins, seconds, ".", markersize=1.5, color="tab:blue")
    quantiles = result.quantiles()
    for value in quantiles.values():
        left.axhline(value, color="tab:orange", linewidth=0.8)
    left.set_title(", ".join(f"p{each} {value:.2f} s" for each, value in quantiles.items()), fontsize=9)
    left.set_xlabel("sent, in seconds from the beginning")
    left.set_ylabel("seconds to the answer")
    left.set_ylim(bottom=0)
    right.plot(*zip(*result.memory), color="tab:green")
    right.set_xlabel("seconds from the beginning")
    right.set_ylabel("memory of the server, MiB")
    right.set_ylim(bottom=0)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path, dots_per_inch=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=["ray"], help="as of ggm serve: with two replicas, one of which is killed")
    parser.add_argument("--num_clients", type=int, default=200, help="default: 200")
    parser.add_argument("--seconds", type=float, default=120.0, help="default: 120")
    parser.add_argument("--num_clips", type=int, default=64, help="different clips (default: 64)")
    parser.add_argument("--repeats", type=int, default=8, help="times that the pipeline tags them all (default: 8)")
    parser.add_argument("--output", type=Path, help="the page to write into; its picture goes into images/ beside it")
    arguments = parser.parse_args()
    section = SECTIONS[arguments.engine]
    check_page(parser, arguments.output, [section], PICTURE)
    logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        suggest = pipeline("hashtag-generation", safe=True)
        sent = clips(suggest, folder, arguments.num_clips)
        files, kills = as_files(sent, folder, arguments.repeats), arguments.engine == "ray"
        rates = [] if kills else [best_rate(suggest, files)]
        with server(arguments.engine, folder / "log") as (process, port):
            load = Load(port, sent, arguments.seconds)
            asyncio.run(Load(port, sent, 5.0).run(16))
            result = asyncio.run(measured(process, load, arguments.num_clients, kills))
        rates += [] if kills else [best_rate(suggest, files)]
    lines = [f"Measured on {machine()}, {os.cpu_count()} cores.", "", *table(result, arguments.num_clients, rates)]
    print("\n".join(lines))
    if arguments.output:
        write_sections(arguments.output, {section: lines})
        if arguments.engine is None:
            plot(result, picture_of(arguments.output, PICTURE))


if __name__ == "__main__":
    main()
