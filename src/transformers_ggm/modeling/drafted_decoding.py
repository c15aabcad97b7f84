"""Greedy decoding that takes whole hashtags at a time where the guidance has guessed them."""

from collections.abc import Sequence

import torch
from transformers import DynamicCache, EncoderDecoderCache

from ..errors import InputError


class HashtagDrafts:
    """
    Guesses how a sequence of hashtags goes on: with the rest of a retrieved hashtag that begins as it does.

    Args:
        hashtags (`list[list[int]]`): token ids of each retrieved hashtag as it is written behind another one, its `#`
            first, best first. All that begin with another token than the first one does are left out.
        first (`list[int]`, *optional*): token ids of the first hashtag as it is written at the beginning of a text.

    Example:

    ```python
    >>> from transformers_ggm.modeling.drafted_decoding import HashtagDrafts

    >>> drafts = HashtagDrafts([[9, 4, 5, 6], [9, 7, 8]])
    >>> drafts.after([2, 9, 7])  # the rest of the second one, and the `#` of one more
    [8, 9]
    >>> drafts.after([2, 9, 7, 8])  # a whole one that was not written yet
    [9, 4, 5, 6, 9]

    ```
    """

    def __init__(self, hashtags: Sequence[Sequence[int]], first: Sequence[int] = ()):
        self._sign = hashtags[0][0] if hashtags else None
        self._pieces = [list(tag[1:]) for tag in hashtags if tag[0] == self._sign and len(tag) > 1]
        self._first = list(first)

    def after(self, written: Sequence[int]) -> list[int]:
        """The tokens that are guessed to come next, none where nothing is known."""
        signs = {self._sign, *self._first[:1]}
        places = [place for place, token in enumerate(written) if token in signs]
        if not self._pieces:
            return []
        if not places:
            return [*self._first, self._sign] if self._first else []
        ends = [*places[1:], len(written)]
        done = [list(written[place + 1 : end]) for place, end in zip(places, ends)]
        fresh = [pieces for pieces in self._pieces if pieces not in done]
        current = done[-1]
        begun = [pieces for pieces in fresh if pieces[: len(current)] == current]
        if begun:
            return [*begun[0][len(current) :], self._sign]
        return [self._sign, *fresh[0], self._sign] if fresh else []


@torch.no_grad()
def drafted_greedy_search(
    model, input_ids, logits_processor, stopping_criteria, generation_config, drafts: HashtagDrafts, **model_kwargs
):
    """
    Speculative decoding (Leviathan et al., 2023) with the retrieved hashtags as the draft, for
    `generate(..., custom_generate=drafted_greedy_search, drafts=...)`: all tokens of a draft go through the decoder at
    once, and those are kept that it would have written itself. The result is that of greedy search.

    Args:
        model ([`GGMForHashtagGeneration`]).
        input_ids (`torch.LongTensor` of shape `(1, length)`): of the decoder; one row.
        logits_processor, stopping_criteria, generation_config: made by `generate`.
        drafts ([`HashtagDrafts`]): of the row.
        model_kwargs: `encoder_outputs` and `attention_mask`.

    Returns:
        `torch.LongTensor` of shape `(1, length)`.

    Raises:
        InputError: several rows, beams or sampling are asked for.
    """
    if len(input_ids) != 1 or generation_config.num_beams != 1 or generation_config.do_sample:
        raise InputError("Drafts are for one row, greedily: pass num_beams=1, and one item at a time.")
    cache = EncoderDecoderCache(
        DynamicCache(config=model.config.text_config), DynamicCache(config=model.config.text_config)
    )
    finished = False
    while not finished:
        room = generation_config.max_length - input_ids.shape[1] - 1
        draft = drafts.after(input_ids[0].tolist())[: max(room, 0)]
        guessed = torch.cat([input_ids, input_ids.new_tensor([draft])], dim=1) if draft else input_ids
        seen = cache.get_seq_length()
        logits = model(
            encoder_outputs=model_kwargs["encoder_outputs"],
            attention_mask=model_kwargs.get("attention_mask"),
            decoder_input_ids=guessed[:, seen:],
            past_key_values=cache,
            use_cache=True,
        ).logits
        # The position before the draft says what comes first.
        for place in range(input_ids.shape[1], guessed.shape[1] + 1):
            scores = logits_processor(guessed[:, :place], logits[:, place - seen - 1].float())
            token = scores.argmax(dim=-1, keepdim=True)
            input_ids = torch.cat([guessed[:, :place], token], dim=1)
            finished = bool(stopping_criteria(input_ids, scores).all())
            if finished or place == guessed.shape[1] or token.item() != guessed[0, place].item():
                break
        # The cache is to hold all but the last token.
        if (surplus := guessed.shape[1] - input_ids.shape[1] + 1) > 0:
            cache.self_attention_cache.crop(-surplus)
    return input_ids


__all__ = ["HashtagDrafts", "drafted_greedy_search"]
