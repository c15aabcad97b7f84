"""A pipeline whose generator shares the retriever's vision encoder runs it once, and says the same as with two."""

import json
import logging
import shutil

import pytest
import torch
from transformers import pipeline

from transformers_ggm import GGMForHashtagGeneration, HashtagRetriever
from transformers_ggm.data.rendered_shorts import render_clip, sample_recipes
from transformers_ggm.modeling.backbones import tower_of
from transformers_ggm.pipelines import DEMO_CHECKPOINT
from transformers_ggm.pipelines.shared_vision import same_weights

WORDS = {"description": "twelve hours on the highway"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The bundled checkpoint with the retriever's vision tower in the place of the generator's."""
    folder = tmp_path_factory.mktemp("shared") / "checkpoint"
    shutil.copytree(DEMO_CHECKPOINT, folder)
    model = GGMForHashtagGeneration.from_pretrained(folder)
    tower = tower_of(HashtagRetriever.from_pretrained(folder / "retriever"), "vision")
    model.get_encoder("video").load_state_dict(tower.state_dict())
    model.config.vision_source = "retriever"
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    recipes = [recipe for recipe in sample_recipes("test", 60) if recipe.sound is not None][:2]
    paths = [str(folder / f"{number}.mp4") for number in range(len(recipes))]
    for recipe, path in zip(recipes, paths):
        render_clip(recipe, path, size=32)
    return paths


def load(folder):
    return pipeline("hashtag-generation", model=str(folder), device="cpu", dtype=torch.float32)


def as_published(folder, tmp_path):
    """The same weights, with two vision encoders."""
    shutil.copytree(folder, tmp_path / "own")
    config = json.loads((tmp_path / "own" / "config.json").read_text())
    (tmp_path / "own" / "config.json").write_text(json.dumps({**config, "vision_source": "own"}))
    return load(tmp_path / "own")


def passes(suggest):
    """Counts how often each of the two vision towers runs."""
    counts = {"retriever": 0, "generator": 0}

    def counting(name):
        def count(*_):
            counts[name] += 1

        return count

    tower_of(suggest.retriever, "vision").register_forward_hook(counting("retriever"))
    suggest.model.get_encoder("video").register_forward_hook(counting("generator"))
    return counts


def rounded(answers):
    return [[(tag["hashtag"], round(tag["score"], 4), tag["guided"]) for tag in answer] for answer in answers]


def test_one_pass_says_what_two_say(folder, clips, tmp_path):
    """Would fail if the video were encoded twice, or rows of a mixed batch got each other's frames or none."""
    items = [{"video": clips[0], **WORDS}, WORDS, {"video": clips[1]}]
    shared, published = load(folder), as_published(folder, tmp_path)
    counts, both = passes(shared), passes(published)
    assert rounded(shared(items, batch_size=3)) == rounded(published(items, batch_size=3))
    assert counts == {"retriever": 1, "generator": 0} and both == {"retriever": 1, "generator": 1}
    assert rounded([shared(items[0])]) == rounded([published(items[0])])


def test_without_guidance(folder, clips, tmp_path):
    """Would fail if a model that shares a vision encoder were blind without a retriever."""
    shared, published = load(folder), as_published(folder, tmp_path)
    counts = passes(shared)
    assert rounded([shared(clips[0], num_guidance=0)]) == rounded([published(clips[0], num_guidance=0)])
    assert counts == {"retriever": 0, "generator": 1}
    alone = pipeline("hashtag-generation", model=str(folder), device="cpu", num_guidance=0, dtype=torch.float32)
    assert rounded([alone(clips[0])])[0] and alone.retriever is None


def test_words_alone(folder):
    """Would fail if a batch without any video needed one."""
    suggest = load(folder)
    counts = passes(suggest)
    assert suggest(WORDS) and counts == {"retriever": 0, "generator": 0}


def test_another_retriever(folder, clips, tmp_path, caplog, monkeypatch):
    """Would fail if the generator used the vision encoder of a retriever that it was not trained with."""
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    other = shutil.copytree(folder, tmp_path / "other")
    model = GGMForHashtagGeneration.from_pretrained(other)
    for parameter in model.get_encoder("video").parameters():
        parameter.data.mul_(0.5)
    model.save_pretrained(other)
    with caplog.at_level(logging.WARNING):
        suggest = load(other)
    counts = passes(suggest)
    assert suggest(clips[0]) and counts == {"retriever": 1, "generator": 1}
    assert "another one" in caplog.text or "another one" in "".join(record.getMessage() for record in caplog.records)


def test_towers_in_different_places(folder, clips, tmp_path):
    """
    Would fail if weights that are read from disk when needed could not be compared, which is an error, or if what they
    are not known to share were taken as shared.
    """
    size = (folder / "model.safetensors").stat().st_size
    places = {"max_memory": {"cpu": size // 3}, "offload_folder": str(tmp_path)}
    spread = pipeline("hashtag-generation", model=str(folder), device_map="auto", model_kwargs=places)
    assert any(tensor.is_meta for tensor in spread.model.get_encoder("video").state_dict().values())
    counts = passes(spread)
    assert rounded([spread(clips[0])]) == rounded([load(folder)(clips[0])])
    assert counts == {"retriever": 1, "generator": 1}


def test_weights_on_two_devices_are_not_compared():
    """Would fail if comparing towers on two devices raised."""
    own = torch.nn.Linear(2, 2)
    elsewhere = torch.nn.Linear(2, 2, device="meta")
    assert same_weights(own, own)
    assert not same_weights(own, elsewhere) and not same_weights(elsewhere, elsewhere)
