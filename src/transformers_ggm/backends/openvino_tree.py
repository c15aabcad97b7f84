"""The decoder over trees of tokens, by OpenVINO."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers import DynamicCache, EncoderDecoderCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from ..generation.token_tree import TokenTree, added_scores, decoder_states, embedded
from ..modeling.pointer_head import CopySource
from .conversion import convert, float_copy
from .openvino_model import OpenVINOModel

_INPUTS = ("tokens", "depths", "mask", "source_mask", "keys", "values")


class OpenVINOTokenTree(TokenTree):
    """
    A [`TokenTree`] whose passes OpenVINO computes; keys and values are float32. For models without a pointer head.

    Args:
        compiled ([`OpenVINOModel`]): made from [`convert_decoder`].
        model, states, attention_mask, source: as of [`TokenTree`].
    """

    def __init__(
        self,
        compiled: OpenVINOModel,
        model: PreTrainedModel,
        states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        source: CopySource | None = None,
    ):
        super().__init__(model, states, attention_mask, source)
        self._compiled = compiled
        attentions = [layer.encoder_attn for layer in model.get_decoder().layers]
        # Keys as the scores are made with them, so that no pass has to turn and scale all of them anew.
        keys = [_heads(part, part.k_proj(states).float() * part.scaling).mT.contiguous() for part in attentions]
        values = [_heads(part, part.v_proj(states).float()).contiguous() for part in attentions]
        self._read = [*keys, *values]
        self._names = decoder_inputs(len(attentions))
        self._keys = torch.stack([of_layer[..., :0, :] for of_layer in values])
        self._values = self._keys
        if self._mask is None:
            self._mask = states.new_zeros(len(states), 1, 1, states.shape[1])

    def grow(self, tokens: torch.Tensor, depths: torch.Tensor, sees: torch.Tensor) -> torch.Tensor:
        """As of [`TokenTree`]."""
        # The least number of float32 would be -inf in bfloat16.
        mask = added_scores(sees, torch.bfloat16)
        inputs = (tokens, depths, mask, self._mask, self._keys, self._values, *self._read)
        logits, keys, values = self._compiled(dict(zip(self._names, inputs)))
        self._keys = torch.cat([self._keys, keys.float()], dim=-2)
        self._values = torch.cat([self._values, values.float()], dim=-2)
        return logits

    def keep_rows(self, rows: torch.Tensor) -> None:
        """As of [`TokenTree`]."""
        self._mask = self._mask[rows]
        self._keys, self._values = self._keys[:, rows], self._values[:, rows]
        self._read = [of_layer[rows] for of_layer in self._read]


def _heads(attention: nn.Module, projected: torch.Tensor) -> torch.Tensor:
    """(rows, length, size) as (rows, heads, length, size of a head)."""
    return projected.unflatten(-1, (-1, attention.head_dim)).transpose(1, 2)


def decoder_inputs(num_layers: int) -> tuple[str, ...]:
    """The names of what a [`DecoderPass`] takes."""
    return (*_INPUTS, *(f"source_{kind}_{layer}" for kind in ("keys", "values") for layer in range(num_layers)))


class DecoderPass(nn.Module):
    """
    One pass of a BART decoder: logits, and the keys and values of the new tokens, (layers, rows, heads, new, d). What
    is read is given layer by layer: keys, scaled, (rows, heads, d, source_length), then values, (rows, heads,
    source_length, d).

    Args:
        model ([`GGMForHashtagGeneration`]): whose decoder and head it is.
    """

    def __init__(self, model: PreTrainedModel):
        super().__init__()
        self.decoder, self.head = model.get_decoder(), model.lm_head
        self.register_buffer("bias", model.final_logits_bias)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of what it takes."""
        return decoder_inputs(len(self.decoder.layers))

    def forward(self, tokens, depths, mask, source_mask, keys, values, *read):
        count = len(self.decoder.layers)
        own = _cache(keys.unbind(), values.unbind())
        source = _cache([of_layer.transpose(-1, -2) for of_layer in read[:count]], read[count:])
        cache = EncoderDecoderCache(own, source)
        cache.is_updated = dict.fromkeys(range(count), True)
        # Of its states the decoder takes the keys and values alone, which are there.
        states = read[count].transpose(1, 2).flatten(2)
        hidden = embedded(self.decoder, tokens, depths)
        hidden = decoder_states(self.decoder, hidden, mask, states, source_mask, cache)
        new = tokens.shape[1]
        keys, values = (
            torch.stack([getattr(layer, name)[:, :, -new:] for layer in own.layers]) for name in ("keys", "values")
        )
        return self.head(hidden) + self.bias, keys, values


def _cache(keys: Sequence[torch.Tensor], values: Sequence[torch.Tensor]) -> DynamicCache:
    cache, layers = DynamicCache(), []
    for of_layer in zip(keys, values):
        # Not by `update`, which begins with an empty tensor of one dimension.
        layer = DynamicLayer()
        layer.keys, layer.values = of_layer
        layer.dtype, layer.device, layer.is_initialized = layer.keys.dtype, layer.keys.device, True
        layers.append(layer)
    cache.layers = layers
    return cache


def convert_decoder(decoder_pass: DecoderPass) -> Any:
    """
    One pass of the decoder of a generator, its head included, for any number of rows and tokens.

    Args:
        decoder_pass ([`DecoderPass`]): it stays as it is.

    Returns:
        `openvino.Model`: of the inputs [`decoder_inputs`] names, weights in float32.

    Raises:
        CheckpointError: OpenVINO has no such operations.
    """
    layers = decoder_pass.decoder.layers
    attention = layers[0].self_attn
    rows, new, old, length = 2, 3, 5, 7

    def states(*size: int) -> torch.Tensor:
        return torch.randn(*size[:-2], rows, attention.num_heads, *size[-2:])

    size = attention.head_dim
    copied = float_copy(decoder_pass)
    for layer in copied.decoder.layers:
        # The keys of what is read come scaled.
        layer.encoder_attn.scaling = 1.0
    example = (
        torch.ones(rows, new, dtype=torch.int64),
        torch.arange(old, old + new).repeat(rows, 1),
        torch.zeros(rows, 1, new, old + new),
        torch.zeros(rows, 1, 1, length),
        *(states(len(layers), old, size), states(len(layers), old, size)),
        *(states(size, length) for _ in layers),
        *(states(length, size) for _ in layers),
    )
    return convert(copied, example, decoder_pass.inputs, "the decoder")


__all__ = ["DecoderPass", "OpenVINOTokenTree", "convert_decoder", "decoder_inputs"]
