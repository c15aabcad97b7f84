"""What greedy search costs in quality on rendered shorts, and what drafts from the guidance save of its passes."""

from pathlib import Path

import torch
from tqdm.auto import tqdm
from transformers import pipeline

from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes
from transformers_ggm.evaluation import hashtag_metrics


def drafts(folder: Path, num_clips: int) -> list[str]:
    """
    Suggests hashtags for test clips with the bundled model.

    Args:
        folder (`Path`): where to render them.
        num_clips (`int`): how many.

    Returns:
        `list[str]`: lines of a Markdown table.
    """
    recipes = sample_recipes("test", num_clips)
    items = [{"video": str(folder / f"{recipe.id}.mp4"), "description": recipe.description} for recipe in recipes]
    for recipe, item in zip(tqdm(recipes, desc="Rendering", unit="clip"), items):
        render_clip(recipe, item["video"])
    suggest = pipeline("hashtag-generation", device="cpu", dtype=torch.float32)
    passes = []
    # The pass that scores what was written is the same for all.
    suggest.model.get_decoder().register_forward_hook(lambda *_: passes.append(1))
    lines = ["| decoding | ROUGE-1 | F1 | passes of the decoder a clip |", "|---|---:|---:|---:|"]
    for name, num_beams, drafting in (
        ("five beams", 5, True),
        ("greedy, a token at a time", 1, False),
        ("greedy, with drafts", 1, True),
    ):
        if not drafting:
            suggest._drafting, with_drafts = (lambda *_: {}), suggest._drafting
        passes.clear()
        answers = [suggest(item, num_beams=num_beams) for item in tqdm(items, desc=name, unit="clip")]
        if not drafting:
            suggest._drafting = with_drafts
        written = [[tag["hashtag"].removeprefix("#") for tag in answer] for answer in answers]
        figures = hashtag_metrics(written, [recipe.hashtags for recipe in recipes])
        lines.append(
            f"| {name} | {figures['rouge1']:.1f} | {figures['f1']:.1f} | {len(passes) / len(items) - 1:.1f} |"
        )
    return lines
