"""Rendered shorts in which words are spoken and shown."""

import json
import re
import shutil
from collections import Counter

import av
import numpy as np
import pytest

from transformers_ggm.data.rendered_shorts import (
    CAUSES,
    COLOURS,
    MOVEMENTS,
    NOISE,
    READ_CAUSES,
    SHAPES,
    SOUNDS,
    SPOKEN_TOPICS,
    TOPICS,
    WRITTEN_TOPICS,
    compounds,
    render_clip,
    render_shorts,
    sample_recipes,
    speech,
)
from transformers_ggm.data.rendered_shorts.captions import write_caption
from transformers_ggm.errors import DatasetError, InputError

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


def test_causes_are_parted():
    """Would fail if a hashtag had no cause or two, or one cause's words were about another."""
    words = [*compounds(), *MOVEMENTS, *SOUNDS, *TOPICS, *NOISE, *SPOKEN_TOPICS, *WRITTEN_TOPICS]
    assert len(words) == len(set(words))
    named = "|".join([*COLOURS, *SHAPES, *MOVEMENTS, *SOUNDS, *NOISE])
    for topics in (SPOKEN_TOPICS, WRITTEN_TOPICS):
        phrases = [phrase for of_topic in topics.values() for phrase in of_topic]
        assert len(phrases) == len(set(phrases))
        assert not [phrase for phrase in phrases if re.search(rf"\b({named})s?\b", phrase.lower())]
    for recipe in sample_recipes("test", 100, 3, spoken=True, written=True):
        row = json.loads(json.dumps(recipe.metadata()))
        assert tuple(row["causes"]) == (*CAUSES, *READ_CAUSES)
        assert Counter(row["hashtags"]) == Counter(tag for tags in row["causes"].values() for tag in tags)
        assert bool(row["said"]) == bool(row["causes"]["spoken"])
        assert bool(row["shown"]) == bool(row["causes"]["written"])
        if recipe.spoken:
            assert recipe.speech in SPOKEN_TOPICS[recipe.spoken]
        if recipe.written:
            assert recipe.caption in WRITTEN_TOPICS[recipe.written]


def test_other_causes_stay():
    """Would fail if an option changed what else is in a clip, or what the other option draws."""
    plain = sample_recipes("train", 200, 1)
    both = sample_recipes("train", 200, 1, spoken=True, written=True)
    spoken, written = (sample_recipes("train", 200, 1, **{name: True}) for name in ("spoken", "written"))
    for first, second, said, shown in zip(plain, both, spoken, written):
        assert {cause: second.causes[cause] for cause in CAUSES} == first.causes
        assert second.description == first.description and second.seed == first.seed
        assert (said.speech, said.caption) == (second.speech, None)
        assert (shown.speech, shown.caption) == (None, second.caption)
    assert np.mean([recipe.spoken is not None for recipe in both]) == pytest.approx(0.8, abs=0.08)
    assert np.mean([recipe.written is not None for recipe in both]) == pytest.approx(0.8, abs=0.08)
    assert len({recipe.spoken for recipe in both}) == len(SPOKEN_TOPICS) + 1


def test_captions_are_written_into_every_frame():
    """Would fail if words were missing from a frame, cut off, or covered the picture."""
    frames = np.full((3, 160, 160, 3), 90, np.uint8)
    written = write_caption(frames, "grand opening on Friday", 5)
    changed = (written != frames).any(axis=-1)
    assert (frames == 90).all() and (changed == changed[:1]).all()
    assert 0.02 < changed.mean() < 0.4
    assert not changed[:, :, :2].any() and not changed[:, :, -2:].any() and not changed[:, -2:].any()
    assert written.max() == 255 and written.min() < 10


@pytest.mark.parametrize("phrase", [phrase for topic in WRITTEN_TOPICS.values() for phrase in topic])
def test_every_caption_fits(phrase):
    """Would fail if a phrase of the vocabulary ran over the border of the smallest frame."""
    for seed in range(4):
        changed = (write_caption(np.full((1, 160, 160, 3), 90, np.uint8), phrase, seed) != 90).any(axis=-1)[0]
        assert not changed[0].any() and not changed[-1].any() and not changed[:, [0, -1]].any()


def test_wrong_sizes_and_missing_espeak(tmp_path, monkeypatch):
    """Would fail if letters that cannot be read were rendered, or a missing program found out clip by clip."""
    with pytest.raises(InputError, match="160 or more"):
        render_shorts(tmp_path, 1, 0, 0, size=96, written=True)
    monkeypatch.setattr(speech.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="apt install espeak-ng"):
        render_shorts(tmp_path, 1, 0, 0, spoken=True)
    assert not any(tmp_path.iterdir())


@needs_espeak
def test_every_phrase_fits_into_its_clip():
    """Would fail if the end of a phrase were cut off in the shortest clip that has one."""
    shortest = min(recipe.num_frames for recipe in sample_recipes("train", 100, 0, spoken=True) if recipe.speech)
    num_samples = round(shortest / 12 * 16_000)
    for number, phrase in enumerate(phrase for topic in SPOKEN_TOPICS.values() for phrase in topic):
        voice = speech.say(phrase, num_samples, number)
        assert voice.shape == (num_samples,) and np.abs(voice).max() == pytest.approx(0.8, abs=1e-3)
        assert np.abs(voice[-800:]).max() < 0.05, phrase


@needs_espeak
def test_clips_speak(tmp_path):
    """Would fail if a clip without a sound of its own had no voice, or a sound drowned it."""
    recipes = sample_recipes("train", 60, 2, spoken=True, written=True)
    silent = next(recipe for recipe in recipes if recipe.sound is None and recipe.speech and recipe.caption)
    loud = next(recipe for recipe in recipes if recipe.sound is not None and recipe.speech)
    for recipe in (silent, loud):
        render_clip(recipe, tmp_path / "clip.mp4", size=160)
        with av.open(str(tmp_path / "clip.mp4")) as container:
            sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
        voice = speech.say(recipe.speech, round(recipe.duration * 16_000), recipe.seed)
        # The encoder puts a thousand samples before the first one.
        both = np.correlate(sound, voice[: len(sound) // 2], mode="valid").max()
        assert both / (voice[: len(sound) // 2] ** 2).sum() == pytest.approx(1, abs=0.1)


@needs_espeak
def test_the_card_and_finished_sets(tmp_path):
    """Would fail if the card did not tell of the causes, or a set without words passed for one with them."""
    written = render_shorts(tmp_path, 2, 0, 0, size=160, num_workers=1, progress_bar=False, spoken=True, written=True)
    card = (tmp_path / "README.md").read_text()
    assert "| `spoken` |" in card and "| `written` |" in card and "`shown`" in card
    assert list(json.loads(written["train"].read_text().splitlines()[0])["causes"])[-2:] == list(READ_CAUSES)
    with pytest.raises(DatasetError, match="another seed"):
        render_shorts(tmp_path, 2, 0, 0, size=160, num_workers=1, progress_bar=False)
