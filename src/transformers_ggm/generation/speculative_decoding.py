"""Greedy decoding that takes whole hashtags at a time where the guidance has guessed them."""

from collections.abc import Callable, Sequence

import torch

from ..errors import InputError
from .token_tree import ScoredSequences, TokenTree, check_of_one_row, end_tokens, sees_all_before


class HashtagDrafts:
    """
    Guesses how a sequence of hashtags goes on: with the rest of a retrieved hashtag that begins as it does, or else of
    another known one.

    Args:
        hashtags (`list[list[int]]`): token ids of each retrieved hashtag as it is written behind another one, its `#`
            first, best first. All that begin with another token than the first one does are left out.
        first (`list[int]`, *optional*): token ids of the first hashtag as it is written at the beginning of a text.
        opening (`list[int]`, *optional*): token ids that stand between the start token and the first hashtag, such as
            BART's `<s>`.
        complete (`Callable[[list[int]], list[int]]`, *optional*): gives for the first tokens of a hashtag, behind its
            `#`, all tokens of a known one that begins with them, or none.

    Example:

    ```python
    >>> from transformers_ggm.generation.speculative_decoding import HashtagDrafts

    >>> drafts = HashtagDrafts([[9, 4, 5, 6], [9, 7, 8]])
    >>> drafts.after([2, 9, 7])  # the rest of the second one, and the `#` of one more
    [8, 9]
    >>> drafts.after([2, 9, 7, 8])  # a whole one that was not written yet
    [9, 4, 5, 6, 9]

    ```
    """

    def __init__(
        self,
        hashtags: Sequence[Sequence[int]] = (),
        first: Sequence[int] = (),
        opening: Sequence[int] = (),
        complete: Callable[[list[int]], list[int]] = lambda begun: [],
    ):
        self._sign = hashtags[0][0] if hashtags else None
        self._pieces = [list(tag[1:]) for tag in hashtags if tag[0] == self._sign and len(tag) > 1]
        self._first = list(first)
        self._opening = list(opening)
        self._complete = complete

    def after(self, written: Sequence[int]) -> list[int]:
        """The tokens that are guessed to come next, none where nothing is known."""
        if not self._pieces:
            return []
        signs = {self._sign, *self._first[:1]}
        places = [place for place, token in enumerate(written) if token in signs]
        if not places:
            return self._beginning(written)
        ends = [*places[1:], len(written)]
        done = [list(written[place + 1 : end]) for place, end in zip(places, ends)]
        fresh = [pieces for pieces in self._pieces if pieces not in done]
        current = done[-1]
        begun = [pieces for pieces in fresh if pieces[: len(current)] == current]
        # A retrieved one that is written whole is more likely to be meant than what else begins so.
        if not begun and current and current not in self._pieces:
            begun = [pieces for pieces in (self._complete(current),) if pieces[: len(current)] == current != pieces]
        if begun:
            return [*begun[0][len(current) :], self._sign]
        return [self._sign, *fresh[0], self._sign] if fresh else []

    def _beginning(self, written: Sequence[int]) -> list[int]:
        """The opening and the first hashtag, where no hashtag is begun."""
        done = len(written) - 1
        if not self._first or list(written[1:]) != self._opening[:done]:
            return []
        return [*self._opening[done:], *self._first, self._sign]


@torch.no_grad()
def drafted_greedy_search(
    model,
    input_ids,
    logits_processor,
    stopping_criteria,
    generation_config,
    drafts: Sequence[HashtagDrafts],
    **model_kwargs,
):
    """
    Speculative decoding (Leviathan et al., 2023) with retrieved and known hashtags as the draft, for
    `generate(..., custom_generate=drafted_greedy_search, drafts=...)`: all tokens of a draft go through the decoder at
    once, and those are kept that it would have written itself. The result is that of greedy search. Every row goes on
    by as many tokens as are right in its own draft, and leaves the batch when it is finished.

    Args:
        model ([`GGMForHashtagGeneration`]).
        input_ids (`torch.LongTensor` of shape `(rows, length)`): of the decoder.
        logits_processor, stopping_criteria, generation_config: made by `generate`.
        drafts (`list[HashtagDrafts]`): of each row; `HashtagDrafts()` for one without.
        model_kwargs: `encoder_outputs` and `attention_mask`.

    Returns:
        `torch.LongTensor` of shape `(rows, length)`, or, with `return_dict_in_generate`, [`ScoredSequences`].

    Raises:
        InputError: beams or sampling are asked for, there is not one `HashtagDrafts` for each row, or a processor or
            criterion may depend on several rows.
    """
    if generation_config.num_beams != 1 or generation_config.do_sample:
        raise InputError("Drafts are for greedy search: pass num_beams=1 and do_sample=False.")
    if len(drafts) != len(input_ids):
        raise InputError(f"There are {len(drafts)} drafts for {len(input_ids)} rows: pass one for each row.")
    check_of_one_row(logits_processor, stopping_criteria)
    rows = [
        _Row(ids, guesses, generation_config.max_length, logits_processor, stopping_criteria)
        for ids, guesses in zip(input_ids, drafts)
    ]
    tree = TokenTree.of_generate(model, model_kwargs)
    paths = torch.zeros(len(rows), 0, dtype=torch.bool, device=input_ids.device)
    live = rows
    while live:
        tokens, depths = _side_by_side([row.guess() for row in live], [row.read for row in live], paths.device)
        new = sees_all_before(*tokens.shape, paths.device)
        logits = tree.grow(tokens, depths, torch.cat([paths[:, None].expand(-1, tokens.shape[1], -1), new], dim=-1))
        kept = [row.accept(of_row) for row, of_row in zip(live, logits)]
        kept = torch.arange(tokens.shape[1], device=paths.device) < torch.tensor(kept, device=paths.device)[:, None]
        paths = torch.cat([paths, kept], dim=1)
        going_on = [index for index, row in enumerate(live) if not row.finished]
        if 0 < len(going_on) < len(live):
            index = torch.tensor(going_on, device=paths.device)
            tree.keep_rows(index)
            paths = paths[index]
        live = [live[index] for index in going_on]
    return _result(rows, generation_config)


class _Row:
    """What is written of one row, and what is guessed to follow."""

    def __init__(self, prompt: torch.Tensor, drafts: HashtagDrafts, max_length: int, processor, criteria):
        self.written = prompt
        self.log_probs = [prompt.new_zeros(len(prompt), dtype=torch.float32)]
        self.read = 0  # tokens that the decoder has seen, of those written
        self.finished = False
        self._guessed = prompt
        self._drafts, self._max_length = drafts, max_length
        self._processor, self._criteria = processor, criteria

    def guess(self) -> torch.Tensor:
        """What the decoder is to read next: what it has not seen of the text, and a draft."""
        room = self._max_length - len(self.written) - 1
        draft = self._drafts.after(self.written.tolist())[: max(room, 0)]
        self._guessed = torch.cat([self.written, self.written.new_tensor(draft)])
        return self._guessed[self.read :]

    def accept(self, logits: torch.Tensor) -> int:
        """Keeps what is right of a guess, and writes one more token; returns how many of the guess are written."""
        read = self.read
        own = []
        for place in range(len(self.written), len(self._guessed) + 1):
            of_place = logits[place - read - 1 : place - read].float()
            # Some processors change what they are given.
            scores = self._processor(self._guessed[None, :place], of_place.clone())
            token = scores.argmax(dim=-1)
            own.append(of_place[:, token[0]].flatten() - of_place.logsumexp(dim=-1))
            self.written = torch.cat([self._guessed[:place], token])
            self.finished = bool(self._criteria(self.written[None], scores).all())
            if self.finished or place == len(self._guessed) or token.item() != self._guessed[place].item():
                break
        self.log_probs += own
        self.read = len(self.written) - 1
        return self.read - read


def _side_by_side(guesses: list[torch.Tensor], read: list[int], device) -> tuple[torch.Tensor, torch.Tensor]:
    """Guesses of unequal length as (rows, longest), and the depths of these tokens."""
    tokens = torch.nn.utils.rnn.pad_sequence(guesses, batch_first=True)
    depths = torch.tensor(read, device=device)[:, None] + torch.arange(tokens.shape[1], device=device)
    # What only fills up must not stand where there are no positions any more.
    within = torch.arange(tokens.shape[1], device=device) < torch.tensor(
        [[len(guess)] for guess in guesses], device=device
    )
    return tokens, depths * within


def _result(rows: list[_Row], generation_config) -> torch.Tensor | ScoredSequences:
    filling = next(
        (end for end in (generation_config.pad_token_id, *end_tokens(generation_config)) if end is not None), 0
    )
    sequences = torch.nn.utils.rnn.pad_sequence([row.written for row in rows], batch_first=True, padding_value=filling)
    if not generation_config.return_dict_in_generate:
        return sequences
    log_probs = torch.nn.utils.rnn.pad_sequence([torch.cat(row.log_probs) for row in rows], batch_first=True)
    return ScoredSequences(sequences=sequences, log_probs=log_probs)


__all__ = ["HashtagDrafts", "drafted_greedy_search"]
