"""The card of a hashtag pool that is shared alone."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from huggingface_hub import ModelCardData

from .pool_statistics import pool_statistics
from .rendering import fill, render_card

TEMPLATE = "pool_card_template.md"
FACTS = "parts/pool_facts.md"
TAGS = ["hashtag-pool", "hashtag-generation", "ggm", "retrieval-augmented-generation"]
# Between them lies what is written anew with the pool; the rest of a card is its reader's to change.
BEGIN = "<!-- facts of the pool, written anew whenever it is saved or pushed -->"
END = "<!-- end of the facts -->"
_BETWEEN = re.compile(rf"(?<={re.escape(BEGIN)}\n).*?(?=\n{re.escape(END)})", re.DOTALL)


def make_pool_card(
    hashtags: Sequence[str],
    counts: Sequence[int],
    dim: int,
    retriever_fingerprint: str = "",
    repo_id: str | None = None,
    subfolder: str = "",
) -> str:
    """
    A card with metadata, how to load the pool, its facts and risks.

    Args:
        hashtags (`list[str]`), counts (`list[int]`): of the pool; see [`pool_statistics`].
        dim (`int`): dimensions of a vector.
        retriever_fingerprint (`str`, *optional*): of the retriever that made the vectors, `""` if it is not known.
        repo_id (`str`, *optional*): the Hub id by which the usage loads the pool; else it is the card's own folder.
        subfolder (`str`, *optional*): where in the repository the pool lies.
    """
    card_data = ModelCardData(library_name="transformers-ggm", tags=TAGS)
    name = PurePosixPath(subfolder).name or (repo_id or "").rpartition("/")[2] or "Hashtag pool"
    arguments = f'"{repo_id or "."}"' + (f', subfolder="{subfolder}"' if repo_id and subfolder else "")
    facts = pool_card_facts(hashtags, counts, dim, retriever_fingerprint)
    card = render_card(
        TEMPLATE,
        card_data,
        name=name,
        arguments=arguments,
        facts=f"{BEGIN}\n{facts}\n{END}",
        knows_retriever=bool(retriever_fingerprint),
    )
    return f"{card}\n"


def pool_card_facts(hashtags: Sequence[str], counts: Sequence[int], dim: int, retriever_fingerprint: str = "") -> str:
    """The part of the card that changes with the pool. Arguments are those of [`make_pool_card`]."""
    pool = pool_statistics(hashtags, counts)
    return fill(FACTS, pool=pool, dim=dim, retriever_fingerprint=retriever_fingerprint)


def with_new_facts(card: str, facts: str) -> str:
    """
    A card with the facts of today, and otherwise as it is: also where somebody wrote it by hand and it has none.

    Args:
        card (`str`): the text of a `README.md`.
        facts (`str`): see [`pool_card_facts`].
    """
    return _BETWEEN.sub(lambda _: facts, card, count=1)
