"""Hashtag text rules against the twitter-text conformance suite and against properties."""

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transformers_ggm.errors import HashtagError
from transformers_ggm.processing import (
    extract_hashtags,
    is_valid_hashtag,
    join_hashtags,
    normalize_hashtag,
    remove_hashtags,
)

CONFORMANCE = Path(__file__).parents[2] / ".." / "shared" / "data" / "hashtag_conformance.yml"
TEXT_WITH_TAGS = st.text(st.sampled_from("aZ9_ #＃.!é漢ñİßΣﾀ゙\u0301\u200c\ufe0f&/:"), max_size=30) | st.text(
    max_size=20
)


def test_conformance():
    """Tags are found where twitter-text finds none, or cut elsewhere than a platform cuts them."""
    yaml = pytest.importorskip("yaml")
    if not CONFORMANCE.is_file():
        pytest.skip("../shared/data/hashtag_conformance.yml is missing: the twitter-text cases are not checked")
    cases = yaml.safe_load(CONFORMANCE.read_text(encoding="utf-8"))["hashtags"]
    wrong = [case["description"] for case in cases if extract_hashtags(case["text"]) != case["expected"]]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a#b", []),
        ("&#39;", []),
        ("&#nbsp", []),
        ("#a#b", []),
        ("#a://b", []),
        ("#\ufe0f\u20e3x", []),
        ("✌️#tag", ["tag"]),
        ("＃tag (#b)", ["tag", "b"]),
        ("#snow-storm", ["snow"]),
        ("", []),
    ],
)
def test_where_tags_begin_and_end(text, expected):
    """A sign inside a word, an HTML entity or a keycap emoji is taken for a hashtag, or a real one is missed."""
    assert extract_hashtags(text) == expected


@given(TEXT_WITH_TAGS)
def test_extracted_tags_are_valid_and_written_in_the_text(text):
    """Extraction returns something that the package itself refuses as a hashtag, or that is not in the text."""
    for tag in extract_hashtags(text):
        assert is_valid_hashtag(tag)
        assert re.search("[#＃]" + re.escape(tag), text)


@given(TEXT_WITH_TAGS)
@example("İ")
@example("#ΑΣ")
@example("ﾀ゙")
def test_normalizing_twice_changes_nothing(text):
    """One hashtag has two normal forms, so a pool holds it twice; or normalising makes it invalid."""
    if is_valid_hashtag(text):
        normal = normalize_hashtag(text)
        assert is_valid_hashtag(normal)
        assert normalize_hashtag(normal) == normal
        assert normalize_hashtag("#" + normal) == normal


def test_spellings_of_one_tag_are_one():
    """Case, the sign, or composed and decomposed accents make different hashtags."""
    assert len({normalize_hashtag(tag) for tag in ["Café", "#cafe\u0301", "＃CAFÉ", " café "]}) == 1


@pytest.mark.parametrize("tag", ["", "#", "##a", "two words", "2024", "_", "a-b", "#a#b", "\ufe0f", None, 3, "a\n#"])
def test_invalid_hashtags_are_refused_by_name(tag):
    """Something that no platform links becomes a hashtag, or the error does not say which one it was."""
    assert not is_valid_hashtag(tag)
    with pytest.raises(HashtagError, match=re.escape(repr(tag))):
        normalize_hashtag(tag)


@given(st.lists(st.text(st.sampled_from("aZ9_é漢ñİßΣﾀ゙\u0301\u200c"), max_size=6).map("x{}".format), max_size=5))
def test_joined_tags_are_extracted_again(tags):
    """The text the model learns to write does not read back as the hashtags it was made of."""
    assert extract_hashtags(join_hashtags(tags)) == [normalize_hashtag(tag) for tag in tags]


@given(TEXT_WITH_TAGS)
@example(":#Z\ufe0f#Z")
def test_no_hashtag_is_left_in_a_description(text):
    """The description shows the model the very tags it is to find; or the result is not clean text."""
    removed = remove_hashtags(text)
    assert extract_hashtags(removed) == []
    assert removed == " ".join(removed.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("first  snow #snow\nin #Toronto", "first snow in"),
        ("wow!#fun bus #16", "wow! bus"),
        ("C# and a#b stay", "C# and a#b stay"),
        ("#漢字。今日は", "。今日は"),
        ("plain", "plain"),
    ],
)
def test_removing_keeps_the_rest(text, expected):
    """Words of the description are lost with the hashtags, or #words stay."""
    assert remove_hashtags(text) == expected
