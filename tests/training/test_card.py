import re
import shutil

import pytest
import yaml
from transformers import pipeline

from transformers_ggm import load_shorts


@pytest.fixture
def checkpoint(finished, shorts_dir, tmp_path, monkeypatch):
    """The working directory: a copy of a finished checkpoint, with a clip beside it."""
    folder = shutil.copytree(finished / "checkpoint", tmp_path / "checkpoint")
    shutil.copy(load_shorts(shorts_dir)["test"][0]["video"], folder / "clip.mp4")
    monkeypatch.chdir(folder)
    return folder


def test_usage_runs_as_written(checkpoint):
    """Would fail if the lines that everybody copies first did not run."""
    card = (checkpoint / "README.md").read_text(encoding="utf-8")
    (usage,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    names = {}
    exec(compile(usage, "README.md", "exec"), names)
    assert names["suggest"].task == "hashtag-generation"
    assert names["suggest"].hashtag_pool is not None


def test_pipeline_scores_every_hashtag(checkpoint):
    """Would fail if a checkpoint that training wrote could not be used for many clips at once."""
    suggest = pipeline("hashtag-generation", model=str(checkpoint))
    rows = suggest([{"video": "clip.mp4", "description": "snow"}, {"description": "words alone"}], batch_size=2)
    assert len(rows) == 2
    assert all(0 <= tag["score"] <= 1 and tag["hashtag"].startswith("#") for row in rows for tag in row)


def test_demonstration_is_called_one(checkpoint):
    """Would fail if the card of a model trained on rendered clips did not say so."""
    card = (checkpoint / "README.md").read_text(encoding="utf-8")
    assert "**A demonstration.** This model was trained on the synthetic clips of Rendered shorts alone" in card
    assert "**Trained from scratch:**" in card
    metadata = yaml.safe_load(card.split("---\n")[1])
    assert metadata["model-index"][0]["results"][0]["dataset"]["name"] == "Rendered shorts"
