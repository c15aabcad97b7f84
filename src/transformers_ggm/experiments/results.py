"""
What finished cells left behind, put together per system: predictions, metrics per video and costs, over all seeds.
"""

import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DatasetError
from ..evaluation.bertscore import BertScorer, bert_score_per_video
from ..evaluation.intervals import Interval, bootstrap_intervals
from ..evaluation.metrics import hashtag_metrics_per_video
from .folders import CELLS, FAILED, HASHTAG_COUNTS, PREDICTIONS, RESULT, UNSEEN, guidance_folder
from .grid import Cell, Corpus


@dataclass(frozen=True)
class CellResult:
    """
    One finished or failed cell.

    Args:
        cell ([`Cell`]).
        output_dir (`Path`): of the grid.
    """

    cell: Cell
    output_dir: Path

    @property
    def folder(self) -> Path:
        return self.output_dir / CELLS / self.cell.name

    @property
    def is_finished(self) -> bool:
        return (self.folder / RESULT).is_file()

    @property
    def reason(self) -> str | None:
        """Why there is no result."""
        if self.is_finished:
            return None
        failed = self.folder / FAILED
        return json.loads(failed.read_text(encoding="utf-8"))["error"] if failed.is_file() else "was not run"

    @cached_property
    def result(self) -> dict[str, Any]:
        return json.loads((self.folder / RESULT).read_text(encoding="utf-8"))

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The test rows with `predicted`."""
        return [json.loads(line) for line in (self.folder / PREDICTIONS).read_text(encoding="utf-8").splitlines()]

    @property
    def predictions(self) -> list[list[str]]:
        return [row["predicted"] for row in self.rows]

    @property
    def unseen(self) -> dict[str, Any] | None:
        """Table 5's predictions, where the cell has them."""
        path = self.folder / UNSEEN
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    @property
    def ranked(self) -> list[list[str]] | None:
        """The hashtags ranked for each test row, by a cell that ranks itself."""
        path = guidance_folder(self.folder) / "test.json"
        if self.cell.kind not in ("retriever", "classifier", "text", "fused") or not path.is_file():
            return None
        return json.loads(path.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class SystemResult:
    """One system on one corpus: its cells of all seeds, of which some may have failed."""

    title: str
    cells: list[CellResult]

    @property
    def finished(self) -> list[CellResult]:
        return [cell for cell in self.cells if cell.is_finished]

    @property
    def state(self) -> str:
        """What the tables show in place of metrics."""
        return "failed" if any((cell.folder / FAILED).is_file() for cell in self.cells) else "not run"

    @property
    def failures(self) -> list[str]:
        """One line per failed seed."""
        return [f"seed {cell.cell.seed}: {cell.reason}" for cell in self.cells if not cell.is_finished]


class CorpusResults:
    """
    All systems on one corpus, compared on the same test rows.

    Args:
        corpus ([`Corpus`]).
        output_dir (`Path`): of the grid.
        bert_scorer ([`BertScorer`], *optional*): adds BERTScore to the metrics.

    Raises:
        DatasetError: two systems were tested on different rows.
    """

    def __init__(self, corpus: Corpus, output_dir: Path, bert_scorer: BertScorer | None = None):
        self.corpus = corpus
        self.output_dir = output_dir
        self.bert_scorer = bert_scorer
        self.systems = {system.name: self._result(system.title, corpus, system) for system in corpus.systems}
        sweeps = [corpus.sweep(seed) for seed in corpus.seeds]
        self.sweep = {
            k: SystemResult(f"GGM, k = {k}", [CellResult(cells[k], output_dir) for cells in sweeps])
            for k in corpus.guidance_sizes
        }
        self._metrics: dict[str, dict[str, np.ndarray]] = {}
        self._check_rows()

    def _result(self, title: str, corpus: Corpus, system) -> SystemResult:
        cells = {cell.name: cell for cell in (corpus.cell(system, seed) for seed in corpus.seeds)}
        return SystemResult(title, [CellResult(cell, self.output_dir) for cell in cells.values()])

    def _check_rows(self) -> None:
        for result in self._all():
            for cell in result.finished:
                if [row["hashtags"] for row in cell.rows] != self.references:
                    raise DatasetError(
                        f"{cell.folder} was tested on other rows than {self._first.folder}: remove the older folder "
                        "and start again."
                    )

    def _all(self) -> list[SystemResult]:
        return [*self.systems.values(), *self.sweep.values()]

    @property
    def _first(self) -> CellResult | None:
        return next((cell for result in self._all() for cell in result.finished), None)

    @property
    def has_results(self) -> bool:
        """Whether any cell has finished."""
        return self._first is not None

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The test rows."""
        return self._first.rows

    @cached_property
    def references(self) -> list[list[str]]:
        """The authors' hashtags of the test rows."""
        return [row["hashtags"] for row in self.rows] if self.has_results else []

    @cached_property
    def training_counts(self) -> Counter:
        """How often each hashtag occurs in training, most frequent first."""
        return Counter(json.loads((self._data.folder / HASHTAG_COUNTS).read_text(encoding="utf-8")))

    @property
    def _data(self) -> CellResult:
        return CellResult(self._first.cell.needs["data"], self.output_dir)

    def metrics_of(self, cell: CellResult) -> dict[str, np.ndarray]:
        """Metrics per video of one seed."""
        if cell.cell.name not in self._metrics:
            metrics = hashtag_metrics_per_video(cell.predictions, self.references)
            if self.bert_scorer is not None:
                metrics |= bert_score_per_video(cell.predictions, self.references, self.bert_scorer)
            self._metrics[cell.cell.name] = metrics
        return self._metrics[cell.cell.name]

    def mean_metrics(self, result: SystemResult) -> dict[str, np.ndarray]:
        """Metrics per video, averaged over the finished seeds."""
        metrics = [self.metrics_of(cell) for cell in result.finished]
        return {name: np.mean([metric[name] for metric in metrics], axis=0) for name in metrics[0]}

    def intervals(self, result: SystemResult) -> dict[str, Interval]:
        """Means over videos and seeds, with bootstrap intervals over videos."""
        return bootstrap_intervals(self.mean_metrics(result))

    def spread(self, result: SystemResult, metric: str) -> float | None:
        """Standard deviation over seeds of the mean over videos; `None` for one seed."""
        means = [self.metrics_of(cell)[metric].mean() for cell in result.finished]
        return float(np.std(means, ddof=1)) if len(means) > 1 else None
