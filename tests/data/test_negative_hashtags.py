"""Further negatives of a retriever's rows."""

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from transformers_ggm.data.negative_hashtags import CompositionalNegatives, MinedNegatives, RandomNegatives, drawn

TAGS = ["redsquare", "bluesquare", "redcircle", "lake", "snow", "ski"]


@given(
    wanted=st.lists(st.sampled_from(TAGS), unique=True), own=st.lists(st.sampled_from(TAGS), unique=True),
    count=st.integers(0, 8), seed=st.integers(0, 9),
)  # fmt: skip
def test_what_is_drawn(wanted, own, count, seed):
    """Would fail if a row's own hashtag were its negative, one were drawn twice, or others came before the wanted."""
    found = drawn(wanted, TAGS, own, random.Random(seed), count)
    assert len(found) == len(set(found)) == min(count, len(set(TAGS) - set(own)))
    assert not set(found) & set(own)
    wanted = set(wanted) - set(own)
    assert len(set(found) & wanted) == min(len(wanted), count)


def test_all_others_are_as_likely():
    """Would fail if those beside a row's own hashtags in the list were drawn more often, or some never."""
    negatives, row = RandomNegatives(TAGS), {"hashtags": ["bluesquare", "snow"]}
    found = Counter(tag for seed in range(800) for tag in negatives.draw(row, random.Random(seed), 2))
    assert set(found) == {"redsquare", "redcircle", "lake", "ski"}
    assert all(330 < count < 470 for count in found.values())


def test_words_that_are_shared():
    """Would fail if hashtags without a word of the row's came before those with one."""
    negatives = CompositionalNegatives(TAGS)
    row = {"hashtags": ["redsquare"]}
    assert set(negatives.draw(row, random.Random(0), 2)) == {"bluesquare", "redcircle"}
    assert len(negatives.draw(row, random.Random(0), 4)) == 4


def test_what_is_mined_is_kept_by_row():
    """Would fail if a row got the negatives of another, or those of an earlier epoch."""
    negatives = MinedNegatives(TAGS, num_rows=2, k=2)
    rows = [{"index": 0, "hashtags": ["snow"]}, {"index": 1, "hashtags": ["lake"]}]
    negatives.mined([["snow", "ski"], ["lake", "redsquare", "bluesquare"]])
    assert [negatives.draw(row, random.Random(0), 1) for row in rows] == [["ski"], ["redsquare"]]
    negatives.mined([["lake", "snow"], []])
    assert negatives.draw(rows[0], random.Random(0), 1) == ["lake"]
