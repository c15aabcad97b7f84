"""Filters of lists: near-duplicates, platforms, the pool, calls for reach."""

import json
import random
from pathlib import Path

import pytest

pytest.importorskip("ahocorasick_rs", reason="pip install transformers-ggm[safety]")
pytest.importorskip("wordfreq", reason="pip install transformers-ggm[safety]")

from transformers_ggm.errors import InputError
from transformers_ggm.recommendation import HistorySource, Recommender
from transformers_ggm.recommendation.filters import (
    NearDuplicateFilter,
    NovelFilter,
    NumberFilter,
    PlatformFilter,
    ReachFilter,
    display_spelling,
    filter_hashtags,
    learn_reach_calls,
    platforms,
)

DATA = Path(__file__).parents[4] / "shared" / "data" / "kuaishou"


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


def test_calls_for_reach_are_what_is_tied_to_nothing():
    """Would fail if a hashtag of one topic were taken for one, or one that stands anywhere were not."""
    chance = random.Random(0)
    topics = [f"topic{number} word{number} thing{number}" for number in range(25)]
    calls = ["showme", "showmenow", "pleaseshowme", "makemeviral", "viralplease", "viralnow", "goviral", "showviral"]
    texts, hashtags = [], []
    for number in range(600):
        topic = number % 25
        texts.append(topics[topic])
        hashtags.append([f"tag{topic}abc", *chance.sample(calls, 2)])
    found = learn_reach_calls(texts, hashtags)
    assert set(calls) <= found and not any(tag.startswith("tag") for tag in found)
    assert filter_hashtags(["showme", "tag1abc"], [ReachFilter(found)])[0] == ["tag1abc"]
    recommender = Recommender([HistorySource()])
    assert recommender.reach_calls is None
    recommender.learn_reach_calls(texts, hashtags)
    assert recommender.reach_calls == found


def test_little_is_learned_from_little():
    """Would fail if a few posts, or none, made an error or a guess."""
    assert learn_reach_calls([], []) == frozenset()
    assert learn_reach_calls(["snow"] * 9, [["snow"]] * 9) == frozenset()
    with pytest.raises(InputError, match="texts for the hashtags"):
        learn_reach_calls(["snow"], [])


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the kuaishou captions")
def test_calls_for_reach_of_real_captions():
    """Would fail if fewer than 95 % of all uses of calls were found, or more than 5 % of the others' were taken."""
    rows = [json.loads(line) for file in sorted(DATA.glob("*/metadata.jsonl")) for line in file.open(encoding="utf-8")]
    labels = json.loads(Path(__file__).with_name("reach_labels.json").read_text(encoding="utf-8"))
    found = learn_reach_calls([" ".join(row["category"]) for row in rows], [row["hashtags"] for row in rows])
    uses = [tag for row in rows for tag in row["hashtags"] if tag in labels]
    calls, others = [tag for tag in uses if labels[tag]], [tag for tag in uses if not labels[tag]]
    assert sum(tag in found for tag in calls) >= 0.95 * len(calls)
    assert sum(tag in found for tag in others) <= 0.05 * len(others)
