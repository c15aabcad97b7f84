import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from transformers_ggm.evaluation import best_k, best_threshold, hashtags_above

LETTERS = "abcdefgh"
# More letters than columns: authors use hashtags that no column stands for.
AUTHORS_TAGS = st.lists(st.sampled_from(LETTERS), unique=True, max_size=4)


@st.composite
def scored(draw):
    """Scores with ties and the references of as many rows."""
    rows, columns = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    scores = draw(arrays(float, (rows, columns), elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 0.9])))
    return scores, list(LETTERS[:columns]), draw(st.lists(AUTHORS_TAGS, min_size=rows, max_size=rows))


def f1(predictions, references):
    """Mean F1 over rows, from its definition."""
    metrics = []
    for predicted, true in zip(predictions, references):
        hits = len(set(predicted) & set(true))
        precision, recall = hits / len(predicted), hits / max(len(true), 1)
        metrics.append(2 * precision * recall / (precision + recall) if hits else 0.0)
    return sum(metrics) / len(metrics)


def answers(scores, columns, threshold):
    """One hashtag at least, and all from the threshold on, best first."""
    found = []
    for row in scores.tolist():
        ranked = sorted(zip(row, columns), key=lambda pair: -pair[0])
        found.append([tag for score, tag in ranked if score >= threshold] or [ranked[0][1]])
    return found


@given(scored(), st.floats(0, 1))
@settings(deadline=None)
def test_answers_are_those_above(data, threshold):
    """Would fail if a hashtag below the threshold were answered, one above it left out, or the order were another."""
    scores, columns, _ = data
    assert hashtags_above(scores, columns, threshold) == answers(scores, columns, threshold)


@given(scored())
@settings(deadline=None)
def test_no_tried_threshold_is_better(data):
    """Would fail if the chosen threshold were not the lowest of those with the best F1."""
    scores, columns, references = data
    metrics = {
        threshold: f1(answers(scores, columns, threshold), references)
        for threshold in sorted(set(np.quantile(scores, np.linspace(0, 1, 100))))
    }
    best = max(metrics.values())
    chosen = best_threshold(scores, columns, references)
    assert metrics[chosen] == pytest.approx(best)
    assert all(metrics[threshold] < best or metrics[threshold] == pytest.approx(best) for threshold in metrics)
    # Equal metrics may differ in their last bit, by the order of their sums.
    assert not [threshold for threshold in metrics if threshold < chosen and metrics[threshold] > metrics[chosen]]


@given(scored(), st.randoms())
@settings(deadline=None)
def test_columns_may_differ_between_rows(data, random):
    """Would fail if a row's own columns, such as its hundred best hashtags, were read as another row's."""
    scores, columns, references = data
    scores = scores + 0.001 * np.arange(len(columns))  # without ties, of which the first column would win
    orders = [random.sample(range(len(columns)), len(columns)) for _ in scores]
    own_scores = np.array([row[order] for row, order in zip(scores, orders)])
    own = np.array([[columns[i] for i in order] for order in orders], dtype=object)
    threshold = best_threshold(own_scores, own, references)
    assert threshold == best_threshold(scores, columns, references)
    assert hashtags_above(own_scores, own, threshold) == answers(scores, columns, threshold)


def test_only_the_best_scores_are_told_apart():
    """Would fail if thousands of hopeless hashtags left no quantile for the few scores that matter."""
    generator = np.random.default_rng(0)
    scores = generator.uniform(0, 0.01, (50, 2000))
    columns = [f"tag{i}" for i in range(2000)]
    true = generator.integers(0, 2000, 50)
    scores[np.arange(50), true] = generator.uniform(0.6, 0.9, 50)
    references = [[columns[i]] for i in true]
    assert f1(hashtags_above(scores, columns, best_threshold(scores, columns, references)), references) == 1.0


@given(st.lists(st.tuples(st.permutations(LETTERS), AUTHORS_TAGS), min_size=1, max_size=6))
@settings(deadline=None)
def test_best_number(rows):
    """Would fail if another number of leading hashtags had a better F1, or a smaller one the same."""
    ranked, references = [list(tags) for tags, _ in rows], [tags for _, tags in rows]
    metrics = {k: f1([tags[:k] for tags in ranked], references) for k in range(1, len(LETTERS) + 1)}
    k = best_k(ranked, references)
    assert metrics[k] == pytest.approx(max(metrics.values()))
    assert all(
        metrics[smaller] < metrics[k] or metrics[smaller] == pytest.approx(metrics[k]) for smaller in range(1, k)
    )


def test_best_number_of_unequal_rows():
    """Would fail if a row with fewer hashtags, such as one without a clip, ended the search or an error."""
    assert best_k([["a"], [], ["a", "b", "c"]], [["a"], ["x"], ["a", "b", "c"]]) == 3
