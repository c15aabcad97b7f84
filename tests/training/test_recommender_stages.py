"""Training with more sources than the pool: the stages `posts`, `guidance`, `ranker` and what `evaluate` adds."""

import json
import shutil
from collections import Counter

import pytest
from composed_parts import write_parts
from recommender_samples import SOURCES, recommender_arguments, write_posts
from small_masked_model import write_masked_model
from training_samples import command_line, written_at
from transformers import pipeline

from transformers_ggm import HashtagPool
from transformers_ggm.errors import ArgumentError, DatasetError
from transformers_ggm.recommendation import Recommender, clues_of
from transformers_ggm.training.main import main, parse_arguments

NAMES = ["pool", "posts_dense", "posts_sparse", "words", "history", "frequent", "trends", "generator"]


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def posts_dir(tmp_path_factory):
    return write_posts(tmp_path_factory.mktemp("posts") / "data")


@pytest.fixture(scope="module")
def recommending(posts_dir, scratch_config, tmp_path_factory):
    """Output folder of a training of all stages. Read only."""
    output_dir = tmp_path_factory.mktemp("recommending")
    main(line(posts_dir, output_dir, scratch_config))
    return output_dir


@pytest.fixture
def copy_of_recommending(recommending, tmp_path):
    return shutil.copytree(recommending, tmp_path / "run")


def line(data_dir, output_dir, scratch_config, **arguments):
    named = {"data_dir": data_dir, "output_dir": output_dir, "scratch_config": scratch_config}
    return command_line(**recommender_arguments(**named, **arguments))


def rows_of(data_dir, split):
    return [json.loads(line) for line in (data_dir / split / "metadata.jsonl").read_text().splitlines()]


def test_checkpoint_recommends(recommending, posts_dir):
    """Would fail if what `train.py` leaves could not be loaded, or answered other hashtags than were measured."""
    recommender = Recommender.from_pretrained(recommending / "checkpoint")
    assert [source.name for source in recommender.sources] == NAMES
    test, others = rows_of(posts_dir, "test"), [rows_of(posts_dir, split) for split in ("train", "validation")]
    answers = recommender.recommend(clues_of(test, *others))
    lines = (recommending / "evaluation" / "recommended.jsonl").read_text().splitlines()
    assert [[found.hashtag for found in row] for row in answers] == [json.loads(row)["predicted"] for row in lines]


def test_the_pool_has_the_uses_of_the_training_posts(recommending, posts_dir):
    """Would fail if trends knew posts of other splits, counted uses twice, or did not know where they were made."""
    pool = HashtagPool.from_pretrained(recommending / "checkpoint", subfolder="hashtag_pool")
    rows = rows_of(posts_dir, "train")
    counts = Counter(
        (tag, place) for row in rows for tag in row["hashtags"] for place in ("", "country=" + row["country"])
    )
    assert {(tag, scope): count for tag, scope, count, *_ in pool.uses.entries()} == counts
    assert dict(zip(pool.hashtags, pool.counts)) == Counter(tag for row in rows for tag in row["hashtags"])


def test_trends_of_a_pool_by_words(recommending, posts_dir, scratch_config, tmp_path):
    """Would fail if, without a retriever's pool, the trends of a training had no uses, or lost them by saving."""
    encoder = write_parts(tmp_path)["text_encoder"]
    stages = {"sources": ["pool_words", "trends"], "stages": ["prepare", "posts", "guidance"]}
    main(line(posts_dir, tmp_path / "run", scratch_config, text_encoder=encoder, **stages))
    by_words, trends = Recommender.from_pretrained(tmp_path / "run" / "checkpoint").sources
    assert trends.pool is by_words.pool
    pool = HashtagPool.from_pretrained(recommending / "checkpoint", subfolder="hashtag_pool")
    assert sorted(trends.pool.uses.entries()) == sorted(pool.uses.entries())
    assert dict(zip(trends.pool.hashtags, trends.pool.counts)) == dict(zip(pool.hashtags, pool.counts))
    recall = read_json(tmp_path / "run" / "guidance" / "fusion.json")["recall"]["train"]
    assert recall["trends"]["10"] > 0


def test_pipeline_answers_what_was_measured(recommending, posts_dir):
    """Would fail if the pipeline guided the generator, or ranked, otherwise than training and evaluation did."""
    test, others = rows_of(posts_dir, "test"), [rows_of(posts_dir, split) for split in ("train", "validation")]
    items = [
        {"description": row["description"], "time": row["time"], "history": clues.history}
        for row, clues in zip(test, clues_of(test, *others))
    ]
    suggest = pipeline("hashtag-generation", model=str(recommending / "checkpoint"), device="cpu")
    lines = (recommending / "evaluation" / "recommended.jsonl").read_text().splitlines()
    answers = [[tag["hashtag"].removeprefix("#") for tag in row] for row in suggest(items, batch_size=8)]
    assert answers == [json.loads(row)["predicted"] for row in lines]


def test_guidance_is_fused(recommending, posts_dir):
    """Would fail if the generator were guided by one source, or the checkpoint fused otherwise than training did."""
    fusion = read_json(recommending / "guidance" / "fusion.json")
    assert list(fusion["weights"]) == NAMES[:-1] and max(fusion["weights"].values()) == 1
    recommender = Recommender.from_pretrained(recommending / "checkpoint")
    assert dict(recommender.guidance.weights) == fusion["weights"]
    fused = read_json(recommending / "guidance" / "test_recall.json")
    assert set(fusion["recall"]["test"]) == set(NAMES[:-1])
    assert fused["10"] >= max(fusion["recall"]["test"][name]["5"] for name in ("words", "frequent"))


def test_training_rows_do_not_find_themselves(recommending):
    """Would fail if a training row's neighbours were itself: their recall would be far above that of test rows."""
    recall = read_json(recommending / "guidance" / "fusion.json")["recall"]
    for name in ("posts_sparse", "posts_dense"):
        assert recall["train"][name]["1"] <= recall["test"][name]["1"] + 15


def test_summary_tells_of_each_source(recommending):
    """Would fail if the whole system were not measured beside the generator, or a source of it were left out."""
    summary = read_json(recommending / "evaluation" / "test.json")
    found = summary["recommender"]
    assert list(found["sources"]) == NAMES and found["validation_rows"] == 60
    assert found["metrics"]["f1"]["low"] <= found["metrics"]["f1"]["mean"] <= found["metrics"]["f1"]["high"]
    assert found["metrics"]["f1"]["mean"] > max(source["f1"] for source in found["sources"].values()) - 10
    assert found["metrics"]["f1"]["mean"] > summary["best_checkpoint"]["f1"]
    assert 0 <= found["calibration_error"] < 0.3
    assert (recommending / "checkpoint" / "reliability.png").stat().st_size > 1000


def test_card_tells_of_sources_and_ranker(recommending):
    """Would fail if the card passed the generator's figures off as the checkpoint's, or hid what text is stored."""
    card = (recommending / "checkpoint" / "README.md").read_text(encoding="utf-8")
    found = read_json(recommending / "evaluation" / "test.json")["recommender"]
    for part in ("`posts_sparse`", "Their words are not stored.", "](reliability.png)", "| ranker | `ranker` |"):
        assert part in card
    assert "## Test metrics of the generator alone" in card and f"{found['calibration_error']:.3f}" in card
    assert f"value: {round(found['metrics']['f1']['mean'], 2)}" in card


def test_no_words_in_the_checkpoint(recommending):
    """Would fail if people's words were published with the index of their posts."""
    for file in (recommending / "checkpoint").rglob("*"):
        assert file.is_dir() or b"number37" not in file.read_bytes(), file


def test_finished_stages_are_skipped(copy_of_recommending, posts_dir, scratch_config):
    """Would fail if a finished stage ran again."""
    before = written_at(copy_of_recommending)
    main(line(posts_dir, copy_of_recommending, scratch_config))
    assert written_at(copy_of_recommending) == before


def test_ranker_runs_again_alone(copy_of_recommending, posts_dir, scratch_config):
    """Would fail if the ranker could not be fitted anew, or another one came of the same rows."""
    ranker = copy_of_recommending / "checkpoint" / "ranker" / "model.safetensors"
    before = ranker.read_bytes(), ranker.stat().st_mtime_ns
    main(line(posts_dir, copy_of_recommending, scratch_config, stages="ranker", overwrite_stages="ranker"))
    assert ranker.read_bytes() == before[0] and ranker.stat().st_mtime_ns != before[1]


def test_ranker_is_told_plausibility(copy_of_recommending, posts_dir, scratch_config, tmp_path):
    """Would fail if what was measured were not what the checkpoint answers, or a model stayed that no ranker asks."""
    model, again = write_masked_model(tmp_path / "masked"), {"stages": ["ranker", "evaluate"]}
    with pytest.raises(DatasetError, match="another choice of sources"):
        main(line(posts_dir, copy_of_recommending, scratch_config, **again, plausibility=model))
    again["overwrite_stages"] = again["stages"]
    main(line(posts_dir, copy_of_recommending, scratch_config, **again, plausibility=model))
    checkpoint = copy_of_recommending / "checkpoint"
    recommender = Recommender.from_pretrained(checkpoint)
    assert recommender.ranker.config.features[-1] == "plausibility"
    test, others = rows_of(posts_dir, "test"), [rows_of(posts_dir, split) for split in ("train", "validation")]
    answers = recommender.recommend(clues_of(test, *others))
    lines = (copy_of_recommending / "evaluation" / "recommended.jsonl").read_text().splitlines()
    assert [[found.hashtag for found in row] for row in answers] == [json.loads(row)["predicted"] for row in lines]
    assert "| plausibility | `plausibility` |" in (checkpoint / "README.md").read_text()
    main(line(posts_dir, copy_of_recommending, scratch_config, stages="ranker", overwrite_stages="ranker"))
    assert not (checkpoint / "plausibility").exists() and Recommender.from_pretrained(checkpoint).ranker


def test_new_guidance_needs_a_new_ranker(copy_of_recommending, posts_dir, scratch_config):
    """Would fail if a checkpoint kept a ranker that was fitted on the candidates of other guidance."""
    again = {"stages": "guidance", "overwrite_stages": "guidance"}
    main(line(posts_dir, copy_of_recommending, scratch_config, **again))
    assert not (copy_of_recommending / "checkpoint" / "ranker").exists()
    assert Recommender.from_pretrained(copy_of_recommending / "checkpoint").ranker is None


def test_other_sources_are_other_guidance(copy_of_recommending, posts_dir, scratch_config):
    """Would fail if guidance of some sources were taken for that of others."""
    with pytest.raises(DatasetError, match=r"guidance was made from another choice of sources .*stages guidance"):
        main(line(posts_dir, copy_of_recommending, scratch_config, sources=["pool", "posts"], stages="guidance"))
    with pytest.raises(DatasetError, match="another choice of sources"):
        main(line(posts_dir, copy_of_recommending, scratch_config, sources="pool", stages="guidance"))


def test_too_few_rows_for_a_ranker(scratch_config, tmp_path):
    """Would fail if a training of hours ended in an error that could have been told before it began."""
    data_dir = write_posts(tmp_path / "data", sizes={"train": 20, "validation": 49, "test": 5})
    with pytest.raises(ArgumentError, match="has 49 rows with hashtags, but a ranker is fitted on 50 or more: move"):
        main(line(data_dir, tmp_path / "run", scratch_config))
    assert not (tmp_path / "run").exists()


def test_history_without_authors(scratch_config, tmp_path):
    """Would fail if a source that can never propose anything were fitted without a word."""
    data_dir = write_posts(tmp_path / "data", with_authors=False)
    with pytest.raises(ArgumentError, match="'history' needs the fields `user` and `time`"):
        main(line(data_dir, tmp_path / "run", scratch_config))
    with pytest.raises(ArgumentError, match="'trends' needs the fields `time`"):
        main(line(data_dir, tmp_path / "run", scratch_config, sources=["pool", "trends"]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sources": ["pool", "tea"]}, "choose some of"),
        ({"sources": "pool", "stages": ["ranker"]}, "'ranker' has nothing to do"),
        ({"sources": ["pool", "words"], "stages": ["posts"]}, "'posts' has nothing to do"),
        ({"sources": ["generator"]}, "none of the `sources`"),
        ({"sources": ["words"], "text_encoder": "somewhere"}, "`text_encoder` is for"),
        ({"sources": ["posts", "trends"]}, "add 'pool'"),
        ({"sources": ["pool_words"]}, "needs a `text_encoder`"),
        ({"neighbours": 0}, "`neighbours` is 0"),
        ({"sources": "pool", "plausibility": "somewhere"}, "`plausibility` is told to a ranker"),
    ],
)
def test_sources_that_do_not_fit(arguments, message, tmp_path):
    """Would fail if arguments that cannot work together were found out only in the middle of a training."""
    with pytest.raises(ArgumentError, match=message):
        parse_arguments(line(tmp_path, tmp_path / "run", "scratch.json", **arguments))


def test_stages_that_sources_need(tmp_path):
    """Would fail if the published training were another one, or a source lacked the stage that makes it."""

    def stages(**arguments):
        return parse_arguments(line(tmp_path, tmp_path / "run", "scratch.json", **arguments)).stage.stages

    published = ["prepare", "retriever", "pool", "guidance", "generator", "evaluate"]
    assert stages(sources="pool") == published
    assert stages(sources=SOURCES) == [
        "prepare", "retriever", "posts", "pool", "guidance", "generator", "ranker", "evaluate",
    ]  # fmt: skip
    assert stages(sources=["classifier", "words", "generator"]) == [
        "prepare", "guidance", "classifier", "generator", "ranker", "evaluate",
    ]  # fmt: skip
