"""Features of sounds, whichever feature extractor makes them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_info
from transformers import Wav2Vec2FeatureExtractor

from transformers_ggm.processing.sound_features import sound_features

WAVEFORM = np.zeros(16_000, np.float32)


def numpy_threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_numpy_has_its_threads_back_after_calls_at_the_same_time():
    """Would fail if, of two threads that limit numpy's threads, the later one put back what the first had set."""
    first_is_in, second_is_in, first_is_out = threading.Event(), threading.Event(), threading.Event()
    seen = []

    class First(Wav2Vec2FeatureExtractor):
        def __call__(self, *args, **kwargs):
            first_is_in.set()
            seen.append(numpy_threads())
            # In vain, unless both can be in at once.
            second_is_in.wait(timeout=0.3)
            return super().__call__(*args, **kwargs)

    class Second(Wav2Vec2FeatureExtractor):
        def __call__(self, *args, **kwargs):
            second_is_in.set()
            seen.append(numpy_threads())
            assert first_is_out.wait(timeout=60)
            return super().__call__(*args, **kwargs)

    before = numpy_threads()
    if before == {1}:
        pytest.skip("numpy has one thread to begin with")
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(sound_features, First(), [WAVEFORM])
        assert first_is_in.wait(timeout=60)
        second = threads.submit(sound_features, Second(), [WAVEFORM])
        first.result(timeout=60)
        first_is_out.set()
        second.result(timeout=60)
    assert seen == [{1}, {1}]
    assert numpy_threads() == before
