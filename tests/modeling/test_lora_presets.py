"""Which layers the LoRA presets pick, and what an adapter does to a model."""

import copy
import re

import pytest
import torch
from modeling_samples import AUDIO_CONFIGS, TEXT_CONFIGS, VISION_CONFIGS
from transformers import BartConfig, ClapAudioConfig, ResNetConfig, ViTConfig

from transformers_ggm import GGMConfig, GGMForHashtagGeneration
from transformers_ggm.modeling import make_lora_config
from transformers_ggm.modeling.lora import PARTS

peft = pytest.importorskip("peft", reason="peft is not installed: it may want an older transformers")

BACKBONES = [
    *(("vision", name, {"vision_config": config}) for name, config in VISION_CONFIGS.items()),
    *(("audio", name, {"audio_config": config}) for name, config in AUDIO_CONFIGS.items()),
    *((part, name, {"text_config": config}) for name, config in TEXT_CONFIGS.items() for part in ("text", "decoder")),
]
RESNET = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
INPUTS = {
    "input_ids": torch.tensor([[0, 7, 8, 2]]),
    "decoder_input_ids": torch.tensor([[2, 5, 6]]),
}


def small_model(**configs):
    defaults = {"vision_config": VISION_CONFIGS["vit"], "text_config": TEXT_CONFIGS["bart"]}
    configs = copy.deepcopy({**defaults, **configs})
    return GGMForHashtagGeneration(GGMConfig(**configs, fusion_num_attention_heads=2, fusion_init="normal")).eval()


def with_random_updates(adapted):
    """LoRA starts at zero, which would hide what is not applied or not saved."""
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    return adapted.eval()


def logits(model, **inputs):
    with torch.no_grad():
        return model(**INPUTS, pixel_values_videos=torch.linspace(-1, 1, 1536).view(1, 2, 3, 16, 16), **inputs).logits


@pytest.mark.parametrize(
    ("part", "backbone", "configs"), BACKBONES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_preset_adapts_all_blocks_of_its_part_and_nothing_else(part, backbone, configs):
    """Would fail if a backbone's layers were missed, or another part were adapted with it."""
    model = small_model(**configs)
    adapted = peft.get_peft_model(model, make_lora_config(model, [part], r=2))
    updated = {name.split(".lora_")[0] for name, _ in adapted.named_parameters() if ".lora_" in name}
    assert updated and all(name.startswith(f"base_model.model.{PARTS[part]}.") for name in updated)
    linear = {
        name.removesuffix(".base_layer")
        for name, layer in adapted.named_modules()
        if isinstance(layer, torch.nn.Linear) and name.startswith(f"base_model.model.{PARTS[part]}.")
    }
    assert updated == {name for name in linear if ".lora_" not in name}


def test_a_convolutional_part():
    """
    Would fail if a ResNet, which has no linear layers, could not be adapted, or grew statistics that are not saved.
    """
    model = small_model(vision_config=RESNET)
    adapted = with_random_updates(peft.get_peft_model(model, make_lora_config(model, ["vision"], r=2)))
    assert any("convolution.lora_A" in name for name, _ in adapted.named_parameters())
    expected = logits(adapted)
    adapted.train()
    adapted(**INPUTS, pixel_values_videos=torch.rand(1, 2, 3, 16, 16))
    assert torch.equal(logits(adapted.eval()), expected)


def test_frozen_sound_keeps_its_statistics():
    """Would fail if CLAP's batch normalisation moved in the training of an adapter, which does not save it."""
    model = small_model(audio_config=AUDIO_CONFIGS["clap"])
    adapted = peft.get_peft_model(model, make_lora_config(model, ["audio", "decoder"], r=2)).train()
    before = {name: value.clone() for name, value in model.named_buffers()}
    adapted(
        **INPUTS, pixel_values_videos=torch.rand(1, 1, 3, 16, 16), input_features=torch.rand(1, 1, 100, 16) * 5,
        audio_mask=torch.ones(1),
    )  # fmt: skip
    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())
    blocks = [layer for layer in model.model.encoder.audio_encoder.modules() if isinstance(layer, torch.nn.Dropout)]
    assert blocks and all(layer.training for layer in blocks)


@pytest.mark.parametrize("fusion", ["full", "lora"])
def test_fusion_is_always_trained(fusion):
    """Would fail if layers that join the backbones, a lookup of frame positions too, were left as they are."""
    model = small_model(audio_config=AUDIO_CONFIGS["whisper"])
    model = GGMForHashtagGeneration(GGMConfig(**{**vars(model.config), "frame_position_embedding": "learned"}))
    adapted = peft.get_peft_model(model, make_lora_config(model, ["decoder"], r=2, fusion=fusion))
    saved = peft.get_peft_model_state_dict(adapted)
    for name in ("video_grounding.q_proj", "audio_grounding.out_proj", "frame_positions"):
        mine = [key for key in saved if f"encoder.{name}." in key]
        assert mine and all(("lora_" in key) == (fusion == "lora") for key in mine), name


def test_what_no_input_reaches_is_left_out():
    """Would fail if the fusion were trained that a model without videos, or without sound, never runs."""
    model = small_model(audio_config=AUDIO_CONFIGS["whisper"])
    assert make_lora_config(model, without=["video", "audio"]).modules_to_save is None
    assert make_lora_config(model, without=["audio"]).modules_to_save == ["model.encoder.video_grounding"]


def test_a_regular_expression_takes_the_place_of_the_parts():
    """Would fail if it were joined to the presets, or adapted layers a second time that are trained in full."""
    model = small_model()
    adapted = peft.get_peft_model(model, make_lora_config(model, target_modules=r".*\.q_proj", r=2))
    updated = {name.split(".lora_")[0] for name, _ in adapted.named_parameters() if ".lora_" in name}
    names = [name for name, _ in small_model().named_modules() if name.endswith(".q_proj") and "grounding" not in name]
    assert updated == {f"base_model.model.{name}" for name in names}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parts": ["encoder"]}, "'encoder'"),
        ({"parts": ["audio"]}, "has no audio encoder"),
        ({"target_modules": "q_proj"}, "has to match the whole name"),
        ({"target_modules": "("}, "no regular expression"),
        ({"fusion": "none"}, "'none'"),
        ({"parts": []}, "nothing is left to adapt"),
    ],
)
def test_refusals(arguments, message):
    """Would fail if a mistake adapted nothing, or ended in an error that does not say what to do."""
    with pytest.raises(ValueError, match=re.escape(message)):
        make_lora_config(small_model(), **arguments)


@pytest.mark.contract
@pytest.mark.parametrize("fusion", ["full", "lora"])
def test_saved_loaded_and_merged_outputs_are_the_same(tmp_path, fusion):
    """
    Would fail if an adapter lost anything on its way to the disk, into transformers' loader, or into the weights.
    """
    base = small_model()
    base.save_pretrained(tmp_path / "base")
    config = make_lora_config(base, list(PARTS)[:3], r=2, fusion=fusion)
    adapted = with_random_updates(peft.get_peft_model(base, config))
    expected = logits(adapted)
    adapted.save_pretrained(tmp_path / "adapter")
    files = {file.name for file in (tmp_path / "adapter").iterdir()}
    assert files == {"README.md", "adapter_config.json", "adapter_model.safetensors"}

    fresh = GGMForHashtagGeneration.from_pretrained(tmp_path / "base").eval()
    assert not torch.allclose(logits(fresh), expected, atol=1e-2)
    loaded = peft.PeftModel.from_pretrained(fresh, tmp_path / "adapter").eval()
    torch.testing.assert_close(logits(loaded), expected, atol=1e-6, rtol=0)
    mixin = GGMForHashtagGeneration.from_pretrained(tmp_path / "base").eval()
    mixin.load_adapter(tmp_path / "adapter")
    torch.testing.assert_close(logits(mixin), expected, atol=1e-6, rtol=0)

    merged = loaded.merge_and_unload()
    assert type(merged) is GGMForHashtagGeneration
    torch.testing.assert_close(logits(merged), expected, atol=1e-5, rtol=0)
    merged.save_pretrained(tmp_path / "merged")
    whole = GGMForHashtagGeneration.from_pretrained(tmp_path / "merged").eval()
    torch.testing.assert_close(logits(whole), expected, atol=1e-5, rtol=0)


def test_two_adapters_switched_and_combined(tmp_path):
    """Would fail if a second adapter changed the first, or two could not be added up."""
    expected = {}
    small_model().save_pretrained(tmp_path / "base")
    for name in ("snow", "cats"):
        base = GGMForHashtagGeneration.from_pretrained(tmp_path / "base")
        adapted = with_random_updates(peft.get_peft_model(base, make_lora_config(base, r=2, fusion="lora")))
        expected[name] = logits(adapted)
        adapted.save_pretrained(tmp_path / name)
    base = GGMForHashtagGeneration.from_pretrained(tmp_path / "base").eval()
    both = peft.PeftModel.from_pretrained(base, tmp_path / "snow", adapter_name="snow")
    both.load_adapter(tmp_path / "cats", adapter_name="cats")
    for name in ("cats", "snow"):
        both.set_adapter(name)
        torch.testing.assert_close(logits(both), expected[name], atol=1e-6, rtol=0)
    both.add_weighted_adapter(["snow", "cats"], [1.0, 0.0], "only_snow", combination_type="cat")
    both.add_weighted_adapter(["snow", "cats"], [0.5, 0.5], "mixed", combination_type="cat")
    both.eval()  # the new ones come with dropout that is switched on
    both.set_adapter("only_snow")
    torch.testing.assert_close(logits(both), expected["snow"], atol=1e-5, rtol=0)
    both.set_adapter("mixed")
    assert not any(torch.allclose(logits(both), expected[name], atol=1e-3) for name in expected)
    # The update of the sum is the sum of the updates.
    layer = both.base_model.model.model.decoder.layers[0].fc1
    torch.testing.assert_close(
        layer.get_delta_weight("mixed"), (layer.get_delta_weight("snow") + layer.get_delta_weight("cats")) / 2
    )


@pytest.mark.parametrize(
    ("fusion", "parts"), [("full", ("decoder", "text")), ("lora", ("decoder", "text")), ("lora", tuple(PARTS))]
)
def test_size_for_the_base_size_model(fusion, parts):
    """Would fail if the adapter of ViT-B/16, BART-base and CLAP were not under 3% of the model's bytes."""
    text = BartConfig(
        vocab_size=50265, d_model=768, encoder_layers=6, decoder_layers=6, encoder_attention_heads=12,
        decoder_attention_heads=12, encoder_ffn_dim=3072, decoder_ffn_dim=3072,
    )  # fmt: skip
    with torch.device("meta"):
        model = GGMForHashtagGeneration(GGMConfig(ViTConfig(), text, ClapAudioConfig()))
    whole = sum(parameter.nbytes for parameter in model.parameters())
    assert whole > 250e6 * 4
    adapted = peft.get_peft_model(model, make_lora_config(model, parts, fusion=fusion))
    assert 0 < sum(tensor.nbytes for tensor in peft.get_peft_model_state_dict(adapted).values()) < 0.03 * whole


@pytest.mark.contract
def test_config_is_pefts_own():
    """Would fail if the configuration said another task, for which `AutoPeftModelForSeq2SeqLM` would not load it."""
    config = make_lora_config(small_model(), r=3, alpha=5, dropout=0.2)
    assert type(config) is peft.LoraConfig and config.task_type == "SEQ_2_SEQ_LM"
    assert (config.r, config.lora_alpha, config.lora_dropout) == (3, 5, 0.2)
