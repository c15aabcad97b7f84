"""What other searches than five beams cost in quality on rendered shorts, and what they save of the decoder's passes.

    python benchmarks/drafts.py

The bundled model, and tests of each search's metrics against those of five beams on the same clips.
"""

import argparse
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from rendered_items import rendered_items, suggestions
from transformers import pipeline

from transformers_ggm import HashtagGenerationPipeline
from transformers_ggm.evaluation import hashtag_metrics_per_video, paired_test
from transformers_ggm.pipelines import ggm_writing

# How each is searched, and whether by this package's own searches.
SEARCHES = {
    "five beams, by transformers": ({"num_beams": 5}, False),
    "five beams": ({"num_beams": 5}, True),
    "three beams": ({"num_beams": 3}, True),
    "two beams": ({"num_beams": 2}, True),
    "greedy, a token at a time": ({"num_beams": 1}, False),
    "greedy, with drafts": ({"num_beams": 1}, True),
    "greedy, with drafts, batches of 8": ({"num_beams": 1, "batch_size": 8}, True),
    "five beams, `top_n=3`": ({"num_beams": 5, "top_n": 3}, True),
    "greedy, with drafts, `top_n=3`": ({"num_beams": 1, "top_n": 3}, True),
    "greedy, with drafts, `max_hashtags=3`": ({"num_beams": 1, "max_hashtags": 3}, True),
}
METRICS = ("rouge1", "rouge2", "f1")


def drafts(folder: Path, num_clips: int) -> list[str]:
    """
    Suggests hashtags for test clips with the bundled model.

    Args:
        folder (`Path`): where to render them.
        num_clips (`int`): how many.

    Returns:
        `list[str]`: lines of a Markdown table.
    """
    items, truth = rendered_items(folder, num_clips)
    suggest = pipeline("hashtag-generation", device="cpu", dtype=torch.float32)
    lines = [
        "| decoding | ROUGE-1 | ROUGE-2 | F1 | p of ROUGE-1, F1 | passes of the decoder a clip | positions a pass |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    plain: Mapping[str, np.ndarray] = {}
    for name, (arguments, own) in SEARCHES.items():
        with counted_passes(suggest) as positions, by_own_searches(own):
            written = suggestions(suggest, items, name, **arguments)
        metrics = hashtag_metrics_per_video(written, truth)
        plain = plain or metrics
        chances = [f"{paired_test(metrics[of], plain[of]).p_value:.2f}" for of in ("rouge1", "f1")]
        cells = [f"{metrics[of].mean():.1f}" for of in METRICS] + [", ".join(chances)]
        cells += [f"{len(positions) / num_clips:.1f}", f"{np.mean(positions):.1f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


@contextmanager
def counted_passes(suggest: HashtagGenerationPipeline) -> Iterator[list[int]]:
    """Of each pass of the decoder, over how many positions of all rows it went."""
    positions: list[int] = []
    hook = suggest.model.lm_head.register_forward_hook(
        lambda head, args, logits: positions.append(logits.shape[:-1].numel())
    )
    yield positions
    hook.remove()


@contextmanager
def by_own_searches(wanted: bool) -> Iterator[None]:
    """Leaves the search to transformers where the package's own is not wanted."""
    if wanted:
        yield
        return
    with patch.object(ggm_writing, "search_arguments", lambda *_: {}):
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num_clips", type=int, default=300, help="test clips (default: 300)")
    with tempfile.TemporaryDirectory() as scratch:
        print("\n".join(drafts(Path(scratch), parser.parse_args().num_clips)))


if __name__ == "__main__":
    main()
