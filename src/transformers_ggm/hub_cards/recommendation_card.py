"""What a card tells of a checkpoint that recommends from more than its generator."""

from pathlib import Path
from typing import Any

from .results import METRICS, percent

RELIABILITY_PLOT = "reliability.png"
# Of the recall of each source.
_RECALL_KS = ("10", "50")


def recommendation_facts(summary: dict[str, Any], folder: Path) -> dict[str, Any] | None:
    """
    What the stage `evaluate` found of the sources and the ranker, as cells of tables.

    Args:
        summary (`dict`): see [`write_model_card`]; of a checkpoint with a ranker it has `recommender`.
        folder (`Path`): the checkpoint, in which the reliability plot lies where there is one.

    Returns:
        `dict`, `None` for a checkpoint without a ranker.
    """
    found = summary.get("recommender")
    if found is None:
        return None
    return {
        "rows": found["validation_rows"],
        "shown": f"{found['hashtags_shown']:.1f}",
        "metrics": [
            {"name": METRICS[name][1], "mean": percent(value["mean"])}
            | {"interval": f"{percent(value['low'])} to {percent(value['high'])}"}
            for name, value in found["metrics"].items()
        ],
        "calibration_error": _error(found["calibration_error"]),
        "calibration_error_on_validation": _error(found["calibration_error_on_validation"]),
        "plot": RELIABILITY_PLOT if (folder / RELIABILITY_PLOT).is_file() else None,
        "recall_ks": _RECALL_KS,
        "sources": [
            {"name": name, "recalls": [percent(_at(source["recall_at_k"], k)) for k in _RECALL_KS]}
            | {"cut": str(source["cut"]), "f1": percent(source["f1"])}
            for name, source in found["sources"].items()
        ],
        "posts": found["posts"],
    }


def _error(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _at(recall: dict[Any, float], k: str) -> float:
    # Keys are numbers until they have been JSON.
    return recall[k] if k in recall else recall[int(k)]


def answer_metrics(summary: dict[str, Any]) -> dict[str, float]:
    """The test metrics of what the checkpoint answers: its ranker's list, or else its generator's."""
    found = summary.get("recommender")
    if found is None:
        return summary["best_checkpoint"]
    return {name: value["mean"] for name, value in found["metrics"].items()}
