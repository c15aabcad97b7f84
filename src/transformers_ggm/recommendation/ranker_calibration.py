"""From a ranker's logits to probabilities: a step function of many rows, a smooth curve of few."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from ..errors import RankerError
from ..evaluation.calibration import best_of_rows, expected_calibration_error
from .modeling_hashtag_ranker import calibrated

Points = tuple[list[float], list[float]]

# Of the isotonic regression: fewer candidates than this in a step say little of a probability.
_FEWEST_IN_STEP = 20
# A smooth curve is kept as straight lines between so many points.
_POINTS_OF_CURVE = 64


def isotonic_calibration(logits: torch.Tensor, truth: torch.Tensor) -> Points:
    """The middles of the steps of an isotonic regression (Zadrozny and Elkan, KDD 2002)."""
    try:
        from sklearn.isotonic import IsotonicRegression
    except ImportError as error:
        raise RankerError("fitting a ranker needs scikit-learn: `pip install transformers-ggm[recommend]`.") from error
    order = logits.argsort(stable=True)
    logits, truth = logits[order].double().numpy(), truth[order].double().numpy()
    steps = IsotonicRegression(out_of_bounds="clip").fit_transform(logits, truth)
    points = [_middle(logits[part], truth[part]) for part in _joined_steps(steps)]
    at, probabilities = map(list, zip(*points))
    # Two steps may meet in one logit.
    return _ascending(at), _ascending(probabilities)


def sigmoid_calibration(logits: torch.Tensor, truth: torch.Tensor) -> Points:
    """A sigmoid of the logits, stretched and shifted (Platt, 1999)."""
    logits, truth = logits.double(), truth.double()
    stretch, shift = (torch.tensor(start, dtype=torch.float64, requires_grad=True) for start in (1.0, 0.0))
    optimizer = torch.optim.LBFGS([stretch, shift], max_iter=50, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = torch.nn.functional.binary_cross_entropy_with_logits(stretch * logits + shift, truth)
        value.backward()
        return value

    optimizer.step(loss)
    at = torch.linspace(logits.min(), logits.max(), _POINTS_OF_CURVE, dtype=torch.float64)
    curve = (stretch.detach().clamp(min=0) * at + shift.detach()).sigmoid()
    return _ascending(at.tolist()), _ascending(curve.tolist())


CALIBRATIONS: tuple[Callable[[torch.Tensor, torch.Tensor], Points], ...] = (isotonic_calibration, sigmoid_calibration)


def choose_calibration(
    logits: torch.Tensor, truth: torch.Tensor, row_of: torch.Tensor, fold_of: torch.Tensor
) -> tuple[Points, float]:
    """
    The calibration by which each row's best five are the most likely where it did not see them.

    Args:
        logits, truth (`torch.Tensor` of shape `(n,)`): Of candidates, by rankers that did not see them.
        row_of, fold_of (`torch.Tensor` of shape `(n,)`): The row of each candidate, ascending, and the part of that
            row.

    Returns:
        The points of the calibration, and the expected calibration error of each row's best five, from 0 to 1.
    """
    best = None
    for calibrate in CALIBRATIONS:
        probabilities = torch.empty(len(truth))
        for fold in fold_of.unique():
            kept = fold_of != fold
            probabilities[~kept] = calibrated(logits[~kept], *calibrate(logits[kept], truth[kept]))
        rows = torch.unique_consecutive(row_of, return_counts=True)[1].tolist()
        parts = [[part.numpy() for part in numbers.split(rows)] for numbers in (probabilities, truth)]
        top, true = best_of_rows(*parts)
        loss = _log_loss(np.asarray(top, np.float64), np.asarray(true, np.float64))
        if best is None or loss < best[0]:
            best = loss, calibrate, expected_calibration_error(top, true)
    return best[1](logits, truth), best[2]


def _log_loss(probabilities: np.ndarray, truth: np.ndarray) -> float:
    probabilities = probabilities.clip(1e-6, 1 - 1e-6)
    return float(-(truth * np.log(probabilities) + (1 - truth) * np.log(1 - probabilities)).mean())


def _joined_steps(steps: np.ndarray) -> Iterator[slice]:
    """The steps of an isotonic regression, small ones joined with the next."""
    ends = np.append(np.flatnonzero(np.diff(steps)) + 1, len(steps))
    start = 0
    for end in ends.tolist():
        if end - start >= _FEWEST_IN_STEP or (end == len(steps) and end > start):
            yield slice(start, end)
            start = end


def _middle(logits: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    # As if it had been true once and false once more: no step is certain.
    return float(logits.mean()), float((truth.sum() + 0.5) / (len(truth) + 1))


def _ascending(numbers: Sequence[float]) -> list[float]:
    return [float(number) for number in np.maximum.accumulate(numbers)]
