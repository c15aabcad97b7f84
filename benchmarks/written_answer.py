"""An answer that random weights are made to write, token by token, as a trained model would write it by itself."""

from collections.abc import Sequence

import torch
from transformers import LogitsProcessor, LogitsProcessorList


class WrittenAnswer(LogitsProcessor):
    """
    Lets nothing but the next token of a given answer be written.

    Args:
        token_ids (`list[int]`): the answer, its end of sequence included, behind the decoder's start token.
    """

    is_of_one_row = True

    def __init__(self, token_ids: Sequence[int]):
        self._token_ids = list(token_ids)

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Minus infinity for all other tokens."""
        token = self._token_ids[min(input_ids.shape[1], len(self._token_ids)) - 1]
        return torch.full_like(scores, -torch.inf).index_fill_(1, torch.tensor([token], device=scores.device), 0.0)


def writing(hashtags: Sequence[str], tokenizer) -> LogitsProcessorList:
    """What makes `generate` write these hashtags, for its argument `logits_processor`."""
    text = " ".join(f"#{hashtag}" for hashtag in hashtags)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return LogitsProcessorList([WrittenAnswer([*ids, tokenizer.eos_token_id])])
