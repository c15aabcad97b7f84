"""Phrases spoken by espeak-ng."""

import io
import shutil
import subprocess

import numpy as np
import soundfile

from ...errors import InputError, MediaError
from ...processing.media.audio import resample
from .sounds import SAMPLING_RATE
from .vocabulary import generator

_SPEECH_STREAM = 8
_VOICES = ("en-us", "en-us+f3", "en-gb", "en-us+m3")
# How loud another sound of the clip is beside a voice.
SOUND_BESIDE_SPEECH = 0.08


def check_espeak() -> None:
    """
    Raises:
        InputError: espeak-ng is not installed.
    """
    if shutil.which("espeak-ng") is None:
        raise InputError("`spoken` needs the program espeak-ng: install it (apt install espeak-ng), or leave it out.")


def say(text: str, num_samples: int, seed: int) -> np.ndarray:
    """
    A phrase as espeak-ng says it, after a short while.

    Args:
        text (`str`): English.
        num_samples (`int`): Length at 16 kHz; what does not fit in is cut off.
        seed (`int`): Not negative; decides the voice and when it begins.

    Returns:
        `np.ndarray` of shape (num_samples,), float32, peak 0.8.

    Raises:
        InputError: espeak-ng is not installed.
        MediaError: It fails.
    """
    check_espeak()
    rng = generator(seed, _SPEECH_STREAM, 0)
    command = ["espeak-ng", "-v", str(rng.choice(_VOICES)), "--stdout", text]
    try:
        wave = subprocess.run(command, capture_output=True, check=True).stdout  # noqa: S603 (no shell, our own words)
        voice, rate = soundfile.read(io.BytesIO(wave), dtype="float32")
    except (OSError, subprocess.CalledProcessError, soundfile.LibsndfileError) as error:
        raise MediaError(f"espeak-ng cannot say {text!r} ({error}): check that it runs.") from error
    voice = resample(voice, rate, SAMPLING_RATE)
    start = min(int(rng.uniform(0.1, 0.4) * SAMPLING_RATE), max(0, num_samples - len(voice)))
    spoken = np.zeros(num_samples, np.float32)
    voice = voice[: num_samples - start]
    spoken[start : start + len(voice)] = voice * (0.8 / max(np.abs(voice).max(), 1e-6))
    return spoken
