"""What settings that save time cost in quality: the bundled model on rendered test clips."""

import shutil
from pathlib import Path

from rendered_items import rendered_items, suggestions
from settings import DTYPES
from transformers import pipeline

from transformers_ggm import HashtagGenerationPipeline
from transformers_ggm.backends import export_openvino
from transformers_ggm.evaluation import hashtag_metrics
from transformers_ggm.pipelines import DEMO_CHECKPOINT

# Dtype, backend, beams, frames.
SETTINGS = (
    ("fp32", "torch", 5, 15),
    ("bf16", "torch", 5, 15),
    ("int8", "torch", 5, 15),
    ("bf16", "openvino", 5, 15),
    ("int8", "openvino", 5, 15),
    ("fp32", "torch", 1, 15),
    ("bf16", "torch", 1, 15),
    ("int8", "torch", 1, 15),
    ("bf16", "openvino", 1, 15),
    ("int8", "openvino", 1, 15),
    ("int8", "openvino", 1, 8),
)
# Clips of the training split, which vision encoders in eight bits are calibrated on.
NUM_CALIBRATION_CLIPS = 32


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
    checkpoint = exported(folder)
    lines = ["| dtype | backend | decoding | frames | ROUGE-1 | ROUGE-2 | F1 |", "|---|---|---|---:|---:|---:|---:|"]
    for dtype, backend, num_beams, num_frames in SETTINGS:
        decoding = "greedy" if num_beams == 1 else f"{num_beams} beams"
        options = {"model": checkpoint, "device": "cpu", "backend": backend, **DTYPES[dtype]}
        suggest = with_frames(pipeline("hashtag-generation", **options), num_frames)
        name = f"{dtype}, {backend}, {decoding}, {num_frames} frames"
        metrics = hashtag_metrics(suggestions(suggest, items, name, num_beams=num_beams), truth)
        cells = [dtype, backend, decoding, str(num_frames)]
        cells += [f"{metrics[name]:.1f}" for name in ("rouge1", "rouge2", "f1")]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def exported(folder: Path) -> str:
    """A copy of the bundled checkpoint that is exported for OpenVINO."""
    checkpoint = folder / "demo"
    shutil.copytree(DEMO_CHECKPOINT, checkpoint)
    items, _ = rendered_items(folder, NUM_CALIBRATION_CLIPS, split="train")
    suggest = pipeline("hashtag-generation", model=str(checkpoint), device="cpu", dtype="float32")
    export_openvino(suggest, items, checkpoint, int8=True)
    return str(checkpoint)


def with_frames(suggest: HashtagGenerationPipeline, num_frames: int) -> HashtagGenerationPipeline:
    """A pipeline that sees so many frames of a long clip, and of shorter ones as large a share of the usual number."""
    for processor in (suggest.processor, suggest.retriever_processor):
        rule = processor.video_processor
        rule.frames_per_second *= num_frames / rule.num_frames
        rule.num_frames = num_frames
    return suggest
