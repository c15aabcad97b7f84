"""
`output_attentions`, `output_hidden_states` and `return_dict`: of a call, else of the configuration, in every model.
"""

import pytest
import torch
from modeling_samples import (
    READER_CONFIGS,
    RESNET_CONFIG,
    VISION_CONFIGS,
    clip_config,
    ggm_inputs,
    ggm_model,
    target_ids,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling

from transformers_ggm import (
    GGMForHashtagClassification,
    HashtagClassifierConfig,
    HashtagRetriever,
    HashtagRetrieverConfig,
)

FLAGS = {"output_attentions": True, "output_hidden_states": True}


def retriever():
    config = HashtagRetrieverConfig(clip_config(), attn_implementation="eager")
    inputs = ggm_inputs(audio=None)
    return HashtagRetriever(config).eval(), inputs


def classifier(**backbones):
    backbones = backbones or {"vision_config": VISION_CONFIGS["vit"], "text_config": READER_CONFIGS["bert"]}
    config = HashtagClassifierConfig(**backbones, id2label={0: "snow", 1: "cat"}, attn_implementation="eager")
    return GGMForHashtagClassification(config).eval(), ggm_inputs(audio=None)


def generator(**settings):
    model = ggm_model(attn_implementation="eager", **settings)
    return model, ggm_inputs() | {"decoder_input_ids": target_ids()}


def layers_of(output):
    """How many tensors there are under each name that has to do with layers."""
    layers = {}
    for name, value in output.items():
        if isinstance(value, BaseModelOutputWithPooling):
            layers |= {f"{name}.{inner}": count for inner, count in layers_of(value).items()}
        elif isinstance(value, tuple) and ("attentions" in name or "hidden_states" in name):
            layers[name] = len(value)
    return layers


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            generator,
            dict.fromkeys(("encoder_attentions", "decoder_attentions", "cross_attentions"), 2)
            | dict.fromkeys(("encoder_hidden_states", "decoder_hidden_states"), 3),
        ),
        (
            retriever,
            {
                f"{part}_model_output.{name}": count
                for part in ("video", "hashtag")
                for name, count in (("attentions", 2), ("hidden_states", 3))
            },
        ),
        (classifier, {"attentions": 2, "hidden_states": 3, "video_attentions": 2, "video_hidden_states": 3}),
    ],
)
@torch.no_grad()
def test_flags_of_call_and_configuration(make, expected):
    """
    Would fail if a flag did not reach a backbone, if the configuration's were ignored, or if an explicit `None` beat
    it; an explicit `False` does.
    """
    model, inputs = make()
    assert layers_of(model(**inputs)) == {}
    assert layers_of(model(**inputs, **FLAGS)) == expected
    for name in FLAGS:
        setattr(model.config, name, True)
    assert layers_of(model(**inputs)) == expected
    assert layers_of(model(**inputs, **dict.fromkeys(FLAGS))) == expected
    assert layers_of(model(**inputs, **dict.fromkeys(FLAGS, False))) == {}


@torch.no_grad()
def test_states_of_frames_are_of_all_frames():
    """
    Would fail if states were those of the frames that were encoded, where some repeat, or of a block of them alone.
    """
    model, _ = retriever()
    frames = torch.randn(2, 9, 3, 16, 16)
    frames[0, 4] = frames[0, 3]
    mask = torch.ones(2, 9)
    mask[1, 5:] = 0
    output = model.get_video_features(frames, mask, output_hidden_states=True)
    alone = model.backbone.vision_model(frames[0], output_hidden_states=True)
    assert [states.shape[:2] for states in output.hidden_states] == [(2, 9)] * 3
    for states, expected in zip(output.hidden_states, alone.hidden_states):
        torch.testing.assert_close(states[0], expected, atol=1e-5, rtol=1e-5)
        assert not states[1, 5:].any()


@torch.no_grad()
def test_backbones_without_attention():
    """Would fail if a convolutional backbone were handed a flag that it has no argument for."""
    model, inputs = classifier(vision_config=RESNET_CONFIG)
    assert "video_hidden_states" in model(**inputs, **FLAGS)


@pytest.mark.parametrize("make", [generator, retriever, classifier])
@torch.no_grad()
def test_tuples(make):
    """Would fail if `return_dict`, of a call or of the configuration, were ignored, or broke the parts within."""
    model, inputs = make()
    as_dict = model(**inputs, use_cache=False) if make is generator else model(**inputs)
    as_tuple = model(**inputs, **({"use_cache": False} if make is generator else {}), return_dict=False)
    model.config.return_dict = False
    by_config = model(**inputs, **({"use_cache": False} if make is generator else {}))
    expected = flat(as_dict.to_tuple())
    for output in (as_tuple, by_config):
        assert type(output) is tuple
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(flat(output), expected, strict=True))


def flat(output):
    """Tensors of nested tuples and outputs, in their order."""
    if torch.is_tensor(output):
        return [output]
    parts = output.values() if isinstance(output, dict) else output
    return [tensor for part in parts if part is not None for tensor in flat(part)]


@torch.no_grad()
def test_features_are_outputs():
    """Would fail if features were bare tensors, as before transformers 5, or no tuples where these are asked for."""
    model, inputs = retriever()
    video = {"pixel_values_videos": inputs["pixel_values_videos"], "frame_mask": inputs["frame_mask"]}
    words = {"input_ids": inputs["input_ids"], "attention_mask": inputs["attention_mask"]}
    for features, arguments in (
        (model.get_video_features, video),
        (model.get_hashtag_features, words),
        (model.get_description_features, words),
        (model.get_query_features, video),
    ):
        output = features(**arguments)
        assert isinstance(output, BaseModelOutputWithPooling)
        torch.testing.assert_close(output.pooler_output.norm(dim=-1), torch.ones(2))
        assert isinstance(features(**arguments, return_dict=False), tuple)
    model, _ = classifier()
    assert model.get_text_features(**words).pooler_output.shape == (2, 16)
    assert model.get_video_features(**video).pooler_output.shape == (2, 24)


@pytest.mark.parametrize("make", [generator, retriever, classifier])
def test_misspelled_arguments_are_refused(make):
    """Would fail if an input were left out without a word: all of them are optional."""
    model, inputs = make()
    with pytest.raises(TypeError, match="unexpected keyword argument 'frames_mask'"):
        model(**inputs, frames_mask=inputs["frame_mask"])


def test_hashtag_embeddings_can_be_read_and_resized():
    """
    Would fail if the retriever had no input embeddings, so that its vocabulary could not grow with its tokenizer.
    """
    model, _ = retriever()
    size = model.config.backbone_config.text_config.vocab_size
    model.resize_token_embeddings(size + 3)
    assert model.get_input_embeddings().weight.shape[0] == size + 3
    assert model.config.backbone_config.text_config.vocab_size == size + 3
    model.get_hashtag_features(torch.tensor([[size + 2]]))
