"""Relative position embeddings in the text encoder (Huang et al., Findings of EMNLP 2020)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers.models.bart.modeling_bart import BartAttention
from transformers.models.mbart.modeling_mbart import MBartAttention

from .configuration_ggm import GGMConfig

# Of the products of queries, keys and vectors that method 3 holds at once.
_NUM_PRODUCTS = 2**24


@dataclass
class RelativeTerms:
    """
    What the self-attentions of a text encoder add to their scores.

    Args:
        weights (`Sequence[torch.FloatTensor]`): of each layer, `(distances, 1)` or `(distances, head_dim)`: a - 1 for
            methods 1 to 3, a for method 4, so that zeros change nothing.
        rows (`torch.LongTensor` of shape `(1 or batch, text_length, text_length)`): which row of these is that of the
            query's and the key's positions.
    """

    weights: Sequence[torch.Tensor]
    rows: torch.Tensor


class RelativeTable(nn.Module):
    """The terms of one layer. It has a class of its own because `_init_weights` starts it at zero."""

    def __init__(self, num_distances: int, size: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(num_distances, size))


class RelativePositions(nn.Module):
    r"""
    The learned relative terms a of all layers of a text encoder, one table a layer, shared by its heads, for distances
    up to `config.relative_attention_max_distance`; larger ones count as that.

    Weights are what a differs from what changes nothing (1, or 0 with method 4), and start at zero: a pretrained BART
    starts as it was.

    Args:
        config ([`GGMConfig`]): with a `text_position_embedding` of `"relative_1"` to `"relative_4"`.
    """

    def __init__(self, config: GGMConfig):
        super().__init__()
        text = config.text_config
        self.is_signed = config.text_position_embedding != "relative_1"
        self.max_distance = config.relative_attention_max_distance
        self.restart_ids = config.position_restart_token_ids
        num_distances = self.max_distance + 1 + (self.max_distance if self.is_signed else 0)
        is_scalar = config.text_position_embedding in ("relative_1", "relative_2")
        size = 1 if is_scalar else text.d_model // text.encoder_attention_heads
        self.tables = nn.ModuleList(RelativeTable(num_distances, size) for _ in range(text.encoder_layers))

    def forward(self, input_ids: torch.Tensor | None, inputs_embeds: torch.Tensor | None = None) -> RelativeTerms:
        """
        Args:
            input_ids (`torch.LongTensor` of shape `(batch, text_length)`, *optional*): needed where positions start
                anew.
            inputs_embeds (`torch.FloatTensor` of shape `(batch, text_length, d_model)`, *optional*): instead of them.
        """
        text = input_ids if inputs_embeds is None else inputs_embeds
        positions = torch.arange(text.shape[1], device=text.device)[None]
        if self.restart_ids and input_ids is not None:
            positions = restarted(input_ids, self.restart_ids)
        rows = positions[:, :, None] - positions[:, None]
        if self.is_signed:
            rows = rows.clamp(-self.max_distance, self.max_distance) + self.max_distance
        else:
            rows = rows.abs().clamp(max=self.max_distance)
        return RelativeTerms([table.weight for table in self.tables], rows)


def restarted(input_ids: torch.Tensor, restart_ids: Sequence[int]) -> torch.Tensor:
    """
    Positions that start anew at each of some tokens: what such tokens begin, hashtags, stand all in the place of the
    first.

    Args:
        input_ids (`torch.LongTensor` of shape `(batch, length)`).
        restart_ids (`Sequence[int]`): the tokens.

    Returns:
        `torch.LongTensor` of shape `(batch, length)`.

    Example:

    ```python
    >>> import torch
    >>> from transformers_ggm.modeling.relative_positions import restarted

    >>> restarted(torch.tensor([[5, 6, 9, 7, 7, 9, 8]]), [9])
    tensor([[0, 1, 2, 3, 4, 2, 3]])

    ```
    """
    index = torch.arange(input_ids.shape[1], device=input_ids.device).expand_as(input_ids)
    is_start = torch.isin(input_ids, torch.tensor(restart_ids, device=input_ids.device))
    latest = torch.where(is_start, index, -1).cummax(dim=1).values
    first = torch.where(is_start, index, input_ids.shape[1]).amin(dim=1, keepdim=True)
    return torch.where(latest < 0, index, first + index - latest)


def additional_scores(
    method: str, query: torch.Tensor, key: torch.Tensor, weights: torch.Tensor, rows: torch.Tensor
) -> torch.Tensor:
    """
    What a method adds to the products of queries and keys, before they are scaled.

    Args:
        method (`str`): `"relative_1"` to `"relative_4"`.
        query, key (`torch.FloatTensor` of shape `(batch, heads, length, head_dim)`).
        weights, rows: of one layer, see [`RelativeTerms`].

    Returns:
        `torch.FloatTensor` of shape `(batch, heads, length, length)`.
    """
    if method in ("relative_1", "relative_2"):
        return query @ key.transpose(-1, -2) * weights[rows, 0][:, None]
    if method == "relative_3":
        # w q k at once would be head_dim times the scores.
        size = max(1, _NUM_PRODUCTS // (key.numel() or 1))
        parts = zip(query.split(size, dim=2), rows.split(size, dim=1))
        return torch.cat([_products(part, key, weights[of_part]) for part, of_part in parts], dim=2)
    rows = rows[:, None].expand(query.shape[0], query.shape[1], -1, -1)
    of_queries = (query @ weights.T).gather(-1, rows)
    of_keys = (key @ weights.T).gather(-1, rows.transpose(-1, -2)).transpose(-1, -2)
    return of_queries + of_keys


def _products(query: torch.Tensor, key: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return ((query[:, :, :, None] * weights[:, None]) * key[:, :, None]).sum(-1)


class RelativeSelfAttention(nn.Module):
    """
    BART's self-attention with a relative term; weights and their names are BART's.

    The term depends on queries and keys, so it reaches scaled dot product attention as a mask of shape `(batch, heads,
    length, length)`: no kernel that avoids the matrix of scores can be used.
    """

    head_dim: int
    scaling: float
    dropout: float
    config: Any
    layer_idx: int
    method: str

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        relative_terms: RelativeTerms | None = None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """
        Args:
            hidden_states (`torch.FloatTensor` of shape `(batch, length, d_model)`).
            attention_mask (`torch.Tensor`, *optional*): as transformers makes it, to be added, or of booleans.
            relative_terms ([`RelativeTerms`]).
            kwargs: what transformers hands on to its own attentions.
        """
        shape = (*hidden_states.shape[:-1], -1, self.head_dim)
        query, key, value = (
            projection(hidden_states).view(shape).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        weights = relative_terms.weights[self.layer_idx].to(query)
        bias = self.scaling * additional_scores(self.method, query, key, weights, relative_terms.rows.to(query.device))
        if attention_mask is not None:
            if attention_mask.dtype == torch.bool:
                bias = bias.masked_fill(~attention_mask, torch.finfo(bias.dtype).min)
            else:
                bias = bias + attention_mask
        dropout = self.dropout if self.training else 0.0
        attended, attention = self._attend(query, key, value, bias, dropout)
        return self.out_proj(attended.transpose(1, 2).reshape(hidden_states.shape)), attention

    def _attend(self, query, key, value, bias, dropout: float):
        if self.config._attn_implementation != "eager":
            attended = nn.functional.scaled_dot_product_attention(
                query, key, value, attn_mask=bias, dropout_p=dropout, scale=self.scaling
            )
            return attended, None
        attention = (query @ key.transpose(-1, -2) * self.scaling + bias).softmax(-1)
        attention = nn.functional.dropout(attention, dropout, self.training)
        return attention @ value, attention


class RelativeBartAttention(RelativeSelfAttention, BartAttention):
    """What transformers takes for an attention of BART."""


class RelativeMBartAttention(RelativeSelfAttention, MBartAttention):
    """What transformers takes for an attention of mBART."""


class NoPositions(nn.Module):
    """Stands for embeddings of absolute positions that are not to be added."""

    def forward(self, input_ids: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return torch.zeros((), device=input_ids.device)


def use_relative_positions(text_encoder: nn.Module, config: GGMConfig) -> None:
    """
    Changes the encoder of a BART or mBART so that it has relative terms, in place and before weights are loaded.

    Args:
        text_encoder (`nn.Module`): it takes `relative_terms` afterwards, and needs them.
        config ([`GGMConfig`]).
    """
    text = config.text_config
    attention_class = RelativeBartAttention if text.model_type == "bart" else RelativeMBartAttention
    for index, layer in enumerate(text_encoder.layers):
        layer.self_attn = attention_class(
            text.d_model, text.encoder_attention_heads, text.attention_dropout, config=text, layer_idx=index
        )
        layer.self_attn.method = config.text_position_embedding
    if not config.position_biased_input:
        text_encoder.embed_positions = NoPositions()


__all__ = ["RelativePositions", "RelativeTable", "RelativeTerms", "restarted", "use_relative_positions"]
