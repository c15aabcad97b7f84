"""The output of GGM's encoder."""

from dataclasses import dataclass

import torch
from transformers.modeling_outputs import BaseModelOutput


@dataclass
class GGMEncoderOutput(BaseModelOutput):
    """
    What [`~modeling.modeling_ggm.GGMEncoder`] returns.

    Args:
        last_hidden_state (`torch.FloatTensor` of shape `(batch, sequence_length, d_model)`): what the decoder attends
            to.
        hidden_states, attentions (`tuple[torch.FloatTensor]`, *optional*): those of the text encoder.
        attention_mask (`torch.Tensor` of shape `(batch, sequence_length)`, *optional*): which of the states the
            decoder may attend to, where they are not those of the text alone: with `fusion="decoder"` and a video.
    """

    attention_mask: torch.Tensor | None = None

    @classmethod
    def of_tuple(cls, outputs: tuple) -> "GGMEncoderOutput":
        """
        What the encoder returns without `return_dict`: its mask is the tensor behind the states, if there is one.
        """
        states, *others = outputs
        layers = [part for part in others if isinstance(part, tuple)]
        mask = next((part for part in others if torch.is_tensor(part)), None)
        return cls(states, *layers, attention_mask=mask)


__all__ = ["GGMEncoderOutput"]
