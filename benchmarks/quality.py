"""What settings that save time cost in quality: the bundled model on rendered test clips."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from settings import DTYPES
from tqdm.auto import tqdm
from transformers import pipeline

from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes
from transformers_ggm.evaluation import hashtag_metrics

SETTINGS = (
    ("fp32", 5, 15),
    ("bf16", 5, 15),
    ("fp32", 1, 15),
    ("bf16", 1, 15),
    ("bf16", 1, 8),
)


def quality(folder: Path, num_clips: int) -> list[str]:
    """
    Suggests hashtags for test clips in each setting.

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
    lines = ["| numbers | decoding | frames | ROUGE-1 | ROUGE-2 | F1 |", "|---|---|---:|---:|---:|---:|"]
    for dtype, num_beams, num_frames in SETTINGS:
        written = suggestions(items, dtype, num_beams, num_frames)
        figures = hashtag_metrics(written, [recipe.hashtags for recipe in recipes])
        decoding = "greedy" if num_beams == 1 else f"{num_beams} beams"
        cells = [dtype, decoding, str(num_frames), *(f"{figures[name]:.1f}" for name in ("rouge1", "rouge2", "f1"))]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def suggestions(items: Sequence[dict[str, Any]], dtype: str, num_beams: int, num_frames: int) -> list[list[str]]:
    """The hashtags of each item."""
    suggest = pipeline("hashtag-generation", device="cpu", dtype=DTYPES[dtype])
    for processor in (suggest.processor, suggest.retriever_processor):
        usual = processor.video_processor
        share = num_frames / 15
        usual.num_frames, usual.frames_per_second = round(usual.num_frames * share), usual.frames_per_second * share
    name = f"{dtype}, {num_beams} beams, {num_frames} frames"
    answers = suggest((item for item in tqdm(items, desc=name, unit="clip")), num_beams=num_beams)
    return [[tag["hashtag"].removeprefix("#") for tag in answer] for answer in answers]
