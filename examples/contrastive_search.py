"""
Whether contrastive search (Su et al., NeurIPS 2022; Su and Collier, 2023) writes more varied right hashtags than beams
and greedy search:

    ggm render-shorts --output_dir shorts
    python examples/contrastive_search.py --data_dir shorts

The bundled checkpoint writes for the test clips in each way. Beside ROUGE-1 and F1, with a paired test against five
beams, the table has how many different hashtags are written for all clips together, and how many different ones are
right. transformers has contrastive search as code of the Hub alone; it is so short that it stands here.
"""

from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm
from transformers import pipeline

from transformers_ggm import GGMForHashtagGeneration, load_shorts
from transformers_ggm.evaluation import hashtag_metrics_per_video, paired_test
from transformers_ggm.modeling import GGMEncoderOutput

# The number of candidates and the penalty's weight.
SETTINGS = [(4, 0.2), (4, 0.4), (4, 0.6)]


@torch.no_grad()
def contrastive_search(
    model: GGMForHashtagGeneration,
    input_ids: torch.Tensor,
    logits_processor,
    stopping_criteria,
    generation_config,
    candidates: int = 4,
    penalty_alpha: float = 0.6,
    **model_kwargs,
) -> torch.Tensor:
    """
    For `generate(..., custom_generate=contrastive_search)`: of the likeliest next tokens, takes the one of the highest
    (1 - alpha) p - alpha s, in which p is its probability and s the largest cosine between its state and the states of
    the tokens before it. Whole texts go through the decoder again at every token, which is simple, and slow.

    Returns:
        `torch.LongTensor` of shape `(rows, length)`.
    """
    ended = torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)
    while not ended.all():
        states, logits = decoded(model, input_ids, model_kwargs)
        scores = logits_processor(input_ids, logits[:, -1].float())
        probabilities, tokens = scores.softmax(dim=-1).topk(candidates)
        longer = torch.cat([input_ids.repeat_interleave(candidates, dim=0), tokens.view(-1, 1)], dim=1)
        their_states = decoded(model, longer, model_kwargs)[0][:, -1].unflatten(0, tokens.shape)
        likeness = torch.cosine_similarity(their_states[:, :, None], states[:, None], dim=-1).amax(dim=-1)
        best = ((1 - penalty_alpha) * probabilities - penalty_alpha * likeness).argmax(dim=1, keepdim=True)
        chosen = tokens.gather(1, best).masked_fill(ended[:, None], generation_config.pad_token_id)
        input_ids = torch.cat([input_ids, chosen], dim=1)
        ended |= stopping_criteria(input_ids, None)
    return input_ids


def decoded(
    model: GGMForHashtagGeneration, ids: torch.Tensor, given: Mapping[str, Any]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The decoder's last states and its logits for texts, as many for each row as there are."""
    encoded = given["encoder_outputs"]
    times = len(ids) // len(encoded.last_hidden_state)
    of_rows = (encoded.last_hidden_state, encoded.attention_mask, encoded.source_ids, given["attention_mask"])
    states, mask, sources, attention_mask = (
        None if tensor is None else tensor.repeat_interleave(times, dim=0) for tensor in of_rows
    )
    output = model(
        encoder_outputs=GGMEncoderOutput(states, attention_mask=mask, source_ids=sources),
        attention_mask=attention_mask,
        decoder_input_ids=ids,
        output_hidden_states=True,
        use_cache=False,
    )
    return output.decoder_hidden_states[-1].float(), output.logits


def searches() -> dict[str, dict[str, Any]]:
    """Arguments of the pipeline by the name of the search; the first is what others are tested against."""
    found: dict[str, dict[str, Any]] = {"five beams": {"num_beams": 5}, "greedy": {"num_beams": 1}}
    for candidates, alpha in SETTINGS:
        search = partial(contrastive_search, candidates=candidates, penalty_alpha=alpha)
        name = f"contrastive, {candidates} candidates, penalty {alpha}"
        found[name] = {"num_beams": 1, "generate_kwargs": {"custom_generate": search}}
    return found


def cells(
    written: Sequence[Sequence[str]], truth: Sequence[Sequence[str]], plain: Mapping[str, np.ndarray]
) -> list[str]:
    """Of one search: what the table has behind its name."""
    metrics = hashtag_metrics_per_video(written, truth)
    chances = [f"{paired_test(metrics[of], plain[of]).p_value:.2f}" for of in ("rouge1", "f1")]
    right = [set(tags) & set(true) for tags, true in zip(written, truth)]
    return [
        *(f"{metrics[of].mean():.1f}" for of in ("rouge1", "f1")),
        ", ".join(chances),
        f"{np.mean([len(tags) for tags in written]):.2f}",
        f"{np.mean([len(tags) for tags in right]):.2f}",
        str(len(set().union(*written))),
        str(len(set().union(*right))),
    ]


def main() -> None:
    parser = ArgumentParser(description="Compares contrastive search with beams and greedy search.")
    parser.add_argument("--data_dir", type=Path, required=True, help="folder of rendered shorts")
    parser.add_argument("--clips", type=int, default=300, help="of the test split")
    options = parser.parse_args()
    test = load_shorts(options.data_dir)["test"]
    test = test.select(range(min(options.clips, len(test))))
    items, truth = test.select_columns(["video", "description"]).to_list(), test["hashtags"][:]
    suggest = pipeline(  # pyright: ignore[reportCallIssue]
        "hashtag-generation",  # pyright: ignore[reportArgumentType]
        device="cpu",
        dtype=torch.float32,
    )
    plain: Mapping[str, np.ndarray] = {}
    print("| search | ROUGE-1 | F1 | p of both | a clip | right | different ones | right |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name, arguments in searches().items():
        answers = suggest((item for item in tqdm(items, desc=name, unit="clip")), batch_size=8, **arguments)
        written = [[tag["hashtag"].removeprefix("#") for tag in answer] for answer in answers]
        plain = plain or hashtag_metrics_per_video(written, truth)
        print(f"| {name} | {' | '.join(cells(written, truth, plain))} |", flush=True)


if __name__ == "__main__":
    main()
