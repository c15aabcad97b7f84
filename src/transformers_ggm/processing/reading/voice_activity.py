"""Where in a sound somebody speaks: Silero VAD, as faster-whisper brings it."""

import numpy as np

from .extras import import_faster_whisper

# What speech models and the detector of voices take, in Hz.
SPEECH_RATE = 16_000
# Whisper's window; others take it too.
MAX_PIECE_SECONDS = 30.0


def spoken_pieces(sound: np.ndarray) -> list[np.ndarray]:
    """
    The spoken parts of a sound, one after the other without what lies between them, in pieces that models take.

    Args:
        sound (`np.ndarray`): (n,) float32, mono, at 16 kHz.

    Returns:
        `list[np.ndarray]`: each of at most 30 s; none where nobody speaks.

    Raises:
        ImportError: faster-whisper is not installed.
    """
    vad = import_faster_whisper().vad
    spans = vad.get_speech_timestamps(sound, vad.VadOptions(max_speech_duration_s=MAX_PIECE_SECONDS), SPEECH_RATE)
    pieces: list[list[np.ndarray]] = []
    length = np.inf
    for part in (sound[span["start"] : span["end"]] for span in spans):
        if length + len(part) > MAX_PIECE_SECONDS * SPEECH_RATE:
            pieces.append([])
            length = 0
        pieces[-1].append(part)
        length += len(part)
    return [np.concatenate(parts) for parts in pieces]


def equal_pieces(sound: np.ndarray) -> list[np.ndarray]:
    """The whole of a sound, cut every 30 s, without a look at who speaks."""
    size = round(MAX_PIECE_SECONDS * SPEECH_RATE)
    return [sound[start : start + size] for start in range(0, len(sound), size)]
