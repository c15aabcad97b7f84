import json
import shutil
from importlib.metadata import version

import pytest
import torch
from training_samples import CHECKPOINT_FILES, losses, weights, written_at

import transformers_ggm
from transformers_ggm import GGMForHashtagGeneration, HashtagPool, HashtagRetriever, load_shorts
from transformers_ggm.data import decoded
from transformers_ggm.errors import DatasetError
from transformers_ggm.evaluation import hashtag_metrics, recall_at_k
from transformers_ggm.training.arguments import STAGES


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def copy_of_finished(finished, tmp_path):
    """A finished training that a test may change."""
    return shutil.copytree(finished, tmp_path / "run")


def test_checkpoint_is_whole(finished):
    """Would fail if a file of the checkpoint were missing, or something else lay in it."""
    files = written_at(finished / "checkpoint")
    assert set(files) == CHECKPOINT_FILES
    assert not [name for name in written_at(finished) if "partial" in name or "replaced" in name]


def test_no_pickle_in_the_checkpoint(finished):
    """Would fail if loading a checkpoint could run code."""
    assert {name.rsplit(".", 1)[1] for name in written_at(finished / "checkpoint")} == {
        "json", "md", "parquet", "png", "safetensors",
    }  # fmt: skip


def test_pool_belongs_to_the_retriever(finished, shorts_dir):
    """Would fail if the pool were another retriever's, or not the hashtags of the training split with their counts."""
    retriever = HashtagRetriever.from_pretrained(finished / "checkpoint" / "retriever")
    pool = HashtagPool.from_pretrained(finished / "checkpoint", subfolder="hashtag_pool", retriever=retriever)
    tags = [tag for row in load_shorts(shorts_dir)["train"]["hashtags"] for tag in row]
    assert dict(zip(pool.hashtags, pool.counts)) == {tag: tags.count(tag) for tag in tags}


@pytest.mark.contract
def test_published_weights_are_the_best_ones(finished):
    """Would fail if the last checkpoint were published, or the weights changed on the way."""
    runs = sorted((finished / "runs" / "generator").glob("checkpoint-*"))
    published = weights(finished / "checkpoint")
    history = read_json(runs[-1] / "trainer_state.json")["log_history"]
    metrics = {entry["step"]: entry["eval_rouge1"] for entry in history if "eval_rouge1" in entry}
    best = max(metrics, key=lambda step: (metrics[step], -step))
    saved = weights(finished / "runs" / "generator" / f"checkpoint-{best}")
    assert published.keys() == saved.keys() and all(torch.equal(published[name], saved[name]) for name in saved)


def test_metrics_are_those_of_the_predictions(finished, shorts_dir):
    """
    Would fail if the metrics were computed on other predictions, rows or references than those that were written.
    """
    summary = read_json(finished / "evaluation" / "test.json")
    rows = [json.loads(line) for line in (finished / "evaluation" / "predictions.jsonl").read_text().splitlines()]
    test = load_shorts(shorts_dir)["test"]
    assert [row["video"] for row in rows] == test["video"][:] and summary["test_videos"] == 4
    metrics = hashtag_metrics([row["predicted"] for row in rows], test["hashtags"][:])
    assert {name: summary["best_checkpoint"][name] for name in metrics} == pytest.approx(metrics)
    assert summary["word_splitter"] == f"wordninja {version('wordninja')}"
    assert summary["hashtag_order"] == {"order": "shuffled", "seed": 0}
    assert "recall_seen" in summary["best_checkpoint"] and "mean_of_best_2" in summary


def test_guidance_is_what_the_pool_finds(finished, shorts_dir):
    """Would fail if a row were shown another row's guidance, or the recall were another one than reported."""
    retriever = HashtagRetriever.from_pretrained(finished / "checkpoint" / "retriever").eval()
    processor = transformers_ggm.HashtagRetrieverProcessor.from_pretrained(finished / "checkpoint" / "retriever")
    pool = HashtagPool.from_pretrained(finished / "checkpoint" / "hashtag_pool")
    test = load_shorts(shorts_dir)["test"]
    found = []
    for video in test["video"]:
        with torch.inference_mode():
            query = retriever.get_video_features(**processor(videos=[video])).pooler_output
        found += pool.search(query, len(pool))[1]
    assert read_json(finished / "guidance" / "test.json") == found
    recall = {int(k): value for k, value in read_json(finished / "guidance" / "test_recall.json").items()}
    assert recall == pytest.approx(recall_at_k(found, test["hashtags"][:], (1, 5, 10, 25, 50, 100)))


@pytest.mark.contract
def test_losses_fall(finished):
    """Would fail if nothing were learnt: gradients that do not reach the weights, a learning rate of zero."""
    assert losses(finished / "runs" / "generator")[-1] < losses(finished / "runs" / "generator")[0]


def test_second_run_writes_nothing(copy_of_finished, train):
    """Would fail if a finished stage ran again."""
    before = written_at(copy_of_finished)
    train(copy_of_finished)
    assert written_at(copy_of_finished) == before


def test_same_seed_gives_the_same_checkpoint(finished, train):
    """Would fail if a training could not be repeated: order of data, start of weights or tokenizer left to chance."""
    again = train()
    for name in ("", "retriever"):
        first, second = weights(finished / "checkpoint" / name), weights(again / "checkpoint" / name)
        assert all(torch.equal(first[key], second[key]) for key in first)
    for name in ("checkpoint/tokenizer.json", "guidance/train.json", "evaluation/test.json"):
        assert (finished / name).read_bytes() == (again / name).read_bytes()


@pytest.mark.parametrize("stage", STAGES)
def test_stage_runs_again_alone(copy_of_finished, train, stage):
    """Would fail if `overwrite_stages` ran another stage, went on from the old result, or changed it."""
    own = {
        "prepare": "prepared", "retriever": "checkpoint/retriever", "pool": "checkpoint/hashtag_pool",
        "guidance": "guidance", "generator": "checkpoint/model.safetensors", "evaluate": "evaluation",
    }  # fmt: skip
    before = written_at(copy_of_finished)
    contents = {
        name: (copy_of_finished / name).read_bytes() for name in before if name.endswith(("json", "safetensors"))
    }
    train(copy_of_finished, stages=[stage], overwrite_stages=[stage])
    after = written_at(copy_of_finished)
    assert set(after) == set(before)
    changed = {name for name in before if after[name] != before[name]}
    assert any(name.startswith(own[stage]) for name in changed)
    others = {other: path for other, path in own.items() if other != stage}
    assert not [name for name in changed if name.startswith(tuple(others.values()))]
    volatile = ("trainer_state.json", "arguments.json")  # have run times, and the folder
    same = {name for name in contents if (copy_of_finished / name).read_bytes() == contents[name]}
    assert not {name for name in set(contents) - same if not name.endswith(volatile)}


@pytest.mark.parametrize(
    "stage, missing", [("retriever", "prepare"), ("generator", "prepare"), ("evaluate", "prepare")]
)
def test_stage_without_those_before_it(train, stage, missing):
    """Would fail if a stage that lacks its input did not say which one to run first."""
    with pytest.raises(DatasetError, match=f"run the stage '{missing}' first"):
        train(stages=[stage])


def test_generator_without_guidance(copy_of_finished, train):
    """Would fail if the generator's stage did not say that the guidance is missing."""
    shutil.rmtree(copy_of_finished / "guidance")
    with pytest.raises(DatasetError, match="run the stage 'guidance' first"):
        train(copy_of_finished, stages=["generator"], overwrite_stages=["generator"])


def test_evaluation_without_the_training(copy_of_finished, train):
    """Would fail if a checkpoint could not be evaluated once the checkpoints of its training are deleted."""
    expected = read_json(copy_of_finished / "evaluation" / "test.json")
    shutil.rmtree(copy_of_finished / "runs")
    train(copy_of_finished, stages=["evaluate"], overwrite_stages=["evaluate"])
    summary = read_json(copy_of_finished / "evaluation" / "test.json")
    assert summary["best_checkpoint"] == expected["best_checkpoint"] and "mean_of_best_1" in summary


def test_preparation_decodes_once(copy_of_finished, train, monkeypatch):
    """Would fail if a second run, or a later stage, decoded clips again."""
    monkeypatch.setattr(decoded.ClipDecoder, "_decode", lambda *_: pytest.fail("decoded again"))
    train(copy_of_finished, overwrite_stages=["guidance", "evaluate"])


def test_text_only_generator_of_a_data_set_without_clips(shorts_dir, train, tmp_path):
    """Would fail if rows of words alone ended in an error of torch in place of one that says what is missing."""
    data_dir = tmp_path / "words"
    for split in ("train", "validation", "test"):
        (data_dir / split).mkdir(parents=True)
        row = json.dumps({"description": "first snow", "hashtags": ["snow"]})
        (data_dir / split / "metadata.jsonl").write_text(f"{row}\n{row}\n")
    with pytest.raises(DatasetError, match="'train' has 0 rows with a hashtag and a video"):
        train(data_dir=data_dir, stages=["prepare", "retriever"])


def test_rows_that_cannot_be_used_are_left_out(shorts_dir, train, tmp_path):
    """Would fail if a row without hashtags, or without anything to go by, stopped the training in its middle."""
    data_dir = shutil.copytree(shorts_dir, tmp_path / "shorts")
    with (data_dir / "train" / "metadata.jsonl").open("a") as lines:
        lines.write(json.dumps({"description": "no hashtags", "hashtags": []}) + "\n")
        lines.write(json.dumps({"description": "#only #hashtags", "hashtags": ["snow"]}) + "\n")
        lines.write(json.dumps({"description": "words alone", "hashtags": ["snow"]}) + "\n")
    output_dir = train(data_dir=data_dir)
    assert len(read_json(output_dir / "guidance" / "train.json")) == 17
    assert read_json(output_dir / "guidance" / "train.json")[-1] == []


def test_missing_and_empty_splits(shorts_dir, train, tmp_path):
    """Would fail if data that cannot be trained on did not say why."""
    data_dir = shutil.copytree(shorts_dir, tmp_path / "shorts")
    (data_dir / "test" / "metadata.jsonl").write_text('{"description": "no hashtags", "hashtags": []}\n')
    with pytest.raises(DatasetError, match=r"No row of .*test has hashtags"):
        train(data_dir=data_dir)
    shutil.rmtree(data_dir / "test")
    with pytest.raises(DatasetError, match=r"lacks the split folders \['test'\]"):
        train(data_dir=data_dir)


def test_vision_from_retriever(finished, train, copy_of_finished):
    """Would fail if the vision encoder did not start from the trained retriever's, or a frozen one changed."""
    train(
        copy_of_finished,
        stages=["generator"],
        overwrite_stages=["generator"],
        vision_from_retriever=True,
        freeze_vision=True,
    )
    tower = GGMForHashtagGeneration.from_pretrained(copy_of_finished / "checkpoint").get_encoder("video").state_dict()
    backbone = HashtagRetriever.from_pretrained(copy_of_finished / "checkpoint" / "retriever").backbone
    trained = {key.removeprefix("vision_model."): value for key, value in backbone.vision_model.state_dict().items()}
    assert tower and all(
        torch.equal(value, trained[key.removeprefix("vision_model.")]) for key, value in tower.items()
    )
    assert losses(copy_of_finished / "runs" / "generator") != losses(finished / "runs" / "generator")
