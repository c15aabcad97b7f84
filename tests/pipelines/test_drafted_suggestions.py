"""Greedy suggestions take whole hashtags of the guidance at a time, and are the same as without."""

import pytest
import torch
from transformers import pipeline

from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes


@pytest.fixture(scope="module")
def suggest():
    """The bundled checkpoint."""
    return pipeline("hashtag-generation", device="cpu", dtype=torch.float32)


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    recipes = sample_recipes("test", 6)
    items = [{"video": str(folder / f"{recipe.id}.mp4"), "description": recipe.description} for recipe in recipes]
    for recipe, item in zip(recipes, items):
        render_clip(recipe, item["video"])
    return items


def test_same_hashtags_in_fewer_passes(suggest, items):
    """Would fail if drafts changed what is suggested or its scores, or did not save passes of the decoder."""
    passes = []
    hook = suggest.model.get_decoder().register_forward_hook(lambda *_: passes.append(1))
    alone = [suggest(item, num_beams=1) for item in items]
    with_drafts = len(passes)
    suggest._drafting, original = lambda *_: {}, suggest._drafting
    plain = [suggest(item, num_beams=1) for item in items]
    suggest._drafting = original
    hook.remove()
    assert [[tag["hashtag"] for tag in tags] for tags in alone] == [[tag["hashtag"] for tag in tags] for tags in plain]
    scores = [[tag["score"] for tags in answers for tag in tags] for answers in (alone, plain)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)
    assert with_drafts < 0.8 * (len(passes) - with_drafts)
    assert [[tag["hashtag"] for tag in tags] for tags in suggest(items, num_beams=1, batch_size=3)] == [
        [tag["hashtag"] for tag in tags] for tags in plain
    ]


@pytest.mark.parametrize(
    "decoding", [{}, {"num_beams": 2}, {"num_beams": 1, "do_sample": True}, {"num_beams": 1, "top_k": 3}]
)
def test_other_decoding_is_left_as_it_is(suggest, decoding):
    """Would fail if beams or samples were replaced by greedy search."""
    assert suggest._drafting([{"snow": 0.5}], decoding) == {}
    assert suggest._drafting([{"snow": 0.5}], {"num_beams": 1}).keys() == {"custom_generate", "drafts"}
    assert suggest._drafting([{}], {"num_beams": 1}) == {}
