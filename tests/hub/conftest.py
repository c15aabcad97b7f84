"""Checkpoints and a clip for the tests of sharing."""

import pytest
from hub_samples import write_second_checkpoint

from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes

collect_ignore = ["conftest.py"]


@pytest.fixture(scope="session")
def second(tmp_path_factory):
    """A checkpoint that differs from the bundled one in every part that can be told from outside."""
    return write_second_checkpoint(tmp_path_factory.mktemp("checkpoints") / "second")


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """A small clip with sound."""
    recipe = next(recipe for recipe in sample_recipes("test", 60) if recipe.sound is not None)
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    render_clip(recipe, str(path), size=32)
    return str(path)
