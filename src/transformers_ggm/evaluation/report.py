"""All metrics of one system on one test split, with their intervals and the choices behind them."""

from collections.abc import Collection, Sequence
from typing import Any

from ..utils.word_splitter import WordSplitter, word_splitter_name
from .bertscore import BertScorer, bert_score_per_video
from .intervals import bootstrap_intervals
from .metrics import hashtag_metrics_per_video
from .novelty import novelty_gain_per_video, novelty_metrics, unseen_recalled
from .rouge import HashtagOrder


def hashtag_report(
    predictions: Sequence[Sequence[str]],
    references: Sequence[Sequence[str]],
    *,
    pool: Collection[str] | None = None,
    unseen: Collection[str] | None = None,
    bert_scorer: BertScorer | None = None,
    word_splitter: str | WordSplitter = "wordninja",
    order: HashtagOrder = "shuffled",
    seed: int = 0,
    confidence: float = 0.95,
    samples: int = 10_000,
) -> dict[str, Any]:
    """
    Metrics with bootstrap intervals, ready for JSON.

    Args:
        predictions (`list[list[str]]`): hashtags without '#'.
        references (`list[list[str]]`): the author's hashtags of the same videos.
        pool ([`HashtagPool`] or a collection of `str`, *optional*): adds the metrics of [`novelty_metrics`].
        unseen (collection of `str`, *optional*): adds those of [`unseen_recalled`].
        bert_scorer ([`BertScorer`], *optional*): adds those of [`bert_score_per_video`].
        word_splitter (`str` or callable, *optional*, defaults to `"wordninja"`): see [`get_word_splitter`].
        order (`str`, *optional*, defaults to `"shuffled"`): see [`order_hashtags`].
        seed (`int`, *optional*, defaults to 0): of that order and of the bootstrap.
        confidence (`float`, *optional*, defaults to 0.95), samples (`int`, *optional*, defaults to 10,000): see
            [`bootstrap_intervals`].

    Returns:
        `dict` with `metrics` (`{"mean", "low", "high"}` by name, times 100), `counts` (of novel and unseen hashtags,
        with their shares), `videos`, `settings` (`word_splitter` by name and version, `order`, `seed`, `confidence`,
        `samples`, and the scorer's as `bert_score`).

    Raises:
        ValueError: as [`hashtag_metrics`] and [`bootstrap_intervals`].
        ImportError: the `eval` extra is not installed.

    Example:

    ```python
    >>> from transformers_ggm.evaluation import hashtag_report
    >>> report = hashtag_report([["rain"], ["snow"]], [["rain"], ["beach"]], pool=["rain"])
    >>> report["metrics"]["f1"], report["counts"]["novel_hashtags"]
    ({'mean': 50.0, 'low': 0.0, 'high': 100.0}, 1)
    >>> report["settings"]["word_splitter"]
    'wordninja 2...'

    ```
    """
    reading = {"word_splitter": word_splitter, "order": order, "seed": seed}
    rows = hashtag_metrics_per_video(predictions, references, **reading)
    settings = {"word_splitter": word_splitter_name(word_splitter), "order": order, "seed": seed}
    settings |= {"confidence": confidence, "samples": samples}
    counts = {}
    if bert_scorer is not None:
        rows |= bert_score_per_video(predictions, references, bert_scorer, **reading)
        settings["bert_score"] = bert_scorer.settings
    if pool is not None:
        rows["novelty_gain"] = novelty_gain_per_video(predictions, references, pool)
        counts |= novelty_metrics(predictions, references, pool)
        del counts["novelty_gain"]  # which is among the metrics, with its interval
    if unseen is not None:
        counts |= unseen_recalled(predictions, references, unseen)
    intervals = bootstrap_intervals(rows, confidence=confidence, samples=samples, seed=seed)
    metrics = {name: interval._asdict() for name, interval in intervals.items()}
    return {"metrics": metrics, "counts": counts, "videos": len(references), "settings": settings}
