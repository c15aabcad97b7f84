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
    card = read_card(data_dir)
    if card is None:
        return DataFacts(data_dir.resolve().name, "", False, rows)
    is_synthetic = "synthetic" in (card.data.get("tags") or [])
    return DataFacts(card_name(card, data_dir.resolve().name), card_summary(card), is_synthetic, rows)


def read_card(folder: str | Path) -> DatasetCard | None:
    """The `README.md` of a data folder, or `None` where there is none."""
    readme = Path(folder, "README.md")
    if not readme.is_file():
        return None
    return DatasetCard(readme.read_text(encoding="utf-8"), ignore_metadata_errors=True)


def card_name(card: DatasetCard, default: str) -> str:
    """The title of a data card: in its metadata, or else its first heading."""
    title = next((part.lstrip("# ") for part in _paragraphs(card) if part.startswith("# ")), default)
    return str(card.data.get("pretty_name") or title)


def card_summary(card: DatasetCard) -> str:
    """The first paragraph of a data card that is no heading, list or table, `""` without one."""
    return next((part for part in _paragraphs(card) if re.match(r"[^\W_]", part)), "")


def _paragraphs(card: DatasetCard) -> list[str]:
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", card.text) if part.strip()]
