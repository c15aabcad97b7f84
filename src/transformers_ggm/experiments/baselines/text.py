"""
What can be had from the descriptions alone, without a neural network: the scores that a model has to beat, and
guidance for one.
"""

import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence

import numpy as np

from ...errors import DatasetError
from ...evaluation.cutoff import best_k, best_threshold, hashtags_above, mean_f1

_EXTRA = "This baseline needs `pip install transformers-ggm[baselines]`."


class MostFrequentHashtags:
    """
    Answers every description with the k hashtags that training has most often.

    Args:
        k (`int`, *optional*): how many; by default the number with the best F1 on the validation split.

    Example:

    ```python
    >>> from transformers_ggm.experiments.baselines import MostFrequentHashtags
    >>> train = (["first snow", "snow again", "a lake"], [["snow", "cold"], ["snow"], ["lake"]])
    >>> MostFrequentHashtags(k=1).fit(train).predict(["what a day"])
    [['snow']]

    ```
    """

    def __init__(self, k: int | None = None):
        self.k = k

    def fit(self, train, validation=None) -> "MostFrequentHashtags":
        """
        Args:
            train (`tuple`): descriptions (`list[str]`) and hashtags (`list[list[str]]`) of the training split.
            validation (`tuple`, *optional*): those of the validation split; needed where `k` is not given.

        Raises:
            DatasetError: training has no hashtag. ValueError: neither `k` nor `validation` is given.
        """
        counts = Counter(tag for tags in _checked(train)[1] for tag in tags)
        self.hashtags_ = sorted(counts, key=lambda tag: (-counts[tag], tag))
        self.k_ = self.k
        if self.k is None:
            truth = _needed(validation)[1]
            most = min(len(self.hashtags_), 2 * max(len(tags) for tags in truth) + 1)
            self.k_ = best_k([self.hashtags_[:most]] * len(truth), truth)
        return self

    def predict(self, descriptions: Sequence[str]) -> list[list[str]]:
        """The same hashtags for each description, most frequent first."""
        return [self.hashtags_[: self.k_] for _ in descriptions]


class TfidfBaseline(ABC):
    """
    Scores each training hashtag for a description by its TF-IDF vector, and answers with those above a threshold that
    is chosen on the validation split, best first, at least one.

    Its rankings can guide a generator: [`~TfidfBaseline.rank_training`] those of the training split, where
    [`~TfidfBaseline.rank`] would already know the answers, and [`~TfidfBaseline.rank`] those of all others.

    Example:

    ```python
    >>> from transformers_ggm.experiments.baselines import TfidfNeighbours
    >>> train = (["snow on a hill", "snow and cold", "a lake"], [["snow"], ["snow", "cold"], ["lake"]])
    >>> baseline = TfidfNeighbours(numbers=(2,)).fit(train, train)
    >>> baseline.rank(["cold snow"], k=2), baseline.rank_training(k=2)[1]
    ([['snow', 'cold']], ['snow'])

    ```
    """

    def fit(self, train, validation) -> "TfidfBaseline":
        """
        Args:
            train, validation (`tuple`): descriptions (`list[str]`) and hashtags (`list[list[str]]`) of each split.

        Raises:
            DatasetError: training has no hashtag, or no word. ImportError: scikit-learn is not installed.
        """
        try:
            from sklearn.feature_extraction.text import TfidfVectorizer
            from sklearn.preprocessing import MultiLabelBinarizer
        except ImportError as error:
            raise ImportError(_EXTRA) from error
        descriptions, hashtags = _checked(train)
        self.vectorizer_ = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        try:
            vectors = self.vectorizer_.fit_transform(descriptions)
        except ValueError as error:
            raise DatasetError("No description of the training split has a word.") from error
        binarizer = MultiLabelBinarizer(sparse_output=True)
        truth = binarizer.fit_transform(hashtags)
        self.hashtags_ = np.array([str(tag) for tag in binarizer.classes_], dtype=object)
        self._descriptions, self._truth = list(descriptions), truth.tocsr().astype(np.float64)
        self._choose(vectors, *_needed(validation))
        return self

    def predict(self, descriptions: Sequence[str]) -> list[list[str]]:
        """Hashtags for each description, best first."""
        scores = self.scores(self.vectorizer_.transform(descriptions))
        return hashtags_above(scores, self.hashtags_, self.threshold_)

    def rank(self, descriptions: Sequence[str], k: int) -> list[list[str]]:
        """
        The best hashtags for each description, whatever the threshold.

        Args:
            descriptions (`list[str]`): not those of the training split; see [`~TfidfBaseline.rank_training`].
            k (`int`): how many; fewer for a description with fewer hashtags that score above 0.

        Returns:
            `list[list[str]]`: best first; of equal ones the first in alphabetical order.

        Raises:
            ValueError: `k` is below 1.
        """
        return self._best(self.scores(self.vectorizer_.transform(descriptions)), k)

    def rank_training(self, k: int) -> list[list[str]]:
        """
        The best hashtags for each description of the training split, found without its own hashtags: as good, and as
        bad, as [`~TfidfBaseline.rank`] is for descriptions that were never seen.

        Args:
            k (`int`): as in [`~TfidfBaseline.rank`].

        Returns:
            `list[list[str]]`: in the order of the rows that [`~TfidfBaseline.fit`] was given.

        Raises:
            ValueError: `k` is below 1, or the training split has fewer rows than [`TfidfLogisticRegression`] has
                folds.
        """
        return self._best(self.training_scores(), k)

    @abstractmethod
    def scores(self, vectors) -> np.ndarray:
        """Scores (n, hashtags) of TF-IDF vectors (n, words); more is better, and 0 the least."""

    @abstractmethod
    def training_scores(self) -> np.ndarray:
        """Scores (rows, hashtags) of the training split, each row's found without its own hashtags."""

    @abstractmethod
    def _choose(self, vectors, descriptions: Sequence[str], hashtags: Sequence[Sequence[str]]) -> None:
        """Learns from training vectors and truth, and sets what is chosen on the validation split."""

    def _best(self, scores: np.ndarray, k: int) -> list[list[str]]:
        if k < 1:
            raise ValueError(f"`k` is {k}: at least one hashtag must be asked for.")
        orders = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return [self.hashtags_[order[row[order] > 0]].tolist() for row, order in zip(scores, orders)]


class TfidfNeighbours(TfidfBaseline):
    """
    Hashtags of the training descriptions that are nearest by cosine similarity, each scored by the share of the
    neighbours' similarity that has it. The number of neighbours is chosen on the validation split.

    Args:
        numbers (`tuple[int, ...]`, *optional*, defaults to `(1, 2, 3, 5, 8, 13, 21)`): of neighbours to try.
    """

    def __init__(self, numbers: tuple[int, ...] = (1, 2, 3, 5, 8, 13, 21)):
        self.numbers = numbers

    def _choose(self, vectors, descriptions, hashtags) -> None:
        self._vectors = vectors
        similarity = self._similarity(self.vectorizer_.transform(descriptions))
        best = -1.0
        for number in (min(number, vectors.shape[0]) for number in self.numbers):
            scores = self._shares(similarity, number)
            threshold = best_threshold(scores, self.hashtags_, hashtags)
            metric = mean_f1(hashtags_above(scores, self.hashtags_, threshold), hashtags)
            if metric > best:
                best, self.num_neighbours_, self.threshold_ = metric, number, threshold

    def scores(self, vectors) -> np.ndarray:
        return self._shares(self._similarity(vectors), self.num_neighbours_)

    def training_scores(self) -> np.ndarray:
        similarity = self._similarity(self._vectors)
        # A neighbour that is not similar at all adds nothing, wherever it comes.
        np.fill_diagonal(similarity, 0.0)
        return self._shares(similarity, self.num_neighbours_)

    def _similarity(self, vectors) -> np.ndarray:
        # Rows of TfidfVectorizer have length 1: the product is the cosine.
        return (vectors @ self._vectors.T).toarray()

    def _shares(self, similarity: np.ndarray, num_neighbours: int) -> np.ndarray:
        nearest = np.argpartition(-similarity, num_neighbours - 1, axis=1)[:, :num_neighbours]
        weights = np.zeros_like(similarity)
        np.put_along_axis(weights, nearest, np.take_along_axis(similarity, nearest, axis=1), axis=1)
        total = weights.sum(axis=1, keepdims=True)
        return np.asarray(weights @ self._truth) / np.where(total > 0, total, 1)


class TfidfLogisticRegression(TfidfBaseline):
    """
    One logistic regression per hashtag.

    Args:
        C (`float`, *optional*, defaults to 10.0): inverse strength of the regularisation.
        folds (`int`, *optional*, defaults to 5): parts of the training split for [`~TfidfBaseline.rank_training`]:
            each is ranked by regressions that learned from the others.
    """

    def __init__(self, C: float = 10.0, folds: int = 5):
        self.C = C
        self.folds = folds

    def _choose(self, vectors, descriptions, hashtags) -> None:
        from sklearn.linear_model import LogisticRegression
        from sklearn.multiclass import OneVsRestClassifier

        self._model = OneVsRestClassifier(LogisticRegression(C=self.C, solver="liblinear"))
        self._model.fit(vectors, self._truth)
        queries = self.vectorizer_.transform(descriptions)
        self.threshold_ = best_threshold(self.scores(queries), self.hashtags_, hashtags)

    def scores(self, vectors) -> np.ndarray:
        return self._model.predict_proba(vectors)

    def training_scores(self) -> np.ndarray:
        from sklearn.base import clone
        from sklearn.model_selection import KFold
        from sklearn.pipeline import make_pipeline

        # Not by cross_val_predict, which takes a hashtag that every row has for one that none has.
        descriptions, scores = np.asarray(self._descriptions, dtype=object), np.empty(self._truth.shape)
        for seen, unseen in KFold(self.folds, shuffle=True, random_state=0).split(descriptions):
            # The vectoriser learns anew too: words that only the left-out part has are unknown, as in new
            # descriptions.
            model = make_pipeline(clone(self.vectorizer_), clone(self._model))
            with warnings.catch_warnings():
                # Constant answers are right for hashtags that all or none of the seen rows have.
                warnings.filterwarnings("ignore", message="Label .* is present in all training examples")
                model.fit(descriptions[seen], self._truth[seen])
            scores[unseen] = model.predict_proba(descriptions[unseen])
        return scores


def _checked(split) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    descriptions, hashtags = split
    if len(descriptions) != len(hashtags):
        raise ValueError(f"There are {len(descriptions)} descriptions, but hashtags of {len(hashtags)} rows.")
    if not any(hashtags):
        raise DatasetError("No row has a hashtag: there is nothing to learn from.")
    return descriptions, hashtags


def _needed(validation):
    if validation is None:
        raise ValueError("`validation` is needed to choose how many hashtags are answered.")
    return _checked(validation)
