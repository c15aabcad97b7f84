import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from transformers_ggm import HashtagPool
from transformers_ggm.evaluation import (
    hashtag_metrics_per_video,
    novelty_gain_per_video,
    novelty_metrics,
    unseen_recalled,
)

TAGS = list("abcdefg")
SETS = st.lists(st.sampled_from(TAGS), max_size=6)
VIDEOS = st.lists(st.tuples(SETS, SETS), min_size=1, max_size=6)
POOL = st.sets(st.sampled_from(TAGS))


@settings(deadline=None)
@given(videos=VIDEOS, pool=POOL)
def test_gain_is_the_recall_beyond_the_pool(videos, pool):
    """Would fail if the gain were not what recall loses once predictions outside the pool are struck out."""
    predictions, references = map(list, zip(*videos))
    struck = [[tag for tag in tags if tag in pool] for tags in predictions]
    recalls = [hashtag_metrics_per_video(tags, references)["recall"] for tags in (predictions, struck)]
    np.testing.assert_allclose(
        novelty_gain_per_video(predictions, references, pool), recalls[0] - recalls[1], atol=1e-9
    )


@given(videos=VIDEOS, pool=POOL)
def test_metrics_agree_with_plain_python(videos, pool):
    """Would fail if a share were of something else than its name says, or repetitions counted."""
    uses = [(row, tag) for row, (predicted, _) in enumerate(videos) for tag in sorted({*predicted})]
    novel = [(row, tag) for row, tag in uses if tag not in pool]
    hits = [(row, tag) for row, tag in novel if tag in videos[row][1]]
    gains = [sum(r == row for r, _ in hits) / len({*true}) if true else 0 for row, (_, true) in enumerate(videos)]
    assert novelty_metrics(*map(list, zip(*videos)), pool) == pytest.approx(
        {
            "novel_share": 100 * len(novel) / len(uses) if uses else 0,
            "novel_uses": len(novel),
            "novel_hashtags": len({tag for _, tag in novel}),
            "novel_precision": 100 * len(hits) / len(novel) if novel else 0,
            "novelty_gain": 100 * sum(gains) / len(videos),
        }
    )


def test_a_hashtag_pool_is_a_pool():
    """Would fail if the package's own pool could not be given."""
    metrics = novelty_metrics([["snow", "fog"]], [["fog"]], HashtagPool(["snow", "lake"], torch.eye(2)))
    assert metrics["novel_hashtags"] == 1 and metrics["novelty_gain"] == 100.0


@given(videos=VIDEOS, unseen=POOL)
def test_unseen_recalled(videos, unseen):
    """Would fail if a hashtag counted twice, for a video that does not have it, or though it was seen."""
    recalled = [tag for tag in unseen if any(tag in predicted and tag in true for predicted, true in videos)]
    there = [tag for tag in unseen if any(tag in true for _, true in videos)]
    assert unseen_recalled(*map(list, zip(*videos)), iter(unseen)) == {
        "unseen_recalled": len(recalled),
        "unseen_hashtags": len(there),
    }


@pytest.mark.parametrize("metrics", [novelty_gain_per_video, novelty_metrics, unseen_recalled])
@pytest.mark.parametrize("predictions, references", [([], []), ([["a"]], [["a"], ["b"]])])
def test_unequal_lengths(metrics, predictions, references):
    """Would fail if metrics of other videos than those predicted for were given."""
    with pytest.raises(ValueError, match="videos"):
        metrics(predictions, references, ["a"])
