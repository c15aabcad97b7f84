"""Calls for reach: hashtags that say nothing of a video, but ask to be shown (#fyp, #viral, 感谢快手我要上热门)."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import regex

from ...errors import InputError
from ...utils.yaml_files import read_yaml_mapping
from .hashtag_filter import HashtagFilter, Removed

# With more letters they are other words: exploretheworld.
_WHOLE = frozenset({"explore", "follow", "fy", "foru", "trend"})
_FILE = Path(__file__).with_name("reach_words.yaml")
# Of a hashtag that is used less often nobody can tell what it is tied to.
FEWEST_USES = 8
_FEWEST_FREQUENT = 20
# A hashtag is tied to nothing if its posts are alike at most so much, as a share of the median of frequent hashtags,
# and to a topic if they are so many times as much alike.
_LOOSE, _TIED = 0.8, 2.0
# How likely the wording must make it for a hashtag to be one, if it is tied to nothing, if it is frequent, and if it
# is rare or to be learned from as a call; and how unlikely to be learned from as none.
_MAYBE, _LIKELY, _SURE, _SURELY_NOT = 0.45, 0.5, 0.6, 0.3
_ROUNDS = 6
_SYLLABLES = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]")
_LENGTHS_OF_SYLLABLES, _LENGTHS_OF_LETTERS = (1, 2, 3), (4, 5, 6)
# The most used ones, of which wording is learned.
_MOST_NAMES = 5000


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
    Which hashtags are calls for reach. The search begins with those that have words by which people are known to ask
    (`reach_words.yaml`). From them and the others a logistic regression over characters learns how calls are worded
    here, again and again with those that it is sure of (self-training). Where texts tell, a hashtag that is frequent
    everywhere and tied to nothing is not taken for an example of what is none, and one that is tied to a topic is no
    call unless it has one of those words.

    How tied a hashtag is to a topic is the mean cosine similarity of two of its posts (of their words and characters,
    TF-IDF), against that of any two posts; it does not grow with how often the hashtag is used.

    Args:
        texts (`Sequence[str]`): What each post is about. Its topics, where they are known, tell more than its words;
            `""` for nothing.
        hashtags (`Sequence[Sequence[str]]`): Those of each post, normalised.

    Returns:
        `frozenset[str]`: The calls for reach; none where nobody asks in known words, or where fewer than 20 hashtags
        are used eight times or more.

    Raises:
        InputError: There are more texts than lists of hashtags, or fewer; or scikit-learn is not installed.
    """
    if len(texts) != len(hashtags):
        raise InputError(f"there are {len(texts)} texts for the hashtags of {len(hashtags)} posts: give one each.")
    uses = Counter(hashtag for row in hashtags for hashtag in set(row))
    if sum(count >= FEWEST_USES for count in uses.values()) < _FEWEST_FREQUENT:
        return frozenset()
    names = [name for name, _ in sorted(uses.items(), key=lambda item: (-item[1], item[0]))[:_MOST_NAMES]]
    asking = {name for name in uses if _asks(name)}
    loose, tied = _loose_and_tied(texts, hashtags, asking)
    sure, no_calls = asking & set(names), [name for name in names if name not in asking | loose]
    if not sure or not no_calls:
        return frozenset()
    for _ in range(_ROUNDS):
        wording = _wording(sorted(sure), no_calls)
        likely = dict(zip(names, wording(names)))
        sure |= {name for name in names if likely[name] > _SURE}
        # Of few hashtags the wording is never sure.
        no_calls = [name for name in names if likely[name] < _SURELY_NOT and name not in sure] or no_calls
    likely = dict(zip(uses, wording(list(uses))))
    rare = {name for name, count in uses.items() if count < FEWEST_USES}
    found = {name for name in uses if likely[name] > (_SURE if name in rare else _MAYBE if name in loose else _LIKELY)}
    return frozenset(found - (tied - asking))


def _loose_and_tied(
    texts: Sequence[str], hashtags: Sequence[Sequence[str]], asking: Collection[str]
) -> tuple[set[str], set[str]]:
    """Frequent hashtags that are tied to nothing, and to a topic; none where texts do not tell."""
    likeness = _likeness(texts, hashtags)
    known = [alike for name, alike in likeness.items() if name in asking]
    usual = float(np.median(list(likeness.values()))) if likeness else 0.0
    # Captions are often so short that even known calls are no looser than others.
    if not known or np.median(known) > _LOOSE * usual:
        return set(), set()
    loose = {name for name, alike in likeness.items() if alike < _LOOSE * usual}
    return loose, {name for name, alike in likeness.items() if alike > _TIED * usual}


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


def _asks(hashtag: str) -> bool:
    return hashtag in _WHOLE or any(word in hashtag for word in _asking_words())


@cache
def _asking_words() -> tuple[str, ...]:
    try:
        table = read_yaml_mapping(_FILE, "languages to words")
    except ValueError as error:
        raise InputError(f"{error} `pip install transformers-ggm` to learn calls for reach.") from error
    return tuple(word for words in table.values() for word in words)


def _wording(calls: Sequence[str], others: Sequence[str]) -> Callable[[Sequence[str]], np.ndarray]:
    """The probability of hashtags to be calls by their wording, learned from some that are and some that are not."""
    model = _wording_model()
    model.fit([*calls, *others], [True] * len(calls) + [False] * len(others))
    return lambda names: model.predict_proba(names)[:, 1]


def _wording_model():
    try:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
    except ImportError as error:
        raise InputError("Learning calls for reach needs `pip install transformers-ggm[recommend]`.") from error

    vectorizer = _vectorizer(analyzer=_pieces, binary=True, sublinear_tf=True)
    return make_pipeline(vectorizer, LogisticRegression(C=1.0, class_weight="balanced", max_iter=1000))


def _pieces(hashtag: str) -> list[str]:
    """What wording is told by: up to three characters of Chinese, Japanese or Korean, or four to six letters."""
    if _SYLLABLES.search(hashtag):
        text, lengths = hashtag, _LENGTHS_OF_SYLLABLES
    else:
        text, lengths = f" {hashtag} ", _LENGTHS_OF_LETTERS
    return [text[start : start + n] for n in lengths for start in range(len(text) - n + 1)]


def _vectorizer(**options):
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError as error:
        raise InputError("Learning calls for reach needs `pip install transformers-ggm[recommend]`.") from error
    return TfidfVectorizer(**options)
