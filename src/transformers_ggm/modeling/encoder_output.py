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
            decoder may attend to, where they are not those of the text alone: with `fusion="decoder"` and a video; and
            wherever there are `source_ids`.
        source_ids (`torch.LongTensor` of shape `(batch, text_length)`, *optional*): the tokens of the text, with
            `pointer_head=True`.
    """

    attention_mask: torch.Tensor | None = None
    source_ids: torch.Tensor | None = None

    @classmethod
    def of_tuple(cls, outputs: tuple) -> "GGMEncoderOutput":
        """
        What the encoder returns without `return_dict`: the tensors behind the states, if there are any, are its mask
        and its tokens.
        """
        states, *others = outputs
        layers = [part for part in others if isinstance(part, tuple)]
        mask, ids, *_ = [*(part for part in others if torch.is_tensor(part)), None, None]
        return cls(states, *layers, attention_mask=mask, source_ids=ids)


def joint_mask(*parts: tuple[torch.Tensor, torch.Tensor | None]) -> torch.Tensor:
    """
    The mask of states that lie one behind the other.

    Args:
        parts (`tuple`): states of shape `(batch, length, d_model)`, and their mask of shape `(batch, length)`; `None`
            where all of them count.

    Returns:
        `torch.LongTensor` of shape `(batch, all_lengths)`.
    """
    masks = [
        torch.ones(states.shape[:2], dtype=torch.int64, device=states.device)
        if mask is None
        else (mask != 0).to(states.device, torch.int64)
        for states, mask in parts
    ]
    return torch.cat(masks, dim=1)


__all__ = ["GGMEncoderOutput", "joint_mask"]
