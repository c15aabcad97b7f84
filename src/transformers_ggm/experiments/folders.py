"""What lies where in the folder of a grid and of each of its cells."""

from pathlib import Path

CELLS = "cells"
SETTINGS = "settings.json"
LOG = "log.txt"
RESULT = "result.json"
FAILED = "failed.json"
HASHTAG_COUNTS = "hashtag_counts.json"
PREDICTIONS = "predictions.jsonl"
UNSEEN = "unseen.json"


def guidance_folder(cell: Path) -> Path:
    """Where a finished cell has its ranked hashtags: a classifier keeps them beside itself."""
    own = cell / "classifier" / "guidance"
    return own if own.is_dir() else cell / "guidance"
