"""Filters of lists: near-duplicates, platforms, the pool."""

from pathlib import Path

import pytest

pytest.importorskip("ahocorasick_rs", reason="pip install transformers-ggm[safety]")
pytest.importorskip("wordfreq", reason="pip install transformers-ggm[safety]")

from transformers_ggm.errors import InputError
from transformers_ggm.recommendation.filters import (
    NearDuplicateFilter,
    NovelFilter,
    NumberFilter,
    PlatformFilter,
    display_spelling,
    filter_hashtags,
    platforms,
)


@pytest.mark.parametrize(
    "pair",
    [("dog", "dogs"), ("newyear", "newyears"), ("cities", "city"), ("café", "cafe"), ("first_snow", "firstsnow")],
)
def test_of_near_duplicates_the_better_stays(pair):
    """Would fail if both were shown, or the worse one."""
    kept, removed = filter_hashtags(list(pair), [NearDuplicateFilter()])
    assert kept == [pair[0]] and removed[0].because == pair[0]


@pytest.mark.parametrize(
    "pair", [("glass", "glas"), ("news", "new"), ("bus", "bu"), ("cat", "dog"), ("2024", "2025a")]
)
def test_other_words_are_no_near_duplicates(pair):
    """Would fail if an s that belongs to a word were taken for a plural's."""
    assert NearDuplicateFilter().removed(list(pair)) == [None, None]


def test_platforms_leave_out_names_of_others_and_what_is_too_long():
    """Would fail if a platform's own name were left out at home, or a disguise of a name counted."""
    found = PlatformFilter("youtube").removed(["tiktokdance", "youtubeshorts", "twits", "a" * 101])
    assert [each and each.category for each in found] == ["name", None, None, "length"]
    with pytest.raises(InputError, match="platform='myspace'"):
        PlatformFilter("myspace")


def test_every_platform_has_a_source_and_a_day():
    """Would fail if a limit came from nowhere."""
    from transformers_ggm.recommendation.filters import platforms as module
    from transformers_ggm.utils.yaml_files import read_yaml_mapping

    assert callable(module)
    file = Path(filter_hashtags.__code__.co_filename).with_name("platforms.yaml")
    for row in read_yaml_mapping(file, "platforms").values():
        assert len(row["source"]) > 20 and row["read"].year >= 2026
    assert set(platforms()) == {"tiktok", "instagram", "youtube", "x", "mastodon", "linkedin"}


def test_the_number_is_kept():
    """Would fail if more than asked for were left, or fewer than there are were made up."""
    assert filter_hashtags(["a1", "b1", "c1"], [NumberFilter(2)])[0] == ["a1", "b1"]
    assert filter_hashtags(["a1"], [NumberFilter(2)]) == (["a1"], [])
    with pytest.raises(InputError, match="most=0"):
        NumberFilter(0)


@pytest.mark.parametrize("hashtag", ["firstsnow", "schöneswetter", "первыйснег", "first_snow", "snow2024", "初雪"])
def test_capitals_change_nothing_else(hashtag):
    """Would fail if a hashtag that is shown were another one."""
    assert display_spelling(hashtag).lower() == hashtag


def test_the_commonest_spelling_comes_first():
    """Would fail if a spelling without capitals inside were taken, or words' beginnings were lost."""
    assert display_spelling("firstsnow", {"firstsnow": "firstsnow"}) == "FirstSnow"
    assert display_spelling("iphone", {"iphone": "iPhone"}) == "iPhone"
    assert display_spelling("firstsnow", {"firstsnow": "ＦＩＲＳＴＳＮＯＷ"}) == "FirstSnow"


def test_novel_hashtags_are_left_out():
    """Would fail if a hashtag that is not in the pool were shown with prefer_pool="only"."""
    assert filter_hashtags(["snow", "snowfox"], [NovelFilter({"snow"})])[0] == ["snow"]
