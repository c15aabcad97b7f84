"""What all readers of speech share, with a model that writes down how long its pieces are."""

import sys

import numpy as np
import pytest
from speech_samples import tone

from transformers_ggm.errors import InputError
from transformers_ggm.processing.reading import SpeechReader, SpeechThresholds, load_speech_reader
from transformers_ggm.processing.reading.speech_reader import Heard


class Seconds(SpeechReader):
    """Writes how many seconds each piece has; the longer, the surer."""

    def hear(self, pieces, languages):
        self.heard = [len(piece) / 16_000 for piece in pieces]
        return [
            Heard(f"{seconds:g}", -1 / seconds, 0.01 * seconds, language or f"x{seconds:g}")
            for seconds, language in zip(self.heard, languages)
        ]


@pytest.fixture
def reader():
    return Seconds(SpeechThresholds(-100.0, 100.0, 1.0), voice_activity=False)


def test_pieces_become_one_transcript(reader):
    """Would fail if pieces were lost or mixed up among clips, or a short piece counted as much as a long one."""
    first, none, second = reader.read([tone(40.0), None, tone(5.0)], ["en", "de", None])
    assert reader.heard == [30.0, 10.0, 5.0]
    assert (first.text, first.language, second.text, second.language) == ("30 10", "en", "5", "x5")
    assert first.mean_log_probability == pytest.approx((30 * -1 / 30 + 10 * -1 / 10) / 40)
    assert first.no_speech_probability == pytest.approx((30 * 0.3 + 10 * 0.1) / 40)
    assert none.believed == "" and none.doubt == "there is no sound"


def test_other_rates(reader):
    """Would fail if a sound at 48 kHz were read as if it were three times as slow."""
    (transcript,) = reader.read([np.zeros(96_000, np.float32)], sampling_rate=48_000)
    assert transcript.text == "2"


def test_nothing_to_read(reader):
    """Would fail if no clips, or a sound without samples, ended in an error."""
    assert reader.read([]) == []
    assert reader.read([np.zeros(0, np.float32)])[0].doubt == "there is no sound"
    with pytest.raises(InputError, match="2 sounds, but 1 languages"):
        reader.read([None, None], ["en"])


def test_without_the_extra(tmp_path, monkeypatch):
    """Would fail if a missing package ended in a message that does not say what to install."""
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(ImportError, match=r"pip install 'transformers-ggm\[speech\]'"):
        Seconds().read([tone(1.0)])
    (tmp_path / "model.bin").write_bytes(b"weights")
    with pytest.raises(ImportError, match=r"pip install 'transformers-ggm\[speech\]'"):
        load_speech_reader(str(tmp_path))
