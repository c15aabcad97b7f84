"""Features of sounds, whichever feature extractor makes them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info
from transformers import (
    ASTFeatureExtractor,
    ClapFeatureExtractor,
    SeamlessM4TFeatureExtractor,
    Speech2TextFeatureExtractor,
    Wav2Vec2FeatureExtractor,
    WhisperFeatureExtractor,
)

from transformers_ggm.processing import GGMProcessor
from transformers_ggm.processing.sound_features import batch_sounds, sound_features, time_axis

WAVEFORM = np.zeros(16_000, np.float32)


def numpy_threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_numpy_has_its_threads_back_after_calls_at_the_same_time():
    """Would fail if, of two threads that limit numpy's threads, the later one put back what the first had set."""
    first_is_in, second_is_in, first_is_out = threading.Event(), threading.Event(), threading.Event()
    seen = []

    class Watched(Wav2Vec2FeatureExtractor):
        on_call = None

        def __call__(self, *args, **kwargs):
            if self.on_call:
                self.on_call()
            return super().__call__(*args, **kwargs)

    def first_call():
        first_is_in.set()
        seen.append(numpy_threads())
        # In vain, unless both can be in at once.
        second_is_in.wait(timeout=0.3)

    def second_call():
        second_is_in.set()
        seen.append(numpy_threads())
        assert first_is_out.wait(timeout=60)

    before = numpy_threads()
    if before == {1}:
        pytest.skip("numpy has one thread to begin with")
    extractors = [Watched(), Watched()]
    for extractor, on_call in zip(extractors, (first_call, second_call)):
        sound_features(extractor, WAVEFORM)
        extractor.on_call = on_call
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(sound_features, extractors[0], WAVEFORM)
        assert first_is_in.wait(timeout=60)
        second = threads.submit(sound_features, extractors[1], WAVEFORM)
        first.result(timeout=60)
        first_is_out.set()
        second.result(timeout=60)
    assert seen == [{1}, {1}]
    assert numpy_threads() == before


EXTRACTORS = {
    "wav2vec2": (Wav2Vec2FeatureExtractor(), 0),
    "wav2vec2 without its mask": (Wav2Vec2FeatureExtractor(return_attention_mask=False), 0),
    "seamless": (SeamlessM4TFeatureExtractor(), 0),
    "speech_to_text": (Speech2TextFeatureExtractor(), 0),
    "ast": (ASTFeatureExtractor(), None),
    "clap": (ClapFeatureExtractor(), None),
    "whisper": (WhisperFeatureExtractor(), None),
}


@pytest.mark.parametrize("name", EXTRACTORS)
def test_features_are_those_of_the_sound_alone(name):
    """
    Would fail if a sound's features had to do with those beside it, if padding had no mask, or silence no numbers.
    """
    extractor, axis = EXTRACTORS[name]
    assert time_axis(extractor) == axis
    rate, generator = extractor.sampling_rate, np.random.default_rng(0)
    waveforms = [generator.normal(0, 0.1, round(s * rate)).astype(np.float32) for s in (0.5, 1.0, 0.01)]
    sounds = [
        *(sound_features(extractor, waveform) for waveform in waveforms),
        None,
        sound_features(extractor, WAVEFORM),
    ]
    assert all(sound.isfinite().all() for sound in sounds if sound is not None)
    batch = batch_sounds(extractor, sounds)
    assert batch["audio_mask"].tolist() == [1, 1, 1, 0, 1]
    options = {} if axis is None else {"padding": True}
    alone = extractor([waveforms[1]], sampling_rate=rate, return_tensors="pt", **options)
    expected = alone["input_features" if "input_features" in alone else "input_values"]
    torch.testing.assert_close(batch["input_features"][1:2, : expected.shape[1]], expected, atol=1e-6, rtol=0)
    if axis is None:
        assert "input_features_mask" not in batch
        return
    mask = batch["input_features_mask"]
    assert mask.sum(dim=1).tolist() == [0 if sound is None else len(sound) for sound in sounds]
    for features, row, sound in zip(batch["input_features"], mask.bool(), sounds):
        assert (features[~row] == 0).all()
        assert sound is None or torch.equal(features[row], sound)


def test_the_processor_masks_what_it_pads(tokenizer, video_processor, clip, silent_clip):
    """Would fail if the processor left the mask out, did not name it, or named it where there is none."""
    frames = np.zeros((2, 16, 16, 3), np.uint8)
    short = np.full(3200, 0.1, np.float32)
    hearing = GGMProcessor(video_processor, tokenizer, Wav2Vec2FeatureExtractor())
    batch = hearing(videos=[clip, silent_clip, frames], return_tensors="np")
    assert set(batch) == set(hearing.model_input_names)
    assert batch["input_features"].shape == batch["input_features_mask"].shape
    assert batch["audio_mask"].tolist() == [1, 0, 0]
    # The clip's sound is compressed, which adds some samples.
    assert batch["input_features_mask"].sum(axis=1).tolist() == [batch["input_features"].shape[1], 0, 0]
    together = hearing(videos=[frames, frames], audio=[short, np.tile(short, 9)], sampling_rate=16_000)
    alone = hearing(videos=frames, audio=short, sampling_rate=16_000)
    length = int(alone["input_features_mask"].sum())
    assert torch.equal(together["input_features"][:1, :length], alone["input_features"])
    assert together["input_features_mask"].sum(dim=1).tolist() == [length, 9 * len(short)]
    for extractor in (WhisperFeatureExtractor(), None):
        assert "input_features_mask" not in GGMProcessor(video_processor, tokenizer, extractor).model_input_names
