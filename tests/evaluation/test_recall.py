import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transformers_ggm.evaluation import recall_at_k, recall_at_k_per_video, recall_by_cause

TAGS = ["bluesquare", "redsquare", "bluecircle", "rain", "snowday", "lakelife", "münchen", "東京"]
SETS = st.lists(st.sampled_from(TAGS), max_size=5, unique=True)
VIDEOS = st.lists(st.tuples(SETS, SETS.filter(bool)), min_size=1, max_size=5)


def test_recall_by_cause():
    """Would fail if a cause's recall were averaged per video, or a cause without hashtags counted."""
    predictions = [["bluesquare", "rain"], ["rain"], []]
    causes = [
        {"seen": ["bluesquare"], "heard": ["rain"], "words": []},
        {"seen": ["redsquare"], "heard": ["rain", "beeps"], "words": []},
        {"seen": ["redcircle"], "heard": [], "words": []},
    ]
    assert recall_by_cause(predictions, causes) == pytest.approx({"seen": 100 / 3, "heard": 200 / 3})


def test_recall_by_cause_with_gaps():
    """Would fail if a data set whose rows have different causes, which fills them with None, broke the metrics."""
    causes = [{"seen": ["a"], "heard": None}, None, {"seen": None, "heard": ["b", "b"]}]
    assert recall_by_cause([["a"], ["a"], ["b"]], causes) == {"seen": 100.0, "heard": 100.0}


@settings(deadline=None)
@given(videos=VIDEOS, ks=st.lists(st.integers(1, 8), min_size=1, max_size=4, unique=True))
def test_recall_at_k(videos, ks):
    """Would fail if recall@k looked at other than the k nearest, fell with k, or counted rows without hashtags."""
    retrieved, references = map(list, zip(*videos))
    expected = {
        k: sum(100 * sum(tag in found[:k] for tag in true) / len(true) for found, true in videos) / len(videos)
        for k in ks
    }
    recall = recall_at_k(retrieved, references, ks)
    assert recall == pytest.approx(expected)
    assert recall_at_k([*retrieved, ["rain"]], [*references, []], ks) == pytest.approx(expected)
    assert [recall[k] for k in sorted(ks)] == sorted(recall.values())


def test_recall_at_k_without_hashtags():
    """Would fail if there being nothing to find ended in a division by zero."""
    with pytest.raises(ValueError, match="no recall"):
        recall_at_k([["rain"]], [[]], [1])


def test_recall_at_k_of_each_video():
    """Would fail if a video's recall were another's, or videos without hashtags had a row."""
    rows = recall_at_k_per_video([["a", "b"], ["a"], ["c", "a"]], [["a", "b"], [], ["a"]], [1, 2])
    np.testing.assert_allclose(rows[1], [50, 0])
    np.testing.assert_allclose(rows[2], [100, 100])


def test_recall_at_k_of_other_videos():
    """Would fail if videos were compared with references that are not theirs."""
    with pytest.raises(ValueError, match="`retrieved` has 1 videos and `references` 2"):
        recall_at_k([["a"]], [["a"], ["b"]], [1])
