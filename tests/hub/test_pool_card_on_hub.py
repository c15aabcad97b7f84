"""The card of a pool in its repository: made once, its facts kept true by every push."""

import pytest
import torch
from hub_samples import on_hub
from hub_stand_in import CUT
from huggingface_hub import HfApi, ModelCard, hf_hub_download

from transformers_ggm import HashtagPool
from transformers_ggm.errors import PushError

README = "README.md"


@pytest.fixture
def pool():
    return HashtagPool(["snow", "lake", "rain"], torch.eye(3), [5, 0, 9], "abc")


def card(hub, revision="main"):
    return on_hub(hub, "someone/trends", revision)[README].decode()


def test_first_push_makes_a_card(hub, pool):
    """Would fail if a pool came without a card, or with one whose usage loads another pool."""
    pool.push_to_hub("trends", revision="v1")
    assert 'HashtagPool.from_pretrained("someone/trends")' in card(hub, "v1")
    assert "| hashtags | 3 |" in card(hub, "v1") and README not in on_hub(hub, "someone/trends")
    path = hf_hub_download("someone/trends", README, revision="v1")
    assert "hashtag-pool" in ModelCard.load(path).data.tags


def test_later_pushes_keep_the_facts_true(hub, pool):
    """Would fail if a pushed pool kept the metrics of an older one, or what its owner wrote into the card was lost."""
    pool.push_to_hub("someone/trends")
    mine = card(hub).replace("# trends", "# Trends of the week")
    HfApi().upload_file(path_or_fileobj=mine.encode(), path_in_repo=README, repo_id="someone/trends")
    pool.remove(["rain"])
    pool.push_to_hub("someone/trends", create_pr=True)
    assert card(hub) == mine
    offered = card(hub, "refs/pr/1")
    assert "# Trends of the week" in offered and "| hashtags | 2 |" in offered and "#rain" not in offered


def test_nothing_beside_a_model(hub, pool):
    """Would fail if a pool beside a model got a card of its own, or took the place of the model's."""
    pool.push_to_hub("someone/tags", subfolder="hashtag_pool")
    assert not [path for path in on_hub(hub, "someone/tags") if path.endswith(README)]


def test_card_that_cannot_be_read(hub, pool):
    """Would fail if a push went on without the card that it could not fetch, and so wrote over it."""
    pool.push_to_hub("someone/trends")
    before = on_hub(hub, "someone/trends")
    pool.remove(["rain"])
    hub.fail("GET", "/resolve/", CUT)
    hub.fail("HEAD", "/resolve/", CUT)
    with pytest.raises(PushError, match="push again, which is safe"):
        pool.push_to_hub("someone/trends")
    assert on_hub(hub, "someone/trends") == before
