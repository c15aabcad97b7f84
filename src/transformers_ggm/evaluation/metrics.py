"""Figures that compare predicted hashtags with the author's (Yu et al., ACL 2023, section 4.2)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from .words import split_words


def hashtag_metrics(predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """
    ROUGE-1 and ROUGE-2 F1 on hashtags split into words, and exact-match precision, recall and F1, each computed per
    video and averaged, times 100.

    Args:
        predictions (`list[list[str]]`): hashtags without '#', best first.
        references (`list[list[str]]`): the author's hashtags of the same videos.

    Returns:
        `dict[str, float]` with the keys `rouge1`, `rouge2`, `precision`, `recall`, `f1`.

    Raises:
        ValueError: no videos, or as many predictions as references there are not.
        ImportError: the `eval` extra is not installed.

    Example:

    ```python
    >>> from transformers_ggm.evaluation import hashtag_metrics
    >>> figures = hashtag_metrics([["bluesquare", "rain"]], [["redsquare", "rain"]])
    >>> figures["f1"], round(figures["rouge1"], 1)
    (50.0, 66.7)

    ```
    """
    if not references or len(predictions) != len(references):
        raise ValueError(f"`predictions` has {len(predictions)} videos and `references` {len(references)}.")
    rows = [
        _rouge(predicted, true) | _exact_match(set(predicted), set(true))
        for predicted, true in zip(predictions, references)
    ]
    return {name: 100 * sum(row[name] for row in rows) / len(rows) for name in rows[0]}


def _exact_match(predicted: set[str], true: set[str]) -> dict[str, float]:
    hits = len(predicted & true)
    precision = hits / len(predicted) if predicted else 0.0
    recall = hits / len(true) if true else 0.0
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return {"precision": precision, "recall": recall, "f1": f1}


class _HashtagTokenizer:
    """Hands words that are split already to `rouge_score`, whose own tokenizer drops everything outside ASCII."""

    def tokenize(self, text: str) -> list[str]:
        return text.split()


def _rouge(predicted: Sequence[str], true: Sequence[str]) -> dict[str, float]:
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise ImportError("ROUGE needs `pip install transformers-ggm[eval]`.") from error
    scorer = RougeScorer(["rouge1", "rouge2"], tokenizer=_HashtagTokenizer())
    # The order of hashtags means nothing: both sides are sorted, so that ROUGE-2 does not depend on it.
    scores = scorer.score(
        *(" ".join(word for tag in sorted(tags) for word in split_words(tag)) for tags in (true, predicted))
    )
    return {name: score.fmeasure for name, score in scores.items()}


def recall_by_cause(
    predictions: Sequence[Sequence[str]], causes: Sequence[Mapping[str, Sequence[str]]]
) -> dict[str, float]:
    """
    Share of true hashtags that were predicted, per cause, over all videos, times 100.

    Args:
        predictions (`list[list[str]]`): hashtags without '#'.
        causes (`list[dict[str, list[str]]]`): for each video, its hashtags by what they come from, as the rendered
            shorts' metadata has them: `{"seen": ["bluesquare"], "heard": ["rain"], ...}`.

    Returns:
        `dict[str, float]` from cause to recall; causes without any hashtag are left out.
    """
    hits, totals = defaultdict(int), defaultdict(int)
    for predicted, by_cause in zip(predictions, causes):
        for cause, hashtags in (by_cause or {}).items():
            true = set(hashtags or ())  # a data set's column has None where a row lacks a cause that others have
            totals[cause] += len(true)
            hits[cause] += len(true & set(predicted))
    return {cause: 100 * hits[cause] / total for cause, total in totals.items() if total}


def recall_at_k(
    retrieved: Sequence[Sequence[str]], references: Sequence[Sequence[str]], ks: Sequence[int]
) -> dict[int, float]:
    """
    Share of a video's hashtags among the k nearest ones, averaged over videos, times 100 (Table 4).

    Args:
        retrieved (`list[list[str]]`): hashtags of the pool, nearest first.
        references (`list[list[str]]`): the author's hashtags.
        ks (`list[int]`): numbers of hashtags to look at.

    Raises:
        ValueError: no video has a hashtag.
    """
    pairs = [(found, set(true)) for found, true in zip(retrieved, references) if true]
    if not pairs:
        raise ValueError("No video of `references` has a hashtag: there is no recall.")
    return {k: 100 * sum(len(true & set(found[:k])) / len(true) for found, true in pairs) / len(pairs) for k in ks}
