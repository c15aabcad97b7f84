"""The configuration of the classifiers."""

import copy
import json

import pytest
from modeling_samples import READER_CONFIGS, VISION_CONFIGS, clip_config
from transformers import AutoConfig, BertConfig

from transformers_ggm import GGMForHashtagClassification, HashtagClassifierConfig

HASHTAGS = ["snow", "toronto", "été", "猫"]
PARTS = [("vit", None), ("siglip", None), (None, "bert"), (None, "distilbert"), ("clip", "bart"), ("vit", "bert")]


def make_config(vision, text, **kwargs):
    return HashtagClassifierConfig(
        vision_config=vision and copy.deepcopy(VISION_CONFIGS[vision]),
        text_config=text and copy.deepcopy(READER_CONFIGS[text]),
        **{"id2label": dict(enumerate(HASHTAGS)), **kwargs},
    )


@pytest.mark.parametrize("vision, text", PARTS)
@pytest.mark.parametrize("hashtags", [["cat"], ["a1", "b1"], HASHTAGS, [f"tag{i}" for i in range(12)]])
def test_round_trip(tmp_path, vision, text, hashtags):
    """Else a saved classifier would read something else, or its logits would stand for other hashtags."""
    config = make_config(vision, text, objective="sigmoid", dropout=0.3, id2label=dict(enumerate(hashtags)))
    config.save_pretrained(tmp_path)
    copies = [
        HashtagClassifierConfig.from_dict(config.to_dict()),
        HashtagClassifierConfig(**json.loads(config.to_json_string(use_diff=False))),
        HashtagClassifierConfig.from_pretrained(tmp_path),
        AutoConfig.from_pretrained(tmp_path),
    ]
    for each in copies:
        assert type(each) is HashtagClassifierConfig
        assert each.hashtags == hashtags
        assert each.label2id == {hashtag: i for i, hashtag in enumerate(hashtags)}
        assert each.num_labels == len(hashtags)
        assert (each.modality, each.objective, each.dropout) == (config.modality, "sigmoid", 0.3)
        for name in ("vision_config", "text_config"):
            expected, actual = getattr(config, name), getattr(each, name)
            assert type(actual) is type(expected)
            assert expected is None or actual.hidden_size == expected.hidden_size


def test_default_is_the_published_reader_of_descriptions():
    """Else a classifier made without arguments would not be the paper's BERT with its softmax."""
    config = HashtagClassifierConfig()
    assert isinstance(config.text_config, BertConfig)
    assert (config.modality, config.objective, config.num_labels) == ("text", "softmax", 2)


@pytest.mark.parametrize(
    "vision, text, modality", [("vit", None, "video"), (None, "bert", "text"), ("vit", "bert", "video+text")]
)
def test_modality_follows_from_the_backbones(vision, text, modality):
    """Else a classifier of frames would grow a text encoder by itself, or the other way round."""
    assert make_config(vision, text).modality == modality


def test_order_of_hashtags_is_that_of_their_places():
    """Else hashtags read from JSON, whose keys may be sorted as text, would be named after the wrong logits."""
    config = HashtagClassifierConfig(id2label={str(i): f"tag{i}" for i in (10, 1, 0, 2, 3, 4, 5, 6, 7, 8, 9)})
    assert config.hashtags == [f"tag{i}" for i in range(11)]


@pytest.mark.parametrize(
    "kwargs, named",
    [
        ({"objective": "hinge"}, "objective"),
        ({"vision_config": {"model_type": "vit"}, "text_config": {"hidden_size": 8}}, "text_config"),
        ({"vision_config": {"hidden_size": 8}}, "vision_config"),
        ({"id2label": {0: "cat", 1: "dog", 2: "cat"}}, "'cat' twice"),
        ({"id2label": {0: "cat", 2: "dog"}}, "0, 1, 2"),
        ({"id2label": {}}, "0, 1, 2"),
        ({"id2label": {0: "cat", 1: "dog"}, "label2id": {"cat": 1, "dog": 0}}, "label2id"),
    ],
)
def test_mistakes_are_named(kwargs, named):
    """Else a mistake would show up as a wrong hashtag, or as a shape error deep in a model."""
    with pytest.raises(ValueError, match=named):
        HashtagClassifierConfig(**kwargs)


def test_whole_dual_encoder_as_vision_backbone_is_refused_by_the_model():
    """Else a width of neither encoder would be taken."""
    with pytest.raises(ValueError, match="clip"):
        GGMForHashtagClassification(HashtagClassifierConfig(vision_config=clip_config()))
