"""Measures what suggesting hashtags costs with base-size models, stage by stage, beside a small vision-language model.

    python benchmarks/bench_suggesting.py --output docs/performance.md

All models have random weights, since only the cost is measured: ViT-B/16, CLAP, BART-base and CLIP ViT-B/32 for GGM,
SmolVLM2-256M beside it. The clip is rendered here, 7.5 s at 1280x720 with sound: 15 frames, the description, 50
hashtags of guidance, five beams of 32 tokens. The plain composition runs all of that in float32; it is the measure of
everything else. Settings take turns, so that all see one load, and the least time of several runs counts. What they
cost in quality is measured with the bundled model. Between its marks, the page is written anew.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from base_size import SMOL_IMAGE_TOKEN, SMOL_TOKENS_PER_FRAME, vision_language_model, write_checkpoint
from bench_decoding import render_clip
from drafts import drafts
from measured_page import check_page, machine, picture_of, write_sections
from quality import quality
from settings import DTYPES, FAST, NEW_TOKENS, PLAIN, Setting, settings_to_measure, stage_seconds
from stages import STAGES
from torch.ao.quantization import quantize_dynamic
from transformers.utils import logging

from transformers_ggm.utils.plotting import new_figure, save_figure

NUM_FRAMES = 15
# Parts of the page, between marks of these names.
SECTIONS = ("stages", "quality", "searches")
PICTURE = "performance.png"


def vision_language_seconds(dtype_name: str) -> float:
    """
    Seconds for SmolVLM2-256M to read as many frames and words and to write as many tokens, greedily; in eight bits by
    PyTorch's dynamic quantisation of its linear layers, which is for float32.
    """
    dtype = torch.float32 if dtype_name == "int8" else DTYPES[dtype_name]["dtype"]
    model = vision_language_model(dtype)
    if dtype_name == "int8":
        model = quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)
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


def table(stages: dict[Setting, dict[str, float]], vision_language: dict[str, float]) -> list[str]:
    """Lines of Markdown tables: seconds a video by setting and stage, and those of the vision-language model."""
    totals = {setting: sum(times.values()) for setting, times in stages.items()}
    plain = totals[PLAIN]
    lines = ["| seconds a video | " + " | ".join(STAGES) + " | **in all** | of the plain composition |"]
    lines.append("|---|" + "---:|" * (len(STAGES) + 2))
    for setting, times in stages.items():
        cells = [f"{times[stage]:.2f}" for stage in STAGES]
        cells += [f"**{totals[setting]:.2f}**", f"1/{plain / totals[setting]:.1f}"]
        lines.append(f"| {setting} | " + " | ".join(cells) + " |")
    lines += [
        "",
        f'The fast setting is "{FAST}"; below, in the same dtype as the other model.',
        "",
        "| SmolVLM2-256M, same frames, as many tokens, greedy | seconds | times the plain composition "
        "| times the fast setting |",
    ]
    lines.append("|---|---:|---:|---:|")
    for name, seconds in vision_language.items():
        fast = totals[replace(FAST, dtype=name)]
        lines.append(f"| {name} | {seconds:.1f} | {seconds / plain:.1f} | {seconds / fast:.1f} |")
    return lines


def plot(stages: dict[Setting, dict[str, float]], path: Path) -> None:
    """Stacked bars of the stages, a bar per setting."""
    from matplotlib import colormaps

    figure = new_figure(8, 1.4 + 0.5 * len(stages))
    axes = figure.add_subplot()
    left, names = dict.fromkeys(stages, 0.0), [str(setting) for setting in stages]
    for colour, stage in zip(colormaps["tab10"].colors, STAGES):
        seconds = [times[stage] for times in stages.values()]
        axes.barh(names, seconds, left=list(left.values()), color=colour, label=stage)
        left = {name: left[name] + times[stage] for name, times in stages.items()}
    axes.bar_label(axes.containers[-1], [f"{total:.2f} s" for total in left.values()], padding=3, fontsize=8)
    axes.margins(x=0.1)
    axes.invert_yaxis()
    axes.set_xlabel("seconds a video")
    axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path, dots_per_inch=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num_runs", type=int, default=3, help="how often each setting is measured (default: 3)")
    parser.add_argument("--batch_size", type=int, default=8, help="clips of the larger batch (default: 8)")
    parser.add_argument(
        "--num_rendered_shorts", type=int, default=300, help="clips that quality is measured on (default: 300)"
    )
    parser.add_argument("--output", type=Path, help="the page to write into; its picture goes into images/ beside it")
    arguments = parser.parse_args()
    check_page(parser, arguments.output, SECTIONS, PICTURE)
    logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        checkpoints = {"two towers": folder / "two", "one tower": folder / "one"}
        for path in checkpoints.values():
            write_checkpoint(path, shared_vision=path.name == "one")
        clip = render_clip(folder / "clip.mp4", 7.5, 60)
        stages = stage_seconds(checkpoints, clip, settings_to_measure(arguments.batch_size), arguments.num_runs)
        others = {name: vision_language_seconds(name) for name in DTYPES}
        lines = [
            [f"Measured on {machine()}.", "", *table(stages, others)],
            quality(folder, arguments.num_rendered_shorts),
            drafts(folder, arguments.num_rendered_shorts),
        ]
        sections = dict(zip(SECTIONS, lines, strict=True))
    for lines in sections.values():
        print("\n".join([*lines, ""]))
    if arguments.output:
        write_sections(arguments.output, sections)
        plot(stages, picture_of(arguments.output, PICTURE))


if __name__ == "__main__":
    main()
