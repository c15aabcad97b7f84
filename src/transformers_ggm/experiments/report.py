"""Tables, plots and the sheet for human rating of a whole grid, from whatever of it is there."""

from pathlib import Path

from ..evaluation.bertscore import BertScorer
from ..utils.files import write_text
from .claims import claims_table
from .grid import Grid
from .human_rating import write_rating_sheet
from .plots import plot_frequency, plot_sweep, plot_systems
from .results import CorpusResults
from .tables import frequency_metrics, make_tables

REPORT = "report.md"
SWEPT = {"rouge1": "ROUGE-1", "f1": "F1"}


def write_report(grid: Grid, output_dir: Path) -> Path:
    """
    Writes `report.md`, which shows what follows; `<corpus>/*.csv`, one file per table; `<corpus>/*.png`; and
    `<corpus>/rating/<key>/` with the made-up hashtags of GGM for people to rate. Runs that failed stand in the tables
    as failed. Nothing is trained.

    Args:
        grid ([`Grid`]).
        output_dir (`Path`): where its cells are.

    Returns:
        `Path` of the report.

    Raises:
        DatasetError: systems of one corpus were tested on different rows.
        ImportError: matplotlib, or another part of the `eval` extra, is not installed.
    """
    scorer = None if grid.bert_score is None else BertScorer(**grid.bert_score)
    parts = ["# Experiments\n"]
    for corpus in grid.corpora:
        parts += _corpus_report(CorpusResults(corpus, output_dir, scorer), output_dir / corpus.name)
    write_text(output_dir / REPORT, "\n".join(parts))
    return output_dir / REPORT


def _corpus_report(results: CorpusResults, folder: Path) -> list[str]:
    name = results.corpus.name
    if not results.has_results:
        reasons = [f"- {system.title}, {line}" for system in results.systems.values() for line in system.failures]
        return [f"## {name}\n", "Nothing has finished:\n", *reasons, ""]
    folder.mkdir(parents=True, exist_ok=True)
    tables = make_tables(results)
    claims = claims_table(results)
    tables += [claims] if claims.rows else []
    for table in tables:
        write_text(folder / f"{table.name}.csv", table.to_csv())
    pictures = _plot(results, folder)
    _write_sheet(results, folder / "rating")
    return [
        f"## {name}\n",
        *(f"![{picture.stem}]({folder.name}/{picture.name})\n" for picture in pictures),
        *(table.to_markdown() for table in tables),
    ]


def _plot(results: CorpusResults, folder: Path) -> list[Path]:
    name = results.corpus.name
    finished = {system.title: system for system in results.systems.values() if system.finished}
    pictures = []
    if finished:
        pictures.append(folder / "systems.png")
        intervals = {title: results.intervals(system)["rouge1"] for title, system in finished.items()}
        plot_systems(intervals, "ROUGE-1", f"Systems on {name}", pictures[-1])
    sweep = {k: results.intervals(system) for k, system in results.sweep.items() if system.finished}
    if sweep:
        pictures.append(folder / "guidance.png")
        curves = {title: {k: metrics[key] for k, metrics in sweep.items()} for key, title in SWEPT.items()}
        plot_sweep(curves, f"Guidance on {name}", pictures[-1])
    if finished:
        pictures.append(folder / "frequency.png")
        buckets = {title: frequency_metrics(results, system) for title, system in finished.items()}
        plot_frequency(buckets, f"Frequent and rare hashtags on {name}", pictures[-1])
    return pictures


def _write_sheet(results: CorpusResults, folder: Path) -> None:
    """The made-up hashtags of GGM, of its first finished seed: a sheet per training, as people may have begun one."""
    ggm = results.systems.get("ggm")
    cell = ggm.finished[0] if ggm is not None and ggm.finished else None
    known = results.training_counts.keys()
    if cell is not None and not all(known >= set(tags) for tags in cell.predictions):
        write_rating_sheet(folder / cell.cell.key, {ggm.title: cell.rows}, known)
