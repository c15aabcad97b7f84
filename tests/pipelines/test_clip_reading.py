"""Speech and screens that the pipeline reads, with readers that write down what they were given."""

import numpy as np
import pytest
import torch
from test_recommending_pipeline import WORDS, recommending
from transformers import pipeline

from transformers_ggm.errors import CheckpointError, InputError, MediaError
from transformers_ggm.processing.reading import ScreenOptions, ScreenReader, SpeechReader, SpeechThresholds
from transformers_ggm.processing.reading.speech_reader import Heard


class Speech(SpeechReader):
    """Hears the same words in every clip."""

    def __init__(self):
        super().__init__(SpeechThresholds(-1.0), voice_activity=False)
        self.heard = []

    def hear(self, pieces, languages):
        self.heard += [(len(piece) / 16_000, language) for piece, language in zip(pieces, languages)]
        return [Heard(WORDS["roadtrip"], -0.1) for _ in pieces]


class Screen(ScreenReader):
    """Reads the same words in every clip."""

    def __init__(self):
        self.options, self.seen, self.error = ScreenOptions(num_frames=2), [], None

    def read(self, frames):
        if self.error is not None:
            raise self.error
        assert frames.dtype == torch.uint8
        self.seen.append(tuple(frames.shape))
        return WORDS["birthday"]


@pytest.fixture(scope="module")
def folder(checkpoint, tmp_path_factory):
    return recommending(checkpoint, tmp_path_factory.mktemp("read") / "checkpoint", ("posts", "words"), None)


@pytest.fixture
def readers():
    return Speech(), Screen()


@pytest.fixture
def suggest(folder, readers):
    speech, screen = readers
    return pipeline("hashtag-generation", model=str(folder), device="cpu", speech=speech, screen_text=screen)


def test_what_is_read_is_recommended_by(suggest, folder, readers, sounding):
    """Would fail if words that are read did not reach the sources, or another answer came out than of the same words
    given."""
    plain = pipeline("hashtag-generation", model=str(folder), device="cpu")
    given = {"video": sounding[0], "transcript": WORDS["roadtrip"], "screen_text": WORDS["birthday"]}
    expected = plain(given, top_n=5)
    assert {"#roadtrip", "#birthday"} <= {answer["hashtag"] for answer in expected}
    assert suggest(sounding[0], top_n=5) == expected
    speech, screen = readers
    assert len(speech.heard) == len(screen.seen) == 1
    assert suggest(given, top_n=5) == expected
    assert len(speech.heard) == len(screen.seen) == 1


def test_own_sizes_and_rates(suggest, readers, sounding):
    """Would fail if the screen were read in the model's size, or speech at its rate, or cut where its hearing ends."""
    from transformers_ggm.processing import decode_media

    clip = decode_media(
        sounding[0], sample_timestamps=lambda seconds: [0.0], sampling_rate=16_000, max_audio_seconds=60.0
    )
    suggest({"video": sounding[0], "language": "en"})
    speech, screen = readers
    assert speech.heard == [(pytest.approx(len(clip.audio) / 16_000, abs=0.01), "en")]
    assert screen.seen[0][1:] == tuple(clip.frames.shape[1:]) and screen.seen[0][0] <= 2
    frames = np.zeros((3, 40, 50, 3), np.uint8)
    suggest({"video": frames, "audio": np.zeros(8_000, np.float32), "sampling_rate": 8_000})
    assert speech.heard[-1] == (1.0, None) and screen.seen[-1] == (1, 3, 40, 50)


def test_words_alone_and_workers(suggest, readers, sounding):
    """Would fail if an item without a clip were read, or workers gave another answer, or were sent the readers."""
    items = [{"description": WORDS["spin"]}, *sounding[:2]]
    one_by_one = [suggest(item, top_n=4) for item in items]
    speech, screen = readers
    assert len(speech.heard) == len(screen.seen) == 2
    assert suggest(items, top_n=4, batch_size=3, num_workers=1) == one_by_one


def test_failing_screens(suggest, readers, sounding):
    """Would fail if a fault in reading one clip ended all of a call that is to go on."""
    readers[1].error = MediaError("The screen cannot be read.")
    with pytest.raises(MediaError, match="The screen"):
        suggest(sounding[0])
    assert suggest(sounding[0], on_error="skip", top_n=3)


def test_what_is_refused(checkpoint, folder, tmp_path):
    """Would fail if readers were loaded that nothing goes by, or a wrong name came out as a foreign error."""
    with pytest.raises(InputError, match=r"no recommendation\.json"):
        pipeline("hashtag-generation", model=str(checkpoint), device="cpu", screen_text=True)
    with pytest.raises(CheckpointError, match=str(tmp_path)):
        pipeline("hashtag-generation", model=str(folder), device="cpu", speech=str(tmp_path))
    plain = pipeline("hashtag-generation", model=str(folder), device="cpu", screen_text=WORDS["birthday"])
    assert plain({"description": ""}, top_n=2)[0]["hashtag"] in ("#birthday", "#daily")
    with pytest.raises(InputError, match="when the pipeline is made"):
        plain({"description": "a"}, screen_text=True)
