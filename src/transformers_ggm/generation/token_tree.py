"""The decoder over trees of tokens: many ways to go on are read in one pass, and beginnings are kept once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import DynamicCache, EncoderDecoderCache, GenerationConfig, PreTrainedModel
from transformers.generation import logits_process, stopping_criteria
from transformers.utils import ModelOutput

from ..errors import InputError
from ..modeling.forward_arguments import CACHE_NAME
from ..modeling.pointer_head import CopySource

# Families whose decoders are run layer by layer here: they know a token's place by an embedding of it. T5 knows it by
# how far two tokens are apart, which a tree would have to be told for every pair.
DECODERS = ("bart", "mbart")


@dataclass
class ScoredSequences(ModelOutput):
    """
    What the searches over a [`TokenTree`] return where `generate` is to return a dict.

    Args:
        sequences (`torch.LongTensor` of shape `(rows, length)`): as `generate` returns them.
        log_probs (`torch.FloatTensor` of shape `(rows, length)`): float32, of each token, by the model itself: before
            anything that changes scores, such as forbidden repeats. 0 for the prompt and for padding.
    """

    sequences: torch.LongTensor | None = None
    log_probs: torch.FloatTensor | None = None


class TokenTree:
    """
    Keys and values of a tree of tokens for each row of a batch. Every token attends to those before it on its own
    branch, whose places among the others are told by a mask. So beams read the encoder's states and their common
    beginning from one place, nothing is copied when beams are chosen anew, and rows may go on by different numbers of
    tokens.

    Args:
        model ([`GGMForHashtagGeneration`]): in evaluation mode, with a decoder of `DECODERS`.
        states (`torch.FloatTensor` of shape `(rows, source_length, d_model)`): of the encoder.
        attention_mask (`torch.Tensor` of shape `(rows, source_length)`, *optional*): of these.
        source ([`CopySource`], *optional*): what can be copied, where the model has a pointer head.

    Example:

    ```python
    >>> tree = TokenTree(model, encoder_outputs.last_hidden_state)  # doctest: +SKIP
    >>> # The start token, and then two tokens that may follow it, neither of which sees the other.
    >>> tree.grow(torch.tensor([[2]]), torch.tensor([[0]]), torch.tensor([[[True]]]))  # doctest: +SKIP
    >>> sees = torch.tensor([[[True, True, False], [True, False, True]]])  # doctest: +SKIP
    >>> tree.grow(torch.tensor([[7, 8]]), torch.tensor([[1, 1]]), sees)  # doctest: +SKIP

    ```
    """

    def __init__(
        self,
        model: PreTrainedModel,
        states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        source: CopySource | None = None,
    ):
        self._model = model
        self._states = states
        self._source = source
        self._mask = None
        if attention_mask is not None and not attention_mask.bool().all():
            self._mask = added_scores(attention_mask[:, None].bool(), states.dtype)
        config = model.config.text_config
        self._cache = EncoderDecoderCache(DynamicCache(config=config), DynamicCache(config=config))

    @classmethod
    def of_generate(cls, model: PreTrainedModel, model_kwargs: Mapping[str, Any], repeats: int = 1) -> "TokenTree":
        """
        The tree for what `generate` hands on.

        Args:
            model ([`GGMForHashtagGeneration`]): its `token_tree`, where it has one, is made instead.
            model_kwargs: `encoder_outputs` and `attention_mask`.
            repeats (`int`, *optional*, defaults to 1): how often `generate` has repeated each row, for its beams.
        """
        encoded = model_kwargs["encoder_outputs"]
        mask = getattr(encoded, "attention_mask", None)
        mask = model_kwargs.get("attention_mask") if mask is None else mask
        source = None
        if model.config.pointer_head:
            source = CopySource.of_encoder(encoded, mask).of_rows(slice(None, None, repeats))
        make = getattr(model, "token_tree", cls)
        return make(model, encoded.last_hidden_state[::repeats], None if mask is None else mask[::repeats], source)

    def grow(self, tokens: torch.Tensor, depths: torch.Tensor, sees: torch.Tensor) -> torch.Tensor:
        """
        Adds tokens to every row's tree, in one pass of the decoder.

        Args:
            tokens (`torch.LongTensor` of shape `(rows, new)`).
            depths (`torch.LongTensor` of shape `(rows, new)`): how many tokens stand before each on its branch.
            sees (`torch.BoolTensor` of shape `(rows, new, old + new)`): which of the tokens so far, and of the new
                ones, are on the branch of each new one, itself included.

        Returns:
            `torch.FloatTensor` of shape `(rows, new, vocab_size)`: logits of what follows each, in the model's type.
        """
        decoder = self._model.get_decoder()
        hidden = embedded(decoder, tokens, depths)
        mask = added_scores(sees, hidden.dtype)
        hidden = decoder_states(decoder, hidden, mask, self._states, self._mask, self._cache)
        return self._model.read_logits(hidden, self._source)

    def keep_rows(self, rows: torch.Tensor) -> None:
        """
        Leaves out all rows but these.

        Args:
            rows (`torch.LongTensor` of shape `(kept,)`): their indices.
        """
        # A model that is spread over devices may have these elsewhere than what is written.
        rows = rows.to(self._states.device)
        self._states = self._states[rows]
        self._mask = None if self._mask is None else self._mask[rows.to(self._mask.device)]
        self._source = None if self._source is None else self._source.of_rows(rows)
        self._cache.reorder_cache(rows)


def embedded(decoder: nn.Module, tokens: torch.Tensor, depths: torch.Tensor) -> torch.Tensor:
    """
    New tokens of trees as the layers of a decoder of `DECODERS` read them, `(rows, new, d_model)`.

    Args:
        decoder (`nn.Module`): in evaluation mode.
        tokens, depths (`torch.LongTensor` of shape `(rows, new)`): as of [`TokenTree.grow`].
    """
    positions = decoder.embed_positions(tokens.flatten()[None], position_ids=depths.flatten())
    return decoder.layernorm_embedding(decoder.embed_tokens(tokens) + positions.view(*tokens.shape, -1))


def decoder_states(
    decoder: nn.Module,
    hidden: torch.Tensor,
    mask: torch.Tensor,
    states: torch.Tensor,
    states_mask: torch.Tensor | None,
    cache: EncoderDecoderCache,
) -> torch.Tensor:
    """
    One pass of the layers of a decoder of `DECODERS` over new tokens of trees.

    Args:
        decoder (`nn.Module`): in evaluation mode.
        hidden (`torch.FloatTensor` of shape `(rows, new, d_model)`): see [`embedded`].
        mask (`torch.FloatTensor` of shape `(rows, 1, new, old + new)`): is added to scores, see [`added_scores`].
        states (`torch.FloatTensor` of shape `(rows, source_length, d_model)`): of the encoder.
        states_mask (`torch.FloatTensor` of shape `(rows, 1, 1, source_length)`, *optional*): as `mask`, of these.
        cache (`EncoderDecoderCache`): keys and values of the old tokens, to which those of the new ones are added.

    Returns:
        `torch.FloatTensor` of shape `(rows, new, d_model)`.
    """
    for layer in decoder.layers:
        hidden = layer(hidden, mask, states, encoder_attention_mask=states_mask, use_cache=True, **{CACHE_NAME: cache})
    # mBART normalises once more.
    return decoder.layer_norm(hidden) if hasattr(decoder, "layer_norm") else hidden


def sees_all_before(rows: int, length: int, device: torch.device) -> torch.Tensor:
    """For each row a chain of new tokens, `(rows, length, length)` bool: each sees itself and those before it."""
    return torch.ones(length, length, dtype=torch.bool, device=device).tril().expand(rows, -1, -1)


# What changes scores, or ends a row, by what is written in that row alone.
_OF_ONE_ROW = (
    logits_process.NoRepeatNGramLogitsProcessor,
    logits_process.RepetitionPenaltyLogitsProcessor,
    logits_process.MinLengthLogitsProcessor,
    logits_process.MinNewTokensLengthLogitsProcessor,
    logits_process.NoBadWordsLogitsProcessor,
    logits_process.SuppressTokensLogitsProcessor,
    logits_process.SuppressTokensAtBeginLogitsProcessor,
    logits_process.ForcedBOSTokenLogitsProcessor,
    logits_process.ForcedEOSTokenLogitsProcessor,
    logits_process.InfNanRemoveLogitsProcessor,
    stopping_criteria.MaxLengthCriteria,
    stopping_criteria.EosTokenCriteria,
)


def is_of_one_row(processor_or_criterion: Any) -> bool:
    """
    Whether what changes scores, or ends a row, goes by what is written in that row alone. Classes of others than
    transformers say so by an attribute `is_of_one_row`.
    """
    known = type(processor_or_criterion) in _OF_ONE_ROW
    return known or getattr(processor_or_criterion, "is_of_one_row", False)


def check_of_one_row(processors: Iterable, criteria: Iterable) -> None:
    """
    Refuses what may depend on several rows, or count them: the searches over a [`TokenTree`] hand on rows one by one,
    or those that are not finished.

    Args:
        processors (`LogitsProcessorList`), criteria (`StoppingCriteriaList`): made by `generate`, see
            [`is_of_one_row`].

    Raises:
        InputError: there is another one.
    """
    for each in (*processors, *criteria):
        if not is_of_one_row(each):
            raise InputError(
                f"{type(each).__name__} may look at several rows, which this search has not side by side: leave out "
                "custom_generate, so that transformers' own search runs."
            )


def end_tokens(generation_config: GenerationConfig) -> list[int]:
    """The tokens that end a sequence, possibly none."""
    ends = generation_config.eos_token_id
    return [] if ends is None else [ends] if isinstance(ends, int) else list(ends)


def added_scores(seen: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """(rows, new, all) bool as what is added to the scores of all heads, (rows, 1, new, all)."""
    hidden = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return hidden.masked_fill_(~seen, torch.finfo(dtype).min)[:, None]


__all__ = [
    "ScoredSequences",
    "TokenTree",
    "added_scores",
    "check_of_one_row",
    "decoder_states",
    "embedded",
    "end_tokens",
    "is_of_one_row",
    "sees_all_before",
]
