"""Table 6 from filled-in sheets."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import DatasetError
from ...evaluation.intervals import bootstrap_intervals
from ...evaluation.significance import unpaired_test
from .agreement import krippendorff_alpha
from .ratings import Ratings

# How a true hashtag's line of the table is named beside the systems'.
_TRUE = "the authors' own"


def rating_report(
    ratings: Ratings,
    key: Mapping[str, Mapping[str, Any]],
    *,
    relevant_from: int | None = None,
    confidence: float = 0.95,
    samples: int = 10_000,
    seed: int = 0,
) -> dict[str, Any]:
    """
    Compares people's ratings of novel hashtags with those of the authors' own, ready for JSON.

    An item's metric is the mean over those who rated it; means, intervals and tests are over items.

    Args:
        ratings ([`Ratings`]): as from [`read_ratings`].
        key (`dict`): as from [`read_key`], the one that `ratings` were read with.
        relevant_from (`int`, *optional*): the lowest rating that says "relevant"; by default the lowest one above the
            scale's middle, 4 of 1 to 5.
        confidence (`float`, *optional*, defaults to 0.95), samples (`int`, *optional*, defaults to 10,000), seed
            (`int`, *optional*, defaults to 0): of [`bootstrap_intervals`] and [`unpaired_test`].

    Returns:
        `dict` with

        - `true`, and `novel` by system: `items`, how many were rated; `relevance`, their mean rating, and
          `relevant_share`, the share of ratings that say "relevant" times 100, as `{"mean", "low", "high"}`; for
          novel ones `also_true`, how many of them the videos' authors used too, and `tests`, by metric the
          `difference`, novel minus true, and the `p_value` of [`unpaired_test`]. A system none of whose hashtags was
          rated is left out;
        - `agreement`: `krippendorff_alpha` (`None` where it is not defined) and `items`, how many two people rated;
        - `raters`: by sheet, how many items are `rated` and `unrated`;
        - `unrated_items`: how many nobody rated; and `settings`.

    Raises:
        DatasetError: no novel or no true hashtag is rated. ValueError: `relevant_from` is not in the scale; and as
            [`bootstrap_intervals`].
    """
    low, high = ratings.scale
    relevant_from = (low + high) // 2 + 1 if relevant_from is None else relevant_from
    if not low < relevant_from <= high:
        raise ValueError(f"`relevant_from` is {relevant_from}, but has to lie above {low} and at most at {high}.")
    rated = ~np.isnan(ratings.values)
    settings = {"confidence": confidence, "samples": samples, "seed": seed}
    metrics = _item_metrics(ratings, relevant_from)
    true = {item: metrics[item] for item in metrics if key[item]["kind"] == "true"}
    if not true or len(true) == len(metrics):
        raise DatasetError(f"No {'novel' if true else 'true'} hashtag is rated: there is nothing to compare.")
    novel = {}
    for system in dict.fromkeys(system for entry in key.values() for system in entry["systems"]):
        own = {item: metrics[item] for item in metrics if system in key[item]["systems"]}
        if own:
            novel[system] = _summary(own, settings) | {
                "also_true": sum(key[item]["also_true"] for item in own),
                "tests": _tests(own, true, samples, seed),
            }
    alpha = krippendorff_alpha(ratings.values)
    return {
        "true": _summary(true, settings),
        "novel": novel,
        "agreement": {
            "krippendorff_alpha": None if math.isnan(alpha) else alpha,
            "items": int((rated.sum(axis=0) > 1).sum()),
        },
        "raters": {
            rater: {"rated": len(ratings.items) - unrated, "unrated": unrated}
            for rater, unrated in ratings.unrated().items()
        },
        "unrated_items": int((~rated.any(axis=0)).sum()),
        "settings": {"scale": [low, high], "relevant_from": relevant_from, **settings},
    }


def rating_table(report: Mapping[str, Any]) -> str:
    """
    The outcome of [`rating_report`] as Markdown: Table 6, with what is needed to read it below.

    Args:
        report (`dict`): what [`rating_report`] gives.

    Returns:
        `str`: the table, ending with a line break.
    """
    settings, agreement = report["settings"], report["agreement"]
    lines = [
        f"| hashtags | judged | relevance ({settings['scale'][0]} to {settings['scale'][1]}) | p | "
        f"rated {settings['relevant_from']} or more, % | p |",
        "|---|---|---|---|---|---|",
        _line(_TRUE, report["true"]),
        *(_line(f"novel, {system}", metrics) for system, metrics in report["novel"].items()),
    ]
    alpha = agreement["krippendorff_alpha"]
    unrated = [f"{rater}: {counts['unrated']}" for rater, counts in report["raters"].items() if counts["unrated"]]
    notes = [
        f"{settings['confidence']:.0%} intervals by bootstrap over the judged hashtags; p of a two-sided permutation "
        f"test against {_TRUE} ({settings['samples']:,} samples, seed {settings['seed']}).",
        f"Krippendorff's alpha (interval): {'not defined' if alpha is None else f'{alpha:.2f}'}, "
        f"{len(report['raters'])} rater(s), {agreement['items']} hashtags rated by two or more.",
        *(
            f"Novel hashtags of {system} that the video's author used too: {metrics['also_true']}."
            for system, metrics in report["novel"].items()
        ),
        *([f"Unrated: {', '.join(unrated)}; by everybody: {report['unrated_items']}."] if unrated else []),
    ]
    return "\n".join([*lines, "", *(f"- {note}" for note in notes)]) + "\n"


def _item_metrics(ratings: Ratings, relevant_from: int) -> dict[str, tuple[float, float]]:
    """Mean rating, and share of "relevant" times 100, of each item that somebody rated."""
    found = {}
    for item, column in zip(ratings.items, ratings.values.T):
        given = column[~np.isnan(column)]
        if len(given):
            found[item] = (float(given.mean()), 100 * float((given >= relevant_from).mean()))
    return found


def _columns(metrics: Mapping[str, tuple[float, float]]) -> dict[str, np.ndarray]:
    return dict(zip(("relevance", "relevant_share"), np.array(list(metrics.values())).T))


def _summary(metrics: Mapping[str, tuple[float, float]], settings: dict[str, Any]) -> dict[str, Any]:
    intervals = bootstrap_intervals(_columns(metrics), **settings)
    return {"items": len(metrics), **{name: interval._asdict() for name, interval in intervals.items()}}


def _tests(novel, true, samples: int, seed: int) -> dict[str, dict[str, Any]]:
    true = _columns(true)
    tests = {
        name: unpaired_test(values, true[name], samples=samples, seed=seed) for name, values in _columns(novel).items()
    }
    return {name: {"difference": test.difference, "p_value": test.p_value} for name, test in tests.items()}


def _line(name: str, metrics: Mapping[str, Any]) -> str:
    cells = [name, str(metrics["items"])]
    for metric, digits in (("relevance", 2), ("relevant_share", 1)):
        mean, low, high = (f"{metrics[metric][end]:.{digits}f}" for end in ("mean", "low", "high"))
        test = metrics.get("tests", {}).get(metric)
        cells += [f"{mean} ({low} to {high})", "" if test is None else f"{test['p_value']:.2g}"]
    return f"| {' | '.join(cells)} |"
