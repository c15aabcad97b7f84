"""Calls for reach: hashtags that say nothing of a video, but ask to be shown (#fyp, #viral, 感谢快手我要上热门)."""

from collections import defaultdict
from collections.abc import Collection, Sequence

import numpy as np

from ...errors import InputError
from .hashtag_filter import HashtagFilter, Removed

# Of a hashtag that is used less often nobody can tell what it is tied to.
FEWEST_USES = 8
_FEWEST_FREQUENT = 20
# A hashtag is tied to nothing if its posts are alike at most so much, as a share of the median of frequent hashtags.
_LOOSE = 0.8
# How sure its wording must make it, where it is tied to nothing, and where that is not known.
_LIKELY, _SURE = 0.6, 0.8
_FOLDS = 10


class ReachFilter(HashtagFilter):
    """
    Leaves out calls for reach.

    Args:
        calls (`Collection[str]`): Which hashtags are, see [`learn_reach_calls`].

    Example:

    ```python
    >>> from transformers_ggm.recommendation.filters import ReachFilter

    >>> [each and each.reason for each in ReachFilter({"fyp"}).removed(["fyp", "snow"])]
    ['reach', None]

    ```
    """

    name = "reach"

    def __init__(self, calls: Collection[str]):
        self._calls = calls

    def removed(self, hashtags: Sequence[str]) -> list[Removed | None]:
        return [Removed(hashtag, self.name) if hashtag in self._calls else None for hashtag in hashtags]


def learn_reach_calls(texts: Sequence[str], hashtags: Sequence[Sequence[str]]) -> frozenset[str]:
    """
    Which hashtags are calls for reach: those that are frequent everywhere and tied to nothing, and rarer ones that are
    worded as they are.

    How alike the posts of a hashtag are is the mean cosine similarity of two of them (of their words and characters,
    TF-IDF), against that of any two posts; it does not grow with how often the hashtag is used. Wording is learned by
    a logistic regression over the characters of frequent hashtags, and each is judged by one that does not know it.

    Args:
        texts (`Sequence[str]`): What each post is about. Its topics, where they are known, tell more than its words.
        hashtags (`Sequence[Sequence[str]]`): Those of each post, normalised.

    Returns:
        `frozenset[str]`: The calls for reach; none where fewer than 20 hashtags are used eight times or more.

    Raises:
        InputError: There are more texts than lists of hashtags, or fewer; or scikit-learn is not installed.
    """
    if len(texts) != len(hashtags):
        raise InputError(f"there are {len(texts)} texts for the hashtags of {len(hashtags)} posts: give one each.")
    likeness = _likeness(texts, hashtags)
    names = sorted(likeness)
    if len(names) < _FEWEST_FREQUENT:
        return frozenset()
    is_loose = np.array([likeness[name] for name in names]) < _LOOSE * np.median(list(likeness.values()))
    if is_loose.sum() < 2 or (~is_loose).sum() < 2:
        return frozenset()
    left_out, wording = _wording(names, is_loose)
    found = {name for name, loose, likely in zip(names, is_loose, left_out) if likely > (_LIKELY if loose else _SURE)}
    rare = sorted({hashtag for row in hashtags for hashtag in row} - set(names))
    sure = wording(rare) > _SURE if rare else []
    return frozenset(found | {name for name, is_sure in zip(rare, sure) if is_sure})


def _likeness(texts: Sequence[str], hashtags: Sequence[Sequence[str]]) -> dict[str, float]:
    """By frequent hashtag, how much more alike its posts are than any two."""
    vectorizer = _vectorizer(analyzer="char_wb", ngram_range=(1, 3), min_df=2, sublinear_tf=True)
    try:
        vectors = vectorizer.fit_transform(texts)
    except ValueError:  # no text has anything in common with another
        return {}
    rows: dict[str, list[int]] = defaultdict(list)
    told = np.flatnonzero(vectors.getnnz(axis=1))
    for row in told.tolist():
        for hashtag in set(hashtags[row]):
            rows[hashtag].append(row)
    of_any = _mean_similarity(vectors[told]) if len(told) > 1 else 0.0
    frequent = {hashtag: found for hashtag, found in rows.items() if len(found) >= FEWEST_USES}
    return {hashtag: _mean_similarity(vectors[found]) / max(of_any, 1e-9) for hashtag, found in frequent.items()}


def _mean_similarity(vectors) -> float:
    """Of any two of some unit vectors."""
    total, number = np.asarray(vectors.sum(axis=0)), vectors.shape[0]
    return float((np.square(total).sum() - vectors.multiply(vectors).sum()) / (number * (number - 1)))


def _wording(names: Sequence[str], is_loose: np.ndarray):
    """The probability by wording of each name, by a model that does not know it; and a model that knows all."""
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import StratifiedKFold, cross_val_predict
        from sklearn.pipeline import make_pipeline
    except ImportError as error:
        raise InputError("Learning calls for reach needs `pip install transformers-ggm[recommend]`.") from error

    vectorizer = _vectorizer(analyzer="char", ngram_range=(1, 2), binary=True, sublinear_tf=True)
    model = make_pipeline(vectorizer, LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000))
    folds = min(_FOLDS, int(min(is_loose.sum(), (~is_loose).sum())))
    split = StratifiedKFold(folds, shuffle=True, random_state=0)
    left_out = cross_val_predict(model, names, is_loose, cv=split, method="predict_proba")[:, 1]
    model.fit(names, is_loose)
    return left_out, lambda others: model.predict_proba(others)[:, 1]


def _vectorizer(**options):
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError as error:
        raise InputError("Learning calls for reach needs `pip install transformers-ggm[recommend]`.") from error
    return TfidfVectorizer(**options)
