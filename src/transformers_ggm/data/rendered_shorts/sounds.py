"""Ten kinds of sound, synthesised with numpy: mono, 16 kHz."""

from collections.abc import Callable

import numpy as np

from .vocabulary import generator

SAMPLING_RATE = 16000
_SOUND_STREAM = 2


def synthesize(sound: str, num_samples: int, seed: int) -> np.ndarray:
    """Makes a sound; the seed decides pitch, tempo, loudness and phase.

    Args:
        sound (`str`): One of `SOUNDS`.
        num_samples (`int`): Length at 16 kHz.
        seed (`int`): Not negative.

    Returns:
        `np.ndarray` of shape (num_samples,), float32, peak between 0.3 and 0.9, over faint noise.
    """
    rng = generator(seed, _SOUND_STREAM, 0)
    wave = _SYNTHESIZERS[sound](num_samples, rng)
    wave = wave / np.abs(wave).max() * rng.uniform(0.3, 0.85)
    return (wave + rng.normal(0, rng.uniform(0.001, 0.004), num_samples)).astype(np.float32)


def _tone(frequency: np.ndarray | float, num_samples: int, rng: np.random.Generator) -> np.ndarray:
    """A sine whose frequency in Hz may change from sample to sample."""
    cycles = np.cumsum(np.broadcast_to(frequency, (num_samples,))) / SAMPLING_RATE
    return np.sin(2 * np.pi * (cycles + rng.random()))


def _band_noise(low: float, high: float, num_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Noise between two frequencies in Hz, with standard deviation 1."""
    spectrum = np.fft.rfft(rng.normal(size=num_samples))
    frequencies = np.fft.rfftfreq(num_samples, 1 / SAMPLING_RATE)
    spectrum[(frequencies < low) | (frequencies > high)] = 0
    noise = np.fft.irfft(spectrum, num_samples)
    return noise / noise.std()


def _seconds(num_samples: int) -> np.ndarray:
    return np.arange(num_samples) / SAMPLING_RATE


def _add(wave: np.ndarray, start_seconds: float, piece: np.ndarray) -> None:
    """Adds the piece from there on, cut off at the end."""
    start = int(start_seconds * SAMPLING_RATE)
    if start < len(wave):
        wave[start : start + len(piece)] += piece[: len(wave) - start]


def _birdsong(num_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Short chirps between 3 and 6 kHz in groups."""
    wave, start, pitch = np.zeros(num_samples), rng.uniform(0, 0.2), rng.uniform(3000, 4300)
    while start < num_samples / SAMPLING_RATE:
        for _ in range(rng.integers(3, 7)):
            length = int(rng.uniform(0.05, 0.1) * SAMPLING_RATE)
            sweep = np.linspace(0, rng.uniform(600, 1600), length)
            chirp = _tone(pitch * rng.uniform(0.95, 1.05) + sweep[:: rng.choice((-1, 1))], length, rng)
            _add(wave, start, chirp * np.hanning(length))
            start += length / SAMPLING_RATE + rng.uniform(0.02, 0.05)
        start += rng.uniform(0.1, 0.3)
    return wave


def _siren(num_samples: int, rng: np.random.Generator) -> np.ndarray:
    """A tone with overtones that goes up and down by an octave without end."""
    swing = np.sin(2 * np.pi * (rng.uniform(0.5, 0.9) * _seconds(num_samples) + rng.random()))
    pitch = rng.uniform(600, 850) * 2 ** (0.5 * swing)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLING_RATE
    return np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.3 * np.sin(3 * phase)


def _drums(num_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Deep kicks and a snare on every second beat."""
    wave, beat = np.zeros(num_samples), 60 / rng.uniform(130, 190)
    time = _seconds(int(0.25 * SAMPLING_RATE))
    kick_pitch = rng.uniform(48, 65)
    for i, start in enumerate(np.arange(rng.uniform(0, beat), num_samples / SAMPLING_RATE, beat)):
        kick = _tone(kick_pitch * (1 + 2 * np.exp(-time / 0.03)), len(time), rng) * np.exp(-time / 0.09)
        _add(wave, start, kick)
        if i % 2:
            _add(wave, start, 0.25 * _band_noise(300, 5000, len(time), rng) * np.exp(-time / 0.04))
    return wave


def _bells(num_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Strikes of inharmonic partials that ring on."""
    wave, start, pitch = np.zeros(num_samples), rng.uniform(0, 0.2), rng.uniform(420, 620)
    time = _seconds(int(1.5 * SAMPLING_RATE))
    while start < num_samples / SAMPLING_RATE:
        strike = rng.choice((1.0, 1.0, 1.25, 0.8)) * pitch
        for ratio, loudness in ((1, 1), (1.19, 0.6), (1.56, 0.5), (2, 0.8), (2.66, 0.6), (3.01, 0.4), (4.17, 0.3)):
            partial = _tone(strike * ratio, len(time), rng) * np.exp(-time * (1.5 + 0.7 * ratio))
            _add(wave, start, loudness * partial)
        start += rng.uniform(0.45, 0.8)
    return wave


def _rain(num_samples: int, rng: np.random.Generator) -> np.ndarray:
    """A steady high hiss with drops in it."""
    wave = 0.5 * _band_noise(rng.uniform(1500, 2500), 7800, num_samples, rng)
    drop = np.exp(-_seconds(int(0.01 * SAMPLING_RATE)) / 0.002)
    for start in rng.uniform(0, num_samples / SAMPLING_RATE, size=num_samples // 400):
        _add(wave, start, rng.uniform(0.2, 0.8) * drop * rng.normal(size=len(drop)))
    return wave


def _buzzing(num_samples: int, rng: np.random.Generator) -> np.ndarray:
    """An insect: a low tone with all its overtones, trembling a little."""
    time = _seconds(num_samples)
    wobble = 1 + 0.04 * np.sin(2 * np.pi * (rng.uniform(1, 4) * time + rng.random()))
    phase = 2 * np.pi * np.cumsum(rng.uniform(120, 190) * wobble) / SAMPLING_RATE
    tremble = 1 + 0.25 * np.sin(2 * np.pi * (rng.uniform(15, 25) * time + rng.random()))
    return tremble * sum(np.sin(k * phase) / k**0.7 for k in range(1, 16))


def _whistle(num_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Long pure notes that glide, at about 2 kHz."""
    wave, start, pitch = np.zeros(num_samples), rng.uniform(0, 0.15), rng.uniform(1700, 2300)
    while start < num_samples / SAMPLING_RATE:
        length = int(rng.uniform(0.45, 0.9) * SAMPLING_RATE)
        vibrato = 1 + 0.015 * np.sin(2 * np.pi * 6 * _seconds(length))
        glide = np.linspace(1, rng.uniform(0.85, 1.15), length)
        envelope = np.minimum(1, 8 * np.hanning(length))
        _add(wave, start, _tone(pitch * vibrato * glide, length, rng) * envelope)
        start += length / SAMPLING_RATE + rng.uniform(0.05, 0.15)
    return wave


def _applause(num_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Many single claps, each a short burst of noise around 1 kHz."""
    wave, time = np.zeros(num_samples), _seconds(int(0.05 * SAMPLING_RATE))
    per_second, centre = rng.uniform(18, 35), rng.uniform(1000, 1400)
    for start in rng.uniform(0, num_samples / SAMPLING_RATE, size=int(per_second * num_samples / SAMPLING_RATE)):
        clap = _band_noise(0.6 * centre, 1.6 * centre, len(time), rng) * np.exp(-time / 0.012)
        _add(wave, start, rng.uniform(0.3, 1) * clap)
    return wave


def _beeps(num_samples: int, rng: np.random.Generator) -> np.ndarray:
    """An even row of short beeps at one pitch near 1 kHz."""
    time = _seconds(num_samples)
    phase = 2 * np.pi * (rng.uniform(900, 1250) * time + rng.random())
    gate = ((time / rng.uniform(0.22, 0.36) + rng.random()) % 1) < 0.45
    gate = np.convolve(gate, np.full(80, 1 / 80), mode="same")
    return gate * (np.sin(phase) + np.sin(3 * phase) / 4)


def _waves(num_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Deep noise that swells and goes back every two seconds or so."""
    swell = np.sin(np.pi * (_seconds(num_samples) / rng.uniform(1.6, 2.6) + rng.random())) ** 2
    return (0.08 + swell**1.5) * _band_noise(80, rng.uniform(450, 700), num_samples, rng)


_SYNTHESIZERS: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "birdsong": _birdsong,
    "siren": _siren,
    "drums": _drums,
    "bells": _bells,
    "rain": _rain,
    "buzzing": _buzzing,
    "whistle": _whistle,
    "applause": _applause,
    "beeps": _beeps,
    "waves": _waves,
}
