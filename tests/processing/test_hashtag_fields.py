"""Fields of hashtags in the forms of tables and records, by examples and by properties over printed forms."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transformers_ggm import extract_hashtags, is_valid_hashtag, normalize_hashtag
from transformers_ggm.processing.hashtag_fields import DroppedHashtags, read_hashtags

TEXTS = {
    "#a#b#c": (["a", "b", "c"], []),
    "#lake;#sea|sun、雪": (["lake", "sea", "sun", "雪"], []),
    "snow，lake；sea｜sun／rain、x。y！z": (["snow", "lake", "sea", "sun", "rain", "x", "y", "z"], []),
    "snow\nlake\tsea\u3000sun\u200brain": (["snow", "lake", "sea", "sun", "rain"], []),
    "سفر، طعام؛ بحر": (["سفر", "طعام", "بحر"], []),
    "हिम। झील": (["हिम", "झील"], []),
    "snow#lake#sun": (["snow", "lake", "sun"], []),
    "# snow # lake ##sun": (["snow", "lake", "sun"], []),
    "#snow/#lake • rain": (["snow", "lake", "rain"], []),
    "・雪 ・海、トム・クルーズ": (["雪", "海", "トム・クルーズ"], []),
    "“snow”, «lake» (rain) *sun*": (["snow", "lake", "rain", "sun"], []),
    "snow❄️ lake": (["snow", "lake"], []),
    "#snow❄️#lake": (["snow", "lake"], []),
    "snow & lake - sun": (["snow", "lake", "sun"], []),
    "#Snow #lake, #snow and more #16": (["snow", "lake"], ["and", "more", "#16"]),
    "#snow-storm #it's": (["snow", "it"], ["#snow-storm", "#it's"]),
    "C++, C#, R&amp;B, rock&#39;n, @user, rust": (["rust"], ["C++", "C#", "R&B", "rock'n", "@user"]),
    "https://x.com/#about #a": (["a"], ["https://x.com/#about"]),
    "site.com/#about, b": (["b"], ["site.com/#about,"]),
    "2024, ❄️, U.S.A.": ([], ["2024", "❄️", "U.S.A."]),
    "nan": ([], ["nan"]),
    "#nan": (["nan"], []),
    "": ([], []),
    " ,;-- ... ": ([], []),
    "[]": ([], []),
    "null": ([], ["null"]),
}
LISTS = {
    '["a", "two words"]': (["a"], ["two words"]),
    "['a', \"it's\"]": (["a"], ["it's"]),
    "['a' 'b'\n 'c']": (["a", "b", "c"], []),
    "array(['a', 'b c'], dtype='<U3')": (["a"], ["b c"]),
    "[snow, lake]": (["snow", "lake"], []),
    "{snow,lake}": (["snow", "lake"], []),
    '{"b","a"}': (["b", "a"], []),
    "{'b', 'a'}": (["b", "a"], []),
    "('a',)": (["a"], []),
    '{"name": "snow", "id": 7}': (["snow"], []),
    "[{'text': 'snow', 'indices': [0, 4]}]": (["snow"], []),
    '"[\\"a\\", \\"b\\"]"': (["a", "b"], []),
    "'a', 'b'": (["a", "b"], []),
    '["a", "b"': (["a", "b"], []),
    '["\\u00e9t\\u00e9"]': (["été"], []),
    "(snow) lake": (["snow", "lake"], []),
    "deque(['a', 'b'])": (["a", "b"], []),
    "dict_values(['a'])": (["a"], []),
    "Snow(2024)": ([], ["Snow(2024)"]),
    "&#1": ([], ["&#1"]),
    "a&#x1;b &#33; #c": (["b", "c"], ["a&#x1"]),
    "Lake (winter)": (["lake", "winter"], []),
}
VALUES = [
    (None, [], []),
    (float("nan"), [], []),
    (pd.NA, [], []),
    (pd.NaT, [], []),
    (np.array(["a", "b"]), ["a", "b"], []),
    (np.array([["a"], ["b"]], object), ["a", "b"], []),
    (pd.Series(["a", None]), ["a"], []),
    (pa.array(["a", None]), ["a"], []),
    (pa.scalar("#a #b"), ["a", "b"], []),
    (b"#a #b", ["a", "b"], []),
    ({"b", "a"}, ["a", "b"], []),
    ({"x": "a"}.values(), ["a"], []),
    (iter("ab"), ["a", "b"], []),
    ({"hashtagName": "snow", "type": 1}, ["snow"], []),
    ({"x": "1", "y": "2"}, [], ["{'x': '1', 'y': '2'}"]),
    ({"x": None, "y": None}, [], []),
    (["a", ["b", ("c", "two words")]], ["a", "b", "c"], ["two words"]),
    (["#first snow", "x,y", "New York, NY"], ["first", "x", "y", "ny"], ["snow", "New York"]),
    (["nan", 2024, 1.5, True], ["nan"], ["2024", "1.5", "True"]),
]


@pytest.mark.parametrize("text", [*TEXTS, *LISTS])
def test_forms_of_text(text):
    """Would fail if a way in which tables write hashtags lost one, made one up, or lost it without a word."""
    found = read_hashtags(text)
    assert (found.hashtags, found.dropped) == {**TEXTS, **LISTS}[text]


@pytest.mark.parametrize(("value", "hashtags", "dropped"), VALUES, ids=range(len(VALUES)))
def test_forms_of_values(value, hashtags, dropped):
    """Would fail if a kind of value were refused, read in another order, or lost without a word."""
    found = read_hashtags(value)
    assert (found.hashtags, found.dropped) == (hashtags, dropped)


@pytest.mark.parametrize("text", ["[", "[[", "'", "#", "# ", "((", '{"a":', "[1,", "&#", "‟", "dtype= "])
def test_hostile_fields(text):
    """
    Would fail if a field that somebody wrote for the purpose ended in an error of a parser, or lost what follows.
    """
    assert "end" in read_hashtags(text * 20_000 + "\n#end").hashtags
    assert read_hashtags("[" * 5_000 + "'a'" + "]" * 5_000).hashtags == ["a"]
    nested = "deep"
    for _ in range(50):
        nested = [nested]
    assert read_hashtags(nested).dropped


TAGS = st.lists(
    st.text(st.characters(categories=["L", "Nd"], include_characters="_"), min_size=1)
    .filter(is_valid_hashtag)
    .filter(lambda tag: tag.casefold() not in ("nan", "none", "null", "nat", "undefined"))
)


@settings(deadline=None)
@given(TAGS)
def test_all_forms_agree(tags):
    """Would fail if the same hashtags came out differently from a list and from any form of text."""
    expected = list(dict.fromkeys(map(normalize_hashtag, tags)))
    separated = [mark.join(tags) for mark in (", ", ";", "|", "、", " / ", "\n", "｜", "\t")]
    signed = ["".join(f"#{tag}" for tag in tags), " ".join(f"＃{tag}" for tag in tags)]
    printed = [json.dumps(tags), str(tags), str(tuple(tags)), str(np.array(tags, object)), f"{{{','.join(tags)}}}"]
    for form in (tags, tuple(tags), np.array(tags, object), *separated, *signed, *printed):
        found = read_hashtags(form)
        assert (found.hashtags, found.dropped) == (expected, []), form


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(ANY)
def test_any_value_gives_valid_hashtags(value):
    """Would fail if a value ended in an error, or what is given were not normalised, or stood there twice."""
    found = read_hashtags(value)
    assert found.hashtags == [normalize_hashtag(tag) for tag in found.hashtags]
    assert len(set(found.hashtags)) == len(found.hashtags)
    assert all(isinstance(text, str) and 0 < len(text) <= 60 for text in found.dropped)


@settings(deadline=None)
@given(st.text(st.sampled_from("aé雪1 #＃,;/-.'\"[]{}()&:@"), max_size=20))
def test_nothing_is_lost_without_a_word(text):
    """Would fail if a hashtag of running text, or a letter of any entry, were neither found nor told."""
    found = read_hashtags(text)
    told = "".join([*found.hashtags, *found.dropped])
    assert set("aé雪1") & set(text) <= set(told)
    if not set("[{(\"'&") & set(text):
        assert {normalize_hashtag(tag) for tag in extract_hashtags(text)} <= set(found.hashtags)


def test_counts():
    """
    Would fail if numbers of entries and rows were confused, rare examples hid common ones, or memory had no bound.
    """
    dropped = DroppedHashtags()
    assert not dropped
    dropped.add([])
    dropped.add(["x y"])
    assert str(dropped) == "1 entry in the hashtags of 1 row is no hashtag and was left out: 'x y'"
    for number in range(20_000):
        dropped.add([f"{number} times", "x y"])
    assert (dropped.count, dropped.rows, dropped.examples["x y"]) == (40_001, 20_001, 20_001)
    assert len(dropped.examples) == 10_000 and len(dropped.to_dict()["examples"]) == 20
    assert "'x y' (20001 times), '0 times'" in str(dropped) and str(dropped).endswith(", ...")
