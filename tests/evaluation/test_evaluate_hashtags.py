from importlib.metadata import version
from pathlib import Path

import evaluate
import pytest

import transformers_ggm
from transformers_ggm.evaluation import hashtag_metrics

FOLDER = Path(transformers_ggm.__file__).parent / "evaluation" / "evaluate_hashtags"
PREDICTIONS = [["bluesquare", "rain"], [], ["münchen", "東京"]]
REFERENCES = [["redsquare", "rain", "snowday"], ["rain"], ["東京"]]


@pytest.fixture
def metric(tmp_path, monkeypatch):
    """The metric as `evaluate` loads it; what it caches stays within the test's folder."""
    monkeypatch.setattr(evaluate.config, "HF_MODULES_CACHE", tmp_path / "modules")
    return evaluate.load(str(FOLDER), cache_dir=str(tmp_path / "cache"))


def test_metrics_are_ours(metric):
    """Would fail if `evaluate` gave other metrics than the package, or no word of the splitter."""
    metrics = hashtag_metrics(PREDICTIONS, REFERENCES)
    settings = {"word_splitter": f"wordninja {version('wordninja')}", "order": "shuffled", "seed": 0}
    assert metric.compute(predictions=PREDICTIONS, references=REFERENCES) == {**metrics, **settings}


def test_batches(metric):
    """Would fail if a video's metrics depended on the batch that it was added in."""
    for predicted, true in zip(PREDICTIONS, REFERENCES):
        metric.add(prediction=predicted, reference=true)
    found = metric.compute()
    assert {name: found[name] for name in ("rouge2", "f1")} == {
        name: value for name, value in hashtag_metrics(PREDICTIONS, REFERENCES).items() if name in ("rouge2", "f1")
    }


def test_choices(metric):
    """Would fail if the choices were not passed on or not recorded."""
    choices = {"word_splitter": "characters", "order": "sorted", "seed": 5}
    found = metric.compute(predictions=PREDICTIONS, references=REFERENCES, **choices)
    expected = hashtag_metrics(PREDICTIONS, REFERENCES, **choices)
    assert {name: found[name] for name in expected} == expected
    assert found["word_splitter"].startswith("characters") and (found["order"], found["seed"]) == ("sorted", 5)
