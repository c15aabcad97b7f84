"""How many to show, against all outcomes."""

from itertools import product

import numpy as np
import pytest

from transformers_ggm.recommendation.expected_f1 import best_number, expected_f1


def by_enumeration(probabilities, shown):
    total = 0.0
    for outcome in product([0, 1], repeat=len(probabilities)):
        chance = np.prod([p if true else 1 - p for p, true in zip(probabilities, outcome)])
        total += chance * 2 * sum(outcome[:shown]) / (shown + sum(outcome))
    return total


@pytest.mark.parametrize("probabilities", [[0.5], [0.9, 0.4, 0.1], [0.3] * 6, [1.0, 0.0]])
def test_expected_f1_is_the_mean_over_all_outcomes(probabilities):
    """Would fail if the sums were not those of the definition."""
    expected = [by_enumeration(probabilities, shown) for shown in range(1, len(probabilities) + 1)]
    assert expected_f1(np.array(probabilities)) == pytest.approx(expected)


def test_missing_hashtags_against_a_simulation():
    """Would fail if true hashtags that nobody proposed were not counted."""
    generator = np.random.default_rng(0)
    hits = generator.random((200_000, 2)) < [0.8, 0.5]
    true = hits.sum(1) + generator.poisson(1.5, 200_000)
    simulated = [(2 * hits[:, :shown].sum(1) / (shown + true)).mean() for shown in (1, 2)]
    assert expected_f1(np.array([0.8, 0.5]), missing=1.5) == pytest.approx(simulated, abs=0.003)


def test_best_numbers():
    """Would fail if unlikely hashtags were shown beside sure ones, or rows without candidates failed."""
    assert best_number(np.array([0.99, 0.98, 0.01])) == 2
    assert best_number(np.full(50, 0.4)) > 10
    assert best_number(np.zeros(0)) == 0 and best_number(np.array([0.001])) == 1
    assert len(expected_f1(np.full(500, 0.01))) == 30
