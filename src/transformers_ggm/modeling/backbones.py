"""Building and loading the backbones that a GGM or a retriever is put together from."""

from torch import nn
from transformers import AutoConfig, AutoModel, ClapAudioConfig, ClapAudioModel, PreTrainedConfig, PreTrainedModel

from ..errors import CheckpointError

# transformers knows CLAP as a whole in its Auto classes, but not its audio tower, which is what GGM needs.
AutoModel.register(ClapAudioConfig, ClapAudioModel, exist_ok=True)


def tower_of(model: PreTrainedModel, modality: str) -> PreTrainedModel:
    """
    The encoder of one modality of `model`: the tower of a dual encoder, the encoder of an encoder-decoder, or `model`
    itself.

    Args:
        model (`PreTrainedModel`): any backbone that `AutoModel` gives.
        modality (`str`): `"vision"` or `"audio"`.
    """
    if hasattr(model, "backbone"):  # our own retriever
        model = model.backbone
    tower = getattr(model, f"{modality}_model", None)
    if tower is not None and getattr(model.config, f"{modality}_config", None) is not None:
        return tower
    return model.get_encoder() if model.config.is_encoder_decoder else model


def tower_config_of(config: PreTrainedConfig, modality: str) -> PreTrainedConfig:
    """The configuration of one modality's tower of a backbone, or `config` itself where it has no towers."""
    config = getattr(config, "backbone_config", config)
    tower_config = getattr(config, f"{modality}_config", None)
    return config if tower_config is None else tower_config


def build_tower(config: PreTrainedConfig, modality: str) -> PreTrainedModel:
    """A randomly initialised encoder of one modality, without pooling layers, which GGM never uses."""
    tower = tower_of(AutoModel.from_config(config), modality)
    if isinstance(getattr(tower, "pooler", None), nn.Module):
        tower.pooler = None
    return tower


def load_tower_weights(tower: PreTrainedModel, name_or_path: str, modality: str, **kwargs) -> None:
    """
    Copies the weights of a pretrained backbone's tower into `tower`.

    Args:
        tower (`PreTrainedModel`): made by [`build_tower`] from the configuration of the same backbone.
        name_or_path (`str`): folder or Hub id of the backbone: the tower alone, or a model that contains it.
        modality (`str`): `"vision"` or `"audio"`.

    Raises:
        CheckpointError: the checkpoint lacks weights that the tower needs.
    """
    pretrained = tower_of(AutoModel.from_pretrained(name_or_path, **kwargs), modality)
    weights = {key.removeprefix(f"{modality}_model."): value for key, value in pretrained.state_dict().items()}
    prefix = f"{modality}_model."
    needed = tower.state_dict()
    missing = [key for key in needed if key.removeprefix(prefix) not in weights]
    if missing:
        raise CheckpointError(
            f"{name_or_path} has no weights for {missing[:3]} ({len(missing)} in all) of its {modality} encoder. "
            f"Is it a {modality} backbone?"
        )
    tower.load_state_dict({key: weights[key.removeprefix(prefix)] for key in needed})


def tower_config_from_pretrained(name_or_path: str, modality: str, **kwargs) -> PreTrainedConfig:
    """Configuration of one modality's tower of a pretrained backbone."""
    return tower_config_of(AutoConfig.from_pretrained(name_or_path, **kwargs), modality)
