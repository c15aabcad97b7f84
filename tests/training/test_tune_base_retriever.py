"""Training the retriever of a checkpoint that was composed of parts on, and what of the checkpoint depends on it."""

import json
import shutil

import pytest
import torch
from composed_parts import POSTS, write_parts
from recommender_samples import recommender_arguments, write_posts
from safetensors.torch import load_file
from training_samples import command_line, losses, written_at
from transformers import pipeline

from transformers_ggm import HashtagPool, HashtagRetriever, HashtagRetrieverProcessor, PostIndex
from transformers_ggm.errors import ArgumentError, DatasetError
from transformers_ggm.pipelines.compose import CheckpointComposition, compose_checkpoint
from transformers_ggm.recommendation import PostsSource, Recommender
from transformers_ggm.retrieval import DescriptionEncoder
from transformers_ggm.training import callbacks, main, tune_base_retriever

# One that is in the posts too, and one that is in the list alone.
COUNTED = {"winter": 7, "starteronly": 3}
ALL = ["retriever", "ranker", "evaluate"]
QUICK = {"retriever_num_train_epochs": 2, "retriever_per_device_train_batch_size": 30}


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    given = write_parts(folder)
    table = "".join(f"{tag},{count}\n" for tag, count in COUNTED.items())
    (folder / "hashtags.csv").write_text(f"hashtag,count\n{table}")
    return given


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return write_posts(tmp_path_factory.mktemp("data") / "posts", {"train": 60, "validation": 60, "test": 20})


@pytest.fixture(scope="module")
def base(parts, data_dir, tmp_path_factory):
    """A composed checkpoint with a retriever that reads descriptions, to which a ranker was fitted."""
    folder = tmp_path_factory.mktemp("base")
    given = {name: parts[name] for name in ("retriever", "hashtags")}
    starter = compose_checkpoint(CheckpointComposition(**given), folder / "starter")
    main(command_line(base_checkpoint=starter, data_dir=data_dir, output_dir=folder / "ranked"))
    return folder / "ranked" / "checkpoint"


@pytest.fixture(scope="module")
def tune(base, data_dir):
    """Runs `train.py --base_checkpoint`, all stages unless told otherwise, and gives its output folder."""

    def run(output_dir, **arguments):
        defaults = {"base_checkpoint": base, "data_dir": data_dir, "stages": ALL, **QUICK}
        main(command_line(output_dir=output_dir, **{**defaults, **arguments}))
        return output_dir

    return run


@pytest.fixture(scope="module")
def tuned(tune, tmp_path_factory):
    """The output folder of an uninterrupted training. Read only."""
    return tune(tmp_path_factory.mktemp("tuned"))


def weights(folder):
    return load_file(folder / "model.safetensors")


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def is_like(first, second):
    """Whether two checkpoints have the same weights, pool and counts."""
    pools = [HashtagPool.from_pretrained(folder / "hashtag_pool") for folder in (first, second)]
    counts = [Recommender.from_pretrained(folder).counts for folder in (first, second)]
    return (
        all(equal(weights(first / name), weights(second / name)) for name in ("retriever", "ranker"))
        and torch.equal(pools[0].embeddings, pools[1].embeddings)
        and (pools[0].hashtags, pools[0].counts) == (pools[1].hashtags, pools[1].counts)
        and counts[0] == counts[1]
    )


def test_what_depends_on_the_retriever_is_made_anew(tuned, base, data_dir):
    """Would fail if the retriever had not learnt, or the pool had other vectors, hashtags or counts than it gives and
    starter and training posts have."""
    checkpoint = tuned / "checkpoint"
    trained = losses(tuned / "runs" / "retriever")
    assert trained[-1] < trained[0]
    assert not equal(weights(checkpoint / "retriever"), weights(base / "retriever"))
    retriever = HashtagRetriever.from_pretrained(checkpoint / "retriever")
    assert retriever.config.query == "video+text"
    pool = HashtagPool.from_pretrained(checkpoint / "hashtag_pool", retriever=retriever)
    rows = [json.loads(line) for line in (data_dir / "train" / "metadata.jsonl").read_text().splitlines()]
    expected = dict(COUNTED)
    for hashtag in (tag for row in rows for tag in row["hashtags"]):
        expected[hashtag] = expected.get(hashtag, 0) + 1
    assert dict(zip(pool.hashtags, pool.counts)) == expected
    inputs = HashtagRetrieverProcessor.from_pretrained(checkpoint / "retriever")(hashtags=pool.hashtags)
    with torch.no_grad():
        vectors = retriever.get_hashtag_features(**inputs).pooler_output
    torch.testing.assert_close(pool.embeddings.float(), vectors, atol=1e-3, rtol=0)  # half precision
    assert Recommender.from_pretrained(checkpoint).counts == expected


def test_everything_else_is_kept(tuned, base):
    """Would fail if the base were changed, a source lost, or a file written anew that nothing of this concerns."""
    before, after = Recommender.from_pretrained(base), Recommender.from_pretrained(tuned / "checkpoint")
    assert [source.name for source in after.sources] == [source.name for source in before.sources]
    assert after.guidance.to_dict() == before.guidance.to_dict() and before.counts == COUNTED
    for name in (
        "config.json",
        "processor_config.json",
        "retriever/tokenizer.json",
        "retriever/processor_config.json",
    ):
        assert (tuned / "checkpoint" / name).read_bytes() == (base / name).read_bytes(), name
    assert not list((tuned / "checkpoint").rglob("*partial*"))


def test_the_ranker_is_fitted_anew(tuned, tune, base, tmp_path):
    """Would fail if a ranker were left that goes by similarities of the old retriever, at the end or in between."""
    first = tune(tmp_path / "run", stages=["retriever"]) / "checkpoint"
    assert Recommender.from_pretrained(first).ranker is None and not (first / "ranker").exists()
    card = (first / "README.md").read_text()
    assert "retriever was then trained on, on 60 clips" in card and "Nothing in it was trained" not in card
    assert "fitted on" not in card and "| Recall |" not in card and "9 hashtags" not in card
    assert pipeline("hashtag-generation", model=str(first), device="cpu")({"description": "snow"})
    tune(tmp_path / "run")
    assert is_like(first, tuned / "checkpoint")
    assert not equal(weights(first / "ranker"), weights(base / "ranker"))
    summary = json.loads((tuned / "evaluation" / "test.json").read_text())
    assert summary["test_videos"] == 20 and "fitted on 60 clips" in (first / "README.md").read_text()


@pytest.mark.parametrize("where", ["in the training", "before the pool"])
def test_a_killed_training_goes_on(tuned, tune, tmp_path, monkeypatch, where):
    """Would fail if a restart began from anew, ended otherwise, or counted hashtags twice."""

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == 2:
            raise Killed

    def kill(*args, **kwargs):
        raise Killed

    with monkeypatch.context() as patched:
        if where == "in the training":
            patched.setattr(callbacks.EpochCallback, "on_step_begin", on_step_begin, raising=False)
        else:
            patched.setattr(tune_base_retriever.HashtagPool, "build", kill)
        with pytest.raises(Killed):
            tune(tmp_path / "run")
    run_dir = tmp_path / "run" / "runs" / "retriever"
    written = written_at(run_dir / callbacks.last_checkpoint(run_dir).name)
    tune(tmp_path / "run")
    assert is_like(tmp_path / "run" / "checkpoint", tuned / "checkpoint")
    if where == "before the pool":
        assert written_at(run_dir / callbacks.last_checkpoint(run_dir).name) == written


def test_finished_stages_are_skipped(tuned, tune, tmp_path):
    """Would fail if what is finished were made again, or what depends on a retriever trained again were not."""
    run = shutil.copytree(tuned, tmp_path / "run")
    before = written_at(run)
    tune(run)
    assert written_at(run) == before
    tune(run, overwrite_stages=["retriever"], seed=1)
    changed = {name for name, when in written_at(run).items() if before.get(name) != when}
    parts = ("retriever/model.safetensors", "hashtag_pool/embeddings.safetensors", "ranker/model.safetensors")
    assert {f"checkpoint/{name}" for name in parts} | {"evaluation/test.json"} <= changed
    assert not is_like(run / "checkpoint", tuned / "checkpoint")
    assert Recommender.from_pretrained(run / "checkpoint").counts == (
        Recommender.from_pretrained(tuned / "checkpoint").counts
    )


def test_after_a_ranker_was_fitted(tuned, tune, tmp_path):
    """Would fail if, in an output folder where only a ranker was fitted, the base's retriever were taken for a trained
    one, or that ranker for one of the new retriever."""
    run = tune(tmp_path / "run", stages=["ranker"])
    tune(run)
    assert is_like(run / "checkpoint", tuned / "checkpoint")


def test_clips_alone(parts, shorts_dir, tmp_path):
    """Would fail if a retriever that sees and does not read, beside a sentence encoder, could not be trained on."""
    given = {name: parts[name] for name in ("retriever", "text_encoder", "hashtags")}
    starter = compose_checkpoint(CheckpointComposition(**given), tmp_path / "starter")
    arguments = {"data_dir": shorts_dir, "output_dir": tmp_path / "run", "stages": ["retriever"]}
    main(command_line(base_checkpoint=starter, **arguments))
    suggest = pipeline("hashtag-generation", model=str(tmp_path / "run" / "checkpoint"), device="cpu")
    by_words = next(source for source in suggest.recommender.sources if source.name == "pool_words")
    assert set(by_words.pool.hashtags) == set(suggest.hashtag_pool.hashtags) > set(COUNTED)
    before = HashtagRetriever.from_pretrained(starter / "retriever")
    assert suggest.retriever.fingerprint() != before.fingerprint() and before.config.query == "video"
    assert suggest({"video": str(next(shorts_dir.glob("test/*.mp4")))})


def test_what_cannot_be_trained(base, parts, tune, data_dir, tmp_path):
    """Would fail if a base without retriever, posts that only the old retriever could search, or data without splits
    were found out late."""
    run = tmp_path / "run"
    words = compose_checkpoint(CheckpointComposition(hashtags=parts["hashtags"]), tmp_path / "words")
    with pytest.raises(ArgumentError, match="no retriever/"):
        tune(run, base_checkpoint=words)
    posts = shutil.copytree(base, tmp_path / "posts")
    recommender = Recommender.from_pretrained(posts)
    pool = recommender.sources[0]
    rows = [{"description": text, "hashtags": tags} for text, tags in POSTS.items()]
    index = PostIndex.build(rows, DescriptionEncoder(pool.retriever, pool.processor))
    Recommender([*recommender.sources, PostsSource(index, "dense")], counts=recommender.counts).save_pretrained(posts)
    with pytest.raises(ArgumentError, match="vectors of its retriever"):
        tune(run, base_checkpoint=posts)
    unsplit = write_posts(tmp_path / "unsplit", {"train": 60})
    with pytest.raises(DatasetError, match="lacks the split folders"):
        tune(run, data_dir=unsplit)
    assert not run.exists()


def test_other_data(tuned, tune, tmp_path):
    """Would fail if a retriever that was trained on other data were taken for one of these."""
    run = shutil.copytree(tuned, tmp_path / "run")
    other = write_posts(tmp_path / "other", {"train": 50, "validation": 60, "test": 20})
    with pytest.raises(DatasetError, match="--overwrite_stages retriever"):
        tune(run, data_dir=other)


@pytest.mark.slow
def test_a_trained_checkpoint(tune, data_dir, scratch_config, tmp_path):
    """Would fail if a checkpoint that was trained with more sources than the pool could not be trained on, or its
    generator were lost."""
    first = tmp_path / "first"
    arguments = recommender_arguments(sources=["pool", "words", "history", "frequent", "generator"])
    main(command_line(data_dir=data_dir, output_dir=first, scratch_config=scratch_config, **arguments))
    checkpoint = tune(tmp_path / "run", base_checkpoint=first / "checkpoint") / "checkpoint"
    assert (checkpoint / "model.safetensors").read_bytes() == (first / "checkpoint/model.safetensors").read_bytes()
    assert not equal(weights(checkpoint / "retriever"), weights(first / "checkpoint" / "retriever"))
    names = [source.name for source in Recommender.from_pretrained(first / "checkpoint").sources]
    suggest = pipeline("hashtag-generation", model=str(checkpoint), device="cpu")
    assert [source.name for source in suggest.recommender.sources] == names and suggest.recommender.ranker
    assert suggest({"description": "the lake again"}, min_score=0.0)
