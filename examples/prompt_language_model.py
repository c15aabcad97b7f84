"""
Asks an instructed language model for the hashtags of posts, and measures what it makes of guidance and of examples.

    python examples/prompt_language_model.py --data_dir DATA/tweets \\
        --language_model HuggingFaceTB/SmolLM2-135M-Instruct

`DATA/tweets` has `train` and `test`, each with a `metadata.jsonl` (docs/data.md). Similar posts of `train`, found by
their words, give guidance, fused with the hashtags whose words stand in the text; and they are the examples. Each way
of asking is measured on the same rows, against asking without guidance by a paired test. Of the answer, as many of the
surest hashtags count as training rows have on average; three at least are asked for. With `--tune_rows` a LoRA adapter
learns from so many training rows before.

Needs `pip install transformers-ggm[recommend,eval,lora]`.
"""

import json
import random
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model

from transformers_ggm import (
    DataCollatorForInstructedGeneration,
    GGMTrainingArguments,
    InstructedForHashtagGeneration,
    InstructedProcessor,
    InstructedTrainer,
    PostIndex,
)
from transformers_ggm.evaluation import bootstrap_intervals, hashtag_metrics_per_video, paired_test
from transformers_ggm.generation.instructed_writing import instructed_hashtags
from transformers_ggm.recommendation import (
    CandidateSource,
    Clues,
    PostsSource,
    WordsSource,
    clues_of,
    gather_candidates,
    reciprocal_rank_fusion,
)

WAYS = ("plain", "guided", "examples", "guided+examples")
# A model that is asked for one hashtag has nothing to be sure or unsure of.
LEAST = 3


def main() -> None:
    options = parse_options()
    train, test = (read_rows(options.data_dir / split) for split in ("train", "test"))
    test = random.Random(0).sample(test, min(options.rows, len(test)))
    count = round(mean(len(row["hashtags"]) for row in train))
    model, processor = load(options, count)
    index = PostIndex.build(train, sparse=True)
    counts = Counter(tag for row in train for tag in row["hashtags"])
    clues = clues_of(test)
    sources = [PostsSource(index, by="sparse"), WordsSource.build(train)]
    guidance = fused(sources, clues, processor.num_guidance)
    examples = similar_posts(index, train, clues, processor.num_examples)
    if options.tune_rows:
        model = tuned(options, model, processor, sources, train)
    results = {"retrieved": measured([row[:count] for row in guidance], test, counts, 0.0)}
    report(options, "retrieved", results)
    for way in options.ways:
        columns = columns_of(clues)
        if "guided" in way:
            columns["guidance"] = guidance
        if "examples" in way:
            columns["examples"] = examples
        start = time.perf_counter()
        written = write(model, processor, columns, options.batch_size)
        seconds = time.perf_counter() - start
        results[way] = measured([list(row)[:count] for row in written], test, counts, seconds)
        report(options, way, results)


def parse_options() -> Namespace:
    parser = ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--language_model", required=True, help="Folder or Hub id.")
    parser.add_argument("--gguf_file", help="File in it, where the model is in llama.cpp's format.")
    parser.add_argument(
        "--tune_rows", type=int, default=0, help="Training rows that a LoRA adapter learns from first."
    )
    parser.add_argument("--data_dir", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=1000, help="Test rows that are drawn.")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--num_guidance", type=int, default=10)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--output", type=Path, help="JSON file for the figures.")
    return parser.parse_args()


def read_rows(folder: Path) -> list[dict]:
    lines = (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["hashtags"]]


def load(options: Namespace, count: int) -> tuple[InstructedForHashtagGeneration, InstructedProcessor]:
    files = {} if options.gguf_file is None else {"gguf_file": options.gguf_file}
    model = InstructedForHashtagGeneration.from_language_model_pretrained(
        options.language_model, max_new_tokens=8 + 6 * max(count, LEAST), dtype=getattr(torch, options.dtype), **files
    )
    processor = InstructedProcessor.from_language_model_pretrained(
        options.language_model,
        takes_images=model.config.takes_images,
        num_hashtags=max(count, LEAST),
        num_guidance=options.num_guidance,
        **files,
    )
    return model.eval(), processor


def fused(sources: list[CandidateSource], clues: list[Clues], k: int, training: bool = False) -> list[list[str]]:
    """Hashtags of similar posts and those whose words stand in the text, in one list for each row."""
    found = gather_candidates(sources, clues, k=50, training=training)
    return [[candidate.hashtag for candidate in row] for row in reciprocal_rank_fusion(found, k=k)]


def tuned(options: Namespace, model, processor, sources: list[CandidateSource], train: list[dict]):
    """The model with an adapter that learned from some training rows, each guided as if nobody knew it."""
    rows = random.Random(1).sample(train, options.tune_rows)
    guidance = fused(sources, clues_of(rows), processor.num_guidance, training=True)
    columns = {name: [row[name] for row in rows] for name in ("description", "hashtags")}
    config = LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, target_modules="all-linear")
    adapted: Any = get_peft_model(model, config)
    with tempfile.TemporaryDirectory() as folder:
        arguments = GGMTrainingArguments(
            folder, num_train_epochs=1, learning_rate=5e-4, per_device_train_batch_size=8, warmup_steps=5,
            logging_steps=5, save_strategy="no", use_cpu=not torch.cuda.is_available(), disable_tqdm=True,
        )  # fmt: skip
        trainer = InstructedTrainer(
            adapted,
            arguments,
            train_dataset=Dataset.from_dict({**columns, "guidance": guidance}),
            processing_class=processor,
            data_collator=DataCollatorForInstructedGeneration(processor, inputs=["text"], guidance_dropout=1 / 3),
        )
        trainer.train()
    return adapted.merge_and_unload().eval()


def similar_posts(
    index: PostIndex, train: list[dict], clues: list[Clues], k: int
) -> list[list[tuple[str, list[str]]]]:
    """The words and hashtags of the most similar posts; the most similar one comes last, right before the clip."""
    by_id = {row["id"]: row for row in train}
    found = index.search([row.text for row in clues], k=k, by="sparse")
    return [[(by_id[post.id]["description"], by_id[post.id]["hashtags"]) for post in row][::-1] for row in found]


def columns_of(clues: list[Clues]) -> dict[str, list]:
    names = {"text": "description", "transcript": "transcript", "screen_text": "screen_text", "language": "language"}
    return {name: [getattr(row, field) for row in clues] for name, field in names.items()}


def write(model, processor, columns: dict[str, list], batch_size: int) -> list[dict[str, float]]:
    """What the model writes; rows of about one length go together, so that little is padding."""
    size = len(columns["text"])
    order = sorted(range(size), key=lambda row: sum(len(str(values[row])) for values in columns.values()))
    written = {}
    for start in range(0, size, batch_size):
        rows = order[start : start + batch_size]
        batch = {name: [values[row] for row in rows] for name, values in columns.items()}
        written |= zip(rows, instructed_hashtags(model, processor, batch))
    return [written[row] for row in range(size)]


def measured(answers: list[list[str]], test: list[dict], counts: Counter, seconds: float) -> dict:
    """Metrics of each row, how many of the hashtags no training row has, and the time."""
    metrics = hashtag_metrics_per_video(answers, [row["hashtags"] for row in test])
    written = [tag for row in answers for tag in row]
    return {
        "metrics": {name: metrics[name] for name in ("f1", "rouge1", "precision", "recall")},
        "novel": 100 * mean(tag not in counts for tag in written) if written else 0.0,
        "hashtags": len(written) / len(answers),
        "seconds": seconds / len(answers),
    }


def report(options: Namespace, way: str, results: dict[str, dict]) -> None:
    """Prints the figures of one way of asking, and keeps those of all so far."""
    figures = {}
    for name, result in results.items():
        intervals = bootstrap_intervals(result["metrics"])
        figures[name] = {
            **{metric: intervals[metric].mean for metric in result["metrics"]},
            "f1_interval": [intervals["f1"].low, intervals["f1"].high],
            **{key: result[key] for key in ("novel", "hashtags", "seconds")},
        }
        if name not in ("plain", "retrieved") and "plain" in results:
            for metric in ("f1", "rouge1"):
                test = paired_test(result["metrics"][metric], results["plain"]["metrics"][metric])
                figures[name][f"{metric}_against_plain"] = [test.difference, test.p_value]
    print(way, json.dumps(figures[way]), flush=True)
    if options.output is not None:
        options.output.write_text(json.dumps({"rows": options.rows, "figures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
