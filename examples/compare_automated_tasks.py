"""
Compares automated tasks (missing word, next word, next character) with none on tagged posts of words alone: small
generators from random weights, guided by the hashtags of similar posts (TF-IDF). They have a pointer head: without it,
so few posts teach them next to nothing.

    pip install ".[baselines]"
    python examples/compare_automated_tasks.py --data_dir DATA/tweets --output tweets.json

`DATA/tweets` has `train` and `validation`, each with a `metadata.jsonl` (docs/data.md). ROUGE-1 on validation is taken
after each epoch. The table has, over the seeds, how many epochs it took to reach nine tenths of what was reached in
the end without a task (between two epochs on a straight line), ROUGE-1 in the end, and processor time. What is in the
output file already is not trained again. docs/training.md has the figures of tweets and youtube.
"""

import json
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from statistics import mean
from typing import Any

from datasets import Dataset
from over_seeds import mean_and_deviation
from transformers import set_seed

from transformers_ggm import GGMForHashtagGeneration, GGMProcessor, GGMTrainer, GGMTrainingArguments
from transformers_ggm.data import DataCollatorForHashtagGeneration
from transformers_ggm.experiments.baselines import TfidfNeighbours
from transformers_ggm.training.automated_task_arguments import AUTOMATED_TASKS, AutomatedTaskArguments
from transformers_ggm.training.automated_tasks import GGMAutomatedTaskTrainer
from transformers_ggm.training.from_scratch import ScratchConfig

NONE = "none"
TARGET_SHARE = 0.9
SMALL_MODEL = "examples/configs/automated_tasks_model.json"


def read_posts(file: Path, count: int) -> Dataset:
    """The first posts with words and hashtags."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row["description"] and row["hashtags"]][:count]
    return Dataset.from_list([{name: row[name] for name in ("description", "hashtags")} for row in rows])


def guided(train: Dataset, validation: Dataset, count: int) -> tuple[Dataset, Dataset]:
    """The posts with the hashtags of similar training posts, found without the post itself."""
    fields = [(list(posts["description"]), list(posts["hashtags"])) for posts in (train, validation)]
    neighbours = TfidfNeighbours().fit(*fields)
    return (
        train.add_column("guidance", neighbours.rank_training(count)),
        validation.add_column("guidance", neighbours.rank(fields[1][0], count)),
    )


def train_once(
    config: ScratchConfig, processor: GGMProcessor, posts: tuple[Dataset, Dataset], task: str, seed: int, options: Any
) -> dict[str, Any]:
    """ROUGE-1 of each epoch of one training, and its processor seconds."""
    set_seed(seed)
    model_config = config.generator_config(processor.tokenizer, fusion_dropout=0.0, pointer_head=True)
    model = GGMForHashtagGeneration(model_config)
    model.use_published_decoding(max_length=processor.max_target_length)
    arguments = GGMTrainingArguments(
        str(options.output.with_suffix("")),
        learning_rate=options.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=options.warmup_steps,
        num_train_epochs=options.num_train_epochs,
        per_device_train_batch_size=options.batch_size,
        per_device_eval_batch_size=128,
        generation_num_beams=1,
        eval_strategy="epoch",
        save_strategy="no",
        disable_tqdm=True,
        seed=seed,
    )
    collator = DataCollatorForHashtagGeneration(
        processor, target_order="guidance", guidance_dropout=0.0, inputs=["text"], seed=seed
    )
    of_tasks: dict[str, Any] = {}
    if task != NONE:
        of_tasks["automated_tasks"] = AutomatedTaskArguments([task], options.weight)
    trainer = (GGMAutomatedTaskTrainer if of_tasks else GGMTrainer)(
        model,
        arguments,
        train_dataset=posts[0],
        eval_dataset=posts[1],
        processing_class=processor,
        data_collator=collator,
        **of_tasks,
    )
    begin = time.process_time()
    trainer.train()
    seconds = time.process_time() - begin
    return {
        "task": task,
        "seed": seed,
        "rouge1": [entry["eval_rouge1"] for entry in trainer.state.log_history if "eval_rouge1" in entry],
        "processor_seconds": round(seconds, 1),
    }


def epochs_to(rouge1: list[float], target: float) -> float | None:
    """How many epochs it took to reach a figure; `None` where it was not reached."""
    last = 0.0
    for epoch, figure in enumerate(rouge1):
        if figure >= target:
            return epoch + (target - last) / max(figure - last, 1e-9)
        last = figure
    return None


def table(runs: list[dict[str, Any]]) -> str:
    """The runs over their seeds, in Markdown."""
    end = mean(run["rouge1"][-1] for run in runs if run["task"] == NONE)
    target = TARGET_SHARE * end
    lines = [
        f"| task | epochs to ROUGE-1 {target:.1f} | ROUGE-1 in the end | processor seconds | seeds |",
        "|---|---|---|---|---|",
    ]
    for task in dict.fromkeys(run["task"] for run in runs):
        of_task = [run for run in runs if run["task"] == task]
        reached = [epochs_to(run["rouge1"], target) for run in of_task]
        known = [epochs for epochs in reached if epochs is not None]
        epochs = mean_and_deviation(known, 2) if len(known) == len(reached) else "not by all"
        ends = mean_and_deviation([run["rouge1"][-1] for run in of_task], 2)
        seconds = mean(run["processor_seconds"] for run in of_task)
        lines.append(f"| {task} | {epochs} | {ends} | {seconds:.0f} | {len(of_task)} |")
    return "\n".join(lines)


def parse_options() -> Namespace:
    parser = ArgumentParser(description="Compares automated tasks with none on tagged posts.")
    parser.add_argument("--data_dir", type=Path, required=True, help="folder with train and validation")
    parser.add_argument("--output", type=Path, required=True, help="JSON file with the figures of all runs")
    parser.add_argument("--scratch_config", default=SMALL_MODEL, help="small backbones")
    parser.add_argument("--tasks", nargs="+", default=[NONE, *AUTOMATED_TASKS], choices=[NONE, *AUTOMATED_TASKS])
    parser.add_argument("--weight", type=float, default=0.3, help="of the task's loss")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--train_rows", type=int, default=1500, help="so many of the first posts")
    parser.add_argument("--validation_rows", type=int, default=400)
    parser.add_argument("--num_guidance", type=int, default=7, help="hashtags of similar posts that are shown")
    parser.add_argument("--num_train_epochs", type=int, default=6)
    parser.add_argument("--learning_rate", type=float, default=3e-3)
    parser.add_argument("--warmup_steps", type=int, default=50)
    parser.add_argument("--batch_size", type=int, default=32)
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    counts = {"train": options.train_rows, "validation": options.validation_rows}
    train, validation = (
        read_posts(options.data_dir / name / "metadata.jsonl", count) for name, count in counts.items()
    )
    posts = guided(train, validation, options.num_guidance)
    config = ScratchConfig.from_json(options.scratch_config)
    hashtags = [tag for tags in posts[0]["hashtags"] for tag in tags]
    processor, _ = config.processors(
        posts[0]["description"], hashtags, max_text_length=48, max_target_length=24, num_guidance=options.num_guidance
    )
    runs = json.loads(options.output.read_text())["runs"] if options.output.is_file() else []
    settings = {name: str(value) for name, value in vars(options).items() if name not in ("tasks", "seeds")}
    for seed in options.seeds:
        for task in options.tasks:
            if any((run["task"], run["seed"]) == (task, seed) for run in runs):
                continue
            runs.append(train_once(config, processor, posts, task, seed, options))
            options.output.write_text(json.dumps({"settings": settings, "runs": runs}, indent=1))
    print(table(runs))


if __name__ == "__main__":
    main()
