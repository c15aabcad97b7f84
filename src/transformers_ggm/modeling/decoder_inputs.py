"""What a decoder is shown while it is taught: the target, shifted."""

import torch
from transformers.models.bart.modeling_bart import shift_tokens_right
from transformers.models.mbart.modeling_mbart import shift_tokens_right as wrap_last_token

from .configuration_ggm import GGMConfig


def decoder_inputs_of(labels: torch.Tensor, config: GGMConfig) -> torch.Tensor:
    """
    What [`GGMForHashtagGeneration.prepare_decoder_input_ids_from_labels`] gives, without the model: worker processes
    of a data loader need not be sent its weights.
    """
    if config.text_config.model_type == "mbart":
        return wrap_last_token(labels, config.pad_token_id)
    return shift_tokens_right(labels, config.pad_token_id, config.decoder_start_token_id)


__all__ = ["decoder_inputs_of"]
