"""Beam search that reads the encoder's states and the beginnings that beams share once, with the same result."""

from dataclasses import dataclass, fields

import torch

from ..errors import InputError
from .token_tree import ScoredSequences, TokenTree, check_of_one_row, end_tokens, sees_all_before

# As transformers has it: what is added to the score of a beam that must not be chosen.
_NEVER = -1.0e9


@torch.no_grad()
def tree_beam_search(model, input_ids, logits_processor, stopping_criteria, generation_config, **model_kwargs):
    """
    Beam search for `generate(..., custom_generate=tree_beam_search)`. It writes what that of `generate` writes, but
    all beams of an item are one row of a [`TokenTree`]: keys and values are not copied from beam to beam at every
    token, the encoder's are kept once, and items that are finished leave the batch.

    Args:
        model ([`GGMForHashtagGeneration`]).
        input_ids (`torch.LongTensor` of shape `(rows * num_beams, length)`): of the decoder.
        logits_processor, stopping_criteria, generation_config: made by `generate`.
        model_kwargs: `encoder_outputs` and `attention_mask`.

    Returns:
        `torch.LongTensor` of shape `(rows * num_return_sequences, length)`, or, with `return_dict_in_generate`,
        [`ScoredSequences`].

    Raises:
        InputError: one beam or sampling is asked for, or a processor or criterion may depend on several rows.
    """
    if generation_config.num_beams == 1 or generation_config.do_sample:
        raise InputError("This is beam search without sampling: pass num_beams=2 or more, and do_sample=False.")
    check_of_one_row(logits_processor, stopping_criteria)
    search = _Search(generation_config, input_ids[:: generation_config.num_beams])
    tree = TokenTree.of_generate(model, model_kwargs, generation_config.num_beams)
    beams = search.start()
    logits, paths = _read_prompt(tree, search.prompt, search.num_beams)
    while True:
        beams, origin, finished = search.step(beams, logits, logits_processor, stopping_criteria)
        if finished.any():
            search.note(beams.of_rows(finished))
            if finished.all():
                return search.result(generation_config.return_dict_in_generate)
            rows = (~finished).nonzero()[:, 0]
            tree.keep_rows(rows)
            beams, origin, paths = beams.of_rows(rows), origin[rows], paths[rows]
        itself = torch.eye(search.num_beams, dtype=torch.bool, device=paths.device).expand(len(paths), -1, -1)
        paths = torch.cat([_of_beams(paths, origin), itself], dim=-1)
        tokens = beams.running[:, :, search.length - 1]
        logits = tree.grow(tokens, torch.full_like(tokens, search.length - 1), paths)


@dataclass
class _Beams:
    """The beams of the items that are not finished: tensors with an item a row.

    Attributes:
        rows (`(r,)`): indices of the items.
        running, log_probs (`(r, b, max_length)`), scores (`(r, b)`): beams that go on.
        sequences, sequence_log_probs (`(r, b, max_length)`), sequence_scores, lengths, ended (`(r, b)`): the best
            beams that have ended, best first; `ended` tells which of them are any.
    """

    rows: torch.Tensor
    running: torch.Tensor
    log_probs: torch.Tensor
    scores: torch.Tensor
    sequences: torch.Tensor
    sequence_log_probs: torch.Tensor
    sequence_scores: torch.Tensor
    lengths: torch.Tensor
    ended: torch.Tensor

    def of_rows(self, rows: torch.Tensor) -> "_Beams":
        return _Beams(*(getattr(self, field.name)[rows] for field in fields(self)))


class _Search:
    """The rules of transformers' beam search, as of `GenerationMixin._beam_search`."""

    def __init__(self, config, prompt: torch.Tensor):
        self.num_beams = config.num_beams
        self.prompt = prompt
        self.length = prompt.shape[1]
        self._config = config
        ends = end_tokens(config)
        self._filling = (config.pad_token_id or ends[0]) if ends else -1
        self._candidates = max(2, 1 + len(ends)) * config.num_beams
        self._done: list[_Beams] = []

    def start(self) -> _Beams:
        """The prompt as the only beam of each item."""
        rows, device = len(self.prompt), self.prompt.device
        shape = (rows, self.num_beams)
        written = torch.full((*shape, self._config.max_length), self._filling, device=device)
        written[:, :, : self.length] = self.prompt[:, None]
        scores = torch.zeros(shape, device=device)
        scores[:, 1:] = _NEVER
        log_probs = torch.zeros(written.shape, device=device)
        return _Beams(
            rows=torch.arange(rows, device=device),
            running=written,
            log_probs=log_probs,
            scores=scores,
            sequences=written.clone(),
            sequence_log_probs=log_probs.clone(),
            sequence_scores=torch.full(shape, _NEVER, device=device),
            lengths=torch.full(shape, self.length, device=device),
            ended=torch.zeros(shape, dtype=torch.bool, device=device),
        )

    def step(self, beams: _Beams, logits: torch.Tensor, logits_processor, stopping_criteria):
        """
        Writes one more token.

        Args:
            logits (`(r, b, vocab_size)`): of what follows each beam that goes on.

        Returns:
            The [`_Beams`], from which of the former ones each came `(r, b)`, and which items are finished `(r,)`.
        """
        written = beams.running[:, :, : self.length].flatten(0, 1)
        own = torch.log_softmax(logits.flatten(0, 1).float(), dim=-1)
        # Some processors change what they are given.
        scores = logits_processor(written, own.clone()).view(logits.shape)
        scores = (scores + beams.scores[:, :, None]).flatten(1)
        scores, places = scores.topk(self._candidates, dim=1)
        origin, token = places // logits.shape[-1], places % logits.shape[-1]
        candidates = _of_beams(beams.running, origin)
        candidates[:, :, self.length] = token
        log_probs = _of_beams(beams.log_probs, origin)
        log_probs[:, :, self.length] = own.view(len(places), -1).gather(1, places)
        self.length += 1
        hits = stopping_criteria(candidates[:, :, : self.length].flatten(0, 1), None).view(scores.shape)
        beams = self._note_ended(beams, candidates, log_probs, scores, hits)
        open_scores = scores + hits * _NEVER
        chosen = open_scores.topk(self.num_beams, dim=1).indices
        beams.running, beams.log_probs = _of_beams(candidates, chosen), _of_beams(log_probs, chosen)
        beams.scores = open_scores.gather(1, chosen)
        finished = ~self._may_improve(beams) | hits.all(dim=1)
        if self._config.early_stopping is True:
            finished |= beams.ended.all(dim=1)
        return beams, origin.gather(1, chosen), finished

    def _note_ended(self, beams: _Beams, candidates, log_probs, scores, hits) -> _Beams:
        """Puts those of the best candidates that have ended among the ended beams."""
        among_best = torch.arange(self._candidates, device=hits.device) < self.num_beams
        ends = hits & among_best
        generated = self.length - self.prompt.shape[1]
        scores = scores / generated**self._config.length_penalty + ~ends * _NEVER
        scores, order = torch.cat([beams.sequence_scores, scores], dim=1).topk(self.num_beams, dim=1)
        lengths = torch.cat([beams.lengths, torch.full_like(candidates[:, :, 0], self.length)], dim=1)
        return _Beams(
            **{name: getattr(beams, name) for name in ("rows", "running", "log_probs", "scores")},
            sequences=_of_beams(torch.cat([beams.sequences, candidates], dim=1), order),
            sequence_log_probs=_of_beams(torch.cat([beams.sequence_log_probs, log_probs], dim=1), order),
            sequence_scores=scores,
            lengths=lengths.gather(1, order),
            ended=torch.cat([beams.ended, ends], dim=1).gather(1, order),
        )

    def _may_improve(self, beams: _Beams) -> torch.Tensor:
        """Whether, by transformers' estimate, a beam that goes on may become better than one that has ended."""
        penalty, length = self._config.length_penalty, self.length
        if self._config.early_stopping == "never" and penalty > 0:
            length = self._config.max_length
        best = beams.scores[:, :1] / (length - self.prompt.shape[1]) ** penalty
        worst = torch.where(beams.ended, beams.sequence_scores.min(dim=1, keepdim=True).values, _NEVER)
        return (best > worst).any(dim=1)

    def note(self, beams: _Beams) -> None:
        """Keeps items that are finished."""
        self._done.append(beams)

    def result(self, as_dict: bool) -> torch.Tensor | ScoredSequences:
        """What all items got, in their order."""
        order = torch.cat([beams.rows for beams in self._done]).argsort()
        sequences, log_probs, lengths = (
            torch.cat([getattr(beams, name)[:, : self._config.num_return_sequences] for beams in self._done])[order]
            for name in ("sequences", "sequence_log_probs", "lengths")
        )
        longest = int(lengths.max())
        sequences, log_probs = (tensor.flatten(0, 1)[:, :longest] for tensor in (sequences, log_probs))
        return ScoredSequences(sequences=sequences, log_probs=log_probs) if as_dict else sequences


def _read_prompt(tree: TokenTree, prompt: torch.Tensor, num_beams: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits behind the prompt `(r, b, vocab_size)` and the branch of every beam `(r, b, length)`, all alike."""
    rows, length = prompt.shape
    sees = sees_all_before(rows, length, prompt.device)
    depths = torch.arange(length, device=prompt.device).expand(rows, -1)
    logits = tree.grow(prompt, depths, sees)[:, -1:]
    return logits.expand(-1, num_beams, -1), sees[:, -1:].expand(-1, num_beams, -1)


def _of_beams(tensor: torch.Tensor, beams: torch.Tensor) -> torch.Tensor:
    """(r, b, ...) by indices of beams (r, k) to (r, k, ...)."""
    index = beams.view(*beams.shape, *[1] * (tensor.ndim - 2)).expand(-1, -1, *tensor.shape[2:])
    return tensor.gather(1, index)


__all__ = ["tree_beam_search"]
