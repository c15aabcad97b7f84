"""What an audio encoder makes of the sounds of a batch, which padding does not change."""

import torch
from transformers import PreTrainedModel

from ..errors import InputError
from .backbones import as_tokens, blank_where_masked
from .configuration_ggm import hidden_size_of


def encode_sounds(
    tower: PreTrainedModel,
    input_features: torch.Tensor,
    audio_mask: torch.Tensor | None = None,
    input_features_mask: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """
    Encodes the sounds of a batch, with `input_features_mask` those of one length together, and none with padding.
    Masks would not do: some encoders normalise over time (wav2vec2-base), convolve or pool (Data2VecAudio, SEW,
    Conformers) across the end of a sound. Where several processes share a model, each row goes alone then, blank where
    it has no sound: those that share its weights (FSDP) must all call the encoder equally often.

    Args:
        tower (`PreTrainedModel`): the audio encoder.
        input_features (`torch.FloatTensor` of shape `(batch, ...)`): as its feature extractor makes them.
        audio_mask (`torch.Tensor` of shape `(batch,)`, *optional*): 1 where the video has sound; the features of other
            rows are ignored.
        input_features_mask (`torch.Tensor` of shape `(batch, time)`, *optional*): 1 on sound, 0 on padding, whose
            content is ignored, along one axis of the features.

    Returns:
        `tuple`: states `(batch, tokens, size)`, and which of them are sound of the row, `(batch, tokens)`, or `None`
        where all are. With `input_features_mask` there are as many tokens as the longest sound has, none without any.

    Raises:
        InputError: no axis of the features is as long as `input_features_mask`.
    """
    if input_features_mask is not None:
        return _encode_apart(tower, input_features, audio_mask, input_features_mask)
    states = _states(tower, blank_where_masked(input_features, audio_mask))
    return states, None if audio_mask is None else audio_mask[:, None].expand(-1, states.shape[1])


def _states(tower: PreTrainedModel, features: torch.Tensor) -> torch.Tensor:
    features = features.to(tower.dtype)
    inputs = {tower.main_input_name: features}
    if getattr(tower.config, "enable_fusion", False):
        # CLAP with feature fusion: no clip is longer than the ten seconds that its first channel holds.
        inputs["is_longer"] = torch.zeros(len(features), 1, dtype=torch.bool, device=features.device)
    return as_tokens(tower(**inputs).last_hidden_state)


def _encode_apart(
    tower: PreTrainedModel, features: torch.Tensor, audio_mask: torch.Tensor | None, features_mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    is_sound = (features_mask != 0).to(features.device)
    if audio_mask is not None:
        is_sound = is_sound & (audio_mask != 0).to(features.device)[:, None]
    axis = _time_axis(features, features_mask) - 1
    places = [row.nonzero().flatten() for row in is_sound]
    states: dict[int, torch.Tensor] = {}
    for rows in _groups([len(of_row) for of_row in places]):
        sounds = [
            features[row].index_select(axis, places[row]) if len(places[row]) else torch.zeros_like(features[row])
            for row in rows
        ]
        states.update(zip(rows, _states(tower, torch.stack(sounds))))
    empty = next(iter(states.values()))[:0] if states else features.new_zeros(0, hidden_size_of(tower.config))
    heard = [states[row] if len(of_row) else states.get(row, empty)[:0] for row, of_row in enumerate(places)]
    lengths = torch.tensor([len(of_row) for of_row in heard], device=empty.device)
    padded = torch.nn.utils.rnn.pad_sequence(heard, batch_first=True)
    return padded, torch.arange(padded.shape[1], device=empty.device) < lengths[:, None]


def _time_axis(features: torch.Tensor, features_mask: torch.Tensor) -> int:
    for axis in range(1, features.ndim):
        if features.shape[axis] == features_mask.shape[-1]:
            return axis
    raise InputError(
        f"`input_features_mask` has shape {tuple(features_mask.shape)}, but `input_features` {tuple(features.shape)}:"
        " pass both as the processor makes them, or no mask for features without padding."
    )


def _groups(lengths: list[int]) -> list[list[int]]:
    """The rows that are encoded together."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return [[row] for row in range(len(lengths))]
    groups: dict[int, list[int]] = {}
    for row, length in enumerate(lengths):
        if length:
            groups.setdefault(length, []).append(row)
    return list(groups.values())


__all__ = ["encode_sounds"]
