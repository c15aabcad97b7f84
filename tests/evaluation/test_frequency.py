"""F1 of frequent and rare hashtags, against counting by hand."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transformers_ggm.evaluation import f1_by_frequency, frequency_buckets

TAGS = st.lists(st.sampled_from("abcdefghij"), unique=True, max_size=5)


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(1, 50), min_size=1))
def test_buckets_are_thirds_of_the_uses(counts):
    """A rarer hashtag would stand in an earlier bucket than a more frequent one, or a bucket hold far over a third."""
    buckets = frequency_buckets(counts)
    assert buckets.keys() == counts.keys()
    order = ["head", "middle", "tail"]
    ranked = sorted(counts, key=lambda tag: (-counts[tag], tag))
    places = [order.index(buckets[tag]) for tag in ranked]
    assert places == sorted(places) and places[0] == 0
    for bucket in order:
        uses = [counts[tag] for tag in ranked if buckets[tag] == bucket]
        # All but the last one of a bucket begin and end within its third.
        assert sum(uses[:-1]) <= sum(counts.values()) / 3


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(TAGS, TAGS, TAGS), min_size=1, max_size=8))
def test_f1_is_that_of_all_pairs_of_video_and_hashtag(videos):
    """The metric would not be the F1 of the bucket's (video, hashtag) pairs, both seeds counted together."""
    first, second, true = ([list(part) for part in parts] for parts in zip(*videos))
    counts = {"a": 9, "b": 5, "c": 4, "d": 2, "e": 2, "f": 1, "g": 1}
    buckets = frequency_buckets(counts)
    found = f1_by_frequency([first, second], true, counts, samples=10)
    for bucket in ("head", "middle", "tail", "unseen"):
        pairs = []
        for predictions in (first, second):
            for answers in (predictions, true):
                pairs.append(
                    Counter(
                        (i, tag)
                        for i, tags in enumerate(answers)
                        for tag in tags
                        if buckets.get(tag, "unseen") == bucket
                    )
                )
        if not pairs[1]:
            assert bucket not in found
            continue
        hits = (pairs[0] & pairs[1]).total() + (pairs[2] & pairs[3]).total()
        assert found[bucket].mean == pytest.approx(200 * hits / sum(pair.total() for pair in pairs))
        assert found[bucket].low <= found[bucket].high


def test_interval_holds_the_mean_and_narrows_with_more_videos():
    """Intervals would not tell how sure the metric is."""
    random = np.random.default_rng(0)
    truth = [["a"] for _ in range(400)]
    guess = [["a"] if random.random() < 0.5 else [] for _ in truth]
    many = f1_by_frequency([guess], truth, {"a": 1})["head"]
    few = f1_by_frequency([guess[:20]], truth[:20], {"a": 1})["head"]
    assert many.low < many.mean < many.high
    assert many.high - many.low < few.high - few.low


def test_no_predictions_are_refused():
    """Without a seed there is nothing to count, which must not look like a metric."""
    with pytest.raises(ValueError, match="empty"):
        f1_by_frequency([], [["a"]], {"a": 1})
