"""Calibration figures, by hand."""

import numpy as np
import pytest

from transformers_ggm.evaluation import (
    best_of_rows,
    calibration_bins,
    expected_calibration_error,
    plot_reliability,
)


def test_error_by_hand():
    """Would fail if bins were not of equal mass, or not weighted by it."""
    probabilities = np.array([0.1, 0.2, 0.3, 0.9, 0.8])
    truth = np.array([0, 0, 1, 1, 0])
    bins = calibration_bins(probabilities, truth, bins=2)
    assert bins == pytest.approx(np.array([[0.2, 1 / 3, 3], [0.85, 0.5, 2]]))
    expected = (3 * abs(0.2 - 1 / 3) + 2 * abs(0.85 - 0.5)) / 5
    assert expected_calibration_error(probabilities, truth, bins=2) == pytest.approx(expected)


def test_drawn_truth_is_calibrated():
    """Would fail if probabilities that are exactly right had an error beyond chance."""
    generator = np.random.default_rng(0)
    probabilities = generator.random(50_000)
    truth = generator.random(50_000) < probabilities
    assert expected_calibration_error(probabilities, truth) < 0.01
    assert expected_calibration_error(probabilities**3, truth) > 0.1


def test_best_of_rows():
    """Would fail if others than the most likely hashtags of each row were looked at."""
    probabilities, truth = best_of_rows([np.array([0.1, 0.9, 0.5]), np.array([0.3])], [np.arange(3), np.array([7])], 2)
    assert probabilities.tolist() == [0.9, 0.5, 0.3] and truth.tolist() == [1, 2, 7]


def test_nothing_to_measure():
    """Would fail if an empty table had an error of 0."""
    for probabilities, truth in (([], []), ([0.5], [1, 0])):
        with pytest.raises(ValueError, match="shape"):
            expected_calibration_error(np.array(probabilities), np.array(truth))


def test_plot(tmp_path):
    """Would fail if there were no picture of the bins."""
    plot_reliability(tmp_path / "plot.png", calibration_bins(np.array([0.2, 0.7]), np.array([0, 1])))
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
