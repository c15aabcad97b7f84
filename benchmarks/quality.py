"""
What settings that save time cost in quality: the bundled model on rendered test clips, or another on clips of its own.

    python benchmarks/quality.py --checkpoint outputs/exercises/checkpoint --data_dir DATA/exercises

`DATA/exercises` has `train`, whose first clips vision encoders in eight bits are calibrated on, and `test`, each with
a `metadata.jsonl` (docs/data.md).
"""

import argparse
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measured_page import machine
from rendered_items import rendered_items, suggestions
from settings import DTYPES
from transformers import pipeline
from transformers.utils import logging

from transformers_ggm import HashtagGenerationPipeline, load_shorts
from transformers_ggm.backends import export_openvino
from transformers_ggm.evaluation import hashtag_metrics_per_video, paired_test
from transformers_ggm.pipelines import DEMO_CHECKPOINT

# Dtype, backend, beams, frames.
SETTINGS = (
    ("fp32", "torch", 5, 15),
    ("bf16", "torch", 5, 15),
    ("bf16", "openvino", 5, 15),
    ("int8", "openvino", 5, 15),
    ("int8", "openvino", 3, 15),
    ("fp32", "torch", 1, 15),
    ("bf16", "torch", 1, 15),
    ("bf16", "openvino", 1, 15),
    ("int8", "openvino", 1, 15),
    ("int8", "openvino", 1, 8),
)
# Clips of the training split, which vision encoders in eight bits are calibrated on.
NUM_CALIBRATION_CLIPS = 32


def quality(folder: Path, num_clips: int) -> list[str]:
    """
    Suggests hashtags for rendered test clips in each setting, with the bundled checkpoint.

    Args:
        folder (`Path`): where to render them.
        num_clips (`int`): how many.

    Returns:
        `list[str]`: lines of a Markdown table.
    """
    checkpoint = exported(DEMO_CHECKPOINT, rendered_items(folder, NUM_CALIBRATION_CLIPS, split="train")[0], folder)
    return table(checkpoint, *rendered_items(folder, num_clips))


def table(checkpoint: str, items: Sequence[dict[str, Any]], truth: Sequence[Sequence[str]]) -> list[str]:
    """Lines of Markdown, one for each setting, tested against the first."""
    lines = [
        "| dtype | backend | decoding | frames | ROUGE-1 | ROUGE-2 | F1 | p of F1 |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    plain: Mapping[str, np.ndarray] = {}
    for dtype, backend, num_beams, num_frames in SETTINGS:
        decoding = "greedy" if num_beams == 1 else f"{num_beams} beams"
        options = {"model": checkpoint, "device": "cpu", "backend": backend, **DTYPES[dtype]}
        suggest = with_frames(pipeline("hashtag-generation", **options), num_frames)
        name = f"{dtype}, {backend}, {decoding}, {num_frames} frames"
        metrics = hashtag_metrics_per_video(suggestions(suggest, items, name, num_beams=num_beams), truth)
        plain = plain or metrics
        cells = [dtype, backend, decoding, str(num_frames)]
        cells += [f"{metrics[name].mean():.1f}" for name in ("rouge1", "rouge2", "f1")]
        cells += [f"{paired_test(metrics['f1'], plain['f1']).p_value:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def exported(checkpoint: str | Path, items: Sequence[dict[str, Any]], folder: Path) -> str:
    """A copy of a checkpoint in a folder, exported for OpenVINO with some clips."""
    copied = folder / "exported"
    shutil.copytree(checkpoint, copied)
    suggest = pipeline("hashtag-generation", model=str(copied), device="cpu", dtype="float32")
    export_openvino(suggest, list(items), copied, int8=True)
    return str(copied)


def with_frames(suggest: HashtagGenerationPipeline, num_frames: int) -> HashtagGenerationPipeline:
    """A pipeline that sees so many frames of a long clip, and of shorter ones as large a share of the usual number."""
    for processor in (suggest.processor, suggest.retriever_processor):
        rule = processor.video_processor
        rule.frames_per_second *= num_frames / rule.num_frames
        rule.num_frames = num_frames
    return suggest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True, help="that is measured, a folder")
    parser.add_argument("--data_dir", type=Path, required=True, help="folder with train and test")
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    shorts = load_shorts(arguments.data_dir)
    train, test = (shorts[split].select_columns(["video", "description"]).to_list() for split in ("train", "test"))
    with tempfile.TemporaryDirectory() as scratch:
        checkpoint = exported(arguments.checkpoint, train[:NUM_CALIBRATION_CLIPS], Path(scratch))
        lines = table(checkpoint, test, shorts["test"]["hashtags"][:])
    print("", f"Measured on {machine()}.", "", *lines, sep="\n")


if __name__ == "__main__":
    main()
