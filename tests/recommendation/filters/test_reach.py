"""Calls for reach, learned from posts."""

import json
import random
import re
from functools import lru_cache
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="pip install transformers-ggm[recommend]")

from transformers_ggm.errors import InputError
from transformers_ggm.recommendation import HistorySource, Recommender
from transformers_ggm.recommendation.filters import ReachFilter, filter_hashtags, learn_reach_calls

DATA = Path(__file__).parents[4] / "shared" / "data"
# The 300 most used hashtags of the captions were read one by one; of the others, words tell.
LABELS = json.loads(Path(__file__).with_name("reach_labels.json").read_text(encoding="utf-8"))
RARE = re.compile(
    "(感谢|谢谢|感恩).*(快手|官方|平台|老铁|大家|关注|支持|推广|热门|粉丝)|感谢(官|管)大|感谢我要|[上求给要]+个?[热熱][门門]|申请热门|热门申请"
    "|[^荣耀]热门$|推广|限流|屏蔽|双击|关注|红心|爱心吧|点赞|涨粉|粉丝过万|官方(大大|别|热门)|爱官方|[创作造业学]+者?(快手)?(服务|创作)?"
    "(中心|学院|服务)$|激励计划|主播中心|快手(小|助推小|商家号)助手|支持快手|热爱快手|赢曝光"
)
NOT_RARE = re.compile("qq音乐|产业带|区域|舞官方|感恩遇见")


def is_call(tag):
    return LABELS.get(tag, bool(RARE.search(tag)) and not NOT_RARE.search(tag))


@lru_cache
def rows_of(name, *splits):
    files = (DATA / name / split / "metadata.jsonl" for split in splits)
    return [json.loads(line) for file in files for line in file.open(encoding="utf-8")]


def learned(rows, text):
    return learn_reach_calls([text(row) for row in rows], [row["hashtags"] for row in rows])


def shares(found, rows):
    """Of the uses of calls, how many were found; of those of others, how many were taken for one."""
    uses = [tag for row in rows for tag in row["hashtags"]]
    calls, others = [tag for tag in uses if is_call(tag)], [tag for tag in uses if not is_call(tag)]
    return sum(tag in found for tag in calls) / len(calls), sum(tag in found for tag in others) / len(others)


needs_captions = pytest.mark.skipif(not (DATA / "kuaishou").is_dir(), reason="needs the kuaishou captions")


@needs_captions
def test_calls_for_reach_of_real_captions():
    """Would fail if of captions that nobody learned from fewer than 95 % of calls were left out, or 2 % of others."""
    found = learned(rows_of("kuaishou", "train"), lambda row: " ".join(row["category"]))
    for rows in (rows_of("kuaishou", "test"), rows_of("kuaishou", "train", "validation", "test")):
        of_calls, of_others = shares(found, rows)
        assert of_calls >= 0.95 and of_others <= 0.02


@pytest.mark.slow
@needs_captions
@pytest.mark.parametrize("text", [lambda row: row["description"], lambda row: ""], ids=["captions", "no texts"])
def test_they_are_found_without_topics(text):
    """Would fail if short captions, which tell nothing of what calls are tied to, misled what is learned."""
    found = learned(rows_of("kuaishou", "train"), text)
    of_calls, of_others = shares(found, rows_of("kuaishou", "train", "validation", "test"))
    assert of_calls >= 0.95 and of_others <= 0.02


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "youtube").is_dir(), reason="needs the youtube titles")
def test_english_calls_of_real_titles():
    """Would fail if #viral or #fyp were missed among keywords of videos, or what is frequent were taken for one."""
    rows = rows_of("youtube", "train")
    found = learned(rows, lambda row: row["description"])
    assert {"viral", "fyp", "trending", "viralvideo", "tendencias"} <= found
    uses = [tag for row in rows for tag in row["hashtags"]]
    assert not found & {"music", "love", "trailer", "rap", "comedy", "video", "official", "film"}
    assert sum(tag in found for tag in uses) < 0.01 * len(uses)


@pytest.mark.skipif(not (DATA / "tweets").is_dir(), reason="needs the tweets")
def test_where_nobody_asks_nothing_is_found():
    """Would fail if, for want of calls, frequent hashtags such as #photography were taken for some."""
    assert learned(rows_of("tweets", "train"), lambda row: row["description"]) == frozenset()


def test_english_calls_without_texts():
    """Would fail if common calls were missed, or #love and #music, which are as frequent, were taken for some."""
    chance = random.Random(0)
    calls = ["fyp", "foryou", "foryoupage", "viral", "viralvideo", "explorepage", "explore", "trending", "goviral"]
    topics = [f"{letter}topic" for letter in "abcdefghijklmnopqrstuvwxy"]
    hashtags = [[topics[row % 25], *chance.sample(["love", "music", *calls], 3)] for row in range(600)]
    assert learn_reach_calls([""] * 600, hashtags) == frozenset(calls)


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
