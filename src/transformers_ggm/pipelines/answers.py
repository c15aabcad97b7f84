"""The hashtags of one item as the pipeline tells them: ranked, as the generator wrote them, or fused."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from ..recommendation.candidates import GENERATOR

# How many fused hashtags are shown: their scores do not tell where to stop.
NUM_FUSED = 5


def answers_of(
    outputs: Mapping[str, Any], top_n: int | None, min_score: float | None, explain: bool
) -> list[dict[str, Any]]:
    """
    The hashtags of one item, by what a pipeline has: its ranker's, else its generator's, else what its sources found.

    Args:
        outputs (`dict`): What the pipeline's `_forward` gives for the item.
        top_n, min_score, explain: As in [`Recommender.recommend`].
    """
    if outputs.get("features") is not None:
        return ranked_answers(outputs, top_n, min_score, explain)
    if "written" in outputs:
        return written_answers(outputs, top_n, min_score)
    return fused_answers(outputs, top_n, min_score)


def ranked_answers(
    outputs: Mapping[str, Any], top_n: int | None, min_score: float | None, explain: bool
) -> list[dict[str, Any]]:
    """
    What a ranker makes of all candidates. `score` is the probability that the author would use the hashtag.

    Args:
        outputs (`dict`): What the pipeline's `_forward` gives for the item.
        top_n, min_score, explain: As in [`Recommender.recommend`].
    """
    pool, guidance = outputs["hashtag_pool"], outputs["guidance"] if "written" in outputs else ()
    ranked = outputs["recommender"].rank(outputs["features"], top_n=top_n, min_score=min_score, explain=explain)
    answers = []
    for found in ranked[0]:
        answer = {
            "hashtag": f"#{found.hashtag}",
            "score": found.score,
            "novel": found.novel and (pool is None or found.hashtag not in pool),
            "guided": found.hashtag in guidance,
            "sources": list(found.sources),
        }
        if explain:
            most = sorted(found.explanation.items(), key=lambda item: -abs(item[1][1]))
            answer["explanation"] = {name: {"value": value, "added": added} for name, (value, added) in most}
        answers.append(answer)
    return answers


def written_answers(outputs: Mapping[str, Any], top_n: int | None, min_score: float | None) -> list[dict[str, Any]]:
    """
    What the generator wrote, where nothing ranks it. `score` is the generator's own.

    Args:
        outputs (`dict`): What the pipeline's `_forward` gives for the item.
        top_n (`int`, *optional*): How many at most.
        min_score (`float`, *optional*): Only those with this score or a better one.
    """
    answers = _answers(outputs, outputs["written"].items(), top_n, min_score)
    if "proposed" in outputs:
        for answer in answers:
            answer["sources"] = [*outputs["proposed"].get(answer["hashtag"][1:], ()), GENERATOR]
    return answers


def fused_answers(outputs: Mapping[str, Any], top_n: int | None, min_score: float | None) -> list[dict[str, Any]]:
    """
    What the sources found, joined, where nothing writes and nothing ranks. `score` is a hashtag's share of the best
    possible sum of reciprocal ranks, see [`Guidance.shares`]: it tells the order, and is no probability.

    Args:
        outputs (`dict`): What the pipeline's `_forward` gives for the item.
        top_n (`int`, *optional*): How many at most. Without it and `min_score`, five.
        min_score (`float`, *optional*): Only those with this score or a better one.
    """
    if top_n is None and min_score is None:
        top_n = NUM_FUSED
    scores = [(found.hashtag, found.score) for found in outputs["fused"]]
    answers = _answers(outputs, scores, top_n, min_score)
    return [{**answer, "sources": list(outputs["proposed"][answer["hashtag"][1:]])} for answer in answers]


def _answers(
    outputs: Mapping[str, Any], scores: Iterable[tuple[str, float]], top_n: int | None, min_score: float | None
) -> list[dict[str, Any]]:
    guidance = outputs["guidance"] if "written" in outputs else ()
    return [
        {"hashtag": f"#{tag}", "score": score, "novel": _is_novel(outputs, tag), "guided": tag in guidance}
        for tag, score in itertools.islice(scores, top_n)
        if min_score is None or score >= min_score
    ]


def _is_novel(outputs: Mapping[str, Any], hashtag: str) -> bool | None:
    """Whether a hashtag is neither in the pool nor counted; `None` where there is neither pool nor recommender."""
    pool, recommender = outputs["hashtag_pool"], outputs.get("recommender")
    if pool is None and recommender is None:
        return None
    is_counted = recommender is not None and bool(recommender.counts.get(hashtag))
    return not is_counted and (pool is None or hashtag not in pool)
