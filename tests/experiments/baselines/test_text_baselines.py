import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transformers_ggm.errors import DatasetError
from transformers_ggm.evaluation import hashtag_metrics
from transformers_ggm.experiments.baselines import MostFrequentHashtags, TfidfLogisticRegression, TfidfNeighbours

TOPICS = {"snow": "cold white flakes", "lake": "water boats swimming", "song": "guitar verse chorus"}


def rows(count, seed):
    """Descriptions that name their topics, with the topics' hashtags and one that all have."""
    generator = np.random.default_rng(seed)
    descriptions, hashtags = [], []
    for _ in range(count):
        topics = sorted(generator.choice(sorted(TOPICS), generator.integers(1, 3), replace=False))
        words = [word for topic in topics for word in TOPICS[topic].split()]
        descriptions.append(" ".join(generator.permutation(words)))
        hashtags.append([*topics, "video"])
    return descriptions, hashtags


TRAIN, VALIDATION, TEST = rows(120, 0), rows(30, 1), rows(40, 2)


@pytest.mark.parametrize("make", [TfidfNeighbours, TfidfLogisticRegression])
def test_words_are_learned(make):
    """Would fail if words told a baseline nothing, or its hashtags came in another order than their scores."""
    baseline = make().fit(TRAIN, VALIDATION)
    predictions = baseline.predict(TEST[0])
    assert hashtag_metrics(predictions, TEST[1])["f1"] > 95
    scores = baseline.scores(baseline.vectorizer_.transform(TEST[0]))
    order = {tag: number for number, tag in enumerate(baseline.hashtags_)}
    for row, tags in zip(scores, predictions):
        assert tags and len(set(tags)) == len(tags)
        assert [row[order[tag]] for tag in tags] == sorted((row[order[tag]] for tag in tags), reverse=True)


@given(st.lists(st.lists(st.sampled_from("abcde"), unique=True, max_size=4), min_size=1, max_size=20).filter(any))
@settings(deadline=None)
def test_most_frequent(hashtags):
    """Would fail if the answer were not the hashtags that training has most often."""
    descriptions = [""] * len(hashtags)
    (answer,) = MostFrequentHashtags(k=3).fit((descriptions, hashtags)).predict(["anything"])
    counts = {tag: sum(tag in tags for tags in hashtags) for tag in "abcde"}
    assert answer == sorted((tag for tag in counts if counts[tag]), key=lambda tag: (-counts[tag], tag))[:3]


def test_number_is_chosen_on_validation():
    """Would fail if another number of hashtags answered than the best one of the validation split."""
    baseline = MostFrequentHashtags().fit(TRAIN, VALIDATION)
    metrics = {
        k: hashtag_metrics(MostFrequentHashtags(k=k).fit(TRAIN).predict(VALIDATION[0]), VALIDATION[1])["f1"]
        for k in range(1, 5)
    }
    assert baseline.k_ == max(metrics, key=metrics.get)


def test_neighbours_agree_with_plain_numpy():
    """Would fail if a score were not the share of the neighbours' similarity that has the hashtag."""
    baseline = TfidfNeighbours(numbers=(3,)).fit(TRAIN, VALIDATION)
    vectors, queries = (baseline.vectorizer_.transform(split[0]).toarray() for split in (TRAIN, TEST))
    scores = baseline.scores(baseline.vectorizer_.transform(TEST[0]))
    for query, row in zip(queries, scores):
        cosines = vectors @ query / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(query))
        nearest = np.sort(cosines)[-3:]
        # Of equally near rows any may be taken: only the sum of their similarity is certain.
        all_have_video = row[list(baseline.hashtags_).index("video")]
        assert all_have_video == pytest.approx(1.0)
        assert nearest.sum() > 0 and row.max() == pytest.approx(1.0)


def test_a_description_without_known_words_is_answered():
    """Would fail if a description of unknown words had no answer, or a division by zero."""
    for make in (TfidfNeighbours, TfidfLogisticRegression):
        with np.errstate(all="raise"):
            (answer,) = make().fit(TRAIN, VALIDATION).predict(["xyzzy"])
        assert len(answer) >= 1


def test_unusable_data():
    """Would fail if data to learn nothing from ended in an error of scikit-learn, or in an empty answer."""
    with pytest.raises(DatasetError, match="No row has a hashtag"):
        MostFrequentHashtags(k=1).fit((["words"], [[]]))
    with pytest.raises(DatasetError, match="has a word"):
        TfidfNeighbours().fit((["", ""], [["a"], ["b"]]), VALIDATION)
    with pytest.raises(ValueError, match="2 descriptions"):
        MostFrequentHashtags(k=1).fit((["one", "two"], [["a"]]))
    with pytest.raises(ValueError, match="validation"):
        MostFrequentHashtags().fit(TRAIN)


def best_by_hand(scores, hashtags, k):
    """The k best of the hashtags that score above 0, ties in alphabetical order."""
    ranked = sorted((-score, tag) for score, tag in zip(scores, hashtags) if score > 0)
    return [tag for _, tag in ranked[:k]]


def test_neighbours_rank_training_rows_without_themselves():
    """Would fail if a training row were its own neighbour, or ranked otherwise than the others' weighted votes."""
    descriptions = ["cold snow", "snow lake boat", "boat song cold", "lake song verse", "verse boat snow cold", "boat"]
    hashtags = [["a"], ["b", "a"], ["c"], ["d", "b"], ["c", "a"], ["onlyhere"]]
    baseline = TfidfNeighbours(numbers=(2,)).fit((descriptions, hashtags), VALIDATION)
    vectors = baseline.vectorizer_.transform(descriptions).toarray()
    for own, ranked in enumerate(baseline.rank_training(k=3)):
        others = sorted((row for row in range(6) if row != own), key=lambda row: -(vectors[row] @ vectors[own]))[:2]
        votes = {
            tag: sum(vectors[row] @ vectors[own] for row in others if tag in hashtags[row])
            for tag in ("a", "b", "c", "d", "onlyhere")
        }
        assert ranked == best_by_hand(votes.values(), votes, 3)
        assert own != 5 or "onlyhere" not in ranked
    (ranked,) = baseline.rank([descriptions[5]], k=1)
    assert ranked == ["onlyhere"]


def test_regressions_rank_training_rows_they_did_not_learn_from():
    """Would fail if a training row were scored by regressions, or a vectoriser, that had seen it."""
    from sklearn.model_selection import KFold

    descriptions, hashtags = TRAIN[0][:30], [[*tags, f"only{row}"] for row, tags in enumerate(TRAIN[1][:30])]
    baseline = TfidfLogisticRegression(folds=3).fit((descriptions, hashtags), VALIDATION)
    ranked = baseline.rank_training(k=4)
    for seen, unseen in KFold(3, shuffle=True, random_state=0).split(descriptions):
        part = ([descriptions[row] for row in seen], [hashtags[row] for row in seen])
        other = TfidfLogisticRegression().fit(part, VALIDATION)
        assert [ranked[row] for row in unseen] == other.rank([descriptions[row] for row in unseen], k=4)
    assert all(f"only{row}" not in tags for row, tags in enumerate(ranked))
    assert any(f"only{row}" in tags for row, tags in enumerate(baseline.rank(descriptions, k=40)))


@pytest.mark.parametrize("make", [TfidfNeighbours, TfidfLogisticRegression])
def test_ranking_is_by_score(make):
    """Would fail if a ranking had another order than the scores, more than k hashtags, or some that score 0."""
    baseline = make().fit(TRAIN, VALIDATION)
    scores = baseline.scores(baseline.vectorizer_.transform(TEST[0]))
    for k in (1, 2, 10):
        expected = [best_by_hand(row, baseline.hashtags_, k) for row in scores]
        assert baseline.rank(TEST[0], k) == expected
    assert [len(tags) for tags in baseline.rank(["xyzzy"], 10)] == [0 if make is TfidfNeighbours else 4]
    with pytest.raises(ValueError, match="`k` is 0"):
        baseline.rank(TEST[0], 0)
