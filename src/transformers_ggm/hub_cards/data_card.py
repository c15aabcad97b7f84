"""What is known about the data that a checkpoint was trained on."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from huggingface_hub import DatasetCard

if TYPE_CHECKING:
    from ..training.run import Run


@dataclass(frozen=True)
class DataFacts:
    """
    Args:
        name (`str`): the title of the data card, or else the folder's name.
        summary (`str`): the data card's first paragraph, `""` without one.
        is_synthetic (`bool`): whether the data card has the tag `synthetic`.
        rows (`dict[str, int]`): rows used per split.
    """

    name: str
    summary: str
    is_synthetic: bool
    rows: dict[str, int]


def data_facts(run: "Run") -> DataFacts:
    """The facts about a run's data folder, from its `README.md` if it has one."""
    data_dir = Path(run.data.data_dir)
    rows = {split: len(run.rows(split)) for split in ("train", "validation", "test")}
    readme = data_dir / "README.md"
    if not readme.is_file():
        return DataFacts(data_dir.resolve().name, "", False, rows)
    card = DatasetCard(readme.read_text(encoding="utf-8"), ignore_metadata_errors=True)
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", card.text) if part.strip()]
    title = next((part.lstrip("# ") for part in paragraphs if part.startswith("# ")), None)
    summary = next((part for part in paragraphs if re.match(r"[^\W_]", part)), "")
    name = card.data.get("pretty_name") or title or data_dir.resolve().name
    return DataFacts(str(name), summary, "synthetic" in (card.data.get("tags") or []), rows)
