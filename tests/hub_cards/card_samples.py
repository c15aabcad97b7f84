"""What trainings leave behind for their cards, and how to find holes in a card."""

import json
import re
import shutil
from itertools import combinations
from pathlib import Path

from transformers_ggm.training.run_records import TrainingRecord

METRICS = {"rouge1": 41.237, "rouge2": 12.0, "precision": 30.5, "recall": 28.25, "f1": 29.3}
MEAN = {"rouge1": 40.111, "rouge2": 11.5, "precision": 30.0, "recall": 27.0, "f1": 28.4}
SUMMARY = {
    "best_checkpoint": METRICS,
    "mean_of_best_3": MEAN,
    "retrieval_recall_at_k": {"1": 9.876, "50": 64.2},
    "test_videos": 7,
    "word_splitter": "wordninja 2.0.0",
}
DATA_CARD = """---
license: apache-2.0
pretty_name: Rendered shorts
tags:
- video
- synthetic
---

# Another title

Short clips made by
code.

More about them.
"""


RECORDED = {
    "hardware": ["Some GPU", "Some GPU"],
    "outcome": {"steps": 2820, "epochs": 30.0, "seconds": 4000.0, "loss": 0.12345},
    "published": {"step": 1234, "validation": {"loss": 1.5, "rouge1": 44.444, "f1": 9.0}},
}
PREDICTIONS = [
    {"description": f"clip {number}", "hashtags": ["snow", "lake"], "predicted": ["lake", "ugly_word"]}
    for number in range(7)
]


def complete(run):
    """Leaves behind all that a training with evaluation leaves behind."""
    for folder in (run.folders.generator_run, run.folders.retriever_run):
        TrainingRecord(folder).write(**run.facts(), **RECORDED)
    run.folders.evaluation.mkdir(exist_ok=True)
    lines = (json.dumps(row) for row in PREDICTIONS)
    (run.folders.evaluation / "predictions.jsonl").write_text("\n".join(lines))
    (run.folders.checkpoint / "training_curve.png").touch()
    (Path(run.data.data_dir) / "README.md").write_text(DATA_CARD.replace("tags:", "language:\n- en\ntags:"))


def holes(text):
    """Headings with nothing below them, tables without rows, and traces of what is not there."""
    found = re.findall(r"^#+ .*\n+(?=#+ |\Z)", text, re.MULTILINE)
    found += re.findall(r"^\|[-|]+\|\n(?!\|)", text, re.MULTILINE)
    return found + re.findall(r"\{\{|\{%|\bNone\b|\bundefined\b|\n\n\n|\(\)|, \.|: *\.\n", text)


REMOVERS = {
    "records": lambda run: [
        shutil.rmtree(folder) for folder in (run.folders.generator_run, run.folders.retriever_run)
    ],
    "retriever's record": lambda run: shutil.rmtree(run.folders.retriever_run, ignore_errors=True),
    "course": lambda run: [
        TrainingRecord(folder).write(**run.facts()) for folder in run.folders.output.glob("runs/*")
    ],
    "predictions": lambda run: (run.folders.evaluation / "predictions.jsonl").unlink(),
    "empty predictions": lambda run: (run.folders.evaluation / "predictions.jsonl").write_text(""),
    "curve": lambda run: (run.folders.checkpoint / "training_curve.png").unlink(),
    "pool": lambda run: shutil.rmtree(run.folders.pool),
    "data card": lambda run: (Path(run.data.data_dir) / "README.md").unlink(),
}
# Each alone, any two, and all of them.
MISSING = [(), *combinations(REMOVERS, 1), *combinations(REMOVERS, 2), tuple(REMOVERS)]


def remove(name, run):
    """Takes a fact away, where no other removal has."""
    try:
        REMOVERS[name](run)
    except FileNotFoundError:
        return
