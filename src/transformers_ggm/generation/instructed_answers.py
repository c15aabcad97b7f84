"""How sure an instructed language model is of each hashtag in its answers."""

from collections.abc import Collection, Sequence

import torch

from ..processing.answer_hashtags import AnswerTokens


def answer_scores(
    tokenizer, answers: torch.Tensor, log_probs: torch.Tensor, end_ids: Sequence[int], echo: Collection[str] = ()
) -> dict[str, float]:
    """
    The hashtags of one or more answers to one prompt, each once, with its best score.

    Of a hashtag that an answer repeats, the first occurrence counts: a language model is sure of what it wrote before.
    One that the greatest length cut off, so that no end follows, is left out: nobody knows how it would go on.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): of the language model.
        answers (`torch.Tensor`): (r, m) token ids behind the prompt.
        log_probs (`torch.Tensor`): (r, m) log-probabilities of these tokens.
        end_ids (`Sequence[int]`): tokens that end an answer.
        echo (`Collection[str]`, *optional*): what is no answer: small models say again what they were asked.

    Returns:
        `dict[str, float]`: hashtag (normalised, without `#`) to the exponential of the mean log-probability of its own
        tokens, from 0 to 1; best first, equal ones in the order written.
    """
    scores: dict[str, float] = {}
    for ids, row in zip(answers.tolist(), log_probs):
        length = next((place for place, token in enumerate(ids) if token in end_ids), None)
        for tag, positions in AnswerTokens(tokenizer, ids[:length], is_cut=length is None).spans():
            if tag not in echo:
                scores[tag] = max(row[positions].float().mean().exp().item(), scores.get(tag, 0.0))
    return dict(sorted(scores.items(), key=lambda item: -item[1]))
