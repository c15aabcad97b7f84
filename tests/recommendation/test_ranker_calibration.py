"""Calibrations of a ranker: against known probabilities, and the choice between them."""

import pytest
import torch

from transformers_ggm.recommendation.modeling_hashtag_ranker import calibrated
from transformers_ggm.recommendation.ranker_calibration import (
    choose_calibration,
    isotonic_calibration,
    sigmoid_calibration,
)


def drawn(size, stretch=1.0, shift=0.0):
    """Logits, and whether each came true, with the probability `sigmoid(stretch * logit + shift)`."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(size, generator=generator)
    return logits, torch.bernoulli((stretch * logits + shift).sigmoid(), generator=generator)


@pytest.mark.parametrize("calibrate", [isotonic_calibration, sigmoid_calibration])
def test_known_probabilities_are_found(calibrate):
    """Would fail if logits that are too sure were believed."""
    at, probabilities = calibrate(*drawn(20_000, stretch=0.5, shift=-1.0))
    assert sorted(at) == at and sorted(probabilities) == probabilities
    known = torch.tensor([-3.0, -1.0, 0.0, 1.0, 3.0])
    torch.testing.assert_close(calibrated(known, at, probabilities), (0.5 * known - 1).sigmoid(), atol=0.04, rtol=0)


def test_few_rows_get_the_smooth_one():
    """Would fail if the steps of an isotonic regression were drawn through the noise of few rows."""
    logits, truth = drawn(300, stretch=0.7)
    row_of = torch.arange(300) // 5
    (at, _), error = choose_calibration(logits, truth, row_of, row_of % 5)
    assert len(at) == len(sigmoid_calibration(logits, truth)[0]) and 0 <= error < 0.15


def test_many_rows_get_what_fits_them():
    """Would fail if probabilities that no sigmoid fits were forced into one."""
    logits, _ = drawn(20_000)
    truth = (torch.rand(20_000, generator=torch.Generator().manual_seed(1)) < 0.1 + 0.6 * (logits > 1)).float()
    row_of = torch.arange(20_000) // 5
    points, error = choose_calibration(logits, truth, row_of, row_of % 5)
    torch.testing.assert_close(
        calibrated(torch.tensor([-1.0, 2.0]), *points), torch.tensor([0.1, 0.7]), atol=0.05, rtol=0
    )
    assert error < 0.03
