"""The pointer head: tokens that stand in the source can be copied (See et al., ACL 2017)."""

from dataclasses import dataclass

import torch
from torch import nn

from ..errors import InputError
from .configuration_ggm import GGMConfig, hidden_size_of
from .encoder_output import GGMEncoderOutput

# Of exponentials: float32 holds their products, and squares of gradients through them.
_LARGEST_LOG = 40.0


class PointerGate(nn.Linear):
    """
    The layer of [`PointerHead`] that says how much is copied. It has a class of its own because `_init_weights` starts
    it at zero.
    """


@dataclass
class CopySource:
    """
    What can be copied.

    Args:
        states (`torch.FloatTensor` of shape `(batch, source_length, d_model)`): of the encoder.
        ids (`torch.LongTensor` of shape `(batch, source_length)`): the tokens that they are states of.
        mask (`torch.Tensor` of shape `(batch, source_length)`, *optional*): 1 on tokens, 0 on padding.
    """

    states: torch.Tensor
    ids: torch.Tensor
    mask: torch.Tensor | None = None

    @classmethod
    def of_encoder(cls, encoded: GGMEncoderOutput | tuple, mask: torch.Tensor | None = None) -> "CopySource":
        """
        The text among what the decoder attends to, which frames may follow (`fusion="decoder"`).

        Args:
            encoded ([`GGMEncoderOutput`] or `tuple`): its `source_ids` are needed.
            mask (`torch.Tensor` of shape `(batch, text_length)`, *optional*): of the text, where the encoder's output
                has none.

        Raises:
            InputError: there are no `source_ids`.
        """
        encoded = GGMEncoderOutput.of_tuple(encoded) if isinstance(encoded, tuple) else encoded
        ids = getattr(encoded, "source_ids", None)
        if ids is None:
            raise InputError(
                "`pointer_head=True` copies tokens of the text: pass `input_ids`, or `encoder_outputs` with their "
                "`source_ids`, as GGM's encoder gives them."
            )
        mask = mask if encoded.attention_mask is None else encoded.attention_mask
        length, device = ids.shape[1], encoded.last_hidden_state.device
        mask = None if mask is None else mask[:, :length].to(device)
        return cls(encoded.last_hidden_state[:, :length], ids.to(device), mask)

    def of_rows(self, rows: torch.Tensor | slice) -> "CopySource":
        """Only these rows, by their indices on the device of the states, or by a slice."""
        return CopySource(self.states[rows], self.ids[rows], None if self.mask is None else self.mask[rows])


class PointerHead(nn.Module):
    r"""
    Mixes the vocabulary's distribution with one over the tokens of the source, description and guidance:
    `p(y) = (1 - g) softmax(logits)(y) + g * (attention to the tokens of the source that are y)`.

    Three things are our choice. The attention is one head of this layer's own, from the decoder's last states to the
    encoder's, since the fast kernels of BART's cross-attention do not give their weights. What is mixed comes back as
    logits, whose softmax is the mixture: those of tokens that do not stand in the source stay as they are. And with
    `x` for the [`PointerGate`]'s output, `g = 1 - exp(-max(x, 0))`, which is 0 while the gate is: a model whose gate
    starts at zero starts as exactly its text backbone.

    A token is copied as it is. Of a hashtag in the guidance, `#` and pieces are those of the target, but for the space
    before the `#` of all but the first; words of the description are other tokens, with a space, than in hashtags.

    Args:
        config ([`GGMConfig`]): the text backbone's width.
    """

    def __init__(self, config: GGMConfig):
        super().__init__()
        size = hidden_size_of(config.text_config)
        self.scaling = size**-0.5
        # No projection of keys: it would go over the whole source at every token that is written.
        self.query = nn.Linear(size, size)
        self.gate = PointerGate(size, 1)

    def forward(self, logits: torch.Tensor, hidden: torch.Tensor, source: CopySource) -> torch.Tensor:
        """
        Args:
            logits (`torch.FloatTensor` of shape `(batch, target_length, vocab_size)`): the vocabulary's.
            hidden (`torch.FloatTensor` of shape `(batch, target_length, d_model)`): the decoder's last states.
            source ([`CopySource`]).

        Returns:
            `torch.FloatTensor` of shape `(batch, target_length, vocab_size)`: logits of the mixture.
        """
        ids = source.ids.to(logits.device)
        is_same = ids[:, :, None] == ids[:, None, :]
        # What is added to a token that stands there several times is added once.
        is_first = ~is_same.tril(-1).any(dim=-1)
        copied = self.attend(hidden, source).to(logits.device) @ is_same.float()
        gate = self.gate(hidden).float().clamp(max=_LARGEST_LOG).to(logits.device)
        # Not clamped from below, where PyTorch's gradient at 0 would be 0: a gate that starts there is to learn.
        odds = torch.where(gate < 0, 0.0, gate.expm1())
        places = ids[:, None].expand(-1, logits.shape[1], -1)
        # Minus the vocabulary's log-probability of each token of the source.
        surprise = logits.float().logsumexp(dim=-1, keepdim=True) - logits.gather(-1, places).float()
        raised = (odds * copied * surprise.clamp(max=_LARGEST_LOG).exp()).log1p() * is_first[:, None]
        return logits.scatter_add(-1, places, raised.to(logits.dtype))

    def attend(self, hidden: torch.Tensor, source: CopySource) -> torch.Tensor:
        """The attention of each position to the tokens of the source, `(batch, target_length, source_length)`."""
        states = source.states.to(hidden.device)
        scores = (self.query(hidden) @ states.transpose(1, 2) * self.scaling).float()
        if source.mask is not None:
            scores = scores.masked_fill(source.mask.to(scores.device)[:, None] == 0, torch.finfo(scores.dtype).min)
        return scores.softmax(dim=-1)


__all__ = ["CopySource", "PointerGate", "PointerHead"]
