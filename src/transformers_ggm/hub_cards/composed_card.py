"""The card of a checkpoint that was put together of parts, without training."""

from collections.abc import Mapping, Sequence

from huggingface_hub import ModelCardData

from ..utils.hub_commits import is_hub_id
from .rendering import render_card
from .results import PIPELINE_TAG

TEMPLATE = "composed_card_template.md"
TAGS = ["hashtag-generation", "video", "ggm", "retrieval-augmented-generation"]
# By part: what it is called, and what it does.
PARTS = {
    "retriever": ("retriever", "finds the hashtags that are nearest to the frames"),
    "text_encoder": ("text encoder", "finds the hashtags whose words are nearest to what is written and said"),
    "generator": ("generator", "writes hashtags, guided by those that were found"),
    "posts": ("posts", "propose the hashtags of posts with like words"),
    "hashtags": ("hashtags", "can be recommended"),
}
MODELS = ("retriever", "text_encoder", "generator")


def make_composed_card(parts: Mapping[str, str | None], sources: Sequence[str], num_hashtags: int) -> str:
    """
    A card that says what a checkpoint was composed of, how it answers, and that nothing was trained or measured.

    Args:
        parts (`dict[str, str | None]`): By the names of `PARTS`, a Hub id, a folder or a file; `None` for none. Of
            folders and files of this machine the card tells the last name alone.
        sources (`Sequence[str]`): The names of the candidate sources.
        num_hashtags (`int`): How many hashtags can be recommended.
    """
    used = {name: given for name, given in parts.items() if given is not None}
    bases = [used[name] for name in MODELS if name in used and is_hub_id(used[name])]
    card = render_card(
        TEMPLATE,
        ModelCardData(
            library_name="transformers",
            tags=TAGS,
            pipeline_tag=PIPELINE_TAG,
            base_model=bases or None,
            base_model_relation="merge" if len(bases) > 1 else None,
        ),
        parts=[
            {"name": PARTS[name][0], "source": _shown(given), "does": PARTS[name][1]} for name, given in used.items()
        ],
        sources=sources,
        num_hashtags=num_hashtags,
        writes="generator" in used,
    )
    return f"{card}\n"


def _shown(given: str) -> str:
    return given if is_hub_id(given) else given.rstrip("/").rpartition("/")[2]
