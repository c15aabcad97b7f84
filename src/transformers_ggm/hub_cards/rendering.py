"""Filling a card's template, which may include the parts that several cards share."""

import re
from pathlib import Path
from typing import Any

from huggingface_hub import CardData, ModelCard
from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent
_EMPTY_LINES = re.compile(r"\n{3,}")
_ONE_EMPTY_LINE = "\n\n"


def render_card(template: str, card_data: CardData, **facts: Any) -> ModelCard:
    """
    Fills the template of a card. `ModelCard.from_template` does the same for templates without parts.

    Args:
        template (`str`), **facts: see [`fill`].
        card_data (`CardData`): the metadata.
    """
    return ModelCard(fill(template, card_data=card_data.to_yaml(), **facts))


def fill(template: str, **facts: Any) -> str:
    """
    Fills a template beside this file, and leaves out the empty lines around what is left out.

    Args:
        template (`str`): the file's name.
        **facts: what the template and its parts speak of. None may be missing; one that is not known is `None` or
            empty, and the template leaves it out.

    Raises:
        jinja2.UndefinedError: the template asks for a fact that was not given.
    """
    # Markdown, not HTML: what others wrote is escaped where it is quoted, see `quoting.py`.
    environment = Environment(loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined)  # noqa: S701
    return _EMPTY_LINES.sub(_ONE_EMPTY_LINE, environment.get_template(template).render(**facts)).strip()
