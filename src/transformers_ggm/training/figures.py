"""Figures of a system on the test split, and its predictions, as the stages write them down."""

import json
from pathlib import Path
from typing import Any

from ..evaluation import hashtag_metrics, recall_by_cause, word_splitter_name
from ..utils.files import write_lines
from .run import TrainingRun

# Metrics of different runs are comparable if these are the same.
READING: dict[str, Any] = {"word_splitter": "wordninja", "order": "shuffled", "seed": 0}


def metrics_of(predictions: list[list[str]], dataset) -> dict[str, float]:
    """Metrics of a split's predictions; recall per cause where the metadata has `causes`."""
    figures = hashtag_metrics(predictions, dataset["hashtags"], **READING)
    if "causes" in dataset.column_names:
        causes = recall_by_cause(predictions, dataset["causes"])
        figures |= {f"recall_{cause}": recall for cause, recall in causes.items()}
    return figures


def ranking_recall(guidance_dir: Path) -> dict[str, float] | None:
    """Recall of the hashtags ranked for the test split, by their number; `None` where none were."""
    path = guidance_dir / "test_recall.json"
    return json.loads(path.read_text()) if path.is_file() else None


def write_predictions(run: TrainingRun, name: str, dataset, predictions: list[list[str]]) -> None:
    """Writes a split's rows with their predictions into `evaluation/<name>`."""
    run.folders.evaluation.mkdir(exist_ok=True)
    clip = "file_name" if run.shorts.is_prepared_set else "video"
    rows = zip(dataset.select_columns([clip, "description", "hashtags"]), predictions)
    write_lines(
        run.folders.evaluation / name,
        (json.dumps({**row, "predicted": predicted}, ensure_ascii=False) for row, predicted in rows),
    )


def summary_of(figures: list[dict[str, float]], recall: dict | None, num_rows: int) -> dict[str, Any]:
    """
    What a system reached on the test split, ready for JSON.

    Args:
        figures (`list[dict[str, float]]`): of each checkpoint that was evaluated, the best one first.
        recall (`dict`, *optional*): of the ranked hashtags that go with it, by their number.
        num_rows (`int`): of the split.
    """
    return {
        "best_checkpoint": figures[0],
        f"mean_of_best_{len(figures)}": {name: sum(f[name] for f in figures) / len(figures) for name in figures[0]},
        **({} if recall is None else {"retrieval_recall_at_k": recall}),
        "test_videos": num_rows,
        "word_splitter": word_splitter_name(READING["word_splitter"]),
        "hashtag_order": {"order": READING["order"], "seed": READING["seed"]},
    }
