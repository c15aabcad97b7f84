"""What the first pass found out about every clip, without its frames and sound."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...processing.hashtag_fields import DroppedHashtags
from ...utils.files import write_lines
from ..near_duplicates import NUM_HASHES, description_key
from .parts import Parts


@dataclass(frozen=True)
class Facts:
    """
    A few numbers on each of n rows.

    Args:
        is_usable (`np.ndarray`): (n,) bool, whether the row has no error.
        frame_hashes (`np.ndarray`): (n, NUM_HASHES) uint64, 0 without a clip.
        description_keys (`np.ndarray`): (n,) uint64, 0 without a description.
        source (`np.ndarray`): (n,) int8, which of the sources the row is from.
    """

    is_usable: np.ndarray
    frame_hashes: np.ndarray
    description_keys: np.ndarray
    source: np.ndarray


def read_facts(sources: Sequence[Parts]) -> Facts:
    """Reads the facts of all rows of all sources, in order."""
    num_rows = sum(parts.num_rows() for parts in sources)
    facts = Facts(
        is_usable=np.zeros(num_rows, bool),
        frame_hashes=np.zeros((num_rows, NUM_HASHES), np.uint64),
        description_keys=np.zeros(num_rows, np.uint64),
        source=np.zeros(num_rows, np.int8),
    )
    start = 0
    for number, parts in enumerate(sources):
        for batch in parts.batches(["error", "description", "frame_hashes"]):
            rows = slice(start, start + len(batch))
            start = rows.stop
            facts.source[rows] = number
            facts.is_usable[rows] = batch.column("error").is_null().to_numpy(zero_copy_only=False)
            facts.description_keys[rows] = [description_key(text) for text in batch.column("description").to_pylist()]
            hashes = batch.column("frame_hashes")
            has_hashes = hashes.is_valid().to_numpy(zero_copy_only=False)
            facts.frame_hashes[rows][has_hashes] = hashes.flatten().to_numpy().reshape(-1, NUM_HASHES)
    # A clip that could not be read is nobody's duplicate.
    facts.description_keys[~facts.is_usable] = 0
    return facts


def read_rows(sources: Sequence[Parts], columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Some fields of all rows of all sources, in order."""
    for parts in sources:
        for batch in parts.batches(list(columns)):
            yield from batch.to_pylist()


def count_dropped_hashtags(sources: Sequence[Parts]) -> DroppedHashtags:
    """What in the hashtags of all rows was none."""
    dropped = DroppedHashtags()
    for row in read_rows(sources, ["dropped_hashtags"]):
        dropped.add(row["dropped_hashtags"])
    return dropped


def write_rejects(sources: Sequence[Parts], path: Path) -> int:
    """Writes the rows whose clip was rejected, with the reason, one JSON object a line, and gives their number."""
    rejects = (row for row in read_rows(sources, ["file_name", "error"]) if row["error"] is not None)
    return write_lines(path, (json.dumps(row, ensure_ascii=False) for row in rejects))
