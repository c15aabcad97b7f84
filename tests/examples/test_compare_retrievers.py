"""The example that compares settings of the retriever's loss."""

import json
import runpy
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import torch
import yaml
from small_encoder import make_encoder

from transformers_ggm import RetrieverTrainingArguments

EXAMPLES = Path(__file__).parents[2] / "examples"
GRID = EXAMPLES / "experiments" / "retriever.yaml"


@pytest.fixture
def posts(tmp_path):
    """Two topics, and an encoder that knows neither."""
    make_encoder(0).save_pretrained(tmp_path / "encoder")
    for split in ("train", "validation", "test"):
        (tmp_path / split).mkdir()
        rows = [{"description": f"first snow {n}", "hashtags": ["snow"]} for n in range(8)]
        rows += [{"description": f"calm lake {n}", "hashtags": ["lake"]} for n in range(8)]
        (tmp_path / split / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def run(monkeypatch, folder, *arguments):
    monkeypatch.syspath_prepend(EXAMPLES)
    places = ["--data_dir", str(folder), "--encoder", str(folder / "encoder"), "--output_dir", str(folder / "out")]
    monkeypatch.setattr(sys, "argv", ["compare_retrievers.py", str(folder / "grid.yaml"), *places, *arguments])
    runpy.run_path(str(EXAMPLES / "compare_retrievers.py"), run_name="__main__")


def test_each_setting_is_measured_once(posts, monkeypatch, capsys):
    """Would fail if a setting or a seed were left out, or what is known were made again."""
    grid = {
        "num_train_rows": 16, "num_eval_rows": 10, "min_count": 1, "max_length": 16, "seeds": [0, 1], "dims": [4],
        "whitening_powers": [0.5],
        "training": {"num_train_epochs": 1, "learning_rate": 0.01, "per_device_train_batch_size": 8, "use_cpu": True},
        "rows": {"plain": {}, "cut": {"matryoshka_dims": [4]}},
    }  # fmt: skip
    (posts / "grid.yaml").write_text(yaml.safe_dump(grid, sort_keys=False))
    run(monkeypatch, posts, "--rows", "untrained", "plain", "--seeds", "0")
    file = posts / "out" / "results.json"
    first = json.loads(file.read_text())
    assert [record["name"] for record in first] == ["untrained", "plain"]
    run(monkeypatch, posts)
    records = json.loads(file.read_text())
    assert records[:2] == first
    names = ["untrained", "plain", "cut"]
    assert [(record["name"], record["seed"]) for record in records] == [(n, s) for s in (0, 1) for n in names]
    for record in records:
        assert set(record["recalls"]) == {"4", "16", "whitened 0.5", "CSLS"}
        # There are but two hashtags, and so all are among the ten nearest.
        assert record["recalls"]["16"]["test"] == {"10": 100.0, "50": 100.0}
    table = (posts / "out" / "results.md").read_text()
    assert "| cut | 16 | 2 | 100.0 ± 0.0 |" in table and table in capsys.readouterr().out


def test_settings_reach_model_and_training(posts, monkeypatch, load_example):
    """Would fail if all rows of the table were of one and the same training."""
    monkeypatch.syspath_prepend(EXAMPLES)
    example, seen = load_example("compare_retrievers"), {}

    class Trainer:
        def __init__(self, retriever, arguments, train_dataset, **_):
            seen.update(retriever=retriever, arguments=arguments, rows=train_dataset)

        def train(self):
            pass

    monkeypatch.setattr(example, "RetrieverTrainer", Trainer)
    grid = {"num_train_rows": 5, "max_length": 16, "dims": [], "whitening_powers": []}
    grid["training"] = {"learning_rate": 0.01, "use_cpu": True}
    settings = {"max_inverse_temperature": 5, "propensity_power": 0.5}
    example.measure(settings, 3, grid, example.Posts.read(posts, 4, 1), str(posts / "encoder"))
    arguments = seen["arguments"]
    assert seen["retriever"].config.max_inverse_temperature == 5 and len(seen["rows"]) == 5
    assert (arguments.propensity_power, arguments.learning_rate, arguments.seed) == (0.5, 0.01, 3)


def test_settings_of_the_grid_are_known():
    """Would fail if the configuration named a setting that neither the training nor the model has."""
    grid = yaml.safe_load(GRID.read_text())
    known = {field.name for field in fields(RetrieverTrainingArguments)}
    known |= {"max_inverse_temperature", "logit_scale_init_value"}
    for settings in (grid["training"], *grid["rows"].values()):
        assert set(settings) <= known


def test_random_weights_are_of_the_seed_and_of_other_sizes(posts, monkeypatch, load_example):
    """Would fail if the encoder's own weights were kept where a training is to start from nothing, or if seeds did not
    differ."""
    monkeypatch.syspath_prepend(EXAMPLES)
    example, started = load_example("compare_retrievers"), []
    monkeypatch.setattr(example, "train", lambda retriever, *_: started.append(retriever))
    grid = {"num_train_rows": 5, "max_length": 16, "dims": [4, 8, 16], "whitening_powers": [], "training": {}}
    grid |= {"backbone_config": {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}}
    known = example.Posts.read(posts, 4, 1)
    for seed in (0, 0, 1):
        record = example.measure({"max_inverse_temperature": 5}, seed, grid, known, str(posts / "encoder"))
        assert set(record["recalls"]) == {"4", "8", "CSLS"}
    assert all(retriever.config.max_inverse_temperature == 5 for retriever in started)
    first, again, other = (retriever.backbone.embeddings.word_embeddings.weight for retriever in started)
    assert first.shape[1] == 8
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_hubs_are_farther_by_csls(load_example, monkeypatch):
    """Would fail if a hashtag that is near to every post kept its place before one that is near to this post alone."""
    monkeypatch.syspath_prepend(EXAMPLES)
    example = load_example("compare_retrievers")
    torch.manual_seed(0)
    hub, own = torch.eye(8)[:2]
    posts = torch.nn.functional.normalize(hub + 0.1 * torch.randn(200, 8), dim=-1)
    hashtags, query = torch.stack([hub, own]), torch.nn.functional.normalize(hub + 0.9 * own, dim=0)[None]
    assert (query @ hashtags.T)[0].argmax() == 0
    scores, found = example.search_by_csls(["hub", "own"], query, 2, posts, hashtags)
    expected = [2 * query[0] @ tag - sum(sorted((posts @ tag).tolist())[-10:]) / 10 for tag in (own, hub)]
    torch.testing.assert_close(scores[0], torch.stack(expected))
    assert found == [["own", "hub"]]
