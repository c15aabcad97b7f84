import random
from collections import Counter

import pytest
import wordninja
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from transformers_ggm.evaluation import hashtag_metrics, recall_at_k, recall_by_cause

TAGS = ["bluesquare", "redsquare", "bluecircle", "rain", "snowday", "lakelife", "münchen", "東京"]
SETS = st.lists(st.sampled_from(TAGS), max_size=5, unique=True)
VIDEOS = st.lists(st.tuples(SETS, SETS.filter(bool)), min_size=1, max_size=5)
# Words that no hashtag of the other list has.
DISJOINT = st.tuples(st.sampled_from(["rain", "snowday", "lakelife"]), st.sampled_from(["bluesquare", "redcircle"]))


def ngram_f1(predicted, true, n):
    """ROUGE-n F1 of two lists of words, as a fraction."""
    first, second = (
        Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1)) for words in (predicted, true)
    )
    overlap = (first & second).total()
    return 2 * overlap / (first.total() + second.total()) if overlap else 0.0


def words_of(tags):
    return [word for tag in sorted(tags) for word in (wordninja.split(tag) if tag.isascii() else [tag])]


@settings(deadline=None)
@given(videos=VIDEOS)
def test_figures_agree_with_plain_python(videos):
    """Would fail if a figure were not the mean over videos of what its name says."""
    predictions, references = map(list, zip(*videos))
    expected = dict.fromkeys(("rouge1", "rouge2", "precision", "recall", "f1"), 0.0)
    for predicted, true in videos:
        hits = len(set(predicted) & set(true))
        row = {
            "rouge1": ngram_f1(words_of(predicted), words_of(true), 1),
            "rouge2": ngram_f1(words_of(predicted), words_of(true), 2),
            "precision": hits / max(len(predicted), 1),
            "recall": hits / len(true),
            "f1": 2 * hits / (len(predicted) + len(true)),
        }
        expected = {name: total + 100 * row[name] / len(videos) for name, total in expected.items()}
    assert hashtag_metrics(predictions, references) == pytest.approx(expected)


@settings(deadline=None)
@given(predicted=SETS.filter(bool), true=SETS.filter(bool))
def test_rouge_agrees_with_rouge_score(predicted, true):
    """Would fail if our ROUGE were another one than the package's that the paper's authors use."""
    ascii_only = [[tag for tag in tags if tag.isascii()] or ["rain"] for tags in (true, predicted)]
    texts = [" ".join(words_of(tags)) for tags in ascii_only]
    expected = RougeScorer(["rouge1", "rouge2"]).score(*texts)
    figures = hashtag_metrics([ascii_only[1]], [ascii_only[0]])
    assert figures["rouge1"] == pytest.approx(100 * expected["rouge1"].fmeasure)
    assert figures["rouge2"] == pytest.approx(100 * expected["rouge2"].fmeasure)


@settings(deadline=None)
@given(references=st.lists(SETS.filter(lambda tags: len(words_of(tags)) > 1), min_size=1, max_size=4))
def test_perfect_predictions(references):
    """Would fail if the author's own hashtags did not score 100."""
    assert hashtag_metrics(references, references) == pytest.approx(
        dict.fromkeys(("rouge1", "rouge2", "precision", "recall", "f1"), 100.0)
    )


@settings(deadline=None)
@given(videos=st.lists(DISJOINT, min_size=1, max_size=4))
def test_disjoint_predictions(videos):
    """Would fail if hashtags without anything in common scored."""
    figures = hashtag_metrics([[predicted] for predicted, _ in videos], [[true] for _, true in videos])
    assert set(figures.values()) == {0.0}


@settings(deadline=None)
@given(videos=VIDEOS, seed=st.integers(0, 9))
def test_order_means_nothing(videos, seed):
    """Would fail if a figure depended on the order of hashtags or of videos."""
    shuffle = random.Random(seed).sample
    shuffled = shuffle([(shuffle(p, len(p)), shuffle(t, len(t))) for p, t in videos], len(videos))
    figures = hashtag_metrics(*map(list, zip(*videos)))
    assert hashtag_metrics(*map(list, zip(*shuffled))) == pytest.approx(figures)


def test_parts_of_a_hashtag_count_for_rouge_alone():
    """Would fail if ROUGE were computed on whole hashtags."""
    figures = hashtag_metrics([["bluesquare"]], [["bluecircle"]])
    assert figures["rouge1"] == pytest.approx(50.0) and figures["f1"] == 0.0


def test_nothing_predicted():
    """Would fail if a video for which nothing was predicted broke the figures or was left out of the mean."""
    assert hashtag_metrics([[], ["rain"]], [["rain"], ["rain"]])["f1"] == pytest.approx(50.0)


@pytest.mark.parametrize("predictions, references", [([], []), ([["a"]], []), ([["a"]], [["a"], ["b"]])])
def test_unequal_lengths(predictions, references):
    """Would fail if figures of other videos than those predicted for were given."""
    with pytest.raises(ValueError, match="videos"):
        hashtag_metrics(predictions, references)


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
    """Would fail if a data set whose rows have different causes, which fills them with None, broke the figures."""
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
