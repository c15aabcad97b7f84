"""Suggestions by the package's own searches are those of `generate`, in fewer passes of the decoder."""

import pytest
import torch
from transformers import pipeline

from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes
from transformers_ggm.modeling.drafted_decoding import drafted_greedy_search
from transformers_ggm.modeling.tree_beam_search import tree_beam_search
from transformers_ggm.pipelines import hashtag_generation
from transformers_ggm.pipelines.tree_decoding import hashtag_drafts, search_arguments


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


@pytest.fixture
def passes(suggest):
    """Grows by one with every pass of the decoder."""
    passes = []
    hook = suggest.model.lm_head.register_forward_hook(lambda *_: passes.append(1))
    yield passes
    hook.remove()


@pytest.fixture
def without_own_searches(monkeypatch):
    return lambda: monkeypatch.setattr(hashtag_generation, "search_arguments", lambda *_: {})


def names(answers):
    return [[tag["hashtag"] for tag in tags] for tags in answers]


def scores(answers):
    return [tag["score"] for tags in answers for tag in tags]


@pytest.mark.parametrize("num_beams, saved", [(1, 0.5), (5, 1.0)])
def test_same_hashtags_in_fewer_passes(suggest, items, passes, without_own_searches, num_beams, saved):
    """Would fail if drafts or beams that share a tree changed what is suggested or its scores, alone or in a batch, if
    drafts did not save passes of the decoder, or scores took a pass more although all was computed."""
    alone = [suggest(item, num_beams=num_beams) for item in items]
    own = len(passes)
    batch = suggest(items, num_beams=num_beams, batch_size=3)
    without_own_searches()
    passes.clear()
    plain = [suggest(item, num_beams=num_beams) for item in items]
    assert names(alone) == names(plain) == names(batch)
    assert scores(alone) == pytest.approx(scores(plain), abs=1e-4)
    assert scores(batch) == pytest.approx(scores(plain), abs=1e-4)
    assert own <= saved * len(passes) - len(items) * (num_beams > 1)


def test_merged_sequences(suggest, items, without_own_searches):
    """Would fail if several sequences of an item were not scored each with its own tokens."""
    options = {"num_beams": 4, "num_return_sequences": 3, "batch_size": 3}
    own = suggest(items, **options)
    without_own_searches()
    plain = suggest(items, **options)
    assert names(own) == names(plain) and scores(own) == pytest.approx(scores(plain), abs=1e-4)


@pytest.mark.parametrize(
    "decoding, search",
    [
        ({}, tree_beam_search),
        ({"num_beams": 2, "length_penalty": 0.5}, tree_beam_search),
        ({"num_beams": 1}, drafted_greedy_search),
        ({"num_beams": 1, "num_return_sequences": 2}, None),
        ({"num_beams": 1, "do_sample": True}, None),
        ({"do_sample": True}, None),
        ({"num_beams": 1, "top_k": 3}, None),
        ({"cache_implementation": "static"}, None),
    ],
)
def test_which_search(suggest, decoding, search):
    """Would fail if samples, or what a setting changes otherwise, were replaced by beams or greedy search."""
    arguments = search_arguments(suggest.model, suggest.processor.tokenizer, [["snow"], []], decoding)
    assert arguments.get("custom_generate") is search
    assert ("drafts" in arguments) == (search is drafted_greedy_search)


def test_drafts_begin_as_targets_do(suggest):
    """Would fail if the tokens of a target's beginning were guessed wrong, or an item without guidance failed."""
    tokenizer = suggest.processor.tokenizer
    target = tokenizer(text_target="#blackbolt #gymday")["input_ids"]
    drafts = hashtag_drafts(tokenizer, ["blackbolt", "gymday"])
    start = [suggest.model.config.decoder_start_token_id]
    opened = drafts.after(start)
    assert opened == target[: len(opened)] and tokenizer.decode(opened).endswith("#blackbolt #")
    assert drafts.after([*start, *opened])[:-1] == target[len(opened) : -1]
    assert hashtag_drafts(tokenizer, []).after(start) == []
