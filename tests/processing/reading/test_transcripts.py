"""From where on transcripts are not believed."""

import pytest

from transformers_ggm.errors import InputError
from transformers_ggm.processing.reading import SpeechThresholds, Transcript

CASES = [
    ("first snow", -0.3, 0.1, None),
    ("first snow", -0.3, None, None),
    ("", -0.1, 0.1, "nothing was understood"),
    ("first snow", -0.71, 0.1, "below -0.7"),
    ("snow snow snow " * 20, -0.3, 0.1, "it repeats itself"),
    ("first snow", -0.3, 0.7, "nobody speaks"),
]


@pytest.mark.parametrize(("text", "log_probability", "no_speech", "expected"), CASES)
def test_doubts(text, log_probability, no_speech, expected):
    """Would fail if one of the thresholds were not looked at, or a good transcript were doubted."""
    doubt = SpeechThresholds().doubt(text, log_probability, no_speech)
    assert doubt is None if expected is None else expected in doubt


def test_thresholds_are_options():
    """Would fail if a threshold could not be moved."""
    lenient = SpeechThresholds(-2.0, 50.0, 1.0)
    assert all(lenient.doubt(text or "a", value, silence) is None for text, value, silence, _ in CASES)


@pytest.mark.parametrize("wrong", [(0.1, 2.4, 0.6), (-1.0, -1.0, 0.6), (-1.0, 2.4, 1.5)])
def test_thresholds_out_of_range(wrong):
    """Would fail if a threshold that nothing can pass were taken."""
    with pytest.raises(InputError):
        SpeechThresholds(*wrong)


def test_what_is_doubted_is_not_used():
    """Would fail if a transcript that is not believed were used, or lost for those who want to see it."""
    transcript = Transcript("nonsense", "en", -1.5, doubt="unsure")
    assert (transcript.text, transcript.believed) == ("nonsense", "")
