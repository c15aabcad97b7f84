"""Sounds in any form to the features an audio encoder wants, whichever feature extractor it has."""

import inspect
import os
import threading
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


def sound_features(feature_extractor: SequenceFeatureExtractor, waveforms: list[np.ndarray | None]) -> torch.Tensor:
    """Features of a batch of waveforms, as the audio model of the feature extractor wants them.

    Args:
        feature_extractor: Any of transformers: Whisper (b, mel, t), CLAP (b, 1, t, mel), AST (b, t, mel), Wav2Vec2
            (b, n), ...
        waveforms: One mono waveform (n,) float32 per row at the extractor's rate; `None` gives a row of silence.

    Returns:
        `torch.Tensor`: (b, ...) float32.
    """
    rate = feature_extractor.sampling_rate
    # CLAP cuts what is too long at a random place; cut here, the same sound always gives the same features.
    longest = getattr(feature_extractor, "nb_max_samples", None)
    shortest = round(_MIN_SECONDS * rate)
    filled = [np.zeros(rate, np.float32) if waveform is None else waveform[:longest] for waveform in waveforms]
    filled = [np.pad(waveform, (0, max(0, shortest - len(waveform)))) for waveform in filled]
    padding = inspect.signature(feature_extractor.__call__).parameters.get("padding")
    # Extractors that do not pad by themselves say so by this default.
    options = {"padding": True} if padding is not None and padding.default is False else {}
    # In worker processes beside one another, the threads that numpy starts in each would wait for each other. The limit
    # is the whole process's: of two threads in here, the later one would put back what the first had set.
    with _limiting.lock, _numpy_threads().limit(limits=1, user_api="blas"):
        features = feature_extractor(filled, sampling_rate=rate, return_tensors="pt", **options)
    name = "input_features" if "input_features" in features else "input_values"
    return features[name].to(torch.float32)


@lru_cache(maxsize=4)
def silence_features(feature_extractor: SequenceFeatureExtractor) -> torch.Tensor:
    """Features (...) float32 of a row without sound, which is not heard, but part of its batch."""
    return sound_features(feature_extractor, [None])[0]


@lru_cache(maxsize=4)
def makes_one_size(feature_extractor: SequenceFeatureExtractor) -> bool:
    """Whether the features of all sounds have one shape (CLAP, Whisper, AST), so that those made one by one are those
    of a batch; others (Wav2Vec2) are as long as the longest sound beside them."""
    second = np.zeros(feature_extractor.sampling_rate, np.float32)
    return sound_features(feature_extractor, [second])[0].shape == silence_features(feature_extractor).shape


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
