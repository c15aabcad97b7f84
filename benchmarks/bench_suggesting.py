"""Measures what suggesting hashtags costs with base-size models, stage by stage, beside a small vision-language model.

    python benchmarks/bench_suggesting.py --output docs/performance.md

All models have random weights, since only the cost is measured: ViT-B/16, CLAP, BART-base and CLIP ViT-B/32 for GGM,
SmolVLM2-256M beside it. Clips are rendered here, 7.5 s at 1280x720 with sound: 15 frames, the description, 50 hashtags of
guidance, five beams of 32 tokens. The plain composition runs all of that in float32; it is the measure of everything
else. Settings take turns, so that all see one load, and the least time of several runs counts.
"""

import argparse
import platform
import tempfile
import time
from pathlib import Path

import torch
import transformers
from base_size import SMOL_IMAGE_TOKEN, SMOL_TOKENS_PER_FRAME, vision_language_model, write_checkpoint
from bench_decoding import render_clip
from stages import STAGES, run_stages
from transformers import pipeline
from transformers.utils import logging

import transformers_ggm  # noqa: F401
from transformers_ggm.files import replacing

WORDS = "twelve hours on the highway and the first snow of the year is waiting at home"
NUM_FRAMES = 15
NEW_TOKENS = 32
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def vision_language_seconds(dtype: torch.dtype) -> float:
    """Seconds for SmolVLM2-256M to read as many frames and words and to write as many tokens, greedily."""
    model = vision_language_model(dtype)
    frames = torch.randn(1, NUM_FRAMES, 3, 512, 512, dtype=dtype)
    words = torch.randint(10, 1000, (1, 60))
    images = torch.full((1, NUM_FRAMES * SMOL_TOKENS_PER_FRAME), SMOL_IMAGE_TOKEN)
    tokens = torch.cat([images, words], dim=1)
    started = time.perf_counter()
    with torch.inference_mode():
        model.generate(
            input_ids=tokens,
            attention_mask=torch.ones_like(tokens),
            pixel_values=frames,
            pixel_attention_mask=torch.ones(1, NUM_FRAMES, 512, 512, dtype=torch.bool),
            do_sample=False,
            min_new_tokens=NEW_TOKENS,
            max_new_tokens=NEW_TOKENS,
        )
    return time.perf_counter() - started


def stage_seconds(checkpoints: dict[str, Path], clips: list[Path], num_runs: int) -> dict[str, dict[str, float]]:
    """Seconds a video by setting and stage, the run with the least in all of each setting."""
    settings = {}
    for vision, checkpoint in checkpoints.items():
        for dtype_name, dtype in DTYPES.items():
            suggest = pipeline("hashtag-generation", model=str(checkpoint), dtype=dtype, device="cpu")
            for size in sorted({1, len(clips)}):
                settings[f"{vision}, {dtype_name}, batch {size}"] = suggest, clips[:size]
    best: dict[str, dict[str, float]] = {}
    for number in range(num_runs + 1):
        for name, (suggest, batch) in settings.items():
            times = run_stages(suggest, batch, WORDS, NEW_TOKENS)
            seconds = {stage: times[stage] / len(batch) for stage in STAGES}
            # The first round warms up.
            if number and sum(seconds.values()) < sum(best.get(name, {"": float("inf")}).values()):
                best[name] = seconds
    return best


def table(stages: dict[str, dict[str, float]], vision_language: dict[str, float]) -> list[str]:
    """Lines of a Markdown table, a column per setting."""
    plain = sum(stages["two towers, fp32, batch 1"].values())
    lines = ["| stage, seconds a video | " + " | ".join(stages) + " |", "|---|" + "---:|" * len(stages)]
    for stage in STAGES:
        lines.append(f"| {stage} | " + " | ".join(f"{times[stage]:.2f}" for times in stages.values()) + " |")
    totals = {name: sum(times.values()) for name, times in stages.items()}
    lines.append("| **in all** | " + " | ".join(f"**{total:.2f}**" for total in totals.values()) + " |")
    lines.append("| of the plain composition | " + " | ".join(f"{t / plain:.2f}" for t in totals.values()) + " |")
    lines += [
        "",
        "| SmolVLM2-256M | seconds | times the plain composition | times one tower in the same type, batch 1 |",
    ]
    lines.append("|---|---:|---:|---:|")
    for name, seconds in vision_language.items():
        same = totals[f"one tower, {name}, batch 1"]
        lines.append(f"| {name} | {seconds:.1f} | {seconds / plain:.1f} | {seconds / same:.1f} |")
    return lines


def plot(stages: dict[str, dict[str, float]], path: Path) -> None:
    """Stacked bars of the stages, a bar per setting."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 1.4 + 0.5 * len(stages)), layout="constrained")
    left = dict.fromkeys(stages, 0.0)
    for colour, stage in zip(plt.get_cmap("tab10").colors, STAGES):
        seconds = [times[stage] for times in stages.values()]
        axes.barh(list(stages), seconds, left=list(left.values()), color=colour, label=stage)
        left = {name: left[name] + times[stage] for name, times in stages.items()}
    axes.bar_label(axes.containers[-1], [f"{total:.2f} s" for total in left.values()], padding=3, fontsize=8)
    axes.margins(x=0.1)
    axes.invert_yaxis()
    axes.set_xlabel("seconds a video")
    axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    with replacing(path) as partial:
        figure.savefig(partial, dpi=150, format="png")


def machine() -> str:
    """The processor, and what computes on it."""
    info = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    name = names[0] if names else platform.processor()
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    return f"{name}, {torch.get_num_threads()} threads, {versions}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num_runs", type=int, default=3, help="how often each setting is measured (default: 3)")
    parser.add_argument("--batch_size", type=int, default=8, help="clips of the larger batch (default: 8)")
    parser.add_argument("--output", type=Path, help="Markdown file; the picture goes into images/ beside it")
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        checkpoints = {"two towers": folder / "two", "one tower": folder / "one"}
        for path in checkpoints.values():
            write_checkpoint(path, shared_vision=path.name == "one")
        clips = [render_clip(folder / f"{number}.mp4", 7.5, 60, seed=number) for number in range(arguments.batch_size)]
        stages = stage_seconds(checkpoints, clips, arguments.num_runs)
    lines = table(stages, {name: vision_language_seconds(dtype) for name, dtype in DTYPES.items()})
    lines = [f"Measured on {machine()}.", "", *lines]
    print("\n".join(lines))
    if arguments.output:
        arguments.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
        plot(stages, arguments.output.parent / "images" / "performance.png")


if __name__ == "__main__":
    main()
