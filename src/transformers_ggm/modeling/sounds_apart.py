"""Sounds of unequal length through an encoder that would hear their padding."""

from collections.abc import Callable

import torch

from ..errors import InputError


def encode_apart(
    encode: Callable[[torch.Tensor], torch.Tensor],
    features: torch.Tensor,
    features_mask: torch.Tensor,
    audio_mask: torch.Tensor | None,
    size: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Encodes those sounds of a batch together that have one length, all without padding. Masks would not do: some encoders
    normalise over time (wav2vec2-base), convolve or pool (Data2VecAudio, SEW, Conformers) across the end of a sound.

    Where several processes share a model, each row goes alone, blank where it has no sound: those that share its weights
    (FSDP) must all call the encoder equally often.

    Args:
        encode (`Callable`): gets features `(sounds, ...)` of one length, and gives states `(sounds, tokens, size)`.
        features (`torch.Tensor` of shape `(batch, ...)`): padded along an axis of time.
        features_mask (`torch.Tensor` of shape `(batch, time)`): 1 on sound, 0 on padding, whose content is not looked
            at.
        audio_mask (`torch.Tensor` of shape `(batch,)`, *optional*): 0 where the video has no sound.
        size (`int`): width of the states.

    Returns:
        States `(batch, tokens, size)`, zeros on padding, and their mask `(batch, tokens)`, bool. There are no tokens
        where no row has sound.

    Raises:
        InputError: no axis of `features` is as long as those of `features_mask`.
    """
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
        states.update(zip(rows, encode(torch.stack(sounds))))
    empty = next(iter(states.values()))[:0] if states else features.new_zeros(0, size)
    heard = [states[row] if len(of_row) else states.get(row, empty)[:0] for row, of_row in enumerate(places)]
    lengths = torch.tensor([len(of_row) for of_row in heard], device=empty.device)
    padded = torch.nn.utils.rnn.pad_sequence(heard, batch_first=True)
    return padded, torch.arange(padded.shape[1], device=empty.device) < lengths[:, None]


def _time_axis(features: torch.Tensor, features_mask: torch.Tensor) -> int:
    for axis in range(1, features.ndim):
        if features.shape[axis] == features_mask.shape[-1]:
            return axis
    raise InputError(
        f"`input_features_mask` has shape {tuple(features_mask.shape)}, but `input_features` {tuple(features.shape)}: pass"
        " both as the processor makes them, or no mask for features without padding."
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
