"""What is known about the data that a checkpoint was trained on."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCard

# What a data card says of the data that holds for a model trained on it too, or for the same data in another form.
SHARED_METADATA = ("license", "license_name", "license_link", "language")
# The Hub's cache: datasets--user--name/snapshots/<commit>.
_CACHED = re.compile(r"datasets--(?P<user>[^/\\]+?)--(?P<name>[^/\\]+)[/\\]snapshots[/\\][0-9a-f]+$")


@dataclass(frozen=True)
class DataFacts:
    """
    Args:
        name (`str`): the title of the data card, or else the folder's name.
        summary (`str`): the data card's first paragraph, `""` without one.
        is_synthetic (`bool`): whether the data card has the tag `synthetic`.
        rows (`dict[str, int]`): rows used per split.
        hub_id (`str`, *optional*): the data's repository on the Hub, where the folder tells.
        metadata (`dict`, *optional*): licence and language, as far as the data card names them.
    """

    name: str
    summary: str
    is_synthetic: bool
    rows: dict[str, int]
    hub_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def licence(self) -> str:
        """The data's licence in words, `""` where the data card names none."""
        return _licence_in(self.metadata)


def data_facts(data_dir: Path, num_rows: Mapping[str, int]) -> DataFacts:
    """The facts about a data folder, from its `README.md` if it has one; `num_rows` were used, per split."""
    rows = dict(num_rows)
    card, hub_id = read_card(data_dir), id_of_cached(data_dir)
    default = hub_id or data_dir.resolve().name
    if card is None:
        return DataFacts(default, "", False, rows, hub_id)
    metadata = card.data.to_dict()
    return DataFacts(
        name=card_name(card, default),
        summary=card_summary(card),
        is_synthetic="synthetic" in (metadata.get("tags") or []),
        rows=rows,
        hub_id=hub_id,
        metadata={name: metadata[name] for name in SHARED_METADATA if metadata.get(name)},
    )


def id_of_cached(folder: Path) -> str | None:
    """
    The id of a data set that the Hub's client fetched into its cache, `None` for any other folder.

    Example:

    ```python
    >>> id_of_cached(Path("/cache/datasets--someone--shorts/snapshots/0a1b2c"))
    'someone/shorts'

    ```
    """
    match = _CACHED.search(str(folder.absolute()))
    return None if match is None else f"{match['user']}/{match['name']}"


def licence_of(folder: str | Path) -> str:
    """The licence that the `README.md` of a folder names, in words; `""` where it names none."""
    card = read_card(folder)
    return "" if card is None else _licence_in(card.data.to_dict())


def _licence_in(metadata: Mapping[str, Any]) -> str:
    names = metadata.get("license_name") or metadata.get("license") or []
    return names if isinstance(names, str) else ", ".join(names)


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
