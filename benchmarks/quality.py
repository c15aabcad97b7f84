"""What settings that save time cost in quality: the bundled model on rendered test clips."""

from pathlib import Path

from rendered_items import rendered_items, suggestions
from settings import DTYPES
from transformers import pipeline

from transformers_ggm import HashtagGenerationPipeline
from transformers_ggm.evaluation import hashtag_metrics

# Dtype, beams, frames.
SETTINGS = (
    ("fp32", 5, 15),
    ("bf16", 5, 15),
    ("int8", 5, 15),
    ("fp32", 1, 15),
    ("bf16", 1, 15),
    ("int8", 1, 15),
    ("int8", 1, 8),
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
    items, truth = rendered_items(folder, num_clips)
    lines = ["| dtype | decoding | frames | ROUGE-1 | ROUGE-2 | F1 |", "|---|---|---:|---:|---:|---:|"]
    for dtype, num_beams, num_frames in SETTINGS:
        decoding = "greedy" if num_beams == 1 else f"{num_beams} beams"
        suggest = with_frames(pipeline("hashtag-generation", device="cpu", **DTYPES[dtype]), num_frames)
        name = f"{dtype}, {decoding}, {num_frames} frames"
        metrics = hashtag_metrics(suggestions(suggest, items, name, num_beams=num_beams), truth)
        cells = [dtype, decoding, str(num_frames), *(f"{metrics[name]:.1f}" for name in ("rouge1", "rouge2", "f1"))]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def with_frames(suggest: HashtagGenerationPipeline, num_frames: int) -> HashtagGenerationPipeline:
    """A pipeline that sees so many frames of a long clip, and of shorter ones as large a share of the usual number."""
    for processor in (suggest.processor, suggest.retriever_processor):
        rule = processor.video_processor
        rule.frames_per_second *= num_frames / rule.num_frames
        rule.num_frames = num_frames
    return suggest
