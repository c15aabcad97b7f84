"""The modules of `examples/space/`, which import each other by name, and the running app."""

import sys

import pytest
from space_server import SPACE, run_space
from transformers import pipeline

from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes

sys.path.insert(0, str(SPACE))


@pytest.fixture(scope="session")
def space(tmp_path_factory):
    """The app, started once for all tests."""
    with run_space(tmp_path_factory.mktemp("space")) as server:
        yield server


@pytest.fixture(scope="session")
def demo_model():
    """The pipeline that the app should be answering by."""
    return pipeline("hashtag-generation", device="cpu")


@pytest.fixture(scope="session")
def recipe():
    """A clip with a sound, and with a pair of colour and shape that the pool does not have."""
    return sample_recipes("test", 612)[611]


@pytest.fixture(scope="session")
def clip(recipe, tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "my short.mp4"
    render_clip(recipe, path)
    return path


@pytest.fixture
def not_a_clip(tmp_path):
    path = tmp_path / "notes.mp4"
    path.write_text("not a clip " * 100)
    return path
