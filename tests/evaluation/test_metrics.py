import random
from collections import Counter

import pytest
import wordninja
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from transformers_ggm.evaluation import hashtag_metrics, hashtag_metrics_per_video, mean_metrics

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
def test_metrics_agree_with_plain_python(videos):
    """Would fail if a metric were not the mean over videos of what its name says."""
    predictions, references = map(list, zip(*videos))
    rows = []
    for predicted, true in videos:
        hits = len(set(predicted) & set(true))
        rows.append(
            {
                "rouge1": 100 * ngram_f1(words_of(predicted), words_of(true), 1),
                "rouge2": 100 * ngram_f1(words_of(predicted), words_of(true), 2),
                "precision": 100 * hits / max(len(predicted), 1),
                "recall": 100 * hits / len(true),
                "f1": 200 * hits / (len(predicted) + len(true)),
            }
        )
    expected = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
    total = expected["precision"] + expected["recall"]
    expected["f1_of_means"] = 2 * expected["precision"] * expected["recall"] / total if total else 0.0
    assert hashtag_metrics(predictions, references, order="sorted") == pytest.approx(expected)
    per_video = hashtag_metrics_per_video(predictions, references, order="sorted")
    assert [{name: values[i] for name, values in per_video.items()} for i in range(len(rows))] == [
        pytest.approx(row) for row in rows
    ]


@settings(deadline=None)
@given(predicted=SETS.filter(bool), true=SETS.filter(bool))
def test_rouge_agrees_with_rouge_score(predicted, true):
    """Would fail if our ROUGE were another one than the package's that the paper's authors use."""
    ascii_only = [[tag for tag in tags if tag.isascii()] or ["rain"] for tags in (true, predicted)]
    texts = [" ".join(words_of(tags)) for tags in ascii_only]
    expected = RougeScorer(["rouge1", "rouge2"]).score(*texts)
    metrics = hashtag_metrics([ascii_only[1]], [ascii_only[0]], order="sorted")
    assert metrics["rouge1"] == pytest.approx(100 * expected["rouge1"].fmeasure)
    assert metrics["rouge2"] == pytest.approx(100 * expected["rouge2"].fmeasure)


@settings(deadline=None)
@given(references=st.lists(SETS.filter(lambda tags: len(words_of(tags)) > 1), min_size=1, max_size=4))
def test_perfect_predictions(references):
    """Would fail if the author's own hashtags did not score 100."""
    assert hashtag_metrics(references, references) == pytest.approx(
        dict.fromkeys(("rouge1", "rouge2", "precision", "recall", "f1", "f1_of_means"), 100.0)
    )


@settings(deadline=None)
@given(videos=st.lists(DISJOINT, min_size=1, max_size=4))
def test_disjoint_predictions(videos):
    """Would fail if hashtags without anything in common scored."""
    metrics = hashtag_metrics([[predicted] for predicted, _ in videos], [[true] for _, true in videos])
    assert set(metrics.values()) == {0.0}


@settings(deadline=None)
@given(videos=VIDEOS, seed=st.integers(0, 9))
def test_order_means_nothing(videos, seed):
    """Would fail if a metric depended on the order of hashtags or of videos."""
    shuffle = random.Random(seed).sample
    shuffled = shuffle([(shuffle(p, len(p)), shuffle(t, len(t))) for p, t in videos], len(videos))
    metrics = hashtag_metrics(*map(list, zip(*videos)))
    assert hashtag_metrics(*map(list, zip(*shuffled))) == pytest.approx(metrics)


def test_parts_of_a_hashtag_count_for_rouge_alone():
    """Would fail if ROUGE were computed on whole hashtags."""
    metrics = hashtag_metrics([["bluesquare"]], [["bluecircle"]])
    assert metrics["rouge1"] == pytest.approx(50.0) and metrics["f1"] == 0.0


def test_nothing_predicted():
    """Would fail if a video for which nothing was predicted broke the metrics or was left out of the mean."""
    assert hashtag_metrics([[], ["rain"]], [["rain"], ["rain"]])["f1"] == pytest.approx(50.0)


@pytest.mark.parametrize("predictions, references", [([], []), ([["a"]], []), ([["a"]], [["a"], ["b"]])])
def test_unequal_lengths(predictions, references):
    """Would fail if metrics of other videos than those predicted for were given."""
    with pytest.raises(ValueError, match="videos"):
        hashtag_metrics(predictions, references)


def test_both_f1():
    """Would fail if the F1 of the released code were named as the mean of the videos' F1, or the reverse."""
    metrics = hashtag_metrics([["a"], ["a", "b", "c", "d"]], [["a", "b"], ["a"]])
    assert metrics["precision"] == 62.5 and metrics["recall"] == 75.0
    assert metrics["f1"] == pytest.approx((200 / 3 + 40) / 2)
    assert metrics["f1_of_means"] == pytest.approx(2 * 62.5 * 75 / 137.5)


def test_word_splitter_is_used():
    """Would fail if the words were always wordninja's."""
    tags = [["bluesquare"]], [["bluecircle"]]
    assert hashtag_metrics(*tags, word_splitter="whole")["rouge1"] == 0.0
    assert hashtag_metrics(*tags, word_splitter=lambda tag: [tag[:4], tag[4:]])["rouge1"] == pytest.approx(50.0)
    assert hashtag_metrics([["東京"]], [["東北"]], word_splitter="characters")["rouge1"] == pytest.approx(50.0)


def test_means_without_precision():
    """Would fail if metrics other than these could not be averaged."""
    assert mean_metrics({"bertscore_f1": [50.0, 100.0]}) == {"bertscore_f1": 75.0}
