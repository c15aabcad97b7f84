"""Which layers of a GGM a low-rank adapter (LoRA, Hu et al., 2021) changes: presets for peft."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from .modeling_ggm import GGMForHashtagGeneration

if TYPE_CHECKING:
    from peft import LoraConfig

PARTS = {
    "decoder": "model.decoder",
    "text": "model.encoder.text_encoder",
    "vision": "model.encoder.vision_encoder",
    "audio": "model.encoder.audio_encoder",
}
DEFAULT_PARTS = ("decoder", "text")
FUSION_TRAININGS = ("full", "lora")
# What joins the backbones: no pretrained backbone has any of it.
FUSION_MODULES = ("video_grounding", "video_projection", "audio_grounding", "frame_positions")
RELATIVE_POSITIONS = "model.encoder.relative_positions"


def make_lora_config(
    model: GGMForHashtagGeneration,
    parts: Sequence[str] = DEFAULT_PARTS,
    r: int = 8,
    alpha: float = 16,
    dropout: float = 0.05,
    target_modules: str | None = None,
    fusion: str = "full",
    without: Sequence[str] = (),
) -> "LoraConfig":
    r"""
    A configuration for `peft.get_peft_model`.

    Args:
        model ([`GGMForHashtagGeneration`]): the model to adapt.
        parts (`list[str]`, *optional*, defaults to `("decoder", "text")`): which parts get low-rank updates on all
            their linear layers (their convolutions, where they have no others): some of `"decoder"`, `"text"`,
            `"vision"`, `"audio"`; may be empty.
        r (`int`, *optional*, defaults to 8): rank of the updates.
        alpha (`float`, *optional*, defaults to 16): updates are scaled by `alpha / r`.
        dropout (`float`, *optional*, defaults to 0.05): dropout on the input of the updates, in training.
        target_modules (`str`, *optional*): a regular expression that takes the place of `parts`. It is matched with
            the whole name of a layer, as in `model.named_modules()`.
        fusion (`str`, *optional*, defaults to `"full"`): what happens to the layers that join the backbones.
            `"full"` trains them, and saves them with the adapter: the choice where they are new. `"lora"` updates them
            like the parts: where they are trained, that is enough, and adapters can be combined by
            `add_weighted_adapter`, which peft refuses where two of them hold a layer in full. Relative positions are
            held in full either way.
        without (`list[str]`, *optional*, defaults to `()`): inputs that the model will not be given, `"video"` or
            `"audio"`: what no input reaches is left out of the fusion.

    Returns:
        `peft.LoraConfig`: with regular expressions of whole names as `target_modules`.

    Raises:
        ValueError: an unknown part or `fusion`, a part that the model does not have, or a regular expression that
            matches no layer.

    Example:

    ```python
    >>> from transformers import BartConfig, ViTConfig
    >>> from transformers_ggm import GGMConfig, GGMForHashtagGeneration
    >>> from transformers_ggm.modeling import make_lora_config

    >>> vision = ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
    ...                    image_size=32, patch_size=16)
    >>> text = BartConfig(vocab_size=50, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
    ...                   decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32)
    >>> config = make_lora_config(GGMForHashtagGeneration(GGMConfig(vision, text)), parts=["text"], r=4)
    >>> config.r, config.modules_to_save
    (4, ['model.encoder.video_grounding'])
    >>> print(config.target_modules)  # doctest: +ELLIPSIS
    model\.encoder\.text_encoder\.(?:layers\.\d+\.fc1|layers\.\d+\.fc2|layers\.\d+\.self_attn\.k_proj|...)

    ```
    """
    from peft import LoraConfig, TaskType

    if fusion not in FUSION_TRAININGS:
        raise ValueError(f"`fusion` is {fusion!r}; choose from {FUSION_TRAININGS}.")
    fusion_names = fusion_modules(model, without)
    if target_modules is None:
        targets = [target_pattern(model, part) for part in check_parts(parts)]
    else:
        check_matches(model, target_modules)
        targets = [target_modules]
    # Tables of distances are no matrices that a low rank could stand for.
    held = fusion_names if fusion == "full" else [name for name in fusion_names if name == RELATIVE_POSITIONS]
    targets += [_pattern(model, name) for name in fusion_names if name not in held]
    if not targets:
        raise ValueError("`parts` is empty, and the fusion gets no low-rank update: nothing is left to adapt.")
    return LoraConfig(
        task_type=TaskType.SEQ_2_SEQ_LM,
        r=r,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules="|".join(targets),
        modules_to_save=held or None,
        # A regular expression of the user's may match layers in what is trained in full.
        exclude_modules="|".join(rf"{re.escape(name)}(?:\..*)?" for name in held) or None,
    )


def check_parts(parts: Sequence[str]) -> Sequence[str]:
    """
    `parts` as they are.

    Raises:
        ValueError: one of them is unknown.
    """
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise ValueError(f"{unknown} is no part that LoRA can adapt; choose from {list(PARTS)}.")
    return parts


def fusion_modules(model: GGMForHashtagGeneration, without: Sequence[str] = ()) -> list[str]:
    """
    Names of the layers that no pretrained backbone has: those that join the backbones, but for what is not reached
    `without` `"video"` or `"audio"`, relative positions and the pointer head.
    """
    names = [name for name in FUSION_MODULES if name != "audio_grounding" or "audio" not in without]
    reached = [] if "video" in without else names
    joining = [f"model.encoder.{name}" for name in reached if getattr(model.model.encoder, name, None) is not None]
    relative = [] if model.model.encoder.relative_positions is None else [RELATIVE_POSITIONS]
    pointing = [] if model.pointer_head is None else ["pointer_head"]
    return [*joining, *relative, *pointing]


def target_pattern(model: GGMForHashtagGeneration, part: str) -> str:
    """
    A regular expression of the layers of a part that LoRA updates.

    Raises:
        ValueError: the model does not have that part, or the part no such layers.
    """
    if part == "audio" and model.model.encoder.audio_encoder is None:
        raise ValueError("The model has no audio encoder: leave 'audio' out of the parts that LoRA adapts.")
    return _pattern(model, PARTS[part])


def check_matches(model: nn.Module, target_modules: str) -> None:
    """
    Raises:
        ValueError: no layer's whole name is matched by the regular expression, or it is none.
    """
    try:
        pattern = re.compile(target_modules)
    except re.error as error:
        raise ValueError(f"`target_modules` {target_modules!r} is no regular expression: {error}.") from error
    if not any(pattern.fullmatch(name) for name, _ in model.named_modules()):
        example = next(name for name, module in model.named_modules() if isinstance(module, nn.Linear))
        raise ValueError(
            f"`target_modules` {target_modules!r} matches no layer. "
            f"It has to match the whole name, such as {example!r}."
        )


def _pattern(model: nn.Module, name: str) -> str:
    """A regular expression of what LoRA updates in the module `name`, whatever the number of blocks."""
    layers = _layers(model.get_submodule(name))
    if not layers:
        raise ValueError(f"{name} has no layers that a preset knows: name the layers to adapt by `target_modules`.")
    modules = {inner for inner, _ in model.get_submodule(name).named_modules()}
    patterns = {re.sub(r"(?<=\.)\d+(?=\\\.|$)", r"\\d+", re.escape(layer)) for layer in layers}
    matched = {inner for inner in modules if any(re.fullmatch(pattern, inner) for pattern in patterns)}
    if matched != set(layers):  # blocks that are not all of one kind
        patterns = {re.escape(layer) for layer in layers}
    if patterns == {""}:  # the module is itself the layer
        return re.escape(name)
    return rf"{re.escape(name)}\.(?:{'|'.join(sorted(patterns))})"


def _layers(module: nn.Module) -> list[str]:
    """Names of the linear layers; without any, of the convolutions; without any, of the embeddings."""
    for kind in (nn.Linear, (nn.Conv1d, nn.Conv2d), nn.Embedding):
        layers = [name for name, layer in module.named_modules() if isinstance(layer, kind) and _is_adaptable(layer)]
        if layers:
            return layers
    return []


def _is_adaptable(layer: nn.Module) -> bool:
    # The first is a part of torch's attention, which reads its weights past its `forward`; the second of grouped
    # convolutions, whose groups a low rank need not divide into.
    return not isinstance(layer, NonDynamicallyQuantizableLinear) and getattr(layer, "groups", 1) == 1
