"""What finished cells left behind, put together: seeds averaged, failures named, rows compared."""

import numpy as np
import pytest
from experiment_samples import REFERENCES, write_cell, write_failure, write_grid

from transformers_ggm.errors import DatasetError
from transformers_ggm.evaluation import hashtag_metrics
from transformers_ggm.experiments.results import CorpusResults


def cells(grid, name):
    (corpus,) = grid.corpora
    system = next(system for system in corpus.systems if system.name == name)
    return [corpus.cell(system, seed) for seed in corpus.seeds]


def test_metrics_are_averaged_over_seeds(tmp_path):
    """One seed's metric would stand for all."""
    _, grid = write_grid(tmp_path, seeds=[0, 1], systems=["bart"])
    guesses = [[["a"] for _ in REFERENCES], [["a", "b"] for _ in REFERENCES]]
    for cell, guess in zip(cells(grid, "bart"), guesses):
        write_cell(tmp_path, cell, guess)
    results = CorpusResults(grid.corpora[0], tmp_path)
    means = [hashtag_metrics(guess, REFERENCES)["f1"] for guess in guesses]
    interval = results.intervals(results.systems["bart"])["f1"]
    assert interval.mean == pytest.approx(np.mean(means))
    assert interval.low < interval.mean < interval.high
    assert results.spread(results.systems["bart"], "f1") == pytest.approx(np.std(means, ddof=1))


def test_a_failed_seed_is_named_and_the_other_one_counts(tmp_path):
    """A failure would be passed over in silence, or take the finished seed with it."""
    _, grid = write_grid(tmp_path, seeds=[0, 1], systems=["bart"])
    first, second = cells(grid, "bart")
    write_cell(tmp_path, first)
    write_failure(tmp_path, second, "no memory")
    result = CorpusResults(grid.corpora[0], tmp_path).systems["bart"]
    assert [cell.cell.seed for cell in result.finished] == [0]
    assert result.failures == ["seed 1: no memory"]


def test_cells_that_were_not_run_say_so(tmp_path):
    """An unfinished grid could not be reported, or would look finished."""
    _, grid = write_grid(tmp_path, systems=["bart"])
    results = CorpusResults(grid.corpora[0], tmp_path)
    assert not results.has_results
    assert results.systems["bart"].failures == ["seed 0: was not run"]


def test_systems_tested_on_other_rows_are_refused(tmp_path):
    """Metrics of different videos would be compared as if they were paired."""
    _, grid = write_grid(tmp_path, systems=["bart", "bert"])
    write_cell(tmp_path, cells(grid, "bart")[0])
    write_cell(tmp_path, cells(grid, "bert")[0], references=REFERENCES[::-1])
    with pytest.raises(DatasetError, match="other rows"):
        CorpusResults(grid.corpora[0], tmp_path)
