"""The demo checkpoint, clips for it, and applications that answer by it."""

import pytest

pytest.importorskip("fastapi", reason="pip install transformers-ggm[serve]")
pytest.importorskip("ahocorasick_rs", reason="pip install transformers-ggm[serve]")

from transformers import pipeline

from transformers_ggm import DEMO_CHECKPOINT
from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes


@pytest.fixture(scope="session")
def suggest():
    """What `ggm serve` answers by."""
    return pipeline("hashtag-generation", model=DEMO_CHECKPOINT, device="cpu", safe=True)


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """Clips by their path, each with its author's words."""
    folder = tmp_path_factory.mktemp("served_clips")
    found = {}
    for number, recipe in enumerate(sample_recipes("test", 4)):
        path = folder / f"clip{number}.mp4"
        render_clip(recipe, path, size=32)
        found[path] = recipe.description
    return found
