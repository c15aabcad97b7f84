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
PARTS = ["#", "＃", "a", "漢", " ", "/", "site.com", "http://", "www.", "(", ")", "?", "。", "@", "😀", "\ufe0f", "."]
TEXT_WITH_TAGS = (
    st.text(st.sampled_from("aZ9_ #＃.!é漢ñİßΣﾀ゙\u0301\u200c\ufe0f&/:"), max_size=30)
    | st.text(max_size=20)
    | st.lists(st.sampled_from(PARTS), max_size=12).map("".join)
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
@example("\u3164")
@example("ﾞ\u0301")
def test_normalizing_twice_changes_nothing(text):
    """One hashtag has two normal forms, so a pool holds it twice; or normalising makes it invalid."""
    if is_valid_hashtag(text):
        normal = normalize_hashtag(text)
        assert is_valid_hashtag(normal)
        assert normalize_hashtag(normal) == normal
        assert normalize_hashtag("#" + normal) == normal


@pytest.mark.parametrize(
    "spellings",
    [
        ("Café", "#cafe\u0301", "＃CAFÉ", " café "),
        ("#İstanbul", "#istanbul"),
        ("#STRASSE", "straße"),
        ("＃ｓｎｏｗ", "snow"),
    ],
)
def test_spellings_of_one_tag_are_one(spellings):
    """The sign, or what the spelling's rules are about, makes different hashtags."""
    assert len({normalize_hashtag(tag) for tag in spellings}) == 1


ADDRESSES = [
    "site.com/#about", "http://site.com/#about", "https://site.com/a/#b", "HTTPS://SITE.COM/#A", "www.site.example/#x",
    "m.site.co.uk/#a", "site.com?q=#x", "site.com:8080/#x", "ftp://h/#a", "http://user:pw@x.com/#q", "s3://bucket/#a",
    "http://localhost:3000/#/r", "x.com/a(#b)", "youtube.com/watch?v=1&t=2/#t", "пример.рф/#x", "x.com/#雪",
    "https://ja.wikipedia.org/wiki/東京/#歴史", "xn--fsq.xn--0zwm56d/#a", "http://a.com/#b,http://c.com/#d",
    "It&#39;s", "&#x27;", "C#", "a#b",
]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    "around", ["{}", "({}) #yes", "look:{} #yes", "見て{}、#yes", '<a href="{}">#yes</a>', "#yes {}"]
)
def test_nothing_in_an_address_is_a_hashtag(address, around):
    """A part of a page's address is taught as a hashtag, or cut out of the address, or the real one is missed."""
    text = around.format(address)
    assert extract_hashtags(text) == (["yes"] if "#yes" in text else [])
    assert address in remove_hashtags(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mt.Fuji/#hiking", ["hiking"]),
        ("12.05.2024/#party", ["party"]),
        ("w/#friend and/#family #love/#peace", ["friend", "family", "love", "peace"]),
        ("site.com #about", ["about"]),
        ("site.com,#about", ["about"]),
        ("(http://x.com/a)#tag", ["tag"]),
        ("https://t.co/abc😀#tag", ["tag"]),
        ("https://t.co/ab、#雪 https://t.co/ab！＃雪", ["雪", "雪"]),
        ("@cool.guy/#tag", ["tag"]),
        ("rain &amp;#sun", ["sun"]),
        ("#snow.com/now", ["snow"]),
    ],
)
def test_hashtags_beside_what_looks_like_an_address(text, expected):
    """A hashtag is lost because something with a dot or a slash stands before it."""
    assert extract_hashtags(text) == expected


@pytest.mark.parametrize("text", ["a.", "a-", "www.", "http://", "x.com/(", "ab.com", "x.com/#"])
def test_long_texts_are_read_to_their_end(text):
    """A text that repeats the beginning of an address is given up, or its end, behind a space, is missed."""
    assert extract_hashtags(f"#first {text * 20_000} #last") == ["first", "last"]


@pytest.mark.parametrize(
    "tag", ["", "#", "##a", "two words", "2024", "_", "a-b", "#a#b", "\ufe0f", "#\u20e3a", None, 3, "a\n#"]
)
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
