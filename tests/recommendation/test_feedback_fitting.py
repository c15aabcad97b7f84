"""Fitting a ranker where only what was shown is judged."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from transformers_ggm.errors import RankerError
from transformers_ggm.recommendation import CandidateFeatures, fit_ranker
from transformers_ggm.recommendation.modeling_hashtag_ranker import feature_forms

CANDIDATES = 10


def judged_features(rows=300, shown=4, seed=0):
    """Candidates of which the first few of a row were shown; every third row tells all. Beside them the true ones, the
    rejected ones, and a mask of the judged."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(rows * CANDIDATES, 2, generator=generator)
    is_true = torch.rand(len(values), generator=generator) < (4 * values[:, 0] - 2 * values[:, 1] - 1).sigmoid()
    names = [[f"t{number}" for number in range(CANDIDATES)] for _ in range(rows)]
    features = CandidateFeatures(["good", "bad"], values, names, [[["s"]] * CANDIDATES for _ in range(rows)])
    true, rejected, judged = [], [], []
    for row, came_true in enumerate(is_true.view(rows, CANDIDATES).tolist()):
        seen = CANDIDATES if row % 3 == 0 else shown
        true.append([f"t{number}" for number in range(seen) if came_true[number]])
        wrong = [f"#T{number}" for number in range(seen) if not came_true[number]]
        rejected.append(None if row % 3 == 0 else wrong)
        judged += [number < seen for number in range(CANDIDATES)]
    return features, true, rejected, np.array(judged)


def test_only_what_was_judged_is_learned_from():
    """Would fail if a candidate that nobody was shown counted as wrong: weights and probabilities would not be those
    of a logistic regression on the judged ones alone."""
    features, true, rejected, judged = judged_features()
    ranker = fit_ranker(features, true, rejected=rejected, l2=1.0)
    forms, truth = feature_forms(features.values).double().numpy(), features.truth(true).numpy()
    known = forms[judged]
    standardized = (forms - known.mean(axis=0)) / known.std(axis=0, ddof=1)
    # Its penalty is half the squares over C, ours l2 times the squares.
    reference = LogisticRegression(C=0.5, tol=1e-8).fit(standardized[judged], truth[judged])
    assert ranker(features.values).detach().numpy() == pytest.approx(
        reference.decision_function(standardized), abs=0.01
    )
    found = ranker.probabilities(features.values).numpy()[judged].mean()
    assert found == pytest.approx(truth[judged].mean(), abs=0.02)


def test_candidates_that_were_not_shown_change_nothing():
    """Would fail if the ranker or its calibration depended on features of candidates without a judgement."""
    features, true, rejected, judged = judged_features(rows=90)
    values = features.values.clone()
    values[~torch.from_numpy(judged)] = 7.0
    changed = CandidateFeatures(features.names, values, features.hashtags, features.sources)
    first, second = (fit_ranker(given, true, rejected=rejected) for given in (features, changed))
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())
    assert first.config.to_dict() == second.config.to_dict()


def test_rows_without_feedback_are_fitted_as_before():
    """Would fail if naming no rejected hashtags changed what is learned."""
    features, true, _, _ = judged_features(rows=60)
    first, second = fit_ranker(features, true), fit_ranker(features, true, rejected=[None] * 60)
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())


def test_little_was_accepted():
    """Would fail if parts of the rows in which nothing was accepted made the weights infinite."""
    features, true, _, _ = judged_features(rows=60)
    wrong = [[f"t{number}" for number in range(4)] for _ in true]
    ranker = fit_ranker(features, [["t5"], *[[]] * 59], rejected=wrong)
    assert ranker.probabilities(features.values).isfinite().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda true, rejected: rejected[:-1], "rejected ones of 59"),
        (lambda true, rejected: [["two words"], *rejected[1:]], "row 0 has the rejected hashtags"),
        (lambda true, rejected: [["#T3"], *rejected[1:]], "row 0 has 't3' as a true hashtag and as a rejected one"),
        (lambda true, rejected: [[]] * 60, "or all are"),
    ],
)
def test_what_is_no_feedback(change, message):
    """Would fail if contradictions, or rows without anything wrong, were fitted on."""
    features, true, rejected, _ = judged_features(rows=60)
    true[0] = ["t3"]
    with pytest.raises(RankerError, match=message):
        fit_ranker(features, true, rejected=change(true, rejected))
