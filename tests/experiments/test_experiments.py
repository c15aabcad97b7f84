"""Whole grids, each cell in its own process as users run them."""

import csv
import json

import pytest
import yaml
from tiny_vision_language import write_vision_language_model
from training_samples import ARGUMENTS, write_scratch_config

from transformers_ggm.cli import main
from transformers_ggm.data.rendered_shorts import render_shorts
from transformers_ggm.evaluation import hashtag_metrics
from transformers_ggm.experiments.baselines import TfidfNeighbours
from transformers_ggm.experiments.systems import SYSTEMS

POSTS = {"first snow in toronto": ["snow", "toronto"], "rain on the beach": ["rain", "sea"], "my cat sleeps": ["cat"]}


@pytest.fixture
def posts(tmp_path):
    """A folder of posts without clips."""
    for split, number in (("train", 4), ("validation", 2), ("test", 2)):
        rows = [
            {"description": f"{text} {split} {i}", "hashtags": tags}
            for text, tags in POSTS.items()
            for i in range(number)
        ]
        folder = tmp_path / "posts" / split
        folder.mkdir(parents=True)
        (folder / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return tmp_path / "posts"


@pytest.mark.slow
def test_text_baselines_run_and_are_found_again(posts, tmp_path):
    """The command would not run, give other metrics than the baseline itself, or run twice what has finished."""
    config = tmp_path / "grid.yaml"
    systems = ["most_frequent", "tfidf_neighbours"]
    scratch_config = write_scratch_config(tmp_path / "model.json")
    corpus = {"data_dir": str(posts), "arguments": {"decoding_workers": 0, "scratch_config": str(scratch_config)}}
    config.write_text(yaml.safe_dump({"corpora": {"posts": corpus}, "systems": systems}))
    output_dir = tmp_path / "grid"
    assert main(["experiments", str(config), "--output_dir", str(output_dir)]) == 0
    with (output_dir / "posts" / "table_2_systems.csv").open() as file:
        metrics = {row["system"]: row for row in csv.DictReader(file)}
    splits = {}
    for split in ("train", "validation", "test"):
        rows = [json.loads(line) for line in (posts / split / "metadata.jsonl").read_text().splitlines()]
        splits[split] = [row["description"] for row in rows], [row["hashtags"] for row in rows]
    expected = TfidfNeighbours().fit(splits["train"], splits["validation"]).predict(splits["test"][0])
    f1 = hashtag_metrics(expected, splits["test"][1])["f1"]
    assert float(metrics["TF-IDF, nearest neighbours"]["F1"]) == pytest.approx(f1)
    assert (output_dir / "posts" / "systems.png").read_bytes().startswith(b"\x89PNG")
    report = (output_dir / "report.md").read_text()
    assert "TF-IDF, nearest neighbours" in report and "![systems](posts/systems.png)" in report
    written = {path: path.stat().st_mtime_ns for path in (output_dir / "cells").rglob("*") if path.is_file()}
    assert main(["experiments", str(config), "--output_dir", str(output_dir)]) == 0
    assert {path: path.stat().st_mtime_ns for path in (output_dir / "cells").rglob("*") if path.is_file()} == written


@pytest.mark.slow
def test_all_systems_run_on_clips(tmp_path):
    """
    A system of the paper's comparison would fail on a corpus with frames, sound and words, or a table be missing.
    """
    # A ranker is fitted on 50 validation rows or more.
    render_shorts(tmp_path / "shorts", 16, 50, 6, size=32, num_workers=1, progress_bar=False)
    scratch = json.loads(write_scratch_config(tmp_path / "model.json").read_text())
    scratch["retriever_text"] |= {"model_type": "bert"}
    (tmp_path / "model.json").write_text(json.dumps(scratch))
    arguments = {
        **ARGUMENTS,
        "scratch_config": str(tmp_path / "model.json"),
        "classifier_num_train_epochs": 1,
        "classifier_learning_rate": 1e-3,
        "num_train_epochs": 1,
    }
    config = tmp_path / "grid.yaml"
    corpus = {"data_dir": str(tmp_path / "shorts"), "arguments": arguments}
    write_vision_language_model(tmp_path / "vlm")
    prompting = {"model": str(tmp_path / "vlm"), "num_frames": 2, "max_new_tokens": 4, "progress_bar": False}
    systems = [
        {"name": name, "arguments": {"prompting": prompting}} if system.kind == "prompted" else name
        for name, system in SYSTEMS.items()
    ]
    config.write_text(yaml.safe_dump({"corpora": {"mini": corpus}, "systems": systems, "guidance_sizes": [0, 2, 4]}))
    output_dir = tmp_path / "grid"
    assert main(["experiments", str(config), "--output_dir", str(output_dir), "--jobs", "2"]) == 0
    with (output_dir / "mini" / "table_2_systems.csv").open() as file:
        metrics = {row["system"]: row for row in csv.DictReader(file)}
    assert list(metrics) == [system.title for system in SYSTEMS.values()]
    assert all(0 <= float(row["F1"]) <= 100 for row in metrics.values())
    for table in ("table_3_guidance", "table_4_recall", "table_5_unseen", "table_7_parameters", "costs", "claims"):
        assert (output_dir / "mini" / f"{table}.csv").is_file(), table
    with (output_dir / "mini" / "table_7_parameters.csv").open() as file:
        parameters = {row["system"]: row for row in csv.DictReader(file)}
    frozen, whole = parameters["VG-BART"], parameters["GGM without sound"]
    assert int(frozen["trained parameters"]) < int(frozen["all parameters"]) == int(whole["trained parameters"])
    for picture in ("systems", "guidance", "frequency"):
        assert (output_dir / "mini" / f"{picture}.png").is_file()
