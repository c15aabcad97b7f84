"""What cards tell of sources and ranker, as far as they are there."""

import copy

import pytest
from card_samples import SUMMARY, holes

from transformers_ggm.hub_cards.recommendation_card import answer_metrics, recommendation_facts
from transformers_ggm.hub_cards.rendering import fill
from transformers_ggm.hub_cards.switches import reading

RECALL = {"1": 10.0, "5": 20.0, "10": 33.333, "25": 40.0, "50": 55.5, "100": 60.0}
FOUND = {
    "metrics": {
        "f1": {"mean": 41.456, "low": 38.7, "high": 44.2},
        "rouge1": {"mean": 43.3, "low": 40.0, "high": 46.1},
    },
    "hashtags_shown": 2.345,
    "calibration_error": 0.01349,
    "calibration_error_on_validation": 0.0206,
    "validation_rows": 1028,
    "posts": {"size": 7585, "searches": ["sparse"], "stores_text": False},
    "sources": {"words": {"recall_at_k": RECALL, "cut": 2, "f1": 31.0}},
}


def text_of(folder, **changed):
    summary = {**SUMMARY, "recommender": {**copy.deepcopy(FOUND), **changed}}
    return fill(
        "parts/recommendation.md", recommendation=recommendation_facts(summary, folder), this="this checkpoint"
    )


def test_figures_of_sources_and_ranker(tmp_path):
    """Would fail if a figure stood beside another name, or the reader could not tell how sure it is."""
    text = text_of(tmp_path)
    assert "| F1 | 41.46 | 38.70 to 44.20 |" in text and "| `words` | 33.33 | 55.50 | 2 | 31.00 |" in text
    assert "0.013 (0 is best; 0.021 where" in text and "1028 rows of the validation split" in text
    assert "It answers 2.3 hashtags on average" in text and holes(text) == []


def test_keys_that_have_been_json_or_not(tmp_path):
    """Would fail if a card could be written only before the figures were stored, or only after."""
    numbers = {int(k): value for k, value in RECALL.items()}
    sources = {"words": {"recall_at_k": numbers, "cut": 2, "f1": 31.0}}
    assert text_of(tmp_path, sources=sources) == text_of(tmp_path)


def test_plot_is_shown_where_it_is(tmp_path):
    """Would fail if a card showed a picture that is not there."""
    assert "reliability.png" not in text_of(tmp_path)
    (tmp_path / "reliability.png").touch()
    assert "](reliability.png)" in text_of(tmp_path)


@pytest.mark.parametrize(
    ("posts", "said"),
    [
        ({"size": 5, "searches": ["sparse"], "stores_text": False}, "Their words are not stored."),
        ({"size": 5, "searches": ["dense"], "stores_text": True}, "**Their words are stored.**"),
        (None, "on average"),
    ],
)
def test_what_of_the_posts_is_stored(posts, said, tmp_path):
    """Would fail if people's words were in a checkpoint, or posts at all, without a word."""
    text = text_of(tmp_path, posts=posts)
    assert said in text and ("folder `posts`" in text) == (posts is not None) and holes(text) == []


def test_nothing_without_a_ranker(tmp_path):
    """Would fail if a published checkpoint's card spoke of sources that it does not have."""
    assert recommendation_facts(SUMMARY, tmp_path) is None
    assert fill("parts/recommendation.md", recommendation=None) == ""
    assert answer_metrics(SUMMARY) == SUMMARY["best_checkpoint"]


def test_published_figures_are_of_what_is_answered():
    """Would fail if the Hub showed the generator's figures for a checkpoint whose ranker answers."""
    assert answer_metrics({**SUMMARY, "recommender": FOUND}) == {"f1": 41.456, "rouge1": 43.3}


def test_what_guides_is_told():
    """Would fail if fused guidance were said to be the retriever's."""
    assert "several sources" in reading(["text"], True, is_fused=True)
    assert "a retriever finds" in reading(["text"], True)
