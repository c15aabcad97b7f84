"""Runs the cells of a grid, each in its own process, those that are finished not again."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from tqdm.auto import tqdm

from ..utils.files import write_json
from .folders import CELLS, FAILED, LOG, RESULT, SETTINGS
from .grid import Cell


def run_cells(cells: Sequence[Cell], output_dir: Path, jobs: int = 1) -> dict[str, str]:
    """
    Runs what is not finished. A cell that failed before is tried again; one that fails ends neither the others nor the
    grid, but those that need it fail too.

    Args:
        cells (`list[Cell]`): with what others need before them.
        output_dir (`Path`): cells are kept in `cells/<corpus>/<kind>-seed<s>-<key>/`, with their log.
        jobs (`int`, *optional*, defaults to 1): cells that run at once; they share the processor's cores, unless
            `OMP_NUM_THREADS` says how many each has.

    Returns:
        `dict[str, str]`: the reason of each cell that failed, by name.
    """
    waiting = {cell.name: cell for cell in cells}
    failures: dict[str, str] = {}
    running: dict[Future, Cell] = {}
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with (
        ThreadPoolExecutor(jobs) as executor,
        tqdm(total=len(waiting), desc="Experiments", unit="cell") as bar,
    ):
        finished: set[str] = set()
        while waiting or running:
            for cell in _ready(waiting, finished):
                del waiting[cell.name]
                running[executor.submit(_run, cell, output_dir, threads, failures)] = cell
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                cell = running.pop(future)
                if reason := future.result():
                    failures[cell.name] = reason
                    tqdm.write(f"{cell.name} failed: {reason}", file=sys.stderr)
                finished.add(cell.name)
                bar.update()
    return failures


def _ready(waiting: Mapping[str, Cell], finished: set[str]) -> list[Cell]:
    """Cells all of whose needs have run, with or without success."""
    return [cell for cell in waiting.values() if all(needed.name in finished for needed in cell.needs.values())]


def _run(cell: Cell, output_dir: Path, threads: int, failures: Mapping[str, str]) -> str | None:
    """Runs one cell and gives the reason if it failed."""
    folder = output_dir / CELLS / cell.name
    if (folder / RESULT).is_file():
        return None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FAILED).unlink(missing_ok=True)
    if missing := [needed.name for needed in cell.needs.values() if needed.name in failures]:
        reason = f"needs {', '.join(missing)}, which failed"
        write_json(folder / FAILED, {"error": reason})
        return reason
    needs = {part: str((output_dir / CELLS / needed.name).absolute()) for part, needed in cell.needs.items()}
    write_json(folder / SETTINGS, {**cell.settings, "needs": needs})
    environment = {"OMP_NUM_THREADS": str(threads), **os.environ, "TOKENIZERS_PARALLELISM": "false"}
    with (folder / LOG).open("a", encoding="utf-8") as log:
        command = [sys.executable, "-m", "transformers_ggm.experiments.cell", str(folder)]
        code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=environment).returncode  # noqa: S603 (our own module)
    if code == 0:
        return None
    if not (folder / FAILED).is_file():  # ended from outside, for instance for want of memory
        write_json(folder / FAILED, {"error": f"the process ended with code {code}"})
    return f"{json.loads((folder / FAILED).read_text())['error']} (see {folder / LOG})"
