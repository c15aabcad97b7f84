"""Hashtags in answers of language models."""

import pytest

from transformers_ggm.processing.answer_hashtags import AnswerTokens, hashtag_places, parse_hashtags


@pytest.mark.parametrize(
    "answer, expected",
    [
        ("Sure! Here are the hashtags:\n\n#Snow #Winter", ["snow", "winter"]),
        ("Sure! Here are some:\n1. Snow\n2. Winter day", ["snow", "winterday"]),
        ('{"hashtags": ["#snow", "#winter"]}', ["snow", "winter"]),
        ('```json\n["snow", "first snow"]\n```', ["snow", "firstsnow"]),
        ('[{"hashtag": "snow"}, {"hashtag": "ice"}]', ["snow", "ice"]),
        ('"#snow", "#ice"', ["snow", "ice"]),
        ("**#snow**, `#ice`", ["snow", "ice"]),
        ("snow, ice; lake | sea", ["snow", "ice", "lake", "sea"]),
        ("#snow #snow #SNOW", ["snow"]),
        ("<think>Perhaps #dog?</think>\n#cat", ["cat"]),
        ("so I say #dog</think> #cat", ["cat"]),
        ("<think>#dog or #cat", []),
        ("See https://example.com/#about for #snow", ["snow"]),
        ("# Hashtags\n#snow", ["snow"]),
        ("&#35; #1 #2024", []),
        ("I am sorry, but I cannot help with videos of this kind.", ["iamsorry"]),
    ],
)
def test_whatever_is_around_them(answer, expected):
    """Would fail if one of the ways in which models answer hid hashtags, or made some of what is none."""
    assert parse_hashtags(answer, 10) == expected


@pytest.mark.parametrize("answer", ["Sure: #Snow#ice, and more", '["first snow", "ice"]', "1. *snow*\n2. ice!"])
def test_places(answer):
    """Would fail if the characters of a hashtag were others than those that spell it."""
    for tag, start, end in hashtag_places(answer):
        assert "".join(sign for sign in answer[start:end] if sign.isalpha()).lower() == tag
        assert not answer[start:end].strip().startswith(('"', "*", "1", "-"))


def test_cut_answers():
    """Would fail if half a hashtag at the greatest length were given out, or a whole one lost."""

    class Letters:
        all_special_ids = ()

        def decode(self, ids, **kwargs):
            return "".join(map(chr, ids))

    ids = list(map(ord, "#snow #wint"))
    assert AnswerTokens(Letters(), ids, is_cut=True).hashtags() == ["snow"]
    assert AnswerTokens(Letters(), ids).hashtags() == ["snow", "wint"]
    assert AnswerTokens(Letters(), list(map(ord, "#snow ")), is_cut=True).hashtags() == ["snow"]
    assert AnswerTokens(Letters(), ids).spans()[0] == ("snow", [0, 1, 2, 3, 4])
