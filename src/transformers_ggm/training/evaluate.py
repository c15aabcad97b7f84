"""Stage 6: figures on the test split, and the checkpoint's card."""

import json
from pathlib import Path
from typing import Any

from ..evaluation import hashtag_metrics, recall_by_cause, word_splitter_name
from ..files import write_json, write_lines
from ..hub_cards import write_adapter_card, write_model_card
from ..modeling import GGMForHashtagGeneration
from .generator import decode_hashtags, make_trainer
from .run import Run

# Figures of different runs are comparable if these are the same.
READING = {"word_splitter": "wordninja", "order": "shuffled", "seed": 0}


def figures_of(predictions: list[list[str]], dataset) -> dict[str, float]:
    """Figures of a split's predictions; recall per cause where the metadata has `causes`."""
    figures = hashtag_metrics(predictions, dataset["hashtags"], **READING)
    if "causes" in dataset.column_names:
        causes = recall_by_cause(predictions, dataset["causes"])
        figures |= {f"recall_{cause}": recall for cause, recall in causes.items()}
    return figures


def ranking_recall(guidance_dir: Path) -> dict[str, float] | None:
    """Recall of the hashtags ranked for the test split, by their number; `None` where none were."""
    path = guidance_dir / "test_recall.json"
    return json.loads(path.read_text()) if path.is_file() else None


def write_predictions(run: Run, name: str, dataset, predictions: list[list[str]]) -> None:
    """Writes a split's rows with their predictions into `evaluation/<name>`."""
    run.evaluation_dir.mkdir(exist_ok=True)
    clip = "file_name" if run.is_prepared_set else "video"
    rows = zip(dataset.select_columns([clip, "description", "hashtags"]), predictions)
    write_lines(
        run.evaluation_dir / name,
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


def evaluate(run: Run) -> None:
    """Writes `evaluation/test.json`, `evaluation/predictions.jsonl` and `checkpoint/README.md`."""
    if run.is_done("evaluate", run.evaluation_dir / "test.json"):
        return
    test = run.generator_shorts("test")
    figures, best_predictions = [], None
    for checkpoint in run.best_generators() or [run.checkpoint_dir]:
        trainer = make_trainer(run, GGMForHashtagGeneration.from_pretrained(checkpoint))
        output = trainer.predict(test, num_beams=trainer.model.generation_config.num_beams)
        predictions = decode_hashtags(run.processor, output.predictions)
        figures.append(figures_of(predictions, test.dataset))
        best_predictions = predictions if best_predictions is None else best_predictions
    if run.process.is_main_process:
        write_predictions(run, "predictions.jsonl", test.dataset, best_predictions)
        summary = summary_of(figures, ranking_recall(run.guidance_dir), len(test))
        write_card = write_adapter_card if run.lora.use_lora else write_model_card
        write_card(run, summary)
        write_json(run.evaluation_dir / "test.json", summary)
        print(json.dumps(summary, indent=2))
    run.process.wait_for_everyone()
