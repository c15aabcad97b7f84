"""CAM, the cross-modal attention that joins the encoders (Yu et al., ACL 2023, section 3.2, equations 3 and 4)."""

from collections.abc import Callable

import torch
from torch import nn
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from .configuration_ggm import GGMConfig


def eager_attention_forward(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention in plain matrix products, which also returns the weights."""
    weights = torch.matmul(query, key.transpose(2, 3)) * scaling
    if attention_mask is not None:
        weights = weights + attention_mask
    weights = nn.functional.softmax(weights, dim=-1)
    weights = nn.functional.dropout(weights, p=dropout, training=module.training)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), weights


class OutputProjection(nn.Linear):
    """
    The last layer of [`CrossModalAttention`]. It has a class of its own because `_init_weights` must know it when it
    is visited: transformers does not call it for modules that, as the attention itself, have no weights of their own.
    """


class CrossModalAttention(GradientCheckpointingLayer):
    """
    `CAM(Q, K, V) = softmax(QKᵀ / √d) V`, multi-headed, with key and value projected from the source's width to the
    target's (equation 2); returns `target + CAM(target, source, source)` (equations 3 and 4).

    Args:
        config (`GGMConfig`): heads, dropout and attention implementation.
        target_size (`int`): width of the target, which gives the queries.
        source_size (`int`): width of the source, which gives keys and values.
    """

    is_causal = False

    def __init__(self, config: GGMConfig, target_size: int, source_size: int):
        super().__init__()
        self.config = config
        self.num_heads = config.fusion_num_attention_heads
        self.head_dim = target_size // self.num_heads
        self.scaling = self.head_dim**-0.5
        self.dropout = config.fusion_dropout
        self.q_proj = nn.Linear(target_size, target_size)
        self.k_proj = nn.Linear(source_size, target_size)
        self.v_proj = nn.Linear(source_size, target_size)
        self.out_proj = OutputProjection(target_size, target_size)

    def _split_heads(self, states: torch.Tensor) -> torch.Tensor:
        return states.view(*states.shape[:-1], self.num_heads, self.head_dim).transpose(1, 2)

    def forward(self, target: torch.Tensor, source: torch.Tensor, source_mask: torch.Tensor | None = None):
        """
        Args:
            target (`torch.FloatTensor` of shape `(batch, target_length, target_size)`).
            source (`torch.FloatTensor` of shape `(batch, source_length, source_size)`).
            source_mask (`torch.Tensor` of shape `(batch, source_length)`, *optional*):
                1 (or `True`) where the source may be attended to. A row without any leaves its target as it is.

        Returns:
            `torch.FloatTensor` of shape `(batch, target_length, target_size)`.
        """
        attended = None
        if source_mask is not None:
            source_mask = source_mask.bool()
            attended = source_mask.any(dim=-1)[:, None, None]
            # A softmax over nothing is undefined: such rows attend to everything, and the result is dropped below.
            source_mask = source_mask | ~attended[:, 0]
        mask = create_bidirectional_mask(
            config=self.config, inputs_embeds=target, attention_mask=source_mask, encoder_hidden_states=source
        )
        attention: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        states, _ = attention(
            self,
            self._split_heads(self.q_proj(target)),
            self._split_heads(self.k_proj(source)),
            self._split_heads(self.v_proj(source)),
            mask,
            dropout=self.dropout if self.training else 0.0,
            scaling=self.scaling,
        )
        states = self.out_proj(states.reshape(target.shape))
        states = nn.functional.dropout(states, p=self.dropout, training=self.training)
        if attended is not None:
            states = states.masked_fill(~attended, 0.0)
        return target + states
