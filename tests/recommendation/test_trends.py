"""The source of trends: what rises comes first, and nothing that is later than a row is looked at."""

import threading
from datetime import datetime, timedelta, timezone

import pytest
import torch

from transformers_ggm.errors import InputError
from transformers_ggm.recommendation import Clues, PostsSource, Recommender, TrendsSource
from transformers_ggm.recommendation.checkpoint_parts import CheckpointParts
from transformers_ggm.retrieval import HashtagPool, PostIndex

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def post(hashtag, hours, **others):
    return {"hashtags": [hashtag], "time": START + timedelta(hours=hours), **others}


def row(hours, **others):
    return Clues("words", time=START + timedelta(hours=hours), **others)


STEADY = [post("steady", hour) for hour in range(0, 720, 4)]
RISING = [post("rising", 718 + number / 10, language="en", country="CA") for number in range(10)]


def pool_of(posts):
    pool = HashtagPool(["steady", "once"], torch.eye(2))
    pool.observe(posts)
    return pool


def names(found):
    return [[candidate.hashtag for candidate in of_row] for of_row in found]


def test_what_rises_comes_before_what_is_used_as_ever():
    """Would fail if trends were the most used hashtags, or one use of a new hashtag were a trend."""
    source = TrendsSource(pool_of([*STEADY, *RISING, post("once", 719)]))
    (found,) = source.candidates([row(720)], 5)
    assert names([found]) == [["rising", "steady", "once"]]
    of_rising, of_steady, of_once = (candidate.evidence for candidate in found)
    assert set(of_rising) == set(source.evidence)
    assert of_rising["rise"] > 1 > of_steady["rise"] > 0.4 and of_once["rise"] < 1
    assert of_steady["age"] > of_rising["age"] and of_rising["hour"] > of_rising["language"] - 3


def test_rows_of_a_language_and_country_get_its_trends():
    """Would fail if a trend of one country came first in another."""
    local = [post("local", 717 + number / 10, language="ja", country="JP") for number in range(8)]
    source = TrendsSource(pool_of([*STEADY, *RISING, *local]))
    found = source.candidates([row(720, language="ja", country="JP"), row(720, language="en"), row(720)], 1)
    assert names(found) == [["local"], ["rising"], ["rising"]]
    assert found[0][0].evidence["language"] > 0 == found[1][0].evidence["country"]


def test_nothing_at_or_after_a_row_is_used():
    """Would fail if a row were told of uses that came after it, its own among them."""
    posts = [*STEADY, *RISING]
    source = TrendsSource(pool_of(posts), posts)
    assert names(source.candidates([row(718)], 5)) == [["steady"]]
    early, late = source.training_candidates([row(719), row(10)], 5)
    before = [each for each in posts if each["time"] < START + timedelta(hours=719)]
    (expected,) = TrendsSource(pool_of(before)).candidates([row(719)], 5)
    assert names([early, late]) == [*names([expected]), ["steady"]]
    assert [each.evidence for each in early] == [pytest.approx(each.evidence) for each in expected]
    assert late[0].evidence["month"] == pytest.approx(
        TrendsSource(pool_of(STEADY[:3])).candidates([row(10)], 1)[0][0].evidence["month"]
    )
    assert names(source.training_candidates([row(0), Clues()], 5)) == [[], []]


def test_training_rows_may_come_in_parts():
    """Would fail if what was gone through for some rows counted for earlier ones, or not for later ones."""
    posts = [post("abc"[hour % 7 % 3], hour) for hour in range(0, 200, 3)]
    rows = [row(hours) for hours in (10, 90, 40, 150, 20)]
    whole = TrendsSource(pool_of(posts), posts).training_candidates(rows, 5)
    source = TrendsSource(pool_of(posts), posts)
    parts = [source.training_candidates([each], 5)[0] for each in rows]
    assert names(parts) == names(whole)
    for part, expected in zip(parts, whole):
        assert [each.evidence for each in part] == [pytest.approx(each.evidence) for each in expected]


def test_training_candidates_are_those_of_a_pool_at_that_time():
    """Would fail if rows were answered in the order in which they came instead of that of their times."""
    posts = [*RISING, *STEADY]
    times = [719.5, 3, 100, 718.35]
    found = TrendsSource(pool_of(posts), posts).training_candidates([row(hours) for hours in times], 5)
    for hours, of_row in zip(times, found):
        before = [each for each in posts if each["time"] < START + timedelta(hours=hours)]
        (alone,) = TrendsSource(pool_of(before)).candidates([row(hours)], 5)
        assert names([of_row]) == names([alone])
        assert [candidate.score for candidate in of_row] == pytest.approx([candidate.score for candidate in alone])


def test_a_row_without_time_comes_after_all_uses():
    """Would fail if a clip without time got no trends, or a pool that observed nothing went wrong."""
    assert TrendsSource(HashtagPool(["snow"], torch.ones(1, 1))).candidates([Clues(), row(0)], 3) == [[], []]
    assert names(TrendsSource(pool_of(RISING)).candidates([Clues()], 3)) == [["rising"]]


def test_observed_and_removed_hashtags_count_at_once(tmp_path):
    """Would fail if the source kept uses of its own, or a checkpoint's source had another pool's."""
    pool = pool_of(RISING)
    source = TrendsSource.from_settings({}, CheckpointParts(tmp_path, hashtag_pool=pool))
    pool.observe([post("new", 720) for _ in range(40)])
    assert names(source.candidates([row(721)], 1)) == [["new"]]
    source.remove_hashtags(["new"])
    assert names(source.candidates([row(721)], 1)) == [["rising"]]
    with pytest.raises(InputError, match="post 0 has no time"):
        TrendsSource(pool, [{"hashtags": ["snow"]}])


def test_posts_of_the_last_hour_count_with_the_next_call():
    """Would fail if a new post were found neither by similar words, nor as a trend, nor its hashtag be known."""
    index = PostIndex.build([{"description": "old words", "hashtags": ["steady"], "time": START}])
    sources = [PostsSource(index, by="sparse"), TrendsSource(pool_of(STEADY))]
    recommender = Recommender(sources, counts={"steady": 1})
    new = [{**each, "description": "hot words"} for each in RISING]
    recommender.observe(new)
    features = recommender.features([Clues("so hot words", time=START + timedelta(hours=720))])
    (hashtags,), (by,) = features.hashtags, features.sources
    assert dict(zip(hashtags, by))["rising"] == ["posts_sparse", "trends"]
    assert recommender.counts == {"steady": 1, "rising": 10}
    with pytest.raises(InputError, match="no time"):
        recommender.observe([{"hashtags": ["snow"]}])
    assert len(index) == 11


def test_uses_that_are_pruned_meanwhile_disturb_nobody():
    """Would fail if a call that reads while another thread forgets hashtags failed, or gave one the other's name."""
    pool, done = pool_of([post("lake", hour) for hour in range(48)]), threading.Event()

    def write():
        try:
            for number in range(150):
                pool.observe([post(f"old{number}", -24 * 400), post(f"new{number}", 40)])
                pool.uses.prune(now=START + timedelta(hours=48))
        finally:
            done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        found = TrendsSource(pool).candidates([row(48)], 500)[0]
        assert any(one.hashtag == "lake" for one in found)
        assert not any(one.hashtag.startswith("old") for one in found)
    writer.join()
    assert len(pool.uses) == 151
