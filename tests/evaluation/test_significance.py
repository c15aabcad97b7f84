import itertools

import numpy as np
import pytest

from transformers_ggm.evaluation import paired_test, significance, unpaired_test

METHODS = ("permutation", "bootstrap")


def test_permutation_agrees_with_all_swaps():
    """Would fail if the p-value were not the share of swaps that differ at least as much."""
    generator = np.random.default_rng(0)
    first, second = generator.uniform(0, 100, (2, 10))
    differences = first - second + 10
    swaps = [abs(np.dot(signs, differences)) for signs in itertools.product((1, -1), repeat=10)]
    exact = np.mean([swap >= abs(differences.sum()) - 1e-9 for swap in swaps])
    test = paired_test(first + 10, second, samples=20_000)
    assert test.p_value == pytest.approx(exact, abs=0.02) and 0.05 < exact < 0.95
    assert test.difference == pytest.approx(differences.mean()) and test.videos == 10


def test_bootstrap_agrees_with_a_loop():
    """Would fail if the p-value were not the share of shifted means that lie at least as far out."""
    generator = np.random.default_rng(3)
    differences = generator.normal(4, 20, 50)
    shifted = differences - differences.mean()
    means = [shifted[generator.integers(50, size=50)].mean() for _ in range(5000)]
    expected = np.mean(np.abs(means) >= abs(differences.mean()))
    test = paired_test(differences, np.zeros(50), method="bootstrap", samples=5000)
    assert test.p_value == pytest.approx(expected, abs=0.03) and 0.02 < expected < 0.98


@pytest.mark.parametrize("method", METHODS)
def test_false_alarms(method):
    """Would fail if systems that are alike were called different much more or less often than in 1 of 10 cases."""
    generator = np.random.default_rng(2)
    tables = generator.normal(50, 10, (400, 2, 40))
    alarms = np.mean([paired_test(*table, method=method, samples=300).p_value <= 0.1 for table in tables])
    assert 0.05 < alarms < 0.16


@pytest.mark.parametrize("method", METHODS)
def test_pairing(method):
    """Would fail if the test overlooked that the videos are the same: a small but steady gain drowns otherwise."""
    generator = np.random.default_rng(4)
    second = generator.uniform(0, 90, 60)
    first = second + generator.uniform(0, 3, 60)
    assert paired_test(first, second, method=method).p_value < 0.001
    assert paired_test(first, generator.permutation(second), method=method).p_value > 0.1


@pytest.mark.parametrize("method", METHODS)
def test_symmetric(method):
    """Would fail if the test were one-sided: the order in which systems are named must not matter."""
    first, second = np.random.default_rng(6).uniform(0, 100, (2, 30))
    one, other = (paired_test(*pair, method=method) for pair in ((first, second), (second, first)))
    assert one.difference == -other.difference and one.p_value == other.p_value


@pytest.mark.parametrize("method", METHODS)
def test_p_is_never_zero(method):
    """Would fail if the observed difference did not count as a sample: p = 1 / (samples + 1) at best."""
    far = np.random.default_rng(0).normal(50, 1, 200)
    assert paired_test(far, np.zeros(200), method=method, samples=99).p_value == 0.01


@pytest.mark.parametrize("method", METHODS)
def test_equal_systems(method):
    """Would fail if no difference at all could look like one."""
    values = np.array([0.1, 0.2, 0.3])
    assert paired_test(values, values, method=method, samples=50).p_value == 1.0


def test_rounding_is_no_difference():
    """Would fail if sums of the same numbers in another order counted as smaller."""
    assert paired_test([0.1, 0.2, 0.3, -0.6 + 1e-17], np.zeros(4), samples=500).p_value == 1.0
    # All 8 swaps that keep the three differences' signs alike are as large as the observed one.
    p_value = paired_test(np.array([0.1, 0.7, 0.3]), np.zeros(3), samples=8000).p_value
    assert p_value == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("method", METHODS)
def test_same_seed_same_p(method, monkeypatch):
    """Would fail if the p-value changed between calls or with the samples held at once, or the seed were unused."""
    first, second = np.random.default_rng(0).uniform(0, 100, (2, 30))
    expected = paired_test(first, second, method=method, samples=501)
    assert paired_test(first, second, method=method, samples=501) == expected
    assert len({paired_test(first, second, method=method, samples=501, seed=seed) for seed in range(5)}) > 1
    monkeypatch.setattr(significance, "VALUES_AT_A_TIME", 90)
    assert paired_test(first, second, method=method, samples=501) == expected


@pytest.mark.parametrize(
    "first, second, arguments, message",
    [
        ([], [], {}, "one value per video"),
        ([1.0], [1.0, 2.0], {}, "one value per video"),
        ([[1.0]], [[1.0]], {}, "one value per video"),
        ([1.0], [float("nan")], {}, "not finite"),
        ([1.0], [1.0], {"samples": 0}, "`samples` is 0"),
        ([1.0], [1.0], {"method": "t"}, "'permutation' or 'bootstrap'"),
    ],
)
def test_refused(first, second, arguments, message):
    """Would fail if a p-value were given that means nothing."""
    with pytest.raises(ValueError, match=message):
        paired_test(first, second, **arguments)


def test_unpaired_agrees_with_all_divisions():
    """Would fail if the p-value were not the share of divisions whose means differ at least as much."""
    generator = np.random.default_rng(0)
    first, second = generator.uniform(1, 5, 5) + 0.7, generator.uniform(1, 5, 7)
    everything = np.concatenate([first, second])
    observed = abs(first.mean() - second.mean())
    divisions = [list(chosen) for chosen in itertools.combinations(range(12), 5)]
    differences = [abs(everything[chosen].mean() - np.delete(everything, chosen).mean()) for chosen in divisions]
    exact = np.mean(np.array(differences) >= observed - 1e-9)
    test = unpaired_test(first, second, samples=20_000)
    assert test.p_value == pytest.approx(exact, abs=0.02) and 0.05 < exact < 0.95
    assert test.difference == pytest.approx(first.mean() - second.mean()) and test.sizes == (5, 7)


def test_unpaired_false_alarms():
    """Would fail if groups that are alike were called different much more or less often than in 1 of 10 cases."""
    generator = np.random.default_rng(2)
    alarms = np.mean(
        [unpaired_test(*np.split(generator.normal(3, 1, 50), [15]), samples=300).p_value <= 0.1 for _ in range(400)]
    )
    assert 0.05 < alarms < 0.16


def test_unpaired_extremes():
    """Would fail if p could be 0, or no difference at all could look like one."""
    assert unpaired_test(np.full(30, 5.0), np.full(40, 1.0), samples=99).p_value == 0.01
    assert unpaired_test(np.full(3, 0.1), np.full(7, 0.1), samples=50).p_value == 1.0


def test_unpaired_is_symmetric_and_seeded(monkeypatch):
    """Would fail if the test were one-sided, or p changed with the samples held at once, or the seed were unused."""
    first, second = np.random.default_rng(0).uniform(0, 100, (2, 30))
    expected = unpaired_test(first, second, samples=501)
    assert unpaired_test(second, first, samples=4000).p_value == pytest.approx(expected.p_value, abs=0.08)
    assert len({unpaired_test(first, second, samples=501, seed=seed) for seed in range(5)}) > 1
    monkeypatch.setattr(significance, "VALUES_AT_A_TIME", 130)
    assert unpaired_test(first, second, samples=501) == expected


@pytest.mark.parametrize(
    "first, second, arguments, message",
    [
        ([], [1.0], {}, "one value per item"),
        ([1.0], [], {}, "one value per item"),
        ([[1.0]], [1.0], {}, "one value per item"),
        ([1.0], [float("nan"), 2.0], {}, "not finite"),
        ([1.0], [1.0], {"samples": 0}, "`samples` is 0"),
    ],
)
def test_unpaired_refused(first, second, arguments, message):
    """Would fail if a p-value were given that means nothing."""
    with pytest.raises(ValueError, match=message):
        unpaired_test(first, second, **arguments)
