import json

import numpy as np
import pytest

from transformers_ggm.evaluation import (
    bootstrap_intervals,
    hashtag_metrics,
    hashtag_metrics_per_video,
    hashtag_report,
    novelty_metrics,
    unseen_recalled,
)

PREDICTIONS = [["bluesquare", "rain"], ["snowday"], [], ["lakelife", "rain"]]
REFERENCES = [["redsquare", "rain"], ["snowday", "rain"], ["rain"], ["lakelife"]]


def test_metrics_are_those_of_the_functions():
    """Would fail if the report's metrics, intervals or counts were other ones than those of its parts."""
    choices = {"word_splitter": "whole", "order": "sorted", "seed": 3}
    report = hashtag_report(PREDICTIONS, REFERENCES, pool=["rain"], unseen=["snowday", "fog"], samples=200, **choices)
    means = {name: metric["mean"] for name, metric in report["metrics"].items()}
    novelty = novelty_metrics(PREDICTIONS, REFERENCES, ["rain"])
    assert means.pop("novelty_gain") == novelty.pop("novelty_gain")
    assert means == pytest.approx(hashtag_metrics(PREDICTIONS, REFERENCES, **choices))
    assert report["counts"] == novelty | unseen_recalled(PREDICTIONS, REFERENCES, ["snowday", "fog"])
    rows = {"f1": hashtag_metrics_per_video(PREDICTIONS, REFERENCES, **choices)["f1"]}
    assert report["metrics"]["f1"] == pytest.approx(bootstrap_intervals(rows, samples=200, seed=3)["f1"]._asdict())
    assert report["videos"] == 4


def test_choices_are_recorded():
    """Would fail if a report did not say how its metrics came about, or could not be written as JSON."""
    report = hashtag_report(PREDICTIONS, REFERENCES, word_splitter=str.split, seed=7, confidence=0.9, samples=50)
    assert json.loads(json.dumps(report)) == report
    assert report["settings"] == {
        "word_splitter": "builtins.str.split", "order": "shuffled", "seed": 7, "confidence": 0.9, "samples": 50,
    }  # fmt: skip
    assert report["counts"] == {}


def test_bert_score_in_the_report():
    """Would fail if BERTScore, or the model it comes from, were left out."""

    class Scorer:
        settings = {"model": "tiny", "num_layers": 2}

        def __call__(self, predicted, true):
            return np.full((len(true), 3), 0.5)

    report = hashtag_report(PREDICTIONS, REFERENCES, bert_scorer=Scorer(), samples=50)
    assert report["metrics"]["bertscore_f1"] == {"mean": 50.0, "low": 50.0, "high": 50.0}
    assert report["settings"]["bert_score"] == {"model": "tiny", "num_layers": 2}
