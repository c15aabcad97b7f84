"""The test metrics of a checkpoint, as the Hub reads them and as its card shows them."""

import re
from typing import Any

from huggingface_hub import EvalResult

from .data_card import DataFacts

PIPELINE_TAG = "video-text-to-text"
METRICS = {
    "rouge1": ("rouge", "ROUGE-1"),
    "rouge2": ("rouge", "ROUGE-2"),
    "precision": ("precision", "Precision"),
    "recall": ("recall", "Recall"),
    "f1": ("f1", "F1"),
    "f1_of_means": ("f1", "F1 of mean precision and recall"),
}


def eval_results(data: DataFacts, metrics: dict[str, float]) -> list[EvalResult]:
    """The metrics of the published weights, as the Hub shows them beside the card."""
    slug = re.sub(r"[^\w.-]+", "-", data.name).strip("-").lower()
    return [
        EvalResult(
            task_type=PIPELINE_TAG,
            task_name="Hashtag generation",
            dataset_type=data.hub_id or slug,
            dataset_name=data.name,
            dataset_split="test",
            metric_type=metric,
            metric_name=name,
            metric_value=round(metrics[key], 2),
        )
        for key, (metric, name) in METRICS.items()
        if key in metrics
    ]


def metric_types(metrics: dict[str, float]) -> list[str]:
    """The metrics that there are values of, as the Hub names them."""
    return list(dict.fromkeys(metric for key, (metric, _) in METRICS.items() if key in metrics))


def metric_rows(summary: dict[str, Any]) -> dict[str, Any]:
    """The table of test metrics."""
    best = summary["best_checkpoint"]
    mean_name = next(name for name in summary if name.startswith("mean_of_best_"))
    return {
        "videos": summary["test_videos"],
        "word_splitter": summary["word_splitter"],
        "order": summary.get("hashtag_order"),
        "num_best": int(mean_name.removeprefix("mean_of_best_")),
        "has_causes": any(key not in METRICS for key in best),
        "rows": [
            {"name": metric_name(key), "best": percent(value), "mean": percent(summary[mean_name][key])}
            for key, value in best.items()
        ],
    }


def retrieval_rows(summary: dict[str, Any]) -> dict[str, str]:
    """Recall of the retriever alone by number of hashtags; empty where there is none."""
    return {k: percent(recall) for k, recall in summary.get("retrieval_recall_at_k", {}).items()}


def metric_name(key: str) -> str:
    """How the card calls a metric."""
    return METRICS[key][1] if key in METRICS else f"Recall of `{key.removeprefix('recall_')}`"


def percent(value: float) -> str:
    """A metric as the card shows it."""
    return f"{value:.2f}"
