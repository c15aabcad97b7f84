"""What the whole system reaches on the test split, and each of its sources alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from transformers.utils import logging

from ..evaluation import (
    best_of_rows,
    bootstrap_intervals,
    calibration_bins,
    expected_calibration_error,
    hashtag_metrics_per_video,
    plot_reliability,
    recall_at_k,
)
from ..evaluation.cutoff import mean_f1
from ..hub_cards.recommendation_card import RELIABILITY_PLOT
from ..recommendation import CandidateFeatures, HashtagRanker
from ..recommendation.features import PLAUSIBILITY
from ..retrieval import PostIndex
from .fused_guidance import recommender
from .pool_and_guidance import RECALL_KS
from .run import TrainingRun
from .run_records import TrainingRecord
from .run_sources import all_sources, plausibility_scorer, split_features

logger = logging.get_logger(__name__)


def evaluate_recommender(run: TrainingRun, reading: Mapping[str, Any]) -> tuple[dict[str, Any], list[list[str]]]:
    """
    Measures the checkpoint as it answers: all sources, then the ranker. Writes the reliability plot into the
    checkpoint.

    Args:
        run ([`TrainingRun`]): its stages up to `ranker` are finished.
        reading (`dict`): how metrics read hashtags, as [`hashtag_metrics_per_video`] takes it.

    Returns:
        What it reached, ready for JSON, and the hashtags that it answers for each row.
    """
    sources, ranker = all_sources(run), HashtagRanker.from_pretrained(run.folders.ranker)
    has_any = PLAUSIBILITY in ranker.config.features
    plausibility = plausibility_scorer(run, run.folders.plausibility) if has_any else None
    features, ranked = split_features(run, sources, "test", plausibility)
    references = run.shorts.rows("test")["hashtags"][:]
    whole = recommender(run, sources, ranker, plausibility)
    answers = [[found.hashtag for found in row] for row in whole.rank(features)]
    intervals = bootstrap_intervals(hashtag_metrics_per_video(answers, references, **reading))
    record = TrainingRecord(run.folders.ranker_run).read() or {}
    cuts = record.get("cuts", {})
    summary = {
        "metrics": {name: interval._asdict() for name, interval in intervals.items()},
        "hashtags_shown": sum(map(len, answers)) / len(answers),
        "calibration_error": write_calibration(features, ranker, references, run.folders.checkpoint),
        "calibration_error_on_validation": ranker.config.calibration_error,
        "validation_rows": record.get("rows", len(run.shorts.rows("validation"))),
        "posts": _posts_facts(run),
        "sources": {name: of_source(rows, references, cuts.get(name, 1)) for name, rows in ranked.items()},
    }
    return summary, answers


def _posts_facts(run: TrainingRun) -> dict[str, Any] | None:
    if not run.folders.posts.is_dir():
        return None
    index = PostIndex.from_pretrained(run.folders.posts)
    return {"size": len(index), "searches": list(index.searches), "stores_text": index.stores_text}


def of_source(ranked: Sequence[Sequence[str]], references: Sequence[Sequence[str]], cut: int) -> dict[str, Any]:
    """Recall of a source by number of hashtags, and its F1 with as many as were best on the validation split."""
    recall = recall_at_k(ranked, references, RECALL_KS)
    return {"recall_at_k": recall, "cut": cut, "f1": mean_f1([row[:cut] for row in ranked], references)}


def write_calibration(
    features: CandidateFeatures, ranker: HashtagRanker, references: Sequence[Sequence[str]], folder: Path
) -> float | None:
    """
    The expected calibration error of each row's best five hashtags, and the reliability plot; `None` where no row has
    a candidate.
    """
    values = features.named(ranker.config.features).values
    probabilities = features.by_row(ranker.probabilities(values))
    truth = features.by_row(features.truth(references))
    rows = [(of_row.numpy(), true.numpy()) for of_row, true in zip(probabilities, truth) if len(of_row)]
    if not rows:
        return None
    best: tuple[np.ndarray, np.ndarray] = best_of_rows(*map(list, zip(*rows)))
    try:
        plot_reliability(folder / RELIABILITY_PLOT, calibration_bins(*best))
    except ImportError as error:
        logger.warning(f"The reliability plot was left out: {error}")
    return expected_calibration_error(*best)
