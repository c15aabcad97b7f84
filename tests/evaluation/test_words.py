import pytest
import wordninja
from hypothesis import given
from hypothesis import strategies as st

from transformers_ggm.evaluation import split_words


@given(st.from_regex(r"[a-z0-9]{1,12}", fullmatch=True))
def test_nothing_is_lost(hashtag):
    """Would fail if a letter or digit were dropped or moved."""
    assert "".join(split_words(hashtag)) == hashtag
    assert list(split_words(hashtag)) == wordninja.split(hashtag)


@pytest.mark.parametrize("hashtag", ["münchen", "東京", "снегопад", "café"])
def test_outside_ascii(hashtag):
    """Would fail if letters that wordninja does not know were dropped."""
    assert split_words(hashtag) == (hashtag,)


@pytest.mark.parametrize(
    "hashtag, words", [("blue_square", ("blue", "square")), ("_", ("_",)), ("firstsnow", ("first", "snow"))]
)
def test_words(hashtag, words):
    """Would fail if compounds stayed whole, or a hashtag had no words at all."""
    assert split_words(hashtag) == words
