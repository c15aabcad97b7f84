"""
How long each search takes at base size for what the bundled model writes: random weights that are told what to write.

    python benchmarks/search_times.py

Greedy search is forced to write the bundled model's hashtags of rendered shorts, so that drafts from the guidance are
right as often as there. Beams are free, and write as many tokens. The scores of the hashtags are part of it, which
take another pass of the decoder where transformers searches. Searches take turns, and the least of the runs counts.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from base_size import BART_BASE
from tqdm.auto import tqdm
from transformers import BartConfig, LogitsProcessor, LogitsProcessorList, ViTConfig, pipeline
from transformers.utils import logging

from transformers_ggm import GGMConfig, GGMForHashtagGeneration
from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes
from transformers_ggm.generation.hashtag_scores import token_log_probs
from transformers_ggm.generation.speculative_decoding import HashtagDrafts, drafted_greedy_search
from transformers_ggm.generation.tree_beam_search import tree_beam_search
from transformers_ggm.modeling import GGMEncoderOutput

START, END = 2, 2
# Words and 50 hashtags of guidance.
SOURCE_LENGTH = 250


class Script(LogitsProcessor):
    """Makes greedy search write given texts. They differ in their second token, by which each row is known."""

    def __init__(self, texts: Sequence[Sequence[int]]):
        self._next = {tuple(text[:place]): text[place] for text in texts for place in range(2, len(text))}

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        told = [self._next.get(tuple(row), END) for row in input_ids.tolist()]
        return scores.scatter(1, torch.tensor(told)[:, None], 1e6)


def bundled_texts(folder: Path, num_clips: int) -> tuple[list[list[int]], list[HashtagDrafts]]:
    """What the bundled model writes for rendered test clips, behind a token of each clip's own, and its drafts."""
    suggest = pipeline("hashtag-generation", device="cpu")
    tokenizer = suggest.processor.tokenizer
    texts, drafts = [], []
    for number, recipe in enumerate(tqdm(sample_recipes("test", num_clips), desc="Writing", unit="clip")):
        clip = folder / f"{recipe.id}.mp4"
        render_clip(recipe, clip)
        item = {"video": str(clip), "description": recipe.description}
        answer = suggest(item, num_beams=1, return_guidance=True)
        hashtags = " ".join(tag["hashtag"] for tag in answer["hashtags"])
        own = BART_BASE["vocab_size"] - 1 - number
        texts.append([START, own, *tokenizer(hashtags, add_special_tokens=False)["input_ids"], END])
        guidance = [tag["hashtag"].removeprefix("#") for tag in answer["guidance"]]
        behind = tokenizer([f" #{tag}" for tag in guidance], add_special_tokens=False)["input_ids"]
        first = tokenizer(f"#{guidance[0]}", add_special_tokens=False)["input_ids"]
        drafts.append(HashtagDrafts(behind, first, opening=[own]))
    return texts, drafts


def searches(
    model: GGMForHashtagGeneration, texts: Sequence[Sequence[int]], drafts: Sequence[HashtagDrafts]
) -> dict[str, Callable[[], None]]:
    """What writes one batch, by name."""
    rows = len(texts)
    states = torch.randn(rows, SOURCE_LENGTH, BART_BASE["d_model"]).to(model.dtype)
    mask = torch.ones(rows, SOURCE_LENGTH, dtype=torch.int64)
    length = max(map(len, texts))
    common = {
        "input_ids": mask, "attention_mask": mask, "max_length": length, "no_repeat_ngram_size": 3,
        "decoder_input_ids": torch.tensor([text[:2] for text in texts]), "return_dict_in_generate": True,
    }  # fmt: skip
    beams = {"num_beams": 5, "min_length": length}
    greedy = {"num_beams": 1, "logits_processor": LogitsProcessorList([Script(texts)])}

    def search(**options) -> Callable[[], None]:
        def run() -> None:
            encoded = GGMEncoderOutput(last_hidden_state=states)
            written = model.generate(encoder_outputs=encoded, **common, **options)
            if "custom_generate" not in options:
                token_log_probs(model, states, mask, written.sequences)

        return run

    return {
        "five beams, by transformers": search(**beams),
        "five beams": search(**beams, custom_generate=tree_beam_search),
        "greedy, a token at a time": search(**greedy),
        "greedy, with drafts": search(**greedy, custom_generate=drafted_greedy_search, drafts=drafts),
    }


@torch.inference_mode()
def seconds(dtype: torch.dtype, texts, drafts, batch_size: int, num_runs: int) -> dict[str, float]:
    """Seconds a clip by search."""
    text = BartConfig(**BART_BASE, bos_token_id=0, pad_token_id=1, eos_token_id=END, decoder_start_token_id=START)
    # The tower is not needed: the decoder is given random states.
    model = GGMForHashtagGeneration(GGMConfig(ViTConfig(num_hidden_layers=1), text)).to(dtype).eval()
    sums: dict[str, float] = {}
    for first in tqdm(range(0, len(texts), batch_size), desc=f"{dtype}, batches of {batch_size}", unit="batch"):
        batch = slice(first, first + batch_size)
        least: dict[str, float] = {}
        for _ in range(num_runs):
            for name, run in searches(model, texts[batch], drafts[batch]).items():
                started = time.perf_counter()
                run()
                least[name] = min(least.get(name, float("inf")), time.perf_counter() - started)
        sums = {name: sums.get(name, 0.0) + spent for name, spent in least.items()}
    return {name: spent / len(texts) for name, spent in sums.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num_clips", type=int, default=16, help="test clips (default: 16)")
    parser.add_argument("--num_runs", type=int, default=3, help="how often each search runs (default: 3)")
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as scratch:
        texts, drafts = bundled_texts(Path(scratch), arguments.num_clips)
    columns = {
        f"{str(dtype).removeprefix('torch.')}, {batch_size} at a time": seconds(
            dtype, texts, drafts, batch_size, arguments.num_runs
        )
        for dtype in (torch.bfloat16, torch.float32)
        for batch_size in (1, 8)
    }
    print("| seconds a clip | " + " | ".join(columns) + " |")
    print("|---|" + "---:|" * len(columns))
    for name in next(iter(columns.values())):
        print(f"| {name} | " + " | ".join(f"{column[name]:.3f}" for column in columns.values()) + " |")


if __name__ == "__main__":
    main()
