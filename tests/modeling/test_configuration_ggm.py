"""The configuration of GGM."""

import json

import pytest
from modeling_samples import TEXT_CONFIGS, VISION_CONFIGS, ggm_config
from transformers import AutoConfig, BartConfig, CLIPConfig, M2M100Config, ViTConfig

from transformers_ggm import GGMConfig


def test_defaults_are_the_published_model():
    """Else a model made without arguments would not be the paper's: ViT and BART, no order of frames, no sound."""
    config = GGMConfig()
    assert isinstance(config.vision_config, ViTConfig)
    assert isinstance(config.text_config, BartConfig)
    assert config.audio_config is None
    assert config.is_encoder_decoder
    assert (config.fusion, config.fusion_init, config.frame_position_embedding) == ("grounding", "zero", "none")


@pytest.mark.parametrize("audio", [None, "clap", "ast", "whisper"])
@pytest.mark.parametrize("text", ["bart", "mbart"])
def test_round_trip(tmp_path, audio, text):
    """Else a saved model would come back with other backbones, sizes or special tokens."""
    config = ggm_config(
        "siglip", text, audio, fusion="decoder", frame_position_embedding="learned", max_frames=7, fusion_dropout=0.3
    )
    config.save_pretrained(tmp_path)
    copies = [
        GGMConfig.from_dict(config.to_dict()),
        GGMConfig(**json.loads(config.to_json_string(use_diff=False))),
        GGMConfig.from_pretrained(tmp_path),
        AutoConfig.from_pretrained(tmp_path),
    ]
    for copy in copies:
        assert isinstance(copy, GGMConfig)
        assert type(copy.vision_config) is type(config.vision_config)
        assert type(copy.text_config) is type(config.text_config)
        assert type(copy.audio_config) is type(config.audio_config)
        expected, actual = config.to_dict(), copy.to_dict()
        for name in ("_name_or_path", "transformers_version", "architectures"):
            expected.pop(name, None), actual.pop(name, None)
        assert actual == expected


def test_special_tokens_and_tying_are_those_of_the_text_backbone():
    """Else decoding would start, pad and stop with other tokens than the decoder was trained with."""
    text = BartConfig(
        vocab_size=90, pad_token_id=7, bos_token_id=8, eos_token_id=9, decoder_start_token_id=10, d_model=16
    )
    text.tie_word_embeddings = False
    config = GGMConfig(text_config=text)
    assert [config.pad_token_id, config.bos_token_id, config.eos_token_id] == [7, 8, 9]
    assert config.decoder_start_token_id == 10
    assert config.tie_word_embeddings is False


@pytest.mark.contract
def test_text_config_is_what_generation_asks():
    """Else `resize_token_embeddings` and beam search would look for the vocabulary's size in the wrong place."""
    config = ggm_config()
    assert config.get_text_config() is config.text_config
    assert config.get_text_config(decoder=True) is config.text_config


def test_backbone_settings_as_dicts():
    """Else a configuration could not be written in a file by hand."""
    config = GGMConfig(
        vision_config={"model_type": "dinov2", "hidden_size": 32},
        audio_config={"model_type": "whisper", "d_model": 64},
    )
    assert (config.vision_config.model_type, config.vision_config.hidden_size) == ("dinov2", 32)
    assert config.audio_config.hidden_size == 64


@pytest.mark.parametrize(
    "kwargs, named",
    [
        ({"fusion": "encoder"}, "`fusion` must be one of"),
        ({"fusion_init": "ones"}, "fusion_init"),
        ({"frame_position_embedding": "sine"}, "frame_position_embedding"),
        ({"audio_config": {"hidden_size": 8}}, "audio_config"),
        ({"fusion_num_attention_heads": 5}, "text_config"),
        ({"text_config": M2M100Config()}, "text_config"),
        ({"vision_config": CLIPConfig(), "audio_config": {"model_type": "whisper"}}, "clip"),
    ],
)
def test_mistakes_are_named(kwargs, named):
    """Else a mistake would show up much later, as a shape error deep in a model."""
    with pytest.raises(ValueError, match=named):
        GGMConfig(**kwargs)


def test_heads_must_divide_the_vision_width_only_where_sound_is_heard():
    """Else a model without sound would be refused for a division that it never makes."""
    vision, text = VISION_CONFIGS["vit"].to_dict(), TEXT_CONFIGS["bart"]
    GGMConfig(vision_config={**vision, "hidden_size": 22}, text_config=text, fusion_num_attention_heads=4)
    with pytest.raises(ValueError, match="vision_config"):
        GGMConfig(
            vision_config={**vision, "hidden_size": 22},
            text_config=text,
            audio_config={"model_type": "whisper"},
            fusion_num_attention_heads=4,
        )


def test_heads_need_not_divide_the_text_width_without_grounding():
    """Else fusion in the decoder would be refused for an attention that it does not have."""
    vision, text = VISION_CONFIGS["vit"], TEXT_CONFIGS["bart"]
    GGMConfig(vision_config=vision, text_config=text, fusion="decoder", fusion_num_attention_heads=5)
    with pytest.raises(ValueError, match="vision_config"):
        GGMConfig(
            vision_config=vision,
            text_config=text,
            audio_config={"model_type": "whisper"},
            fusion="decoder",
            fusion_num_attention_heads=5,
        )
