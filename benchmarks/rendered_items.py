"""Rendered clips as items of the pipeline, and what it suggests for them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from transformers_ggm import HashtagGenerationPipeline
from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes


def rendered_items(folder: Path, num_clips: int, split: str = "test") -> tuple[list[dict[str, Any]], list[list[str]]]:
    """
    Renders the first clips of a split.

    Args:
        folder (`Path`): where to; clips that are there already are not rendered again.
        num_clips (`int`): how many.
        split (`str`): `"test"` or `"train"`.

    Returns:
        Their items and their hashtags.
    """
    recipes = sample_recipes(split, num_clips)
    items = [{"video": str(folder / f"{recipe.id}.mp4"), "description": recipe.description} for recipe in recipes]
    for recipe, item in zip(tqdm(recipes, desc="Rendering", unit="clip"), items):
        if not Path(item["video"]).exists():
            render_clip(recipe, item["video"])
    return items, [recipe.hashtags for recipe in recipes]


def suggestions(
    suggest: HashtagGenerationPipeline, items: Sequence[dict[str, Any]], name: str, **arguments
) -> list[list[str]]:
    """The hashtags of each item, without `#`; `name` stands before the progress bar."""
    answers = suggest((item for item in tqdm(items, desc=name, unit="clip")), **arguments)
    return [[tag["hashtag"].removeprefix("#") for tag in answer] for answer in answers]
