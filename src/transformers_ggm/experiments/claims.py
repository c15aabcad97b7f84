"""What the paper claims, tested on one corpus: which of two systems is better on the same test rows."""

from dataclasses import dataclass

import numpy as np

from ..evaluation.significance import PairedTest, paired_test
from .results import CorpusResults
from .table import Table

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Claim:
    """`better` is claimed to beat `worse`, both names of systems."""

    text: str
    better: str
    worse: str


CLAIMS = (
    Claim("generation beats classification", "ggm", "vit_bert"),
    Claim("generation beats classification", "vg_bart", "vit_bert"),
    Claim("generation beats classification", "bart", "bert"),
    Claim("guidance beats none", "ggm", "ggm_without_guidance"),
    Claim("guidance beats none", "ggm_guided_by_tfidf", "ggm_without_guidance"),
    Claim("guidance beats none", "ggm_fused", "ggm_without_guidance"),
    Claim("the retriever guides better than the classifier", "ggm", "ggm_guided_by_vit"),
    Claim("sound helps", "ggm", "ggm_without_sound"),
    Claim("GGM beats TF-IDF with logistic regression", "ggm", "tfidf_regression"),
    Claim("GGM beats TF-IDF with logistic regression", "ggm_guided_by_tfidf", "tfidf_regression"),
)


def claims_table(results: CorpusResults) -> Table:
    """One paired test for each claim whose two systems have run, on ROUGE-1 and on F1; and that of Table 5."""
    headers = ["claim", "better", "worse", "ROUGE-1", "p", "F1", "p", "here"]
    table = Table("claims", "What the paper claims", headers)
    for claim in CLAIMS:
        pair = [results.systems.get(name) for name in (claim.better, claim.worse)]
        if all(system is not None and system.finished for system in pair):
            first, second = (results.mean_metrics(system) for system in pair)
            tests = [paired_test(first[name], second[name]) for name in ("rouge1", "f1")]
            numbers = [value for test in tests for value in (_signed(test.difference), _as_p(test))]
            table.rows.append([claim.text, *(system.title for system in pair), *numbers, verdict(tests[0])])
    for system in results.systems.values():
        table.rows += _unseen_rows(results, system)
    table.notes = [
        "Differences of the means over test rows, seeds averaged, with two-sided p-values of a paired permutation "
        f"test over rows. 'Holds' and 'the reverse' need p < {SIGNIFICANT} on ROUGE-1 (or recall); p-values are not "
        "corrected for their number, and say nothing of how metrics vary with the seed."
    ]
    return table


def _unseen_rows(results: CorpusResults, system) -> list[list]:
    """Adding hashtags to the pool raises their recall: per clip, the share of its unseen hashtags that is found."""
    found = [cell.unseen for cell in system.finished if cell.unseen is not None]
    if not found:
        return []
    truth = found[0]["references"]
    recalls = {pool: [_recall(unseen[pool], truth, unseen["unseen"]) for unseen in found] for pool in _POOLS}
    test = paired_test(*(np.mean(recalls[pool], axis=0) for pool in _POOLS))
    claim = "unseen hashtags in the pool are recalled"
    row = [claim, f"{system.title}, with them", "without them", None, None]
    return [[*row, f"recall {_signed(test.difference)}", _as_p(test), verdict(test)]]


_POOLS = ("pool_with", "pool_without")


def _recall(predictions: list[list[str]], truth: list[list[str]], unseen: list[str]) -> np.ndarray:
    wanted = [set(tags) & set(unseen) for tags in truth]
    return np.array([100 * len(tags & set(predicted)) / len(tags) for tags, predicted in zip(wanted, predictions)])


def verdict(test: PairedTest) -> str:
    """Whether the first system is better, as far as these rows can tell."""
    if test.p_value >= SIGNIFICANT:
        return "not decided"
    return "holds" if test.difference > 0 else "the reverse"


def _signed(value: float) -> str:
    return f"{value:+.1f}"


def _as_p(test: PairedTest) -> str:
    return f"{test.p_value:.4f}"
