"""Stage 6: figures on the test split, and the checkpoint's card."""

import json

from ..evaluation import hashtag_metrics, recall_by_cause, word_splitter_name
from ..files import write_json
from ..hub_cards import write_model_card
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


def retrieval_figures(run: Run) -> dict[str, dict[str, float]]:
    """Recall@k of the retriever on the test split; nothing where no guidance was retrieved."""
    path = run.guidance_dir / "test_recall.json"
    return {"retrieval_recall_at_k": json.loads(path.read_text())} if path.is_file() else {}


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
        run.evaluation_dir.mkdir(exist_ok=True)
        with (run.evaluation_dir / "predictions.jsonl").open("w", encoding="utf-8") as lines:
            name = "file_name" if run.is_prepared_set else "video"
            for row, predicted in zip(
                test.dataset.select_columns([name, "description", "hashtags"]), best_predictions
            ):
                lines.write(json.dumps({**row, "predicted": predicted}, ensure_ascii=False) + "\n")
        summary = {
            "best_checkpoint": figures[0],
            f"mean_of_best_{len(figures)}": {
                name: sum(f[name] for f in figures) / len(figures) for name in figures[0]
            },
            **retrieval_figures(run),
            "test_videos": len(test),
            "word_splitter": word_splitter_name(READING["word_splitter"]),
            "hashtag_order": {"order": READING["order"], "seed": READING["seed"]},
        }
        write_model_card(run, summary)
        write_json(run.evaluation_dir / "test.json", summary)
        print(json.dumps(summary, indent=2))
    run.process.wait_for_everyone()
