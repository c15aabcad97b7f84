"""Measures what suggesting hashtags costs with base-size models, stage by stage, beside a small vision-language model.

    python benchmarks/bench_suggesting.py --output docs/performance.md

All models have random weights, since only the cost is measured: ViT-B/16, CLAP, BART-base and CLIP ViT-B/32 for GGM,
SmolVLM2-256M beside it. Clips are rendered here, 7.5 s at 1280x720 with sound: 15 frames, the description, 50 hashtags of
guidance, five beams of 32 tokens. The plain composition runs all of that in float32; it is the measure of everything
else. Settings take turns, so that all see one load, and the least time of several runs counts.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import transformers
from base_size import POOL_SIZE, SMOL_IMAGE_TOKEN, SMOL_TOKENS_PER_FRAME, vision_language_model, write_checkpoint
from bench_decoding import render_clip
from drafts import drafts
from stages import STAGES, run_stages
from tqdm.auto import tqdm
from transformers import pipeline
from transformers.utils import logging

from transformers_ggm.figures import new_figure, save_figure
from transformers_ggm.files import write_text
from transformers_ggm.training.model_card_callback import cpu_name

WORDS = "twelve hours on the highway and the first snow of the year is waiting at home"
NUM_FRAMES = 15
NEW_TOKENS = 32
PAGE = """# Performance

What it takes to suggest hashtags for a short, with models of the published sizes: ViT-B/16, CLAP (HTSAT), BART-base, and
CLIP ViT-B/32 as the retriever. Weights are random, since only the cost is measured. Clips are 7.5 s at 1280x720 with
sound: 15 frames, a description, 50 hashtags of guidance from a pool of {pool_size:,}; {tokens} tokens are written.

```bash
make bench
```

"Two towers" is the published model, whose generator and retriever see with a vision encoder each; in float32, with five
beams, it is the plain composition that all else is compared with. "One tower" has the retriever's for both
(`vision_source="retriever"`). Greedy search is timed at one token a pass; [drafts from the guidance](#drafts) need
fewer. Settings took turns, and the least of {num_runs} runs counts; other programs may have used the cores now and then.

![stages](images/performance.png)

"""
DRAFTS = """## Drafts

Greedy search of one item takes whole hashtags of the guidance at a time: they go through the decoder at once, and what
it would have written itself is kept, so that the hashtags are those of greedy search. The bundled model on {num_clips}
rendered test clips, whose guidance is eight hashtags long and holds few of the words:
"""
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


@dataclass(frozen=True)
class Setting:
    """One way to suggest hashtags for a batch of clips."""

    towers: str
    dtype: str
    num_beams: int
    batch_size: int = 1

    def __str__(self) -> str:
        decoding = "greedy" if self.num_beams == 1 else f"{self.num_beams} beams"
        batch = "" if self.batch_size == 1 else f", batch of {self.batch_size}"
        return f"{self.towers}, {self.dtype}, {decoding}{batch}"


PLAIN = Setting("two towers", "fp32", 5)


def settings_to_measure(batch_size: int) -> list[Setting]:
    """The plain composition, and what it becomes by one change after the other."""
    single = [
        PLAIN,
        Setting("two towers", "bf16", 5),
        Setting("one tower", "fp32", 5),
        Setting("one tower", "bf16", 5),
        Setting("one tower", "bf16", 1),
    ]
    return single + [replace(setting, batch_size=batch_size) for setting in (PLAIN, single[-1]) if batch_size > 1]


def stage_seconds(
    checkpoints: dict[str, Path], clips: list[Path], settings: list[Setting], num_runs: int
) -> dict[Setting, dict[str, float]]:
    """Seconds a video by setting and stage, of the run of each setting that took least in all."""
    pipelines = {
        (towers, dtype): pipeline("hashtag-generation", model=str(path), dtype=DTYPES[dtype], device="cpu")
        for towers, path in checkpoints.items()
        for dtype in DTYPES
    }
    best: dict[Setting, dict[str, float]] = {}
    for number in tqdm(range(num_runs + 1), desc="Measuring GGM", unit="round"):
        for setting in settings:
            batch = clips[: setting.batch_size]
            times = run_stages(pipelines[setting.towers, setting.dtype], batch, WORDS, NEW_TOKENS, setting.num_beams)
            seconds = {stage: times[stage] / len(batch) for stage in STAGES}
            # The first round warms up.
            if number and sum(seconds.values()) < sum(best.get(setting, {"": float("inf")}).values()):
                best[setting] = seconds
    return best


def table(stages: dict[Setting, dict[str, float]], vision_language: dict[str, float]) -> list[str]:
    """Lines of Markdown tables: seconds a video by setting and stage, and those of the vision-language model."""
    totals = {setting: sum(times.values()) for setting, times in stages.items()}
    plain, fast = totals[PLAIN], totals[Setting("one tower", "bf16", 1)]
    lines = ["| seconds a video | " + " | ".join(STAGES) + " | **in all** | of the plain composition |"]
    lines.append("|---|" + "---:|" * (len(STAGES) + 2))
    for setting, times in stages.items():
        cells = [f"{times[stage]:.2f}" for stage in STAGES]
        cells += [f"**{totals[setting]:.2f}**", f"1/{plain / totals[setting]:.1f}"]
        lines.append(f"| {setting} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "| SmolVLM2-256M, same frames, as many tokens, greedy | seconds | times the plain composition | times the fastest above |",
    ]
    lines.append("|---|---:|---:|---:|")
    for name, seconds in vision_language.items():
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


def machine() -> str:
    """The processor, and what computes on it."""
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    return f"{cpu_name()}, {torch.get_num_threads()} threads, {versions}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num_runs", type=int, default=3, help="how often each setting is measured (default: 3)")
    parser.add_argument("--batch_size", type=int, default=8, help="clips of the larger batch (default: 8)")
    parser.add_argument(
        "--num_rendered_shorts", type=int, default=300, help="clips that drafts are measured on (default: 300)"
    )
    parser.add_argument("--output", type=Path, help="Markdown file; the picture goes into images/ beside it")
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        checkpoints = {"two towers": folder / "two", "one tower": folder / "one"}
        for path in checkpoints.values():
            write_checkpoint(path, shared_vision=path.name == "one")
        clips = [render_clip(folder / f"{number}.mp4", 7.5, 60, seed=number) for number in range(arguments.batch_size)]
        settings = settings_to_measure(arguments.batch_size)
        stages = stage_seconds(checkpoints, clips, settings, arguments.num_runs)
        decoding = drafts(folder, arguments.num_rendered_shorts)
    lines = [f"Measured on {machine()}.", ""]
    lines += table(stages, {name: vision_language_seconds(dtype) for name, dtype in DTYPES.items()})
    lines += ["", DRAFTS.format(num_clips=arguments.num_rendered_shorts), *decoding]
    print("\n".join(lines))
    if arguments.output:
        page = PAGE.format(pool_size=POOL_SIZE, tokens=NEW_TOKENS, num_runs=arguments.num_runs)
        write_text(arguments.output, page + "\n".join(lines) + "\n")
        plot(stages, arguments.output.parent / "images" / "performance.png")


if __name__ == "__main__":
    main()
