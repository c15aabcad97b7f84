"""Decoding that stops when so many hashtags are written."""

import torch
from transformers import PreTrainedTokenizerBase, StoppingCriteria

from ..processing.hashtag_tokens import HashtagTokens


class HashtagLimit(StoppingCriteria):
    """Ends a sequence at the `#` behind its last hashtag, for `generate(..., stopping_criteria=[HashtagLimit(...)])`.

    That it has so many is known when another one begins, whose `#` stays at the end and is no hashtag. Each row or
    beam ends by itself. Hashtags that come again or are not valid do not count.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): Of what is written.
        max_hashtags (`int`): How many, 1 at least.

    Example:

    ```python
    >>> ids = model.generate(**inputs, stopping_criteria=[HashtagLimit(processor.tokenizer, 5)])  # doctest: +SKIP

    ```
    """

    is_of_one_row = True  # so that the searches over token trees take it

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_hashtags: int):
        self._tokenizer = tokenizer
        self._max_hashtags = max_hashtags
        self._start = 0

    def behind(self, prompt_length: int) -> "HashtagLimit":
        """The same for sequences that begin with a prompt of so many tokens, whose hashtags do not count."""
        limit = HashtagLimit(self._tokenizer, self._max_hashtags)
        limit._start = prompt_length
        return limit

    def __call__(self, input_ids: torch.LongTensor, scores: torch.Tensor | None, **kwargs) -> torch.BoolTensor:
        """Which rows `(rows,)` have that many hashtags and have begun another one."""
        done = [self._is_done(ids) for ids in input_ids.tolist()]
        return torch.tensor(done, dtype=torch.bool, device=input_ids.device)

    def _is_done(self, ids: list[int]) -> bool:
        # Few tokens begin a hashtag: only for these all are compared.
        if "#" not in self._tokenizer.decode(ids[-1:]):
            return False
        return len(HashtagTokens(self._tokenizer, ids[self._start : -1]).hashtags()) >= self._max_hashtags
