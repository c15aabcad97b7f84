"""Building and loading the backbones that a GGM, a retriever or a classifier is put together from."""

import re
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import (
    MODEL_MAPPING,
    AutoConfig,
    AutoModel,
    AutoModelForSeq2SeqLM,
    ClapAudioConfig,
    ClapAudioModel,
    PreTrainedConfig,
    PreTrainedModel,
)

from ..errors import CheckpointError
from .configuration_ggm import TEXT_BACKBONES, UMT5_SINCE, decoder_config_of

# Weights of towers by the type of the model: of pooled outputs, of masked pictures, and of sounds over ten seconds.
_UNUSED = re.compile(
    r"^clip_vision_model:(.*\.)?post_layernorm\.|:(.*\.)?mask_token$|^clap_audio_model:.*\.(fusion_model|mel_conv2d)\."
    r"|^timm_wrapper:timm_model\.(attn_pool|fc_norm|head)\."
)
# What stands for states that are hidden in training alone: checkpoints of finished models (wav2vec2-base-960h) lack
# it.
_FOR_TRAINING = ("masked_spec_embed",)
INPUT_NAMES = {"vision": ("pixel_values",), "audio": ("input_features", "input_values"), "text": ("input_ids",)}


def build_backbone(config: PreTrainedConfig) -> PreTrainedModel:
    """
    A randomly initialised backbone in the type of the model around it, whatever type its own configuration was saved
    with: all parts have to agree.
    """
    for part in (config, *(getattr(config, name, None) for name in config.sub_configs)):
        # Asked of the whole model, it is not meant for backbones that do not have it and would raise: CLAP, ResNet.
        if part is not None and part._attn_implementation == "sdpa" and _lacks_sdpa(part):
            part._attn_implementation = "eager"
    if isinstance(config, ClapAudioConfig):
        # `AutoModel` knows CLAP as a whole, but not its audio tower.
        return ClapAudioModel._from_config(config, dtype=torch.get_default_dtype())
    return AutoModel.from_config(config, dtype=torch.get_default_dtype())


def _lacks_sdpa(config: PreTrainedConfig) -> bool:
    model_class = ClapAudioModel if isinstance(config, ClapAudioConfig) else MODEL_MAPPING.get(type(config), None)
    return isinstance(model_class, type) and not model_class._supports_sdpa


def tower_of(model: PreTrainedModel, modality: str) -> PreTrainedModel:
    """
    The encoder of one modality of `model`: the tower of a dual encoder, the encoder of an encoder-decoder, or `model`
    itself.

    Args:
        model (`PreTrainedModel`): any backbone that `AutoModel` gives.
        modality (`str`): `"vision"`, `"audio"` or `"text"`.
    """
    if model.config.model_type == "hashtag_retriever":
        model = model.backbone
    tower = getattr(model, f"{modality}_model", None)
    if tower is not None and getattr(model.config, f"{modality}_config", None) is not None:
        return tower
    return model.get_encoder() if model.config.is_encoder_decoder else model


def drop_pooling(tower: PreTrainedModel) -> PreTrainedModel:
    """Removes trained pooling layers: GGM does not use them, and checkpoints of classifiers do not have them."""
    pooler = getattr(tower, "pooler", None)
    if isinstance(pooler, nn.Module) and any(True for _ in pooler.parameters()):
        tower.pooler = None
    if getattr(tower, "use_head", False):  # SigLIP
        tower.use_head, tower.head = False, None
    return tower


def flatten_pooling(tower: PreTrainedModel | None) -> None:
    """
    Makes a convolutional tower (ResNet, RegNet) pool to (n, c), as transformers' dual encoder wants, not (n, c, 1, 1).
    """
    if isinstance(getattr(tower, "pooler", None), nn.AdaptiveAvgPool2d):
        tower.pooler = nn.Sequential(tower.pooler, nn.Flatten())


def batch_norms(module: nn.Module) -> list[nn.Module]:
    """The layers in `module` that normalise by statistics of the batch."""
    return [layer for layer in module.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]


def blank_where_masked(values: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """
    `values` with zeros where `mask`, over their first dimensions, is 0: NaN in padding would get past later masks.
    """
    if mask is None:
        return values
    mask = mask.view(*mask.shape, *[1] * (values.ndim - mask.ndim))
    return values.masked_fill(mask == 0, 0.0)


def as_tokens(states: torch.Tensor) -> torch.Tensor:
    """A backbone's states as `(n, tokens, c)`; convolutional ones and CLAP return a map `(n, c, height, width)`."""
    return states.flatten(2).transpose(1, 2) if states.ndim == 4 else states


def build_tower(config: PreTrainedConfig, modality: str) -> PreTrainedModel:
    """A randomly initialised encoder of one modality, without pooling layers; what nothing flows through is frozen."""
    tower = drop_pooling(tower_of(build_backbone(config), modality))
    for name, parameter in tower.named_parameters():
        if _UNUSED.search(f"{tower.config.model_type}:{name}"):
            # Trainable, they would be without a gradient, and so without an optimiser state, which FSDP wants of all.
            parameter.requires_grad_(False)
    return tower


def load_backbone(name_or_path: str, auto_class: Any = AutoModel) -> tuple[PreTrainedModel, set[str]]:
    """
    Loads a pretrained backbone.

    Args:
        name_or_path (`str`): folder or Hub id.
        auto_class (*optional*, defaults to `AutoModel`): the Auto class to load it with.

    Returns:
        The model, and the names of its weights that the checkpoint lacks.

    Raises:
        CheckpointError: there is no such checkpoint, or it cannot be read.
    """
    try:
        if isinstance(AutoConfig.from_pretrained(name_or_path), ClapAudioConfig):
            auto_class = ClapAudioModel
        model, info = auto_class.from_pretrained(name_or_path, output_loading_info=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"{name_or_path} cannot be loaded as a pretrained backbone: {error}") from error
    return model, set(info["missing_keys"])


def load_tower(name_or_path: str, modality: str) -> PreTrainedModel:
    """
    Loads a pretrained encoder of one modality, without pooling layers.

    Args:
        name_or_path (`str`): folder or Hub id of the backbone: the tower alone, or a model that contains it.
        modality (`str`): `"vision"`, `"audio"` or `"text"`.

    Raises:
        CheckpointError: the checkpoint cannot be read, is no backbone of that modality, or lacks weights.
    """
    backbone, missing = load_backbone(name_or_path)
    tower = tower_of(backbone, modality)
    if tower.main_input_name not in INPUT_NAMES[modality]:
        raise CheckpointError(
            f"{name_or_path} is a {type(backbone).__name__}, which has no {modality} encoder; choose a backbone that "
            f"reads {' or '.join(INPUT_NAMES[modality])}."
        )
    prefix = next(f"{name}." if name else "" for name, module in backbone.named_modules() if module is tower)
    keys = drop_pooling(tower).state_dict()
    lacking = [key for key in keys if prefix + key in missing and not key.endswith(_FOR_TRAINING)]
    if lacking:
        raise CheckpointError(
            f"{name_or_path} lacks the weights {lacking[:3]} ({len(lacking)} in all) of its {modality} encoder."
        )
    return tower


def load_tower_weights(tower: PreTrainedModel, name_or_path: str, modality: str) -> None:
    """
    Copies the weights of a pretrained backbone's tower into `tower`.

    Args:
        tower (`PreTrainedModel`): made by [`build_tower`] from the configuration of the same backbone.
        name_or_path (`str`): folder or Hub id of the backbone: the tower alone, or a model that contains it.
        modality (`str`): `"vision"`, `"audio"` or `"text"`.

    Raises:
        CheckpointError: see [`load_tower`]; also if the encoder is not of the same kind and size as `tower`.
    """
    copy_tower_weights(tower, load_tower(name_or_path, modality), name_or_path)


def copy_tower_weights(tower: PreTrainedModel, pretrained: PreTrainedModel, name_or_path: str) -> None:
    """Copies the weights of a tower that was loaded from `name_or_path` into another of the same kind and size."""
    weights = pretrained.state_dict()
    needed = {key: value.shape for key, value in tower.state_dict().items()}
    if needed != {key: value.shape for key, value in weights.items()}:
        raise CheckpointError(
            f"{name_or_path} holds a {type(pretrained).__name__} that does not fit the {type(tower).__name__} it is "
            "loaded into; take the encoder's configuration from the same checkpoint."
        )
    tower.load_state_dict(weights)


def load_text_backbone(name_or_path: str) -> PreTrainedModel:
    """
    Loads a pretrained encoder-decoder with its language-model head.

    Args:
        name_or_path (`str`): folder or Hub id.

    Raises:
        CheckpointError: the checkpoint cannot be read, is of another family, or lacks weights.
    """
    model, missing = load_backbone(name_or_path, AutoModelForSeq2SeqLM)
    if model.config.model_type not in TEXT_BACKBONES:
        raise CheckpointError(
            f"{name_or_path} is a {model.config.model_type!r} checkpoint; "
            f"the text backbone must be one of {TEXT_BACKBONES} (umt5 from transformers {UMT5_SINCE} on)."
        )
    if missing:
        raise CheckpointError(f"{name_or_path} lacks the weights {sorted(missing)[:3]} ({len(missing)} in all).")
    return model


def copy_text_weights(model: PreTrainedModel, text_model: PreTrainedModel) -> None:
    """
    Copies the weights of a pretrained encoder-decoder, and the tokens that it begins and ends with, into a generator
    whose text backbone is of the same size.

    Args:
        model ([`GGMForHashtagGeneration`]): tied as its configuration says.
        text_model (`PreTrainedModel`): with its language-model head, as [`load_text_backbone`] gives it.
    """
    weights = text_model.get_encoder().state_dict()
    if not model.config.position_biased_input:
        weights = {name: weight for name, weight in weights.items() if not name.startswith("embed_positions.")}
    model.model.encoder.text_encoder.load_state_dict(weights)
    model.model.decoder.load_state_dict(text_model.get_decoder().state_dict())
    embeddings = text_model.get_decoder().get_input_embeddings()
    model.model.shared.load_state_dict(embeddings.state_dict())
    bias = getattr(text_model, "final_logits_bias", None)  # T5 has none
    if bias is not None:
        model.final_logits_bias.copy_(bias)
    head = text_model.get_output_embeddings()
    if model.config.tie_word_embeddings and head.weight is not embeddings.weight:
        # The configurations of T5 1.1 and mT5 say that all embeddings are tied, but the head in their files is apart.
        model.lm_head.weight = nn.Parameter(torch.empty_like(model.lm_head.weight))
        model._tied_weights_keys = {}
    model.lm_head.load_state_dict(head.state_dict())
    model.tie_weights()
    for name in ("decoder_start_token_id", "forced_bos_token_id", "forced_eos_token_id"):
        setattr(model.generation_config, name, getattr(text_model.generation_config, name))


def scaled_for_head(states: torch.Tensor, text_config: PreTrainedConfig) -> torch.Tensor:
    """
    The decoder's states `(batch, length, d_model)` as the language-model head reads them: T5 and UMT5 scale them down
    where the head is tied to the word embeddings.
    """
    is_tied = text_config.model_type == "umt5" and text_config.tie_word_embeddings
    if getattr(text_config, "scale_decoder_outputs", is_tied):
        return states * text_config.d_model**-0.5
    return states


def capped(logits: torch.Tensor, text_config: PreTrainedConfig) -> torch.Tensor:
    """The logits of a language-model head, which T5Gemma keeps within bounds."""
    bound = getattr(decoder_config_of(text_config), "final_logit_softcapping", None)
    return logits if bound is None else bound * torch.tanh(logits / bound)
