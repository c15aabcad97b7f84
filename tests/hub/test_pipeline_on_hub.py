"""The pipeline from the stand-in Hub: all parts at one commit, online and off, as from a folder."""

import json
import re
import shutil

import pytest
import torch
from hub_samples import contents, on_hub
from hub_stand_in import CUT, go_offline
from transformers import pipeline

from transformers_ggm import GGMForHashtagGeneration, GGMProcessor, HashtagRetriever, push_checkpoint_to_hub
from transformers_ggm.errors import CheckpointError, RetrieverMismatchError
from transformers_ggm.pipelines import DEMO_CHECKPOINT

WORDS = "twelve hours on the highway"


def load(model, **kwargs):
    return pipeline("hashtag-generation", model=model, device="cpu", **kwargs)


def parts(suggest):
    """What tells apart the pipelines of the two checkpoints, part by part."""
    return (
        next(parameter for name, parameter in sorted(suggest.model.named_parameters())).sum().item(),
        suggest.retriever.fingerprint(),
        len(suggest.hashtag_pool),
        suggest.model.generation_config.num_beams,
    )


@pytest.fixture(scope="session")
def local():
    """The pipeline of the bundled checkpoint."""
    return load(DEMO_CHECKPOINT)


@pytest.fixture(scope="session")
def local_second(second):
    return load(str(second))


def test_same_predictions_there_and_back(hub, clip, local, monkeypatch, tmp_path):
    """
    Would fail if what was pushed predicted otherwise once pulled: from the Hub, or later from the cache alone; or if
    an edited pool, or the card, did not come along.
    """
    suggest = load(DEMO_CHECKPOINT)
    suggest.hashtag_pool.add(["newtrend"], suggest.retriever, suggest.retriever_processor, progress_bar=False)
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags")
    push_checkpoint_to_hub(suggest, "someone/tags")
    assert len(hub.repositories["someone/tags"].commits) == 3 and "README.md" in on_hub(hub)
    # To the rounding of products whose memory lies elsewhere.
    expected = [{**tag, "score": pytest.approx(tag["score"], rel=1e-5)} for tag in suggest(clip, description=WORDS)]
    assert expected
    pulled = load("someone/tags")
    assert "newtrend" in pulled.hashtag_pool
    assert pulled(clip, description=WORDS) == expected
    go_offline(monkeypatch)
    hub.requests.clear()
    assert load("someone/tags")(clip, description=WORDS) == expected
    assert not hub.requests


def test_local_files_only(hub):
    """
    Would fail if `local_files_only` asked the Hub all the same, or a checkpoint that was never fetched gave an error
    from the depths.
    """
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags")
    with pytest.raises(OSError, match="cached files"):
        load("someone/tags", local_files_only=True)
    load("someone/tags")
    hub.requests.clear()
    load("someone/tags", local_files_only=True)
    assert not hub.requests


@pytest.mark.contract
@pytest.mark.parametrize("place", ["/resolve/.*/config.json", "/resolve/.*/processor_config.json", "/tree/"])
def test_a_push_between_the_loads_does_not_mix_revisions(hub, second, local, local_second, place):
    """Would fail if some parts came from before a push and others from after it."""
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags")
    push_checkpoint_to_hub(second, "someone/tags", revision="next")
    repository = hub.repositories["someone/tags"]

    def push(method, path):
        if re.search(place, path):
            repository.refs["main"] = repository.refs["next"]

    hub.before.append(push)
    # Versions of transformers that do not ask for the commit first take that of the configuration.
    assert parts(load("someone/tags")) in (parts(local), parts(local_second))
    assert repository.refs["main"] == repository.refs["next"], "the push must have happened while loading"
    assert parts(load("someone/tags")) == parts(local_second) != parts(local)


@pytest.mark.contract
def test_revisions_are_told_apart(hub, second, local, local_second, monkeypatch):
    """Would fail if a branch, commit or pull request gave parts of another one, online or from the cache."""
    commit = push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags").oid
    push_checkpoint_to_hub(second, "someone/tags")
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags", revision="v1")
    push_checkpoint_to_hub(second, "someone/tags", revision="v1", create_pr=True)
    expected = {None: local_second, commit: local, "v1": local, "refs/pr/1": local_second}
    for _ in range(2):
        for revision, checkpoint in expected.items():
            assert parts(load("someone/tags", revision=revision)) == parts(checkpoint)
        go_offline(monkeypatch)


def test_a_model_that_was_loaded_before(hub, second, local, local_second):
    """Would fail if a model handed over as an object got its retriever and pool from another revision than its own."""
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags", revision="v1")
    push_checkpoint_to_hub(second, "someone/tags")
    for revision, checkpoint in {"v1": local, None: local_second}.items():
        model = GGMForHashtagGeneration.from_pretrained("someone/tags", revision=revision)
        processor = GGMProcessor.from_pretrained("someone/tags", revision=revision)
        assert parts(load(model, processor=processor)) == parts(checkpoint)


def test_private_repository(hub, local, monkeypatch):
    """Would fail if the token did not reach all parts, were shown to the storage, or were kept in the pipeline."""
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags", private=True)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(OSError, match="someone/tags"):
        load("someone/tags")
    suggest = load("someone/tags", token="hf_someone")
    assert parts(suggest) == parts(local)
    assert "hf_someone" not in repr(vars(suggest)) + repr(vars(suggest.model))


def test_parts_named_apart(hub, second, local, local_second, monkeypatch):
    """
    Would fail if a retriever or pool in a repository of its own, a private one, could not be named; or if the
    retriever and its processor were taken from two commits.
    """
    push_checkpoint_to_hub(second, "someone/tags", private=True)
    local.retriever.push_to_hub("someone/retriever", private=True)
    local.retriever_processor.push_to_hub("someone/retriever")
    local.hashtag_pool.push_to_hub("someone/pool", private=True)
    monkeypatch.delenv("HF_TOKEN")
    repository = hub.repositories["someone/retriever"]
    commit, without_processor = repository.refs["main"], list(repository.commits)[1]

    def push(method, path):
        if "someone/retriever" in path and path.endswith("/model.safetensors"):
            repository.refs["main"] = without_processor

    hub.before.append(push)
    suggest = load("someone/tags", token="hf_someone", retriever="someone/retriever", hashtag_pool="someone/pool")
    assert repository.refs["main"] == without_processor != commit
    assert len(suggest.hashtag_pool) == len(local.hashtag_pool) != len(local_second.hashtag_pool)
    assert suggest.retriever_processor.to_dict() == local.retriever_processor.to_dict()
    assert parts(suggest)[0] == parts(local_second)[0]


def test_repository_without_retriever_and_pool(hub, clip, tmp_path, monkeypatch):
    """
    Would fail if a model without guidance could not be shared, or the missing parts were not named, just as for a
    folder.
    """
    bare = shutil.copytree(DEMO_CHECKPOINT, tmp_path / "bare")
    shutil.rmtree(bare / "retriever")
    shutil.rmtree(bare / "hashtag_pool")
    push_checkpoint_to_hub(bare, "someone/tags")
    for name in (str(bare), "someone/tags"):
        with pytest.raises(CheckpointError, match=r"has no retriever/ and no hashtag_pool/, .*num_guidance=0"):
            load(name)
    expected = load(str(bare), num_guidance=0)(clip, description=WORDS)
    assert expected and load("someone/tags", num_guidance=0)(clip, description=WORDS) == expected
    go_offline(monkeypatch)
    assert load("someone/tags", num_guidance=0)(clip, description=WORDS) == expected


def test_pool_of_another_retriever(hub):
    """Would fail if a pool were used with vectors that its retriever does not make."""
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags")
    retriever = HashtagRetriever.from_pretrained(DEMO_CHECKPOINT, subfolder="retriever")
    retriever.logit_scale.data.add_(1)
    retriever.push_to_hub("someone/retriever")
    hub.repositories["someone/tags"].commit("main").files["retriever/model.safetensors"] = (
        hub.repositories["someone/retriever"].commit("main").files["model.safetensors"]
    )
    with pytest.raises(RetrieverMismatchError):
        load("someone/tags")


@pytest.mark.contract
def test_connection_breaks_while_pulling(hub, local):
    """Would fail if a broken download gave half a checkpoint, or could not be gone on with."""
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags")
    for how in (500, CUT):
        hub.fail("GET", "/resolve/.*/hashtag_pool/", how)
        with pytest.raises(CheckpointError, match="hashtag_pool/ of 'someone/tags' could not be fetched"):
            load("someone/tags")
        hub.heal()
    assert parts(load("someone/tags")) == parts(local)


def test_half_precision(hub):
    """
    Would fail if a pipeline in half precision could not be shared: its rounded retriever is not the pool's, and its
    tokenizer is given the type too.
    """
    suggest = load(DEMO_CHECKPOINT, dtype=torch.bfloat16, model_kwargs={"attn_implementation": "eager"})
    push_checkpoint_to_hub(suggest, "someone/tags")
    bundled = contents(DEMO_CHECKPOINT)["tokenizer_config.json"]
    assert json.loads(on_hub(hub)["tokenizer_config.json"]) == json.loads(bundled)
    pulled = load("someone/tags", model_kwargs={"dtype": "auto"})
    assert pulled.model.dtype == torch.bfloat16 and parts(pulled) == parts(suggest)


def test_pipeline_pushes_itself(hub, local):
    """
    Would fail if the push_to_hub that every pipeline of transformers has left out retriever or pool, or took several
    commits.
    """
    local.push_to_hub("someone/tags")
    assert len(hub.repositories["someone/tags"].commits) == 2
    assert parts(load("someone/tags")) == parts(local)
