"""Sounds in any form to the features an audio encoder wants, whichever feature extractor it has."""

import inspect
import os
import threading
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
import torch
from threadpoolctl import ThreadpoolController
from transformers.feature_extraction_sequence_utils import SequenceFeatureExtractor

from ..errors import InputError
from .media import DEFAULT_LIMITS, Media, is_media_source
from .media.audio import load_sound, resample

# Shorter sounds are filled up with silence: no extractor can make a feature of less than one analysis window.
_MIN_SECONDS = 0.1
# The same where features are as long as the sound: in training, encoders of these (Wav2Vec2) hide runs of 10 of their
# states, a fiftieth of a second each, and fail where there are fewer.
_MIN_SEQUENCE_SECONDS = 0.25


def list_sounds(audio) -> list:
    """One sound or several as a list of sounds: a list of numbers is one, a 3-d array several."""
    if isinstance(audio, (np.ndarray, torch.Tensor)) and audio.ndim == 3:
        return list(audio)
    if not isinstance(audio, (list, tuple)):
        return [audio]
    if len(audio) and isinstance(audio[0], (int, float)):
        return [np.asarray(audio, dtype=np.float32)]
    return list(audio)


def sound_waveform(
    sound, sampling_rate: int, given_sampling_rate: int | None, max_seconds: float, index: int
) -> np.ndarray | None:
    """A sound as the start of a mono waveform (n,) float32 at `sampling_rate` Hz, or `None` when it has no samples.

    Args:
        sound: `None`, a [`Media`], a waveform (n,) or (channels, n), or a path, URL, bytes or file object.
        given_sampling_rate (`int`): Rate of a waveform.
        index (`int`): Row of the sound, for messages.

    Raises:
        `InputError`: A waveform without its rate, of a wrong shape or with integers. `MediaError`: A file that cannot
        be read.
    """
    if isinstance(sound, Media):
        given_sampling_rate, sound = sound.sampling_rate, sound.audio
    if sound is None:
        return None
    if is_media_source(sound):
        return load_sound(sound, sampling_rate, max_seconds, DEFAULT_LIMITS.max_bytes)
    if given_sampling_rate is None:
        raise InputError(f"audio[{index}] is a waveform, but `sampling_rate` is not given: pass its rate in Hz.")
    waveform = _mono(sound, index)[: round(max_seconds * given_sampling_rate)]
    return resample(waveform, given_sampling_rate, sampling_rate) if len(waveform) else None


def sound_features(feature_extractor: SequenceFeatureExtractor, waveform: np.ndarray) -> torch.Tensor:
    """
    Features of one sound, as the audio model of the feature extractor wants them; those of a batch are joined by
    [`batch_sounds`]. Made apart, they are the same whatever is beside them: many extractors normalise padding too.

    Args:
        feature_extractor (`SequenceFeatureExtractor`): Any of transformers: Whisper (mel, t), CLAP (1, t, mel), AST
            (t, mel), Wav2Vec2 (n,), ...
        waveform (`np.ndarray`): (n,) float32, mono, at the extractor's rate.

    Returns:
        `torch.Tensor`: (...) float32.
    """
    seconds = _MIN_SECONDS if time_axis(feature_extractor) is None else _MIN_SEQUENCE_SECONDS
    shortest = round(seconds * feature_extractor.sampling_rate)
    return _features(feature_extractor, np.pad(waveform, (0, max(0, shortest - len(waveform)))))


def batch_sounds(
    feature_extractor: SequenceFeatureExtractor, sounds: Sequence[torch.Tensor | None]
) -> dict[str, torch.Tensor]:
    """
    Joins the features of the sounds of a batch.

    Args:
        feature_extractor (`SequenceFeatureExtractor`): That made them.
        sounds (`list[torch.Tensor]`): Of each row what [`sound_features`] gives, `None` for a row without sound.

    Returns:
        `dict` with `input_features` (b, ...) float32 and `audio_mask` (b,) int64, 1 where the row has sound. Where
        features are as long as their sound, they are padded with zeros to the longest, and `input_features_mask`
        (b, t) int64 is 1 on what is no padding, over the axis of time.
    """
    batch = {"audio_mask": torch.tensor([sound is not None for sound in sounds], dtype=torch.int64)}
    silence, axis = silence_features(feature_extractor), time_axis(feature_extractor)
    if axis is None:
        return {"input_features": torch.stack([silence if sound is None else sound for sound in sounds]), **batch}
    lengths = [0 if sound is None else sound.shape[axis] for sound in sounds]
    # A row of silence is all padding; where no row has sound, there are features all the same.
    shape = list(silence.shape)
    shape[axis] = max(lengths) or shape[axis]
    features, mask = torch.zeros(len(sounds), *shape), torch.zeros(len(sounds), shape[axis], dtype=torch.int64)
    for row, (sound, length) in enumerate(zip(sounds, lengths)):
        if sound is not None:
            features[row].narrow(axis, 0, length).copy_(sound)
            mask[row, :length] = 1
    return {"input_features": features, "input_features_mask": mask, **batch}


@lru_cache(maxsize=4)
def silence_features(feature_extractor: SequenceFeatureExtractor) -> torch.Tensor:
    """
    Features (...) float32 of a second of silence: a row without sound, which is not heard, but part of its batch.
    """
    return _features(feature_extractor, np.zeros(feature_extractor.sampling_rate, np.float32))


@lru_cache(maxsize=4)
def time_axis(feature_extractor: SequenceFeatureExtractor) -> int | None:
    """
    Along which axis the features of one sound are as long as it is (Wav2Vec2: 0), `None` where those of all sounds
    have one shape (CLAP, Whisper, AST).
    """
    one = silence_features(feature_extractor).shape
    two = _features(feature_extractor, np.zeros(2 * feature_extractor.sampling_rate, np.float32)).shape
    return next((axis for axis, sizes in enumerate(zip(one, two)) if len(set(sizes)) > 1), None)


def _features(feature_extractor: SequenceFeatureExtractor, waveform: np.ndarray) -> torch.Tensor:
    # CLAP cuts what is too long at a random place; cut here, the same sound always gives the same features.
    waveform = waveform[: getattr(feature_extractor, "nb_max_samples", None)]
    padding = inspect.signature(feature_extractor.__call__).parameters.get("padding")
    # Extractors that do not pad by themselves say so by this default.
    options = {"padding": True} if padding is not None and padding.default is False else {}
    # In worker processes beside one another, the threads that numpy starts in each would wait for each other. The
    # limit is the whole process's: of two threads in here, the later one would put back what the first had set.
    with (
        _limiting.lock,
        _numpy_threads().limit(limits=1, user_api="blas"),
        np.errstate(divide="ignore", invalid="ignore"),
    ):
        made = feature_extractor(
            [waveform], sampling_rate=feature_extractor.sampling_rate, return_tensors="pt", **options
        )
    name = "input_features" if "input_features" in made else "input_values"
    # Speech2Text divides what does not change, such as silence, by a deviation of 0.
    return made[name][0].to(torch.float32).nan_to_num_(0.0, 0.0, 0.0)


class _Limiting:
    def __init__(self):
        self.lock = threading.Lock()


_limiting = _Limiting()
if hasattr(os, "register_at_fork"):
    # A forked process would wait for ever for a lock that another thread held at that moment.
    os.register_at_fork(after_in_child=_limiting.__init__)


@cache
def _numpy_threads() -> ThreadpoolController:
    return ThreadpoolController()


def _mono(waveform, index: int) -> np.ndarray:
    array = waveform.detach().cpu().numpy() if isinstance(waveform, torch.Tensor) else np.asarray(waveform)
    if array.ndim == 2 and array.shape[0] <= array.shape[1]:
        array = array.mean(axis=0)
    if array.ndim != 1:
        raise InputError(f"audio[{index}] has shape {array.shape}: a waveform is (samples,) or (channels, samples).")
    if not np.issubdtype(array.dtype, np.floating):
        raise InputError(f"audio[{index}] is {array.dtype}: a waveform has floating-point values from -1 to 1.")
    return array.astype(np.float32, copy=False)
