import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from transformers_ggm.evaluation import order_hashtags, rouge_per_video, split_words

TAGS = ["bluesquare", "redsquare", "bluecircle", "rain", "snowday", "lakelife"]
SETS = st.lists(st.sampled_from(TAGS), min_size=1, max_size=6, unique=True)
VIDEOS = st.lists(st.tuples(SETS, SETS), min_size=1, max_size=5)


def text(tags):
    return " ".join(word for tag in tags for word in split_words(tag))


@settings(deadline=None)
@given(predicted=SETS, true=SETS, seed=st.integers(0, 99))
def test_rouge_score_on_shuffled_text(predicted, true, seed):
    """Would fail if ROUGE were computed on another order than the documented one."""
    expected = RougeScorer(["rouge1", "rouge2"]).score(
        *map(text, reversed(order_hashtags(predicted, true, seed=seed)))
    )
    rows = rouge_per_video([predicted], [true], seed=seed)
    for name, score in expected.items():
        np.testing.assert_allclose(rows[name], [100 * score.fmeasure])


@settings(deadline=None)
@given(videos=VIDEOS, seed=st.integers(0, 99), data=st.data())
def test_a_video_has_the_same_order_in_any_batch(videos, seed, data):
    """Would fail if a video's metrics depended on the rest of the batch, on its place, or on how tags were listed."""
    row = data.draw(st.integers(0, len(videos) - 1))
    predicted, true = videos[row]
    whole = rouge_per_video(*map(list, zip(*videos)), seed=seed)
    shuffle = random.Random(seed).sample
    alone = rouge_per_video([shuffle(predicted, len(predicted))], [shuffle(true, len(true))], seed=seed)
    assert {name: values[row] for name, values in whole.items()} == {name: values[0] for name, values in alone.items()}


@given(predicted=SETS, true=SETS, seed=st.integers(0, 99))
def test_both_sides_follow_one_order(predicted, true, seed):
    """Would fail if hashtags were lost, or two hashtags came in one order here and in the other there."""
    ordered_predicted, ordered_true = order_hashtags(predicted, true, seed=seed)
    assert Counter(ordered_predicted) == Counter(predicted) and Counter(ordered_true) == Counter(true)
    assert [t for t in ordered_predicted if t in true] == [t for t in ordered_true if t in predicted]


@given(predicted=SETS, other=SETS, true=SETS)
def test_systems_are_compared_under_one_order(predicted, other, true):
    """Would fail if what a system predicts changed the order that the truth is read in."""
    assert order_hashtags(predicted, true)[1] == order_hashtags(other, true)[1]


def test_all_orders_occur():
    """Would fail if the seed were unused, or some order came much more often than others."""
    counts = Counter(tuple(order_hashtags([], ["a", "b", "c"], seed=seed)[1]) for seed in range(1200))
    assert len(counts) == 6 and all(120 < count < 280 for count in counts.values())


def test_videos_have_orders_of_their_own():
    """Would fail if one order were drawn for all videos: its luck would not average out."""
    orders = {tuple(order_hashtags(["x", "y"], [f"tag{row}"])[0]) for row in range(20)}
    assert orders == {("x", "y"), ("y", "x")}


def test_sorted_order():
    """Would fail if metrics that were computed on sorted hashtags could not be had again."""
    assert order_hashtags(["c", "a"], ["b", "a"], order="sorted") == (["a", "c"], ["a", "b"])
    expected = RougeScorer(["rouge2"]).score("rain snow day", "lake life snow day")["rouge2"].fmeasure
    rows = rouge_per_video([["snowday", "lakelife"]], [["snowday", "rain"]], order="sorted")
    np.testing.assert_allclose(rows["rouge2"], [100 * expected])


def test_other_orders():
    """Would fail if a mistyped order were taken for one of the two."""
    with pytest.raises(ValueError, match="'shuffled' or 'sorted'"):
        order_hashtags([], [], order="random")
