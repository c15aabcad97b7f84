import numpy as np
import pytest

from transformers_ggm.evaluation import bootstrap_intervals, intervals


def rows_of(videos, seed=0):
    generator = np.random.default_rng(seed)
    return {name: generator.uniform(0, 100, videos) for name in ("precision", "recall", "f1")}


def test_agrees_with_a_loop():
    """Would fail if the intervals were not the percentiles of means over videos drawn with replacement."""
    rows = rows_of(40)
    generator = np.random.default_rng(5)
    draws = [generator.integers(40, size=40) for _ in range(4000)]
    precision, recall = ([rows[name][draw].mean() for draw in draws] for name in ("precision", "recall"))
    of_means = [2 * p * r / (p + r) for p, r in zip(precision, recall)]
    found = bootstrap_intervals(rows, samples=4000)
    for name, means in (("precision", precision), ("recall", recall), ("f1_of_means", of_means)):
        # Both are random: a percentile of 4000 means, whose deviation is 4.6, is uncertain by 0.2.
        assert found[name][1:] == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])), abs=1.2)
    assert found["f1"].mean == rows["f1"].mean()


def test_coverage():
    """Would fail if intervals held the true mean much more or less often than they claim."""
    generator = np.random.default_rng(1)
    tables = generator.uniform(0, 100, (300, 60))
    hits = 0
    for values in tables:
        interval = bootstrap_intervals({"f1": values}, confidence=0.8, samples=400)["f1"]
        hits += interval.low <= 50 <= interval.high
    assert 0.72 < hits / 300 < 0.87


def test_metrics_share_their_draws():
    """Would fail if metrics of the same videos were drawn apart: equal rows would get different intervals."""
    values = rows_of(30)["f1"]
    found = bootstrap_intervals({"a": values, "b": 2 * values}, samples=500)
    assert tuple(found["b"]) == pytest.approx(tuple(2 * metric for metric in found["a"]))


def test_same_seed_same_interval(monkeypatch):
    """Would fail if intervals changed between calls, or with the samples held at once, or the seed were unused."""
    rows = rows_of(30)
    expected = bootstrap_intervals(rows, samples=500)
    assert bootstrap_intervals(rows, samples=500, seed=1) != expected
    monkeypatch.setattr(intervals, "VALUES_AT_A_TIME", 7 * 30)
    for name, interval in bootstrap_intervals(rows, samples=500).items():
        assert tuple(interval) == pytest.approx(tuple(expected[name]))


def test_wider_with_more_confidence_and_fewer_videos():
    """Would fail if the confidence were unused, or the interval were of single videos instead of their mean."""
    few, many = rows_of(20), rows_of(2000)
    width = {
        (videos, confidence): np.subtract(*bootstrap_intervals(rows, confidence=confidence, samples=500)["f1"][:0:-1])
        for videos, rows in (("few", few), ("many", many))
        for confidence in (0.5, 0.95)
    }
    assert width["few", 0.95] > 1.5 * width["few", 0.5] and width["few", 0.95] > 5 * width["many", 0.95] > 0


def test_one_video():
    """Would fail if a single video, which bootstrapping can say nothing about, broke the report."""
    assert tuple(bootstrap_intervals({"f1": np.array([40.0])}, samples=10)["f1"]) == (40.0, 40.0, 40.0)


@pytest.mark.parametrize(
    "rows, arguments, message",
    [
        ({}, {}, "needs arrays of the same videos"),
        ({"f1": []}, {}, "needs arrays of the same videos"),
        ({"f1": [1.0], "recall": [1.0, 2.0]}, {}, "needs arrays of the same videos"),
        ({"f1": [[1.0]]}, {}, "needs arrays of the same videos"),
        ({"f1": [1.0, float("nan")]}, {}, "not finite"),
        ({"f1": [1.0]}, {"confidence": 95}, "between 0 and 1"),
        ({"f1": [1.0]}, {"samples": 0}, "`samples` is 0"),
    ],
)
def test_refused(rows, arguments, message):
    """Would fail if an interval were given that means nothing."""
    with pytest.raises(ValueError, match=message):
        bootstrap_intervals(rows, **arguments)
