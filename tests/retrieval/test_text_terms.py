"""The terms of texts, and what hashtags could stand in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transformers_ggm.retrieval.text_terms import LONGEST_HASHTAG, joined_words, text_terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("A b", ["a", "b", "a b"]),
        ("don't", ["don", "t", "don t"]),
        ("雪の日", ["雪", "の", "日", "雪の", "の日", "雪の日"]),
        ("snow 雪 day", ["snow", "雪", "day"]),
        ("Ünal", ["ünal"]),
    ],
)
def test_terms(text, terms):
    """Would fail if Chinese, Japanese or Thai sentences were one term each, which no other text shares."""
    assert text_terms(text) == terms


@pytest.mark.parametrize(
    ("text", "hashtag"),
    [
        ("a trip to New York", "newyork"),
        ("今天的手绘教程", "手绘"),
        ("so it is 2 pm", "2pm"),
        ("İstanbul", "i̇stanbul"),
    ],
)
def test_hashtags_that_stand_in_a_text(text, hashtag):
    """Would fail if a hashtag were not found though its words stand in the text."""
    assert hashtag in joined_words([text])


def test_texts_are_not_joined():
    """Would fail if the end of the description and the start of the transcript made a hashtag together."""
    assert joined_words(["new", "york"]) == {"new", "york"}


@given(st.text(max_size=200))
def test_no_text_is_too_much(text):
    """Would fail if some text broke the reading, or made longer candidates than a hashtag may be."""
    assert all(len(found) <= LONGEST_HASHTAG for found in joined_words([text]))
    assert all(term for term in text_terms(text))
