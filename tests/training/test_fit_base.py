"""Fitting a ranker to a checkpoint that was composed of parts."""

import json
import shutil

import pytest
import torch
from composed_parts import write_parts
from process_samples import train_in_two_processes
from recommender_samples import write_posts
from small_masked_model import write_masked_model
from training_samples import command_line
from transformers import pipeline

from transformers_ggm.errors import ArgumentError
from transformers_ggm.pipelines.compose import CheckpointComposition, compose_checkpoint
from transformers_ggm.pipelines.features_pipeline import CandidateFeaturesPipeline
from transformers_ggm.recommendation import CandidateFeatures, fit_ranker
from transformers_ggm.training import main
from transformers_ggm.training.main import parse_arguments

HASHTAGS = ["winter", "cold", "water", "boat", "music", "band", "camping", "forest", "baking", "kitchen"]
HABITS = ["daily", "myday", "weekend", "snow", "lake", "guitar", "tent", "bread"]


@pytest.fixture(scope="module")
def starter(tmp_path_factory):
    """A checkpoint of a dual encoder, a sentence encoder and a list."""
    folder = tmp_path_factory.mktemp("parts")
    parts = write_parts(folder)
    (folder / "tags.txt").write_text("\n".join(HASHTAGS + HABITS))
    given = {name: parts[name] for name in ("retriever", "text_encoder")}
    return compose_checkpoint(CheckpointComposition(hashtags=str(folder / "tags.txt"), **given), folder / "starter")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return write_posts(tmp_path_factory.mktemp("data") / "posts", {"validation": 60, "test": 20})


@pytest.fixture(scope="module")
def fitted(starter, data_dir, tmp_path_factory):
    """The output folder of `train.py --base_checkpoint`."""
    output_dir = tmp_path_factory.mktemp("fitted")
    main(command_line(base_checkpoint=starter, data_dir=data_dir, output_dir=output_dir))
    return output_dir


def load(folder, **options):
    return pipeline("hashtag-generation", model=str(folder), device="cpu", **options)


def test_scores_are_the_rankers_probabilities(fitted, starter):
    """Would fail if, after fitting, scores were not what the fitted ranker says of the candidates' features, or the
    parts of the base had not been kept."""
    suggest, features_of = load(fitted / "checkpoint"), load(starter, pipeline_class=CandidateFeaturesPipeline)
    ranker = suggest.recommender.ranker
    for item in ({"description": "today guitar number3"}, {"description": "snow", "history": ["weekend"]}):
        features = features_of(item)
        assert features.names == ranker.config.features
        expected = dict(zip(features.hashtags[0], ranker.probabilities(features.values).tolist()))
        answers = suggest(item, min_score=0.0, explain=True)
        assert {answer["hashtag"][1:]: answer["score"] for answer in answers} == pytest.approx(expected)
        assert all(answer["explanation"] for answer in answers)
    before = load(starter)
    assert suggest.hashtag_pool.hashtags == before.hashtag_pool.hashtags
    assert torch.equal(suggest.hashtag_pool.embeddings, before.hashtag_pool.embeddings)
    names = [source.name for source in before.recommender.sources]
    assert [source.name for source in suggest.recommender.sources] == names and suggest.recommender.guidance
    assert before.recommender.ranker is None


def test_what_was_learned(fitted):
    """Would fail if the ranker had not found that authors keep to their habits, or what it reached were not told."""
    suggest = load(fitted / "checkpoint")
    answers = suggest({"description": "look at this", "history": ["weekend", "weekend"]}, top_n=1)
    assert answers[0]["hashtag"] == "#weekend" and answers[0]["score"] > 0.5
    summary = json.loads((fitted / "evaluation" / "test.json").read_text())
    assert summary["test_videos"] == 20 and summary["metrics"]["recall"] > 30
    assert 0 <= summary["calibration_error"] <= 1
    lines = (fitted / "evaluation" / "predictions.jsonl").read_text().splitlines()
    assert len(lines) == 20 and set(json.loads(lines[0])) == {"description", "hashtags", "predicted"}
    card = (fitted / "checkpoint" / "README.md").read_text()
    assert "fitted on 60 clips" in card and "| Recall |" in card and "Nothing in it was trained" not in card


def test_finished_stages_are_skipped(fitted, starter, data_dir, tmp_path):
    """Would fail if a finished fit were done again, or could not be done again on demand."""
    output_dir = shutil.copytree(fitted, tmp_path / "again")
    weights = output_dir / "checkpoint" / "ranker" / "model.safetensors"
    written = weights.stat().st_mtime_ns
    arguments = {"base_checkpoint": starter, "data_dir": data_dir, "output_dir": output_dir}
    main(command_line(**arguments))
    assert weights.stat().st_mtime_ns == written
    main(command_line(**arguments, stages=["ranker"], overwrite_stages=["ranker"]))
    assert weights.stat().st_mtime_ns != written


def test_fitted_with_plausibility(starter, data_dir, tmp_path):
    """Would fail if the pipeline asked the model otherwise than the ranker was fitted, or it were not kept."""
    arguments = {"base_checkpoint": starter, "data_dir": data_dir, "output_dir": tmp_path / "run"}
    main(command_line(**arguments, stages=["ranker"], plausibility=write_masked_model(tmp_path / "masked")))
    shutil.rmtree(tmp_path / "masked")
    checkpoint = tmp_path / "run" / "checkpoint"
    suggest, features_of = load(checkpoint), load(checkpoint, pipeline_class=CandidateFeaturesPipeline)
    features, ranker = features_of({"description": "today guitar number3"}), suggest.recommender.ranker
    assert features.names == ranker.config.features and features.names[-1] == "plausibility"
    told = dict(zip(features.hashtags[0], features.values[:, -1].tolist()))
    answers = suggest({"description": "today guitar number3"}, min_score=0.0, explain=True)
    assert {a["hashtag"][1:]: a["explanation"]["plausibility"]["value"] for a in answers} == pytest.approx(told)
    assert max(told.values()) > 0


def test_rows_without_splits(starter, tmp_path):
    """Would fail if a table of posts, which has no splits, could not be fitted on."""
    folder = write_posts(tmp_path / "posts", {"train": 60})
    table = shutil.copy(folder / "train" / "metadata.jsonl", tmp_path / "posts.jsonl")
    main(command_line(base_checkpoint=starter, data_dir=table, output_dir=tmp_path / "out", stages=["ranker"]))
    assert load(tmp_path / "out" / "checkpoint").recommender.ranker is not None
    assert not (tmp_path / "out" / "evaluation").exists()


def test_feedback_is_learned_from(starter, tmp_path):
    """Would fail if `rejected` were lost between a file and the ranker, or the unjudged counted as wrong."""
    rows = [
        {
            "description": f"{word} number{number}",
            "hashtags": [tag],
            "rejected": [None, ["bread"], ["#Tent"]][number % 3],
        }
        for number, (word, tag) in enumerate([("we saw snow", "snow"), ("at the lake", "lake")] * 30)
    ]
    file = tmp_path / "feedback.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    main(command_line(base_checkpoint=starter, data_dir=file, output_dir=tmp_path / "out", stages=["ranker"]))
    ranker = load(tmp_path / "out" / "checkpoint").recommender.ranker
    found = load(starter, pipeline_class=CandidateFeaturesPipeline)(
        [{"description": row["description"]} for row in rows]
    )
    features, true = CandidateFeatures.joined(found), [row["hashtags"] for row in rows]
    expected = fit_ranker(features, true, rejected=[row["rejected"] for row in rows], seed=42)
    of_all = fit_ranker(features, true, seed=42)
    logits = [of_one(features.values).detach() for of_one in (ranker, expected, of_all)]
    torch.testing.assert_close(logits[0], logits[1], atol=0.05, rtol=0.01)
    assert (logits[0] - logits[2]).abs().max() > 0.5


def test_what_cannot_be_fitted(starter, data_dir, tmp_path):
    """Would fail if too few rows, stages of other trainings, or a base that ranks nothing were found out late."""
    few = write_posts(tmp_path / "few", {"validation": 49})
    arguments = {"base_checkpoint": starter, "data_dir": few, "output_dir": tmp_path / "out"}
    with pytest.raises(ArgumentError, match="49 rows"):
        main(command_line(**arguments))
    with pytest.raises(ArgumentError, match="'generator'"):
        parse_arguments(command_line(**arguments, stages=["generator", "ranker"]))
    with pytest.raises(ArgumentError, match=r"no recommendation\.json"):
        parse_arguments(command_line(**{**arguments, "base_checkpoint": few}))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_two_processes_fit_as_one(fitted, starter, data_dir, tmp_path):
    """Would fail if processes waited for each other at different places, or fitted more than once."""
    train_in_two_processes(command_line(base_checkpoint=starter, data_dir=data_dir, output_dir=tmp_path))
    for name in ("checkpoint/ranker/config.json", "evaluation/test.json", "evaluation/predictions.jsonl"):
        assert (tmp_path / name).read_bytes() == (fitted / name).read_bytes()
