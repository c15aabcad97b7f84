"""Fixtures of this folder: clips and tokenizers made on the spot."""

import pytest
from processing_samples import TOKENIZERS, bart_like_fast, write_clip

from transformers_ggm.processing import GGMVideoProcessor

# Doctest collection would import this file a second time, under the name that other folders' files have too.
collect_ignore = ["conftest.py"]


@pytest.fixture(params=sorted(TOKENIZERS))
def any_tokenizer(request):
    return TOKENIZERS[request.param]()


@pytest.fixture
def tokenizer():
    return bart_like_fast()


@pytest.fixture
def video_processor():
    return GGMVideoProcessor(size={"shortest_edge": 16})


@pytest.fixture
def clip(tmp_path):
    """Two seconds at 10 frames per second, with a tone of 440 Hz."""
    return write_clip(tmp_path / "clip.mp4", [index / 10 for index in range(20)], 2.0, tone=440)


@pytest.fixture
def silent_clip(tmp_path):
    """One second at 10 frames per second without sound."""
    return write_clip(tmp_path / "silent.mp4", [index / 10 for index in range(10)], 1.0)
