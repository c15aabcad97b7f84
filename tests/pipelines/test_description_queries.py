"""The pipeline with a retriever that reads the description."""

import json
import shutil

import pytest
import torch
from transformers import pipeline

WORDS = "twelve hours on the highway"


@pytest.fixture
def make_pipeline(checkpoint, tmp_path):
    """The checkpoint with another query; its pool stays, since it depends on the weights alone."""

    def make(query):
        folder = shutil.copytree(checkpoint, tmp_path / query)
        config = folder / "retriever" / "config.json"
        config.write_text(json.dumps({**json.loads(config.read_text()), "query": query}))
        return pipeline("hashtag-generation", model=str(folder), device="cpu")

    return make


def guidance_seen(suggest, monkeypatch, items):
    """The guidance that the generator's processor is given for each item."""
    seen = []
    original = type(suggest.processor).__call__

    def call(self, *args, **kwargs):
        seen.extend(kwargs.get("guidance") or [])
        return original(self, *args, **kwargs)

    monkeypatch.setattr(type(suggest.processor), "__call__", call)
    suggest(items, batch_size=len(items))
    return seen


def found_by_hand(suggest, item):
    """The hashtags nearest to an item, from the parts themselves."""
    retriever, processor = suggest.retriever, suggest.retriever_processor
    vectors = []
    with torch.no_grad():
        if item.get("video") and retriever.config.query == "video+text":
            vectors.append(retriever.get_video_features(**processor(videos=[item["video"]])).pooler_output)
        if item.get("description"):
            tokens = processor.tokenizer(item["description"], return_tensors="pt")
            vectors.append(retriever.get_description_features(tokens["input_ids"]).pooler_output)
    return suggest.hashtag_pool.search(sum(vectors), 4)[1][0] if vectors else []


@pytest.mark.parametrize("query", ["text", "video+text"])
def test_guidance_is_that_of_the_query(make_pipeline, sounding, monkeypatch, query):
    """Would fail if the pipeline asked the retriever by something else than it was trained with, or mixed up rows."""
    suggest = make_pipeline(query)
    items = [
        {"video": sounding[0], "description": WORDS},
        {"video": sounding[1]},
        {"description": "cake for breakfast"},
        {"video": sounding[1], "description": "cake for breakfast"},
    ]
    seen = guidance_seen(suggest, monkeypatch, items)
    assert seen == [found_by_hand(suggest, item) for item in items]
    assert [bool(tags) for tags in seen] == [True, query == "video+text", True, True]


def test_frames_are_not_encoded_for_a_query_of_words(make_pipeline, sounding, monkeypatch):
    """Would fail if clips went through a vision tower that the query does not read, or words through it per beam."""
    suggest = make_pipeline("text")
    monkeypatch.setattr(suggest.retriever.backbone, "get_image_features", lambda **_: pytest.fail("frames encoded"))
    encoded = []
    original = suggest.retriever.get_description_features
    monkeypatch.setattr(
        suggest.retriever,
        "get_description_features",
        lambda *args, **kwargs: encoded.append(len(args[0])) or original(*args, **kwargs),
    )
    suggest([{"video": sounding[0], "description": WORDS}, {"description": WORDS}], batch_size=2, num_beams=3)
    assert encoded == [2]


def test_query_outlives_saving(make_pipeline, sounding, tmp_path):
    """Would fail if a saved pipeline asked its retriever by another query than before."""
    suggest = make_pipeline("video+text")
    suggest.save_pretrained(tmp_path / "saved")
    again = pipeline("hashtag-generation", model=str(tmp_path / "saved"), device="cpu")
    assert again.retriever.config.query == "video+text"
    assert again(sounding[0], description=WORDS) == suggest(sounding[0], description=WORDS)
