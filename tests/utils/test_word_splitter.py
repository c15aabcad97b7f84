from importlib.metadata import version

import pytest
import wordninja
from hypothesis import given
from hypothesis import strategies as st

import transformers_ggm
from transformers_ggm.evaluation import get_word_splitter, split_words, word_splitter_name


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


def test_named_splitters():
    """Would fail if a name stood for another splitter, or marks were torn from their letters."""
    assert get_word_splitter("wordninja") is split_words
    assert get_word_splitter("whole")("bluesquare") == ("bluesquare",)
    assert get_word_splitter("characters")("สี้e\u0301") == ("สี้", "e\u0301")


def test_own_splitter():
    """Would fail if a function were not taken as it is."""
    split = wordninja.DEFAULT_LANGUAGE_MODEL.split
    assert get_word_splitter(split) == split


def test_unknown_splitter():
    """Would fail if a mistyped name did not say which there are."""
    with pytest.raises(ValueError, match="'nltk': give one of 'wordninja', 'characters', 'whole'"):
        get_word_splitter("nltk")


def _halves(hashtag):
    return [hashtag[:2], hashtag[2:]]


class _Splitter:
    def __call__(self, hashtag):
        return [hashtag]


@pytest.mark.parametrize(
    "splitter, name",
    [
        ("wordninja", f"wordninja {version('wordninja')}"),
        (split_words, f"wordninja {version('wordninja')}"),
        ("whole", f"whole (transformers-ggm {transformers_ggm.__version__})"),
        (wordninja.DEFAULT_LANGUAGE_MODEL.split, f"wordninja.LanguageModel.split (wordninja {version('wordninja')})"),
        (_halves, f"{__name__}._halves"),
        (_Splitter(), f"{__name__}._Splitter"),
        (str.split, "builtins.str.split"),
    ],
)
def test_names_for_reports(splitter, name):
    """Would fail if a report did not say what split the words, and in which version."""
    assert word_splitter_name(splitter) == name
