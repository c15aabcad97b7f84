"""Adapters on the stand-in Hub: pushed with what lies beside them, and put on their base when pulled."""

import json
import shutil

import pytest
import torch
from hub_samples import contents, on_hub
from hub_stand_in import go_offline
from recommending_samples import write_recommending_checkpoint
from transformers import pipeline

from transformers_ggm import GGMForHashtagGeneration, push_checkpoint_to_hub
from transformers_ggm.errors import CheckpointError
from transformers_ggm.modeling import make_lora_config
from transformers_ggm.pipelines import DEMO_CHECKPOINT

peft = pytest.importorskip("peft", reason="peft is not installed: it may want an older transformers")

ITEM = {"description": "twelve hours on the highway"}


@pytest.fixture(scope="module")
def adapter(tmp_path_factory):
    """An adapter of the bundled checkpoint, with a pool beside it, that changes what is written."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("adapters") / "adapter"
    base = GGMForHashtagGeneration.from_pretrained(DEMO_CHECKPOINT)
    adapted = peft.get_peft_model(base, make_lora_config(base, fusion="lora", r=2))
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.3)
    adapted.peft_config["default"].base_model_name_or_path = "someone/tags"
    adapted.save_pretrained(folder)
    (folder / "README.md").unlink()
    shutil.copytree(f"{DEMO_CHECKPOINT}/hashtag_pool", folder / "hashtag_pool")
    return folder


def suggest(model, **options):
    return pipeline("hashtag-generation", model=model, device="cpu", **options)(ITEM)


@pytest.mark.contract
def test_pushed_adapter_is_put_on_its_base(hub, adapter, monkeypatch):
    """Would fail if an adapter could not be shared as a checkpoint is, or wrote other hashtags when pulled."""
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags")
    push_checkpoint_to_hub(adapter, "someone/mine")
    assert on_hub(hub, "someone/mine") == contents(adapter)
    expected, plain = suggest(str(adapter)), suggest("someone/tags")
    assert suggest("someone/mine") == expected != plain
    go_offline(monkeypatch)
    assert suggest("someone/mine") == expected


def test_adapter_with_a_recommender_of_its_own(hub, adapter, tmp_path):
    """Would fail if what recommends beside an adapter were left behind, or its base's generator were ranked."""
    folder = shutil.copytree(adapter, tmp_path / "adapter")
    whole = write_recommending_checkpoint(tmp_path / "whole")
    for name in ("posts", "words", "text_encoder", "ranker"):
        shutil.copytree(whole / name, folder / name)
    shutil.copyfile(whole / "recommendation.json", folder / "recommendation.json")
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/tags")
    push_checkpoint_to_hub(folder, "someone/mine")
    assert on_hub(hub, "someone/mine") == contents(folder)
    made = pipeline("hashtag-generation", model="someone/mine", device="cpu")
    [generator] = [source for source in made.recommender.sources if source.name == "generator"]
    assert generator.model is made.model and made.recommender.ranker is not None
    assert suggest("someone/mine") == suggest(str(folder))


def test_adapter_takes_the_place_of_a_whole_checkpoint(hub, adapter):
    """Would fail if the weights of either stayed beside those of the other, and were loaded with them."""
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/mine")
    push_checkpoint_to_hub(adapter, "someone/mine")
    assert set(on_hub(hub, "someone/mine")) == {*contents(adapter), "README.md"}
    push_checkpoint_to_hub(DEMO_CHECKPOINT, "someone/mine")
    assert on_hub(hub, "someone/mine") == contents(DEMO_CHECKPOINT)


@pytest.mark.parametrize("base", [DEMO_CHECKPOINT, "here", None, "outputs/mine/base"])
def test_base_that_is_not_on_the_hub(hub, adapter, base, tmp_path, monkeypatch):
    """Would fail if an adapter were published that nobody else can load."""
    folder = shutil.copytree(adapter, tmp_path / "adapter")
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": base}))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="push the base first"):
        push_checkpoint_to_hub(folder, "someone/mine")
    assert not hub.requests


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_damaged_adapter(hub, adapter, damage, tmp_path):
    """Would fail if half an adapter were published."""
    folder = shutil.copytree(adapter, tmp_path / "adapter")
    weights = folder / "adapter_model.safetensors"
    content = weights.read_bytes()
    weights.unlink()
    if damage == "cut":
        weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match=r"adapter_model\.safetensors"):
        push_checkpoint_to_hub(folder, "someone/mine")
    assert not hub.requests
