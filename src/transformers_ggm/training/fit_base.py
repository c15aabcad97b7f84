"""
Fitting a checkpoint that recommends already, such as `ggm compose` makes: `train.py --base_checkpoint`. All of its
parts are kept; a ranker is added, which turns what its sources say into probabilities. On demand its retriever is
trained on before.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from transformers import pipeline
from transformers.utils import logging

from ..data.prepared import is_prepared
from ..data.sources import open_shorts
from ..errors import DatasetError
from ..evaluation import expected_calibration_error, hashtag_metrics
from ..hub_cards.composed_card import note_in_card
from ..pipelines.features_pipeline import CandidateFeaturesPipeline
from ..processing.hashtag_fields import read_hashtags
from ..processing.hashtags import remove_hashtags
from ..recommendation import CandidateFeatures, clues_of, fit_ranker
from ..utils.files import atomic_folder, check_output_folder, write_json, write_lines
from ..utils.hub_snapshots import local_folder
from .figures import READING
from .machines import check_shared_output
from .run import TrainingRun
from .run_records import TrainingRecord
from .run_sources import plausibility_scorer
from .source_arguments import check_enough_rows
from .tune_base_retriever import check_tuning, tune_retriever

logger = logging.get_logger(__name__)

_CLUES = ("transcript", "screen_text", "time", "language", "country")


def fit_base(run: TrainingRun) -> None:
    """
    Copies the base into `checkpoint/`, trains its retriever on where that was asked for, fits its ranker on the rows
    of the validation split (of data without splits, on all), and measures it on the test split, where there is one.

    Raises:
        CheckpointError: the base cannot be fetched or loaded.
        ArgumentError: there are too few rows. DatasetError: they cannot be read.
    """
    rows = LabelledRows(run.data.data_dir)
    if "ranker" in run.stage.stages:
        check_enough_rows(len(rows.to_fit), run.data.data_dir)
    if "retriever" in run.stage.stages:
        check_tuning(run)
    check_output_folder(run.folders.output)
    check_shared_output(run)
    if run.process.is_main_process and not run.folders.checkpoint.is_dir():
        _copy(run.lora.base_checkpoint, run.folders.checkpoint)
    run.process.wait_for_everyone()
    if "retriever" in run.stage.stages:
        tune_retriever(run)
    # Every process asks what is done; the main one does it.
    if "ranker" in run.stage.stages and not run.is_done("ranker", run.folders.ranker_run):
        if run.process.is_main_process:
            fit(run, rows)
        run.process.wait_for_everyone()
    tested = run.folders.evaluation / "test.json"
    if "evaluate" in run.stage.stages and rows.to_test and not run.is_done("evaluate", tested):
        if run.process.is_main_process:
            measure(run, rows)
        run.process.wait_for_everyone()


class LabelledRows:
    """
    Clips whose hashtags are known, as items of the pipeline.

    Args:
        data_dir (`str`): as [`~data.open_shorts`] reads it.

    Attributes:
        to_fit, to_test (`list[dict]`): the rows that a ranker is fitted on, and those that it is measured on. Where
            nothing but `rejected` is known, a row can be fitted on alone.

    Raises:
        DatasetError: they cannot be read.
    """

    def __init__(self, data_dir: str):
        if is_prepared(data_dir):
            raise DatasetError(f"{data_dir} is a prepared set: give the clips that it was made of.")
        splits = {name: list(source.rows()) for name, source in open_shorts(data_dir).items()}
        labelled = {name: [row for row in rows if _is_usable(row)] for name, rows in splits.items()}
        fitted = next(name for name in ("validation", "train", *splits) if name in splits)
        self.to_fit = labelled.pop(fitted)
        tagged = {name: [row for row in rows if row["hashtags"]] for name, rows in labelled.items()}
        self.to_test = tagged.pop("test", [])
        self._others = [row for rows in tagged.values() for row in rows]

    def items(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """
        Rows as the pipeline takes them, without their own hashtags. An author's earlier posts are the history of rows
        without one.
        """
        known = clues_of(rows, self._others, *([self.to_fit] if rows is self.to_test else []))
        return [
            {"video": row["video"], "description": row["description"], "history": row.get("history") or clues.history}
            | {name: row[name] for name in _CLUES if row.get(name)}
            for row, clues in zip(rows, known)
        ]


def _is_usable(row: Mapping[str, Any]) -> bool:
    judged = row["hashtags"] or rejected_of(row)
    return bool(judged) and (row["video"] is not None or bool(remove_hashtags(row["description"])))


def rejected_of(row: Mapping[str, Any]) -> list[str] | None:
    """The hashtags that were shown and refused; `None` for a row that is no feedback, or does not tell."""
    return None if row.get("rejected") is None else read_hashtags(row["rejected"]).hashtags


def _copy(base: str, folder: Path) -> None:
    source = local_folder(base, ["*"], f"{base} cannot be fetched from the Hub: check the name and your connection.")
    with atomic_folder(folder) as temporary:
        shutil.copytree(source, temporary, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))


def fit(run: TrainingRun, rows: LabelledRows) -> None:
    """Writes `checkpoint/ranker`, `checkpoint/plausibility` where asked for, and how it went into `runs/ranker`."""
    suggest = _load(run, pipeline_class=CandidateFeaturesPipeline)
    if run.source.plausibility is not None:
        suggest.recommender.plausibility = plausibility_scorer(run, run.source.plausibility)
    found = suggest(rows.items(rows.to_fit), **_options(run))
    kept = [(of_row, row) for of_row, row in zip(found, rows.to_fit) if of_row]
    _tell_skipped(suggest)
    features = CandidateFeatures.joined([of_row for of_row, _ in kept])
    references = [row["hashtags"] for _, row in kept]
    rejected = [rejected_of(row) for _, row in kept]
    options = {"hidden_size": run.source.ranker_hidden_size, "seed": run.training.seed}
    ranker = fit_ranker(features, references, rejected=rejected, **options)
    suggest.recommender.ranker = ranker
    suggest.recommender.save_pretrained(run.folders.checkpoint)
    facts = {
        "rows": len(references),
        "calibration_error": ranker.config.calibration_error,
        "missing_hashtags": ranker.config.missing_hashtags,
    }
    note_in_card(run.folders.checkpoint, ranker=facts)
    TrainingRecord(run.folders.ranker_run).write(**run.facts(), **facts)


def measure(run: TrainingRun, rows: LabelledRows) -> None:
    """Writes `evaluation/test.json` and `evaluation/predictions.jsonl`: what the checkpoint answers for test rows."""
    suggest = _load(run)
    items = rows.items(rows.to_test)
    answers = suggest(items, **_options(run))
    predicted = [[answer["hashtag"][1:] for answer in row] for row in answers]
    references = [row["hashtags"] for row in rows.to_test]
    summary = {"metrics": hashtag_metrics(predicted, references, **READING), "test_videos": len(references)}
    shown = [(answer, true) for row, true in zip(answers, references) for answer in row]
    if shown and suggest.recommender.ranker is not None:
        came_true = np.array([answer["hashtag"][1:] in true for answer, true in shown])
        probabilities = np.array([answer["score"] for answer, _ in shown])
        summary["calibration_error"] = expected_calibration_error(probabilities, came_true)
    _tell_skipped(suggest)
    run.folders.evaluation.mkdir(exist_ok=True)
    lines = zip(items, references, predicted)
    write_lines(
        run.folders.evaluation / "predictions.jsonl",
        (
            json.dumps({"description": item["description"], "hashtags": true, "predicted": tags}, ensure_ascii=False)
            for item, true, tags in lines
        ),
    )
    note_in_card(run.folders.checkpoint, test=summary)
    write_json(run.folders.evaluation / "test.json", summary)
    print(json.dumps(summary, indent=2))


def _load(run: TrainingRun, **options: Any) -> Any:
    device = run.process.device
    return pipeline("hashtag-generation", model=str(run.folders.checkpoint), device=device, **options)


def _options(run: TrainingRun) -> dict[str, Any]:
    size, workers = run.training.per_device_eval_batch_size, run.data.decoding_workers
    return {"batch_size": size, "num_workers": workers, "on_error": run.data.on_error}


def _tell_skipped(suggest: Any) -> None:
    if suggest.skipped:
        logger.warning(f"{len(suggest.skipped)} clips could not be read and were left out.")
