"""The report of a grid, whole or not."""

import csv
import json

import pytest
from experiment_samples import REFERENCES, write_cell, write_failure, write_grid
from PIL import Image

from transformers_ggm.cli import main
from transformers_ggm.evaluation import Interval
from transformers_ggm.experiments.plots import plot_frequency, plot_sweep, plot_systems
from transformers_ggm.experiments.report import write_report


def test_unfinished_grid_is_reported(tmp_path):
    """
    Tables could not be had before the last training has ended, or a grid of which all failed would end in an error.
    """
    path, grid = write_grid(tmp_path, systems=["bart", "bert"])
    bart, bert = (grid.corpora[0].cell(system, 0) for system in grid.corpora[0].systems)
    write_failure(tmp_path, bert, "no memory")
    assert main(["experiments", str(path), "--output_dir", str(tmp_path), "--report_only"]) == 0
    report = (tmp_path / "report.md").read_text()
    assert "BART, seed 0: was not run" in report and "BERT, seed 0: no memory" in report
    write_cell(tmp_path, bart)
    write_cell(tmp_path, bart.needs["data"])
    report = write_report(grid, tmp_path).read_text()
    assert "| BART | 1 |" in report and "| BERT | 0 | failed |" in report


def test_made_up_hashtags_are_put_on_a_sheet(tmp_path):
    """There would be nothing to rate, or the sheet would have hashtags that training knows as novel."""
    _, grid = write_grid(tmp_path, systems=["ggm"])
    for cell in grid.cells():
        write_cell(tmp_path, cell, [["a", "brandnew"] for _ in REFERENCES])
    write_report(grid, tmp_path)
    (folder,) = (tmp_path / "mine" / "rating").iterdir()
    with (folder / "ratings.csv").open(encoding="utf-8-sig") as file:
        sheet = {row["item"]: row for row in csv.DictReader(file)}
    key = json.loads((folder / "key.json").read_text())["items"]
    novel = {sheet[item]["hashtag"] for item, entry in key.items() if entry["kind"] == "novel"}
    assert novel == {"#brandnew"}
    assert all(row["relevance"] == "" for row in sheet.values())


@pytest.mark.parametrize(
    "plot",
    [
        lambda path: plot_systems({"A": Interval(50, 40, 60), "B": Interval(20, 10, 30)}, "F1", "T", path),
        lambda path: plot_sweep({"F1": {0: Interval(50, 40, 60), 5: Interval(55, 45, 65)}}, "T", path),
        lambda path: plot_frequency(
            {"A": {"head": Interval(50, 40, 60)}, "B": {"tail": Interval(5, 4, 6)}}, "T", path
        ),
    ],
)
def test_plots_are_pictures_with_something_on_them(tmp_path, plot):
    """A plot would be empty, or no picture."""
    plot(tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.width > 400 and len(set(picture.convert("L").tobytes())) > 10


def test_nothing_to_plot_is_refused(tmp_path):
    """An empty picture would look like a result."""
    with pytest.raises(ValueError, match="nothing to plot"):
        plot_systems({}, "F1", "T", tmp_path / "plot.png")
    assert not (tmp_path / "plot.png").exists()
