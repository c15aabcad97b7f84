"""A grid whose cells are written by hand instead of trained: tables are tested on what they should say about it."""

import json

import yaml

from transformers_ggm.experiments.grid import read_grid

REFERENCES = [["a", "b"], ["a"], ["c", "new"], ["b", "c"], ["a", "b", "c"], ["new"], ["a", "c"], ["b"]] * 3
COUNTS = {"a": 30, "b": 20, "c": 10}
COSTS = {
    "train_seconds": 60.0, "inference_seconds": 12.0, "peak_memory_mib": 500.0, "is_resumed": False, "processor": "P",
    "cores": 2, "threads": 1, "parameters": 100, "trainable_parameters": 60, "seconds": 80.0,
}  # fmt: skip


def write_grid(folder, seeds=(0,), guidance_sizes=(), **entries):
    """A configuration with one corpus, and the grid that it describes."""
    for split in ("train", "validation", "test"):
        (folder / "shorts" / split).mkdir(parents=True, exist_ok=True)
        (folder / "shorts" / split / "metadata.jsonl").write_text('{"description": "x", "hashtags": ["a"]}')
    content = {
        "corpora": {"mine": {"data_dir": str(folder / "shorts")}},
        "seeds": list(seeds),
        "guidance_sizes": list(guidance_sizes),
        **entries,
    }
    path = folder / "grid.yaml"
    path.write_text(yaml.safe_dump(content))
    return path, read_grid(path)


def write_cell(output_dir, cell, predictions=None, ranked=None, unseen=None, references=REFERENCES, **costs):
    """What a finished cell leaves behind."""
    folder = output_dir / "cells" / cell.name
    folder.mkdir(parents=True, exist_ok=True)
    if cell.kind == "data":
        (folder / "hashtag_counts.json").write_text(json.dumps(COUNTS))
    else:
        predictions = [["a"] for _ in references] if predictions is None else predictions
        rows = [
            {"id": f"clip{i}", "description": f"words {i}", "hashtags": true, "predicted": predicted}
            for i, (true, predicted) in enumerate(zip(references, predictions))
        ]
        (folder / "predictions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if ranked is not None:
        (folder / "guidance").mkdir()
        (folder / "guidance" / "test.json").write_text(json.dumps(ranked))
    if unseen is not None:
        (folder / "unseen.json").write_text(json.dumps(unseen))
    (folder / "result.json").write_text(json.dumps({"costs": COSTS | costs}))


def write_failure(output_dir, cell, reason):
    """What a failed cell leaves behind."""
    folder = output_dir / "cells" / cell.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "failed.json").write_text(json.dumps({"error": reason}))
