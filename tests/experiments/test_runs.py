"""Cells run in this process: what they share, what they write, and Table 5's two pools."""

import json

import pytest
from training_samples import ARGUMENTS, write_scratch_config

from transformers_ggm import HashtagPool, HashtagRetriever
from transformers_ggm.data import CorpusOptions, load_prepared
from transformers_ggm.data.prepare import ClipOptions, prepare_shorts
from transformers_ggm.data.rendered_shorts import render_shorts
from transformers_ggm.evaluation import best_k
from transformers_ggm.experiments.runs import RUN_KIND
from transformers_ggm.processing import HashtagRetrieverProcessor
from transformers_ggm.training.main import argument_list, parse_arguments
from transformers_ggm.training.pool_and_guidance import retrieve


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Arguments for a prepared corpus with two unseen hashtags."""
    folder = tmp_path_factory.mktemp("corpus")
    render_shorts(folder / "shorts", 20, 6, 6, size=32, num_workers=1, progress_bar=False)
    (folder / "all").mkdir()
    rows = [
        {**json.loads(line), "file_name": str(metadata.parent / json.loads(line)["file_name"])}
        for metadata in sorted((folder / "shorts").glob("*/metadata.jsonl"))
        for line in metadata.read_text().splitlines()
    ]
    (folder / "all" / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = CorpusOptions(min_hashtag_count=1, train_share=0.7, validation_share=0.15, num_unseen_hashtags=2)
    prepare_shorts(folder / "all", folder / "prepared", corpus=options, clip=ClipOptions(sampling_rate=8000))
    return {
        **ARGUMENTS,
        "data_dir": str(folder / "prepared"),
        "scratch_config": str(write_scratch_config(folder / "model.json")),
        "retriever_per_device_train_batch_size": 2,
        "num_train_epochs": 1,
        "retriever_num_train_epochs": 1,
    }


@pytest.fixture(scope="module")
def retriever(corpus, tmp_path_factory):
    """The folder of a retriever's cell, and its result."""
    folder = tmp_path_factory.mktemp("retriever")
    return folder, RUN_KIND["retriever"](folder, corpus, 0, {})


@pytest.fixture(scope="module")
def generator(corpus, retriever, tmp_path_factory):
    """The folder of a cell of GGM, guided by that retriever, and its result."""
    folder = tmp_path_factory.mktemp("generator")
    return folder, RUN_KIND["generator"](folder, corpus, 0, {"guidance": retriever[0]})


def predictions_of(folder):
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]


def test_retriever_answers_with_the_k_that_validation_chooses(corpus, retriever):
    """The VLM baseline would be judged by a number of hashtags that nobody chose, or by another split's guidance."""
    folder, result = retriever
    shorts = load_prepared(corpus["data_dir"])
    validation, test = (
        json.loads((folder / "guidance" / f"{split}.json").read_text()) for split in ("validation", "test")
    )
    k = best_k(validation, shorts["validation"]["hashtags"])
    assert result["choices"]["k"] == k
    assert [row["predicted"] for row in predictions_of(folder)] == [tags[:k] for tags in test]
    assert [row["hashtags"] for row in predictions_of(folder)] == shorts["test"]["hashtags"][:]


def test_generator_takes_the_parts_of_the_cell_that_guides_it(retriever, generator):
    """GGM would be trained with another retriever, pool or guidance than the tables say, or alter the shared one."""
    for name in ("checkpoint/retriever/model.safetensors", "checkpoint/hashtag_pool/pool.json", "guidance/train.json"):
        assert (generator[0] / name).samefile(retriever[0] / name)
    assert generator[1]["costs"]["train_seconds"] > 0
    assert len(predictions_of(generator[0])) == len(predictions_of(retriever[0]))


def test_pools_of_table_5_differ_by_the_unseen_hashtags_alone(corpus, retriever, generator):
    """The gain would be measured on other clips, with a pool that lacks the hashtags, or had them all along."""
    content = json.loads((generator[0] / "unseen.json").read_text())
    rows = load_prepared(corpus["data_dir"])["unseen_test"]
    assert content["references"] == rows["hashtags"][:]
    assert all(set(tags) & set(content["unseen"]) for tags in content["references"])
    pool = HashtagPool.from_pretrained(retriever[0] / "checkpoint" / "hashtag_pool")
    assert len(content["unseen"]) == 2 and not set(content["unseen"]) & set(pool.hashtags)
    assert len(content["pool_with"]) == len(content["pool_without"]) == len(rows)


def test_guidance_of_table_5_holds_unseen_hashtags(corpus, retriever, monkeypatch, tmp_path):
    """The generator would not be shown the hashtags that were added to the pool."""
    from transformers_ggm.experiments import runs

    seen = []

    def generate(run, model, shorts):
        seen.append([shorts[index]["guidance"] for index in range(len(shorts))])
        return [[] for _ in range(len(shorts))]

    monkeypatch.setattr(runs, "generate_hashtags", generate)
    arguments = {**corpus, "num_guidance": 6}
    run = runs.make_run(tmp_path, arguments, 0, {"guidance": retriever[0]})
    runs.write_unseen(run, None, tmp_path / "unseen.json")
    unseen = set(run.shorts.unseen_hashtags)
    without, with_them = seen
    assert not any(unseen & set(tags) for tags in without)
    assert all(len(tags) == 6 for tags in with_them)
    model = HashtagRetriever.from_pretrained(retriever[0] / "checkpoint" / "retriever").eval()
    processor = HashtagRetrieverProcessor.from_pretrained(retriever[0] / "checkpoint" / "retriever")
    pool = HashtagPool.from_pretrained(retriever[0] / "checkpoint" / "hashtag_pool")
    pool.add(sorted(unseen), model, processor)
    assert with_them == retrieve(run.shorts.for_retriever("unseen_test"), model, processor, pool, 6)


def test_a_generator_guided_by_a_classifier_reads_its_ranking(corpus, tmp_path):
    """GGM guided by ViT would be guided by something else."""
    arguments = {
        **corpus, "classifier_modalities": ["video"], "classifier_num_train_epochs": 1,
        "classifier_learning_rate": 1e-3,
    }  # fmt: skip
    classifier, guided = tmp_path / "classifier", tmp_path / "guided"
    RUN_KIND["classifier"](classifier, arguments, 0, {})
    RUN_KIND["generator"](guided, {**corpus, "max_steps": 1}, 0, {"guidance": classifier})
    ranked = json.loads((classifier / "classifier" / "guidance" / "train.json").read_text())
    run = parse_arguments(argument_list({**corpus, "output_dir": str(guided)}))
    assert run.shorts.guidance("train") == [tags[: run.model.num_guidance] for tags in ranked]
    assert not (guided / "unseen.json").exists()  # which takes a pool
