"""The checkpoint that comes with the package."""

from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from transformers import AutoModelForSeq2SeqLM, AutoProcessor, pipeline

from transformers_ggm import GGMForHashtagGeneration, GGMProcessor
from transformers_ggm.data.rendered_shorts import held_out_compounds, render_clip, sample_recipes
from transformers_ggm.hub_cards.pool_statistics import pool_statistics
from transformers_ggm.pipelines import DEMO_CHECKPOINT

# The last clips of a test split of which docs/results.md uses the first 600.
FIRST, LAST = 700, 712


@pytest.fixture(scope="module")
def suggest():
    return pipeline("hashtag-generation")


def test_is_small_and_holds_no_code():
    """Would fail if the package outgrew what was promised (12 MB), or carried files that can run code."""
    files = [path for path in Path(DEMO_CHECKPOINT).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 12_000_000
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".parquet", ".md"}


def test_card_says_what_it_is():
    """Would fail if somebody could take the demonstration for a model of real videos."""
    card = ModelCard.load(Path(DEMO_CHECKPOINT, "README.md"))
    assert "**A demonstration.**" in card.text
    assert "facebook/bart-base" in card.text
    assert card.data.license == "apache-2.0"


def test_card_tells_of_this_pool(suggest):
    """Would fail if the pool were changed and the card kept the metrics of the old one."""
    text = Path(DEMO_CHECKPOINT, "README.md").read_text(encoding="utf-8")
    statistics = pool_statistics(suggest.hashtag_pool.hashtags, suggest.hashtag_pool.counts)
    assert all(f"| {name} | {value} |\n" in text for name, value in statistics["rows"].items())
    assert statistics["frequent"] in text


def test_auto_classes_load_it():
    """Would fail if `config.json` or `processor_config.json` did not lead to our classes."""
    assert isinstance(AutoModelForSeq2SeqLM.from_pretrained(DEMO_CHECKPOINT), GGMForHashtagGeneration)
    assert isinstance(AutoProcessor.from_pretrained(DEMO_CHECKPOINT), GGMProcessor)


def test_pool_lacks_what_training_lacked(suggest):
    """Would fail if the pool knew compounds that the results call unseen."""
    assert not set(held_out_compounds()) & set(suggest.hashtag_pool.hashtags)


def test_knows_what_it_sees_hears_and_reads(suggest, tmp_path):
    """Would fail if the pipeline prepared clips in another way than training did: then it would be near chance."""
    recipes = sample_recipes("test", LAST)[FIRST:]
    for recipe in recipes:
        render_clip(recipe, tmp_path / f"{recipe.id}.mp4")
    items = [{"video": tmp_path / f"{recipe.id}.mp4", "description": recipe.description} for recipe in recipes]
    found = [{row["hashtag"].removeprefix("#") for row in rows} for rows in suggest(items, batch_size=4)]
    for cause in ("seen", "heard", "words"):
        true = [(set(recipe.causes[cause]), tags) for recipe, tags in zip(recipes, found)]
        recall = sum(len(tags & guessed) for tags, guessed in true) / sum(len(tags) for tags, _ in true)
        assert recall > 0.6, cause
