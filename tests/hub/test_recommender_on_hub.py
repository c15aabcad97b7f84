"""A checkpoint that recommends, pushed to the stand-in Hub and pulled again."""

import json
import shutil
from pathlib import Path

import pytest
from bare_process import run_without_package
from composed_parts import write_parts
from hub_samples import contents, copy_demo, on_hub
from hub_stand_in import go_offline
from instructed_samples import write_smolvlm
from recommending_samples import posts_of, write_recommending_checkpoint
from small_encoder import make_encoder
from transformers import pipeline

from transformers_ggm import push_checkpoint_to_hub, save_remote_code
from transformers_ggm.errors import CheckpointError, EncoderMismatchError
from transformers_ggm.hub.remote_code import accompanying_modules
from transformers_ggm.pipelines import DEMO_CHECKPOINT
from transformers_ggm.pipelines.compose import CheckpointComposition, compose_checkpoint
from transformers_ggm.recommendation import Recommender, clues_of, sources
from transformers_ggm.recommendation.recommender_files import OWN_SOURCES

ITEM = {"description": "cold white flakes snow"}


@pytest.fixture(scope="module")
def recommending(tmp_path_factory):
    """Read only."""
    return write_recommending_checkpoint(tmp_path_factory.mktemp("recommending") / "checkpoint")


@pytest.fixture
def copy_of_recommending(recommending, tmp_path):
    return shutil.copytree(recommending, tmp_path / "checkpoint")


def answers(recommender):
    found = recommender.recommend(clues_of(posts_of(27, 28), posts_of(0, 27)))
    return [[(one.hashtag, round(one.score, 6), one.sources) for one in row] for row in found]


def test_all_parts_arrive(hub, recommending):
    """Would fail if a part of the recommender were left behind, or what is not of it went up too."""
    push_checkpoint_to_hub(recommending, "someone/tags")
    there = on_hub(hub)
    assert there == contents(recommending)
    for name in (
        "recommendation.json", "reliability.png", "posts/posts.parquet", "posts/embeddings.safetensors",
        "posts/sparse.safetensors", "words/words.parquet", "text_encoder/model.safetensors",
        "text_encoder/1_Pooling/config.json", "ranker/model.safetensors", "ranker/config.json",
    ):  # fmt: skip
        assert name in there


def test_same_recommendations_there_and_back(hub, recommending):
    """Would fail if what was pushed recommended otherwise once pulled."""
    push_checkpoint_to_hub(recommending, "someone/tags")
    assert answers(Recommender.from_pretrained("someone/tags")) == answers(Recommender.from_pretrained(recommending))


def test_parts_of_an_older_checkpoint_go(hub, recommending):
    """Would fail if posts, ranker or picture of the checkpoint before stayed beside one that does not recommend."""
    push_checkpoint_to_hub(recommending, "someone/tags")
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags")
    left = set(on_hub(hub)) - set(contents(DEMO_CHECKPOINT))
    assert left == {"posts/README.md"}


def test_folders_that_do_not_count_stay_here(hub, copy_of_recommending):
    """Would fail if posts that no source reads any more were published: people's words may be in them."""
    file = copy_of_recommending / "recommendation.json"
    described = json.loads(file.read_text())
    kept = [source for source in described["sources"] if source["source"] in ("words", "history")]
    file.write_text(json.dumps({**described, "sources": kept, "guidance": None, "ranker": False}))
    push_checkpoint_to_hub(copy_of_recommending, "someone/tags")
    assert {name.partition("/")[0] for name in on_hub(hub) if "/" in name} == {"hashtag_pool", "retriever", "words"}
    file.unlink()
    push_checkpoint_to_hub(copy_of_recommending, "someone/other")
    folders = {name.partition("/")[0] for name in on_hub(hub, "someone/other") if "/" in name}
    assert folders == {"hashtag_pool", "retriever"}


def suggest_with(model, **kwargs):
    return pipeline("hashtag-generation", model=model, device="cpu", **kwargs)


def shown(suggest):
    """What a pipeline answers for a post with a history, scores to the rounding that differs between processes."""
    found = suggest(ITEM, history=[["snow", "winter"], ["snow"]])
    return [{**tag, "score": pytest.approx(tag["score"], rel=1e-4)} for tag in found]


def test_pipeline_pulls_the_recommender_of_its_model(hub, recommending, monkeypatch):
    """Would fail if a pipeline of a Hub id answered otherwise than one of the folder, or not from the cache alone."""
    push_checkpoint_to_hub(recommending, "someone/tags")
    expected = shown(suggest_with(recommending))
    assert {source for tag in expected for source in tag["sources"]} >= {"posts_sparse", "history", "words"}
    assert shown(suggest_with("someone/tags")) == expected
    go_offline(monkeypatch)
    assert shown(suggest_with("someone/tags")) == expected


def test_parts_come_from_one_commit(hub, recommending, tmp_path):
    """Would fail if a push between made a pipeline of model and posts of two commits, or `revision` missed a part."""
    push_checkpoint_to_hub(recommending, "someone/tags", revision="old")
    other = write_recommending_checkpoint(tmp_path / "other", posts=posts_of(0, 4))
    push_checkpoint_to_hub(other, "someone/tags")
    old, new = (suggest_with("someone/tags", revision=revision) for revision in ("old", "main"))
    assert (len(index_of(old)), len(index_of(new))) == (30, 12)
    assert shown(old) == shown(suggest_with(recommending)) != shown(new)


def index_of(suggest):
    return next(source.index for source in suggest.recommender.sources if source.name == "posts_sparse")


def test_pipeline_pushes_its_recommender(hub, recommending):
    """Would fail if a pipeline were pushed without what recommends, or without what was added to it."""
    suggest = suggest_with(recommending)
    suggest.add_hashtags(["newtrend"])
    push_checkpoint_to_hub(suggest, "someone/tags")
    again = suggest_with("someone/tags")
    assert shown(again) == shown(suggest) and "newtrend" in again.recommender.counts


def test_code_has_every_source():
    """Would fail if a source were not known where this package's code comes with a checkpoint."""
    folder = Path(sources.__file__).parent
    assert {file.name for file in folder.glob("[!_]*.py")} <= set(accompanying_modules())
    named = {source.__name__ for source in OWN_SOURCES}
    assert named == set(sources.__all__)


@pytest.mark.slow
def test_where_the_package_is_not_installed(recommending, tmp_path):
    """Would fail if the code beside a checkpoint lacked a source, or recommended otherwise than the package."""
    folder = shutil.copytree(recommending, tmp_path / "tags")
    save_remote_code(folder)
    code = """
suggest = pipeline("hashtag-generation", model=folder, trust_remote_code=True, device="cpu")
item, history = {"description": "cold white flakes snow"}, [["snow", "winter"], ["snow"]]
first = suggest(item, history=history)
suggest.save_pretrained(saved)
tell(first=first, sources=[source.name for source in suggest.recommender.sources])
"""
    told, _ = run_without_package(code, cache=tmp_path / "cache", folder=folder, saved=tmp_path / "saved")
    assert told["sources"] == [source.name for source in Recommender.from_pretrained(recommending).sources]
    assert told["first"] == shown(suggest_with(recommending)) == shown(suggest_with(tmp_path / "saved"))


def spoil(name):
    return lambda folder: (folder / name).write_bytes(b"spoiled")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (spoil("recommendation.json"), CheckpointError, "is not JSON"),
        (spoil("posts/embeddings.safetensors"), CheckpointError, "posts"),
        (spoil("words/words.parquet"), CheckpointError, "words.parquet"),
        (spoil("ranker/model.safetensors"), CheckpointError, "cannot be loaded as a ranker"),
        (lambda folder: shutil.rmtree(folder / "ranker"), CheckpointError, "ranker is missing"),
        (lambda folder: make_encoder(1).save_pretrained(folder / "text_encoder"), EncoderMismatchError, "encoder"),
    ],
)
def test_damaged_parts_are_not_pushed(hub, copy_of_recommending, change, error, message):
    """Would fail if a checkpoint were shared that recommends for nobody."""
    change(copy_of_recommending)
    with pytest.raises(error, match=message):
        push_checkpoint_to_hub(copy_of_recommending, "someone/tags")
    assert not hub.requests


def test_other_checkpoints_stay_as_they_are(hub, tmp_path):
    """Would fail if a checkpoint without a recommender sent other files than before."""
    folder = copy_demo(tmp_path / "checkpoint")
    push_checkpoint_to_hub(folder, "someone/tags")
    assert on_hub(hub) == contents(folder)


@pytest.mark.parametrize("remote_code", [False, True])
def test_composed_checkpoints_on_the_hub(hub, tmp_path, remote_code):
    """Would fail if a checkpoint without generator could not be shared, or recommended otherwise from there."""
    parts = write_parts(tmp_path)
    given = {name: parts[name] for name in ("retriever", "text_encoder", "hashtags")}
    folder = compose_checkpoint(CheckpointComposition(**given), tmp_path / "starter")
    push_checkpoint_to_hub(folder, "someone/starter", remote_code=remote_code)
    item = {"description": "the first snow on the lake"}
    expected = pipeline("hashtag-generation", model=str(folder), device="cpu")(item)
    assert pipeline("hashtag-generation", model="someone/starter", device="cpu")(item) == expected
    pushed = set(on_hub(hub, "someone/starter"))
    assert {"composition.json", "README.md", "word_pool/pool.json", "retriever/config.json"} <= pushed
    assert ("retrieval_only.py" in pushed) == remote_code


def test_language_models_on_the_hub(hub, tmp_path):
    """Would fail if a checkpoint whose generator is a language model lacked a file of it on the Hub."""
    parts = write_parts(tmp_path)
    write_smolvlm(tmp_path / "model")
    given = CheckpointComposition(generator=str(tmp_path / "model"), hashtags=parts["hashtags"])
    folder = compose_checkpoint(given, tmp_path / "starter")
    push_checkpoint_to_hub(folder, "someone/starter")
    item = {"description": "the first snow on the lake"}
    expected = pipeline("hashtag-generation", model=str(folder), device="cpu")(item, max_new_tokens=4)
    suggest = pipeline("hashtag-generation", model="someone/starter", device="cpu")
    assert suggest(item, max_new_tokens=4) == expected
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert set(on_hub(hub, "someone/starter")) == there
