"""Which cells are run, in which order, and what a failure does."""

import json

import pytest
from experiment_samples import write_cell, write_grid

from transformers_ggm.experiments import runner
from transformers_ggm.experiments.folders import FAILED, RESULT, SETTINGS


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a grid whose processes only note that they were started; those of `failing` kinds fail."""

    def run_grid(grid, failing=(), jobs=1):
        started = []

        def process(command, **kwargs):
            folder = command[-1]
            settings = json.loads((tmp_path / folder / SETTINGS).read_text())
            started.append(settings)
            code = int(settings["kind"] in failing)
            if not code:
                (tmp_path / folder / RESULT).write_text("{}")
            return type("Completed", (), {"returncode": code})

        monkeypatch.setattr(runner.subprocess, "run", process)
        return runner.run_cells(grid.cells(), tmp_path, jobs), started

    return run_grid


@pytest.mark.parametrize("jobs", [1, 3])
def test_every_cell_runs_once_after_what_it_needs(tmp_path, run, jobs):
    """A cell would start without its retriever, or twice."""
    _, grid = write_grid(tmp_path, seeds=[0, 1])
    failures, started = run(grid, jobs=jobs)
    assert not failures
    assert len(started) == len(grid.cells())
    for settings in started:
        assert all((tmp_path / path / RESULT).is_file() for path in settings["needs"].values())


@pytest.mark.parametrize(("told", "jobs", "threads"), [(None, 1, 6), (None, 4, 1), ("3", 1, 3)])
def test_cells_share_the_cores(tmp_path, monkeypatch, told, jobs, threads):
    """Cells beside each other, or beside another program's, would have more threads than there are cores."""
    _, grid = write_grid(tmp_path, systems=["most_frequent"])
    environments = []

    def process(command, env, **kwargs):
        environments.append(env)
        return type("Completed", (), {"returncode": 1})

    monkeypatch.setattr(runner.subprocess, "run", process)
    monkeypatch.setattr(runner.os, "cpu_count", lambda: 6)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if told:
        monkeypatch.setenv("OMP_NUM_THREADS", told)
    runner.run_cells(grid.cells(), tmp_path, jobs)
    assert {env["OMP_NUM_THREADS"] for env in environments} == {str(threads)}


def test_finished_cells_are_not_run_again(tmp_path, run):
    """A second start would train everything anew."""
    _, grid = write_grid(tmp_path, systems=["bart", "bert"])
    write_cell(tmp_path, next(cell for cell in grid.cells() if cell.kind == "classifier"))
    _, started = run(grid)
    assert sorted(settings["kind"] for settings in started) == ["data", "generator"]
    assert run(grid)[1] == []


def test_a_failure_stops_only_what_needs_it(tmp_path, run):
    """One failed training would end the grid, or what needs it would run without it."""
    _, grid = write_grid(tmp_path, systems=["ggm", "bart"])
    failures, started = run(grid, failing=["retriever"])
    assert sorted(settings["kind"] for settings in started) == ["data", "generator", "retriever"]
    assert len(failures) == 2
    ggm, bart = (grid.corpora[0].cell(system, 0) for system in grid.corpora[0].systems)
    assert "needs" in json.loads((tmp_path / "cells" / ggm.name / FAILED).read_text())["error"]
    assert (tmp_path / "cells" / bart.name / RESULT).is_file()


def test_failed_cells_are_tried_again(tmp_path, run):
    """A cell that once failed, for want of memory say, could never finish."""
    _, grid = write_grid(tmp_path, systems=["ggm"])
    run(grid, failing=["retriever"])
    failures, started = run(grid)
    assert not failures
    assert [settings["kind"] for settings in started] == ["retriever", "generator"]
    assert not list(tmp_path.rglob(FAILED))


def test_a_process_that_dies_without_a_word_is_a_failure(tmp_path, run):
    """A training that the system killed would leave no trace in the tables."""
    _, grid = write_grid(tmp_path, systems=["bart"])
    failures, _ = run(grid, failing=["generator"])
    (reason,) = failures.values()
    assert "ended with code 1" in reason
