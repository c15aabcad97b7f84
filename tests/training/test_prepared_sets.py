"""Training on a prepared set."""

import json

import pytest
import torch
from training_samples import losses, weights

from transformers_ggm import HashtagPool
from transformers_ggm.data import load_prepared
from transformers_ggm.data.corpus import CorpusOptions
from transformers_ggm.data.prepare import ClipOptions, WorkOptions, prepare_shorts
from transformers_ggm.data.sampling import SeededLengthGroupedSampler
from transformers_ggm.errors import DatasetError


@pytest.fixture(scope="module")
def prepared_dir(shorts_dir, tmp_path_factory):
    """The miniature shorts, with nothing lost."""
    output_dir = tmp_path_factory.mktemp("prepared") / "set"
    clip = ClipOptions(lossless=True, frames_per_second=1.0, sampling_rate=8000)
    prepare_shorts(shorts_dir, output_dir, clip=clip, work=WorkOptions(num_workers=1, clips_per_shard=5))
    return output_dir


def test_prepared_set_trains_as_its_folder_does(finished, prepared_dir, train, tmp_path):
    """Would fail if a lossless set gave another training than the clips it was made of, or clips were stored again."""
    run = train(data_dir=prepared_dir)
    for name in ("retriever", "generator"):
        assert losses(run / "runs" / name) == losses(finished / "runs" / name)
    first, second = weights(run / "checkpoint"), weights(finished / "checkpoint")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not list((run / "prepared").glob("*.arrow"))
    metrics = [json.loads((folder / "evaluation" / "test.json").read_text()) for folder in (run, finished)]
    assert metrics[0] == metrics[1]
    predictions = [json.loads(line) for line in (run / "evaluation" / "predictions.jsonl").read_text().splitlines()]
    assert predictions[0]["file_name"].endswith(".mp4")


@pytest.mark.contract
def test_batches_of_like_length(prepared_dir, train, monkeypatch):
    """Would fail if grouping by length decoded rows to find their length, or every epoch had the same batches."""
    orders = []
    draw = SeededLengthGroupedSampler.__iter__
    monkeypatch.setattr(
        SeededLengthGroupedSampler, "__iter__", lambda self: iter(orders.append(list(draw(self))) or orders[-1])
    )
    run = train(data_dir=prepared_dir, train_sampling_strategy="group_by_length")
    assert len(orders) == 4  # two epochs of both trainings
    assert orders[0] != orders[1] and orders[2] != orders[3]
    assert len(losses(run / "runs" / "generator")) == 4
    predictions = [json.loads(line) for line in (run / "evaluation" / "predictions.jsonl").read_text().splitlines()]
    test = load_prepared(prepared_dir)["test"]
    assert [row["file_name"] for row in predictions] == test["file_name"][:]


def test_unseen_hashtags_in_the_pool(shorts_dir, prepared_dir, train, tmp_path):
    """Would fail if the unseen hashtags were in the pool unasked, or could not be put there."""
    rows = [
        {**json.loads(line), "file_name": str(metadata.parent / json.loads(line)["file_name"])}
        for metadata in sorted(shorts_dir.glob("*/metadata.jsonl"))
        for line in metadata.read_text().splitlines()
    ]
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    corpus = CorpusOptions(min_hashtag_count=1, train_share=0.7, validation_share=0.15, num_unseen_hashtags=2)
    clip = ClipOptions(sampling_rate=8000)
    record = prepare_shorts(tmp_path / "all", tmp_path / "corpus", corpus=corpus, clip=clip)
    unseen = set(record["unseen_hashtags"])
    assert len(unseen) == 2
    arguments = {"data_dir": tmp_path / "corpus", "retriever_per_device_train_batch_size": 2}
    run = train(**arguments, stages=["prepare", "retriever", "pool"])
    without = HashtagPool.from_pretrained(run / "checkpoint" / "hashtag_pool")
    assert not unseen & set(without.hashtags)
    train(**arguments, stages=["pool"], overwrite_stages=["pool"], unseen_hashtags_in_pool=True)
    pool = HashtagPool.from_pretrained(run / "checkpoint" / "hashtag_pool")
    assert set(pool.hashtags) == unseen | set(without.hashtags)
    assert {pool.counts[pool.hashtags.index(tag)] for tag in unseen} == {0}
    with pytest.raises(DatasetError, match="no unseen hashtags"):
        train(
            tmp_path / "other", data_dir=prepared_dir, unseen_hashtags_in_pool=True,
            stages=["prepare", "retriever", "pool"],
        )  # fmt: skip
