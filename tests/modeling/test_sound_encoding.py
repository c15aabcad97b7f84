"""Sounds of unequal length beside one another, for every kind of audio backbone."""

import copy

import numpy as np
import pytest
import torch
from modeling_samples import AUDIO_CONFIGS, TEXT_CONFIGS, VISION_CONFIGS, ggm_inputs, randomize, target_ids
from safetensors.torch import load_file
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    BartForConditionalGeneration,
    ClapAudioConfig,
    ClapFeatureExtractor,
    Data2VecAudioConfig,
    HubertConfig,
    MoonshineConfig,
    SeamlessM4TFeatureExtractor,
    SEWConfig,
    SEWDConfig,
    Speech2TextConfig,
    Speech2TextFeatureExtractor,
    UniSpeechConfig,
    UniSpeechSatConfig,
    ViTModel,
    Wav2Vec2BertConfig,
    Wav2Vec2Config,
    Wav2Vec2ConformerConfig,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    WavLMConfig,
    WhisperFeatureExtractor,
)

from transformers_ggm import GGMConfig, GGMForHashtagGeneration
from transformers_ggm.errors import InputError
from transformers_ggm.modeling.backbones import build_tower, load_tower
from transformers_ggm.modeling.sound_encoding import encode_sounds
from transformers_ggm.processing.sound_features import batch_sounds, sound_features, time_axis

RATE = 16_000
_SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
_RAW = {
    **_SMALL, "conv_dim": (8, 8, 8), "conv_kernel": (10, 8, 4), "conv_stride": (5, 8, 8), "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip
_SEW = {**_RAW, "squeeze_factor": 2}
_TWO_PARTS = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
_STABLE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
UNEQUAL = {
    "wav2vec2, group norm": (Wav2Vec2Config(**_RAW), Wav2Vec2FeatureExtractor(return_attention_mask=False)),
    "wav2vec2, layer norm": (Wav2Vec2Config(**_RAW, **_STABLE), Wav2Vec2FeatureExtractor()),
    "wav2vec2, adapter": (Wav2Vec2Config(**_RAW, add_adapter=True), Wav2Vec2FeatureExtractor()),
    "hubert": (HubertConfig(**_RAW), Wav2Vec2FeatureExtractor(do_normalize=False)),
    "hubert, layer norm": (HubertConfig(**_RAW, **_STABLE), Wav2Vec2FeatureExtractor()),
    "wavlm": (WavLMConfig(**_RAW), Wav2Vec2FeatureExtractor()),
    "sew": (SEWConfig(**_SEW), Wav2Vec2FeatureExtractor()),
    "sew-d": (SEWDConfig(**_SEW, max_position_embeddings=64, position_buckets=16), Wav2Vec2FeatureExtractor()),
    "unispeech": (UniSpeechConfig(**_RAW), Wav2Vec2FeatureExtractor()),
    "unispeech-sat": (UniSpeechSatConfig(**_RAW), Wav2Vec2FeatureExtractor()),
    "data2vec-audio": (Data2VecAudioConfig(**_RAW, conv_pos_kernel_size=5), Wav2Vec2FeatureExtractor()),
    "conformer": (Wav2Vec2ConformerConfig(**_RAW, conv_depthwise_kernel_size=5), Wav2Vec2FeatureExtractor()),
    "wav2vec2-bert": (
        Wav2Vec2BertConfig(**_SMALL, feature_projection_input_dim=32, conv_depthwise_kernel_size=5),
        SeamlessM4TFeatureExtractor(feature_size=16, num_mel_bins=16),
    ),
    "speech_to_text": (
        Speech2TextConfig(**_TWO_PARTS, d_model=16, vocab_size=8, input_feat_per_channel=16, conv_channels=8),
        Speech2TextFeatureExtractor(feature_size=16, num_mel_bins=16),
    ),
    "moonshine": (
        MoonshineConfig(
            hidden_size=16, intermediate_size=32, vocab_size=8, encoder_num_hidden_layers=1,
            decoder_num_hidden_layers=1, encoder_num_attention_heads=2, decoder_num_attention_heads=2,
        ),
        Wav2Vec2FeatureExtractor(do_normalize=False),
    ),
}  # fmt: skip
ONE_SIZE = {
    "ast": (ASTConfig(**_SMALL, max_length=128), ASTFeatureExtractor(max_length=128)),
    "clap": (
        ClapAudioConfig(**{**AUDIO_CONFIGS["clap"].to_dict(), "num_mel_bins": 64, "spec_size": 256}),
        ClapFeatureExtractor(sampling_rate=RATE, max_length_s=2, truncation="rand_trunc"),
    ),
    "whisper": (AUDIO_CONFIGS["whisper"], WhisperFeatureExtractor(feature_size=8, chunk_length=2, hop_length=1600)),
}
BACKBONES = {**UNEQUAL, **ONE_SIZE}


def make_model(config):
    settings = {"fusion_num_attention_heads": 4, "fusion_init": "normal", "initializer_range": 0.2}
    vision, text = copy.deepcopy(VISION_CONFIGS["vit"]), copy.deepcopy(TEXT_CONFIGS["bart"])
    return randomize(GGMForHashtagGeneration(GGMConfig(vision, text, copy.deepcopy(config), **settings))).eval()


def noise(seconds, seed):
    waveform = np.random.default_rng(seed).normal(0, 0.3, round(seconds * RATE)).astype(np.float32)
    return waveform * np.linspace(0.1, 1.0, len(waveform), dtype=np.float32)


SECONDS = (1.0, 0.33, None, 1.73, 0.05, 1.0)


def rows_of(extractor):
    """Rows alone: everything but the sound, the features of the sound, and what is to be written."""
    return [
        (
            ggm_inputs(1, audio=None),
            None if seconds is None else sound_features(extractor, noise(seconds, seed)),
            target_ids(1),
        )
        for seed, seconds in enumerate(SECONDS)
    ]


def as_one(rows, extractor):
    inputs = {name: torch.cat([row[name] for row, _, _ in rows]) for name in rows[0][0]}
    labels = torch.cat([target for _, _, target in rows])
    return {**inputs, **batch_sounds(extractor, [sound for _, sound, _ in rows]), "labels": labels}


@torch.no_grad()
def logits_of(model, inputs):
    return model(**inputs).logits


@pytest.mark.parametrize("name", BACKBONES)
def test_longer_sounds_beside_it_change_nothing(name):
    """Would fail if padding, or a neighbour, were heard: in normalisation, convolutions, pooling or attention."""
    config, extractor = BACKBONES[name]
    model, rows = make_model(config), rows_of(extractor)
    together = as_one(rows, extractor)
    assert ("input_features_mask" in together) == (name in UNEQUAL) == (time_axis(extractor) is not None)
    found = logits_of(model, together)
    for row, logits in zip(rows, found):
        torch.testing.assert_close(logits_of(model, as_one([row], extractor))[0], logits, atol=1e-5, rtol=0)
    silent = {key: value for key, value in together.items() if not key.startswith(("audio", "input_features"))}
    differences = (logits_of(model, silent) - found).abs().amax(dim=(1, 2))
    assert [bool(difference > 1e-3) for difference in differences] == [seconds is not None for seconds in SECONDS]


@pytest.mark.parametrize("name", ["wav2vec2, group norm", "wav2vec2-bert"])
def test_what_stands_in_padding_is_not_looked_at(name):
    """Would fail if padding were read where it is masked, or if the mask's type mattered."""
    config, extractor = BACKBONES[name]
    model, inputs = make_model(config), as_one(rows_of(extractor), extractor)
    expected = logits_of(model, inputs)
    features, mask = inputs["input_features"].clone(), inputs["input_features_mask"]
    features[mask == 0] = float("nan")
    for kind in (torch.int64, torch.bool, torch.float32):
        found = logits_of(model, {**inputs, "input_features": features, "input_features_mask": mask.to(kind)})
        assert torch.equal(found, expected)


@pytest.mark.parametrize("name", ["hubert", "speech_to_text"])
def test_generation_hears_the_same(name):
    """Would fail if `generate` lost the mask on its way to the encoder, or repeated it for every beam."""
    config, extractor = BACKBONES[name]
    model, rows = make_model(config), rows_of(extractor)
    options = {"num_beams": 2, "max_length": 8, "output_scores": True, "return_dict_in_generate": True}

    def scores(of_rows):
        inputs = as_one(of_rows, extractor)
        del inputs["labels"]
        return model.generate(**inputs, **options).sequences_scores

    torch.testing.assert_close(torch.cat([scores([row]) for row in rows]), scores(rows), atol=1e-5, rtol=0)


def test_sounds_of_one_length_go_through_together(monkeypatch):
    """Would fail if an encoder were called more often than there are lengths, or for rows without sound."""
    config, extractor = BACKBONES["wavlm"]
    model, rows = make_model(config), rows_of(extractor)
    sizes = []
    encoder = model.get_encoder("audio")
    encoder.register_forward_pre_hook(
        lambda _, args, kwargs: sizes.append(tuple(kwargs["input_values"].shape)), with_kwargs=True
    )
    logits_of(model, as_one(rows, extractor))
    assert sorted(sizes) == [(1, 4000), (1, 5280), (1, 27680), (2, 16000)]
    # Processes that share weights by parts must all call the encoder equally often.
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    sizes.clear()
    alone = logits_of(model, as_one(rows, extractor))
    assert len(sizes) == len(rows)
    monkeypatch.undo()
    torch.testing.assert_close(alone, logits_of(model, as_one(rows, extractor)), atol=1e-5, rtol=0)


def test_a_batch_without_any_sound():
    """Would fail if rows of silence were heard, or if a batch of them ended in an error."""
    config, extractor = BACKBONES["wav2vec2, group norm"]
    model, rows = make_model(config), rows_of(extractor)[2:3]
    inputs = as_one(rows, extractor)
    assert not inputs["input_features_mask"].any() and not inputs["audio_mask"].any()
    silent = {key: value for key, value in inputs.items() if not key.startswith(("audio", "input_features"))}
    assert torch.equal(logits_of(model, inputs), logits_of(model, silent))
    states = model.get_encoder().encode_audio(inputs["input_features"], None, inputs["input_features_mask"])
    assert states.shape == (1, 0, 16)


@pytest.mark.parametrize("name", UNEQUAL)
def test_every_backbone_learns_from_sounds_of_any_length(name):
    """Would fail if training could not take a short sound, or if gradients did not reach the encoder."""
    config, extractor = BACKBONES[name]
    model = make_model(config).train()
    model(**as_one(rows_of(extractor), extractor)).loss.backward()
    gradients = [p.grad for p in model.get_encoder("audio").parameters() if p.grad is not None]
    assert gradients and all(gradient.isfinite().all() for gradient in gradients)
    assert any(gradient.abs().max() > 0 for gradient in gradients)


def test_a_mask_of_other_features_is_refused():
    """Would fail if a mask of another length cut sounds at wrong places without a word."""
    tower = build_tower(copy.deepcopy(BACKBONES["wavlm"][0]), "audio")
    with pytest.raises(InputError, match="input_features_mask"):
        encode_sounds(tower, torch.zeros(2, 3000), input_features_mask=torch.ones(2, 2999))


def test_pretrained_weights_of_a_finished_model(tmp_path):
    """
    Would fail if a checkpoint were refused for lacking what only its training needed, or loaded otherwise in part.
    """
    config = BACKBONES["wav2vec2, layer norm"][0]
    writer = randomize(Wav2Vec2ForCTC(copy.deepcopy(config)))
    weights = {key: value for key, value in writer.state_dict().items() if not key.endswith("masked_spec_embed")}
    writer.save_pretrained(tmp_path / "audio", state_dict=weights)
    assert not any("masked_spec_embed" in key for key in load_file(tmp_path / "audio" / "model.safetensors"))
    tower = load_tower(str(tmp_path / "audio"), "audio")
    for name, value in writer.wav2vec2.state_dict().items():
        assert name == "masked_spec_embed" or torch.equal(tower.state_dict()[name], value)
    ViTModel(VISION_CONFIGS["vit"]).save_pretrained(tmp_path / "vision")
    BartForConditionalGeneration(TEXT_CONFIGS["bart"]).save_pretrained(tmp_path / "text")
    folders = [str(tmp_path / name) for name in ("vision", "text", "audio")]
    model = GGMForHashtagGeneration.from_backbones_pretrained(*folders, fusion_num_attention_heads=4)
    model.train()(**as_one(rows_of(BACKBONES["wavlm"][1]), BACKBONES["wavlm"][1])).loss.backward()
