"""How sure the model is of each hashtag it wrote."""

from collections.abc import Iterator

import torch
from transformers import PreTrainedModel

from ..modeling.encoder_output import GGMEncoderOutput
from ..processing import GGMProcessor

_BLANK = -100


def token_log_probs(
    model: PreTrainedModel,
    encoder_states: torch.Tensor,
    attention_mask: torch.Tensor,
    sequences: torch.Tensor,
    source_ids: torch.Tensor | None = None,
) -> torch.Tensor:
    """The model's own log-probability of every generated token, given those before it.

    One pass of the decoder over the finished sequences. It gives the same for every way of decoding, while the scores
    that `generate` returns are changed by it (temperature, forbidden repeats, cut-off tails).

    Args:
        model (`PreTrainedModel`): An encoder-decoder model.
        encoder_states (`torch.Tensor`): (b, n, d) last hidden states of the encoder.
        attention_mask (`torch.Tensor`): (b, n) of these.
        sequences (`torch.Tensor`): (b, m) generated ids with the decoder's start token.
        source_ids (`torch.Tensor`, *optional*): (b, n) tokens of the text, where the model has a pointer head.

    Returns:
        `torch.Tensor`: (b, m) float32; 0 for the start token, without meaning for padding.
    """
    logits = model(
        encoder_outputs=GGMEncoderOutput(last_hidden_state=encoder_states, source_ids=source_ids),
        attention_mask=attention_mask,
        decoder_input_ids=sequences[:, :-1],
        use_cache=False,
    ).logits
    chosen = logits.gather(-1, sequences[:, 1:, None]).squeeze(-1).float()
    log_probs = chosen - logits.float().logsumexp(-1)
    return torch.nn.functional.pad(log_probs, (1, 0))


def hashtag_scores(processor: GGMProcessor, sequences: torch.Tensor, log_probs: torch.Tensor) -> dict[str, float]:
    """The hashtags of one or more sequences, each once, with its best score.

    Args:
        processor ([`GGMProcessor`]): Tells which tokens spell which hashtag.
        sequences (`torch.Tensor`): (r, m) token ids.
        log_probs (`torch.Tensor`): (r, m) log-probabilities of these tokens.

    Returns:
        `dict[str, float]`: Hashtag (normalised, without `#`) to the exponential of the mean log-probability of its own
        tokens, from 0 to 1; best first, equal ones in the order written.
    """
    scores: dict[str, float] = {}
    for ids, row in zip(sequences.tolist(), log_probs):
        for tag, positions in _occurrences(processor, ids):
            score = row[positions].mean().exp().item()
            scores[tag] = max(score, scores.get(tag, 0.0))
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


def _occurrences(processor: GGMProcessor, ids: list[int]) -> Iterator[tuple[str, list[int]]]:
    """All hashtags of a sequence, repeats included, with the positions of their tokens."""
    # `hashtag_spans` gives the first occurrence of each: take those out, and look again.
    while spans := processor.hashtag_spans(ids):
        yield from spans
        taken = {position for _, positions in spans for position in positions}
        ids = [_BLANK if index in taken else token for index, token in enumerate(ids)]
