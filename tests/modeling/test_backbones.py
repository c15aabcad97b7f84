"""Putting a model together from pretrained backbones, as they lie on the Hub."""

import json

import pytest
import torch
from modeling_samples import (
    AUDIO_CONFIGS,
    RESNET_CONFIG,
    TEXT_CONFIGS,
    VISION_CONFIGS,
    clip_config,
    ggm_inputs,
    randomize,
    siglip_config,
    target_ids,
    text_inputs,
)
from safetensors.torch import load_file, save_file
from transformers import (
    ASTForAudioClassification,
    ASTModel,
    BartForConditionalGeneration,
    BartModel,
    BertConfig,
    BertModel,
    ClapAudioModel,
    ClapConfig,
    ClapModel,
    CLIPModel,
    CLIPVisionModel,
    DeiTModel,
    Dinov2Model,
    M2M100Config,
    M2M100ForConditionalGeneration,
    MBartForConditionalGeneration,
    ResNetModel,
    SiglipModel,
    SiglipVisionModel,
    ViTForImageClassification,
    ViTModel,
    WhisperForConditionalGeneration,
    WhisperModel,
)

from transformers_ggm import GGMForHashtagGeneration, HashtagRetriever, HashtagRetrieverConfig
from transformers_ggm.errors import CheckpointError
from transformers_ggm.modeling.backbones import build_tower, load_tower, load_tower_weights, tower_of


def clap_config():
    text = {
        "vocab_size": 40,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    }
    return ClapConfig(text_config=text, audio_config=AUDIO_CONFIGS["clap"].to_dict(), projection_dim=16)


VISION = {
    "vit": (ViTModel, VISION_CONFIGS["vit"], lambda model: model),
    "vit classifier": (ViTForImageClassification, VISION_CONFIGS["vit"], lambda model: model.vit),
    "deit": (DeiTModel, VISION_CONFIGS["deit"], lambda model: model),
    "dinov2": (Dinov2Model, VISION_CONFIGS["dinov2"], lambda model: model),
    "clip": (CLIPModel, clip_config(), lambda model: model.vision_model),
    "clip vision": (CLIPVisionModel, VISION_CONFIGS["clip"], lambda model: model),
    "siglip": (SiglipModel, siglip_config(), lambda model: model.vision_model),
    "siglip vision": (SiglipVisionModel, VISION_CONFIGS["siglip"], lambda model: model),
    "resnet": (ResNetModel, RESNET_CONFIG, lambda model: model),
    "retriever": (
        HashtagRetriever,
        HashtagRetrieverConfig(clip_config()),
        lambda model: model.backbone.vision_model,
    ),
}
AUDIO = {
    "clap": (ClapModel, clap_config(), lambda model: model.audio_model, "clap"),
    "clap audio": (ClapAudioModel, AUDIO_CONFIGS["clap"], lambda model: model, "clap"),
    "ast": (ASTModel, AUDIO_CONFIGS["ast"], lambda model: model, "ast"),
    "ast classifier": (
        ASTForAudioClassification,
        AUDIO_CONFIGS["ast"],
        lambda model: model.audio_spectrogram_transformer,
        "ast",
    ),
    "whisper": (WhisperModel, AUDIO_CONFIGS["whisper"], lambda model: model.encoder, "whisper"),
    "whisper writer": (
        WhisperForConditionalGeneration,
        AUDIO_CONFIGS["whisper"],
        lambda model: model.model.encoder,
        "whisper",
    ),
}
TEXT = {
    "bart": (BartModel, TEXT_CONFIGS["bart"]),
    "bart writer": (BartForConditionalGeneration, TEXT_CONFIGS["bart"]),
    "mbart writer": (MBartForConditionalGeneration, TEXT_CONFIGS["mbart"]),
}


def saved(model_class, config, folder, dtype=torch.float32):
    """A checkpoint of random weights in the Hub's format, and the model that it holds."""
    model = randomize(model_class(config)).eval().to(dtype)
    for name, buffer in model.named_buffers():
        if name.endswith(("final_logits_bias", "running_mean")):
            buffer.normal_()
    model.save_pretrained(folder)
    return model


@pytest.fixture(scope="module")
def bart(tmp_path_factory):
    """Folder of a tiny BART with its head."""
    folder = tmp_path_factory.mktemp("bart")
    saved(BartForConditionalGeneration, TEXT_CONFIGS["bart"], folder)
    return str(folder)


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    """Folder of a tiny ViT."""
    folder = tmp_path_factory.mktemp("vit")
    saved(ViTModel, VISION_CONFIGS["vit"], folder)
    return str(folder)


def assert_weights_come_from(module, source):
    ours, theirs = module.state_dict(), source.state_dict()
    left_out = {key.split(".")[0] for key in theirs.keys() - ours.keys()}
    assert ours.keys() <= theirs.keys() and left_out <= {"pooler", "head"}
    assert all(torch.equal(ours[key], theirs[key].to(ours[key].dtype)) for key in ours)


@pytest.mark.contract
@pytest.mark.parametrize("kind", VISION)
def test_vision_weights(tmp_path, bart, kind):
    """Else a pretrained picture encoder would be loaded in part, from the wrong place or not at all."""
    model_class, config, tower = VISION[kind]
    source = saved(model_class, config, tmp_path)
    model = GGMForHashtagGeneration.from_backbones_pretrained(str(tmp_path), bart)
    encoder = model.get_encoder("video")
    assert_weights_come_from(encoder, tower(source))
    frames = ggm_inputs()["pixel_values_videos"][0]
    with torch.no_grad():
        expected = tower(source)(pixel_values=frames).last_hidden_state
        torch.testing.assert_close(encoder.eval()(pixel_values=frames).last_hidden_state, expected)


@pytest.mark.contract
@pytest.mark.parametrize("kind", AUDIO)
def test_audio_weights(tmp_path, vit, bart, kind):
    """Else a pretrained sound encoder would be loaded in part, from the wrong place or not at all."""
    model_class, config, tower, family = AUDIO[kind]
    source = saved(model_class, config, tmp_path)
    model = GGMForHashtagGeneration.from_backbones_pretrained(
        vit, bart, str(tmp_path), fusion_num_attention_heads=4
    ).eval()
    assert_weights_come_from(model.get_encoder("audio"), tower(source))
    inputs = ggm_inputs(audio=family)
    with torch.no_grad():
        sound = model.get_encoder().encode_audio(inputs["input_features"])
        expected = tower(source)(inputs["input_features"]).last_hidden_state
        torch.testing.assert_close(sound.mT.reshape(-1), (expected if expected.ndim == 4 else expected.mT).reshape(-1))
        assert model(**inputs, labels=target_ids()).loss.isfinite()


@pytest.mark.contract
@pytest.mark.parametrize("kind", TEXT)
def test_text_weights(tmp_path, vit, kind):
    """Else the model would not start as exactly its text backbone, its head and the bias of its logits included."""
    model_class, config = TEXT[kind]
    source = saved(model_class, config, tmp_path)
    model = GGMForHashtagGeneration.from_backbones_pretrained(vit, str(tmp_path)).eval()
    body = source if kind == "bart" else source.model
    assert_weights_come_from(model.get_encoder().text_encoder, body.encoder)
    assert_weights_come_from(model.get_decoder(), body.decoder)
    assert model.lm_head.weight is model.model.shared.weight is model.get_decoder().embed_tokens.weight
    if kind != "bart":
        assert source.final_logits_bias.any()
        assert torch.equal(model.final_logits_bias, source.final_logits_bias)
        inputs, labels = ggm_inputs(audio=None), target_ids()
        expected = source(inputs["input_ids"], labels=labels).logits
        torch.testing.assert_close(model(**inputs, labels=labels).logits, expected, atol=1e-6, rtol=0)


def test_decoding_settings(tmp_path, vit):
    """Else decoding would not be the paper's, or would start with another token than the backbone's decoder."""
    source = BartForConditionalGeneration(TEXT_CONFIGS["bart"])
    source.generation_config.update(forced_bos_token_id=0, decoder_start_token_id=5, num_beams=2, min_length=9)
    source.save_pretrained(tmp_path)
    settings = GGMForHashtagGeneration.from_backbones_pretrained(vit, str(tmp_path)).generation_config
    assert (settings.num_beams, settings.no_repeat_ngram_size, settings.max_length) == (5, 3, 32)
    assert (settings.decoder_start_token_id, settings.forced_bos_token_id) == (5, 0)
    assert not settings.min_length


@pytest.mark.contract
def test_old_configuration_with_generation_settings(tmp_path, vit):
    """
    Else BART checkpoints of before transformers 5, whose `config.json` holds `num_beams`, could not be saved again.
    """
    saved(BartForConditionalGeneration, TEXT_CONFIGS["bart"], tmp_path / "bart")
    file = tmp_path / "bart" / "config.json"
    old = {**json.loads(file.read_text()), "num_beams": 4, "early_stopping": True, "no_repeat_ngram_size": 3}
    file.write_text(json.dumps(old))
    model = GGMForHashtagGeneration.from_backbones_pretrained(vit, str(tmp_path / "bart"))
    model.save_pretrained(tmp_path / "ggm")
    assert GGMForHashtagGeneration.from_pretrained(tmp_path / "ggm").generation_config.num_beams == 5


def test_half_precision_backbones(tmp_path):
    """Else backbones that were saved in half precision would make a model of mixed types, which cannot run."""
    folders = {}
    for name, (model_class, config) in {
        "vision": (ViTModel, VISION_CONFIGS["vit"]),
        "text": TEXT["bart writer"],
        "audio": (WhisperModel, AUDIO_CONFIGS["whisper"]),
    }.items():
        folders[name] = str(tmp_path / name)
        saved(model_class, config, folders[name], torch.float16)
    model = GGMForHashtagGeneration.from_backbones_pretrained(**folders)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert model(**ggm_inputs(audio="whisper"), labels=target_ids()).loss.isfinite()


def test_new_layers_start_silent(tmp_path, vit, bart):
    """Else pretrained parts would be disturbed by untrained ones from the first step on."""
    saved(WhisperModel, AUDIO_CONFIGS["whisper"], tmp_path)
    model = GGMForHashtagGeneration.from_backbones_pretrained(vit, bart, str(tmp_path)).eval()
    assert model.config.fusion_init == "zero"
    inputs, labels = ggm_inputs(audio="whisper"), target_ids()
    words = {name: inputs[name] for name in text_inputs()}
    assert torch.equal(model(**inputs, labels=labels).logits, model(**words, labels=labels).logits)
    loud = GGMForHashtagGeneration.from_backbones_pretrained(vit, bart, fusion_init="normal")
    assert loud.model.encoder.video_grounding.out_proj.weight.any()


WRONG = {
    "bart for vision": ("vision", BartModel, TEXT_CONFIGS["bart"]),
    "clap for vision": ("vision", ClapModel, clap_config()),
    "whisper for vision": ("vision", WhisperModel, AUDIO_CONFIGS["whisper"]),
    "vit for audio": ("audio", ViTModel, VISION_CONFIGS["vit"]),
    "clip for audio": ("audio", CLIPModel, clip_config()),
    "bart for audio": ("audio", BartModel, TEXT_CONFIGS["bart"]),
    "vit for text": ("text", ViTModel, VISION_CONFIGS["vit"]),
    "whisper for text": ("text", WhisperModel, AUDIO_CONFIGS["whisper"]),
    "m2m for text": (
        "text",
        M2M100ForConditionalGeneration,
        M2M100Config(
            vocab_size=40,
            d_model=16,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
            max_position_embeddings=48,
        ),
    ),
    "bert for text": (
        "text",
        BertModel,
        BertConfig(vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32),
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_kind_of_checkpoint(tmp_path, vit, bart, case):
    """Else a swapped path would load without a word and fail, or be nonsense, in training."""
    argument, model_class, config = WRONG[case]
    saved(model_class, config, tmp_path)
    with pytest.raises(CheckpointError) as error:
        GGMForHashtagGeneration.from_backbones_pretrained(**{"vision": vit, "text": bart, argument: str(tmp_path)})
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize("argument", ["vision", "text", "audio"])
@pytest.mark.parametrize("damage", ["no folder", "empty folder", "not json", "no model type", "cut weights"])
def test_unreadable_checkpoint(tmp_path, vit, bart, argument, damage):
    """Else the user would see an error from inside transformers that does not say which backbone is meant."""
    folder = tmp_path / "broken"
    if damage != "no folder":
        folder.mkdir()
    if damage == "not json":
        (folder / "config.json").write_text("{")
    if damage == "no model type":
        (folder / "config.json").write_text("{}")
    if damage == "cut weights":
        saved(*{"vision": VISION["vit"][:2], "text": TEXT["bart"], "audio": AUDIO["ast"][:2]}[argument], folder)
        weights = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(CheckpointError) as error:
        GGMForHashtagGeneration.from_backbones_pretrained(**{"vision": vit, "text": bart, argument: str(folder)})
    assert str(folder) in str(error.value)


@pytest.mark.parametrize("argument", ["vision", "text", "audio"])
def test_checkpoint_without_some_weights(tmp_path, vit, bart, argument):
    """Else what a checkpoint lacks would be drawn at random, and the model would only be worse."""
    saved(*{"vision": VISION["clip"][:2], "text": TEXT["bart"], "audio": AUDIO["whisper"][:2]}[argument], tmp_path)
    file = tmp_path / "model.safetensors"
    weights = load_file(file)
    name = next(
        key
        for key in weights
        if key.endswith("layers.0.self_attn.k_proj.weight") and "text" not in key and "decoder" not in key
    )
    del weights[name]
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"self_attn\.k_proj\.weight"):
        GGMForHashtagGeneration.from_backbones_pretrained(**{"vision": vit, "text": bart, argument: str(tmp_path)})


def test_missing_pooling_layers_are_no_mistake(tmp_path, bart):
    """Else a classifier's checkpoint, which has no pooling layer, would be refused for what is never used."""
    saved(ViTForImageClassification, VISION_CONFIGS["vit"], tmp_path)
    GGMForHashtagGeneration.from_backbones_pretrained(str(tmp_path), bart)


def test_tower_weights_of_another_size(tmp_path):
    """Else a size mismatch would come out as an error from inside torch."""
    saved(CLIPVisionModel, VISION_CONFIGS["clip"], tmp_path)
    config = type(VISION_CONFIGS["clip"])(**{**VISION_CONFIGS["clip"].to_dict(), "intermediate_size": 64})
    with pytest.raises(CheckpointError, match="does not fit"):
        load_tower_weights(build_tower(config, "vision"), str(tmp_path), "vision")


def test_retriever_gives_its_vision_tower(tmp_path):
    """Else a generator could not start from the frames' encoder that the retriever was trained with."""
    retriever = saved(*VISION["retriever"][:2], tmp_path)
    tower = build_tower(retriever.config.backbone_config.vision_config, "vision")
    load_tower_weights(tower, str(tmp_path), "vision")
    assert_weights_come_from(tower, retriever.backbone.vision_model)
    assert tower_of(retriever, "vision") is retriever.backbone.vision_model
    assert_weights_come_from(load_tower(str(tmp_path), "vision"), retriever.backbone.vision_model)
