"""Each part of a checkpoint alone: pushed by its own method, pulled by its own `from_pretrained`."""

import pytest
import torch
from hub_samples import on_hub
from hub_stand_in import go_offline

from transformers_ggm import (
    GGMForHashtagGeneration,
    GGMProcessor,
    HashtagPool,
    HashtagRetriever,
    HashtagRetrieverProcessor,
    push_checkpoint_to_hub,
)
from transformers_ggm.errors import CheckpointError
from transformers_ggm.pipelines import DEMO_CHECKPOINT
from transformers_ggm.retrieval.pool_files import POOL_FILES

PARTS = {
    GGMForHashtagGeneration: "",
    GGMProcessor: "",
    HashtagRetriever: "retriever",
    HashtagRetrieverProcessor: "retriever",
    HashtagPool: "hashtag_pool",
}
every_part = pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)


def state(part):
    """What tells whether two parts are the same."""
    if isinstance(part, torch.nn.Module):
        return {name: (tensor.shape, tensor.double().sum().item()) for name, tensor in part.state_dict().items()}
    if isinstance(part, HashtagPool):
        return part.hashtags, part.counts, part.embeddings.tolist(), part.retriever_fingerprint
    return part.to_dict(), part.tokenizer.get_vocab()


def bundled(part):
    return part.from_pretrained(DEMO_CHECKPOINT, subfolder=PARTS[part])


@every_part
def test_alone_there_and_back(hub, part, monkeypatch):
    """Would fail if a part could not be shared alone, to a private branch, or not be read without a network later."""
    original = bundled(part)
    original.push_to_hub("someone/part", private=True, revision="v1")
    assert hub.repositories["someone/part"].private and not on_hub(hub, "someone/part")
    assert state(part.from_pretrained("someone/part", revision="v1")) == state(original)
    go_offline(monkeypatch)
    hub.requests.clear()
    assert state(part.from_pretrained("someone/part", revision="v1", local_files_only=True)) == state(original)
    assert state(part.from_pretrained("someone/part", revision="v1")) == state(original)
    assert not hub.requests


@every_part
def test_out_of_a_whole_checkpoint(hub, part, monkeypatch):
    """Would fail if a part of a shared checkpoint could not be had by its folder, at a commit and with a token."""
    commit = push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags", private=True).oid
    monkeypatch.delenv("HF_TOKEN")
    where = {"subfolder": PARTS[part], "revision": commit}
    with pytest.raises(OSError, match="someone/tags"):
        part.from_pretrained("someone/tags", **where)
    assert state(part.from_pretrained("someone/tags", token="hf_someone", **where)) == state(bundled(part))


@every_part
def test_as_a_pull_request(hub, part):
    """Would fail if a part that is offered as a pull request went to `main`, or could not be tried from there."""
    hub.create("someone/part")
    bundled(part).push_to_hub("someone/part", create_pr=True)
    assert not on_hub(hub, "someone/part")
    assert state(part.from_pretrained("someone/part", revision="refs/pr/1")) == state(bundled(part))


@every_part
def test_missing_repository_and_revision(hub, part):
    """Would fail if a wrong name led to an error that does not repeat it."""
    with pytest.raises(OSError, match="someone/nothing"):
        part.from_pretrained("someone/nothing")
    bundled(part).push_to_hub("someone/part")
    with pytest.raises(OSError, match="v9"):
        part.from_pretrained("someone/part", revision="v9")


def test_pool_beside_a_model(hub):
    """Would fail if pushing a pool of its own removed or changed the model that it was pushed beside."""
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags")
    before = on_hub(hub)
    pool = bundled(HashtagPool)
    pool.remove(pool.hashtags[:1])
    pool.push_to_hub("someone/tags", subfolder="hashtag_pool")
    assert state(HashtagPool.from_pretrained("someone/tags", subfolder="hashtag_pool")) == state(pool)
    changed = {path for path, content in on_hub(hub).items() if before.get(path) != content}
    assert changed and changed <= {f"hashtag_pool/{name}" for name in POOL_FILES}
    with pytest.raises(CheckpointError, match="hashtag_pool"):
        HashtagPool.from_pretrained("someone/tags")
