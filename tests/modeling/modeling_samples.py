"""Tiny random models and inputs for the tests of `transformers_ggm.modeling`."""

import copy

import torch
from transformers import (
    ASTConfig,
    BartConfig,
    BertConfig,
    ClapAudioConfig,
    CLIPConfig,
    CLIPVisionConfig,
    DeiTConfig,
    Dinov2Config,
    DistilBertConfig,
    MBartConfig,
    MT5Config,
    PegasusConfig,
    ResNetConfig,
    SiglipConfig,
    SiglipVisionConfig,
    T5Config,
    T5GemmaConfig,
    UMT5Config,
    ViTConfig,
    WhisperConfig,
)

from transformers_ggm.modeling import GGMConfig, GGMForHashtagGeneration
from transformers_ggm.modeling.configuration_ggm import TEXT_BACKBONES

VOCAB_SIZE = 40
EOS = 2
PAD = 1

_TEXT = {
    "vocab_size": VOCAB_SIZE,
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "max_position_embeddings": 48,
    "decoder_start_token_id": EOS,
    "forced_eos_token_id": None,
}
_IMAGE = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 16, "patch_size": 8}
_WHISPER = {
    "vocab_size": 50,
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "num_mel_bins": 8,
    "max_source_positions": 10,
    "max_target_positions": 10,
    "pad_token_id": 1,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 3,
}
_CLAP = {
    "window_size": 4,
    "num_mel_bins": 16,
    "spec_size": 64,
    "patch_embeds_hidden_size": 16,
    "hidden_size": 32,
    "depths": [1, 1],
    "num_attention_heads": [2, 2],
    "num_hidden_layers": 2,
    "projection_dim": 16,
}

_T5 = {
    "vocab_size": VOCAB_SIZE,
    "d_model": 16,
    "d_kv": 8,
    "d_ff": 32,
    "num_layers": 2,
    "num_heads": 2,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 20,
    "pad_token_id": PAD,
    "eos_token_id": EOS,
    "decoder_start_token_id": PAD,
}

_T5GEMMA = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "query_pre_attn_scalar": 8,
    "sliding_window": 4,
    "pad_token_id": PAD,
    "eos_token_id": EOS,
    "bos_token_id": 3,
}

TEXT_CONFIGS = {
    "bart": BartConfig(**_TEXT),
    "mbart": MBartConfig(**_TEXT, scale_embedding=True),
    "pegasus": PegasusConfig(**_TEXT, scale_embedding=True),
    "t5": T5Config(**_T5),
    "mt5": MT5Config(**_T5),
    "umt5": UMT5Config(**_T5),
    "t5gemma": T5GemmaConfig(encoder=_T5GEMMA, decoder=_T5GEMMA, vocab_size=VOCAB_SIZE),
}
# Not all of them are right in all versions of transformers.
TEXT_CONFIGS = {family: config for family, config in TEXT_CONFIGS.items() if family in TEXT_BACKBONES}
VISION_CONFIGS = {
    "vit": ViTConfig(**_IMAGE, intermediate_size=32),
    "deit": DeiTConfig(**_IMAGE, intermediate_size=32),
    "dinov2": Dinov2Config(**_IMAGE, mlp_ratio=2),
    "clip": CLIPVisionConfig(**_IMAGE, intermediate_size=32),
    "siglip": SiglipVisionConfig(**_IMAGE, intermediate_size=32),
}
AUDIO_CONFIGS = {
    "clap": ClapAudioConfig(**_CLAP),
    "clap_fusion": ClapAudioConfig(**_CLAP, enable_fusion=True, fusion_type="aff_2d"),
    "ast": ASTConfig(
        hidden_size=20,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_length=24,
        num_mel_bins=16,
        patch_size=8,
        frequency_stride=8,
        time_stride=8,
    ),
    "whisper": WhisperConfig(**_WHISPER),
}
AUDIO_SHAPES = {"clap": (1, 64, 16), "clap_fusion": (4, 64, 16), "ast": (24, 16), "whisper": (8, 20)}


_BERT = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 12,
}
READER_CONFIGS = {  # text encoders of a classifier
    "bert": BertConfig(**_BERT),
    "distilbert": DistilBertConfig(
        vocab_size=VOCAB_SIZE, dim=16, hidden_dim=32, n_layers=2, n_heads=2, max_position_embeddings=12
    ),
    "bart": TEXT_CONFIGS["bart"],
}
RESNET_CONFIG = ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic")


def ggm_config(vision="vit", text="bart", audio="ast", **kwargs) -> GGMConfig:
    """A tiny configuration; `audio=None` for none. Cross-modal attention is not silent, unless asked for."""
    settings = {"fusion_num_attention_heads": 4, "fusion_init": "normal", "initializer_range": 0.2, **kwargs}
    return GGMConfig(
        vision_config=copy.deepcopy(VISION_CONFIGS[vision]),
        text_config=copy.deepcopy(TEXT_CONFIGS[text]),
        audio_config=None if audio is None else copy.deepcopy(AUDIO_CONFIGS[audio]),
        **settings,
    )


def randomize(model: torch.nn.Module, scale: float = 0.2) -> torch.nn.Module:
    """Every parameter random, biases and norms too: with zeros and ones a mistake could go unseen."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape).to(parameter) * scale
            is_norm = parameter.ndim == 1 and name.endswith("weight")
            parameter.copy_(noise + 1.0 if is_norm else noise)
    return model


def ggm_model(vision="vit", text="bart", audio="ast", **kwargs) -> GGMForHashtagGeneration:
    """A tiny model in evaluation mode, all of whose weights are random."""
    model = randomize(GGMForHashtagGeneration(ggm_config(vision, text, audio, **kwargs))).eval()
    model.final_logits_bias.normal_()
    return model


def text_inputs(batch_size=2, length=7) -> dict[str, torch.Tensor]:
    """Random tokens without padding."""
    ids = torch.randint(4, VOCAB_SIZE, (batch_size, length))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def ggm_inputs(batch_size=2, frames=3, length=7, audio="ast") -> dict[str, torch.Tensor]:
    """Random inputs of every modality, without padding and with masks."""
    inputs = text_inputs(batch_size, length)
    inputs["pixel_values_videos"] = torch.randn(batch_size, frames, 3, 16, 16)
    inputs["frame_mask"] = torch.ones(batch_size, frames, dtype=torch.long)
    if audio is not None:
        inputs["input_features"] = torch.randn(batch_size, *AUDIO_SHAPES[audio])
        inputs["audio_mask"] = torch.ones(batch_size, dtype=torch.long)
    return inputs


def target_ids(batch_size=2, length=5) -> torch.Tensor:
    """Random target tokens that end in end-of-sequence."""
    ids = torch.randint(4, VOCAB_SIZE, (batch_size, length))
    ids[:, -1] = EOS
    return ids


def mixed_rows() -> list[dict[str, torch.Tensor]]:
    """Rows alone, unpadded: all modalities; fewer frames and words, silent; text alone; another full one."""
    full, silent, text, other = (
        ggm_inputs(1, frames=3, length=7),
        ggm_inputs(1, frames=2, length=4, audio=None),
        text_inputs(1, length=6),
        ggm_inputs(1, frames=1, length=7),
    )
    return [full, silent, text, other]


def as_batch(rows: list[dict[str, torch.Tensor]], padding: float = 0.0) -> dict[str, torch.Tensor]:
    """Joins rows of different lengths; what is missing is filled with `padding` and masked."""
    length = max(row["input_ids"].shape[1] for row in rows)
    frames = max(row["pixel_values_videos"].shape[1] for row in rows if "pixel_values_videos" in row)
    batch = {
        "input_ids": torch.full((len(rows), length), PAD if padding == 0.0 else 5),
        "attention_mask": torch.zeros(len(rows), length, dtype=torch.long),
        "pixel_values_videos": torch.full((len(rows), frames, 3, 16, 16), padding),
        "frame_mask": torch.zeros(len(rows), frames, dtype=torch.long),
        "input_features": torch.full((len(rows), *AUDIO_SHAPES["ast"]), padding),
        "audio_mask": torch.zeros(len(rows), dtype=torch.long),
    }
    for i, row in enumerate(rows):
        for name in ("input_ids", "pixel_values_videos"):
            if name in row:
                size = row[name].shape[1]
                batch[name][i, :size] = row[name][0]
                batch["attention_mask" if name == "input_ids" else "frame_mask"][i, :size] = 1
        if "input_features" in row:
            batch["input_features"][i] = row["input_features"][0]
            batch["audio_mask"][i] = 1
    return batch


def same_tensors(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    """Whether both modules have the same tensors by the same names, bit for bit."""
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


def checkpoint_activations(model: torch.nn.Module, **settings) -> None:
    """Switches on what older versions of transformers call gradient checkpointing, by the name that does not warn."""
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable(settings or None)


_CLIP_TEXT = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 12,
    "bos_token_id": 0,
    "pad_token_id": 1,
    "eos_token_id": 3,
}


def clip_config() -> CLIPConfig:
    """A tiny CLIP whose towers and projection all differ in width."""
    return CLIPConfig(text_config=_CLIP_TEXT, vision_config={**_IMAGE, "intermediate_size": 32}, projection_dim=12)


def siglip_config() -> SiglipConfig:
    """A tiny SigLIP: texts are projected to the width of the pictures."""
    return SiglipConfig(
        text_config={**_CLIP_TEXT, "projection_size": 24}, vision_config={**_IMAGE, "intermediate_size": 32}
    )
