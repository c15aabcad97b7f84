"""Configuration of the Guided Generative Model."""

from typing import Any

from packaging.version import Version
from transformers import AutoConfig, PreTrainedConfig, __version__

from ..utils.remote_code_fields import with_named_classes, without_other_code

FUSIONS = ("grounding", "decoder")
FUSION_INITS = ("zero", "normal")
FRAME_POSITION_EMBEDDINGS = ("none", "learned")
TEXT_POSITION_EMBEDDINGS = ("absolute", "relative_1", "relative_2", "relative_3", "relative_4")
# T5's and its kin have relative positions of their own.
RELATIVE_BACKBONES = ("bart", "mbart")
VISION_SOURCES = ("own", "retriever")
# Before, UMT5's decoder sees the tokens that are to come.
UMT5_SINCE = "5.18"
_UMT5 = ("umt5",) if Version(__version__) >= Version(UMT5_SINCE) else ()
TEXT_BACKBONES = ("bart", "mbart", "t5", "mt5", *_UMT5, "t5gemma", "pegasus")


def as_config(config: PreTrainedConfig | dict[str, Any] | None, default_model_type: str | None, name: str):
    """Turns a dict with a `model_type` into the configuration it describes, and `None` into the default one."""
    if config is None and default_model_type is not None:
        return AutoConfig.for_model(default_model_type)
    if isinstance(config, dict):
        values = dict(config)
        model_type = values.pop("model_type", default_model_type)
        if model_type is None:
            raise ValueError(f"`{name}` is a dict without `model_type`: name the backbone, e.g. model_type='vit'.")
        return AutoConfig.for_model(model_type, **values)
    return config


class GGMConfig(PreTrainedConfig):
    r"""
    Configuration of a [`GGMModel`] or [`GGMForHashtagGeneration`]: three backbones and how they are joined
    (Yu et al., ACL 2023, section 3).

    Args:
        vision_config (`PreTrainedConfig` or `dict`, *optional*, defaults to `ViTConfig()`):
            Any image backbone of `AutoModel` that returns `last_hidden_state` (ViT, DeiT, DINOv2 and 3, ResNet, the
            vision towers of CLIP, SigLIP and SigLIP 2, and those of timm). Every frame is encoded alone.
        text_config (`PreTrainedConfig` or `dict`, *optional*, defaults to `BartConfig()`):
            The text encoder and the decoder: BART, mBART, T5, mT5, UMT5, T5Gemma or Pegasus.
        audio_config (`PreTrainedConfig` or `dict`, *optional*):
            Any audio backbone (the CLAP audio tower, AST, Whisper's encoder, Wav2Vec2, HuBERT, WavLM). `None`, the
            default: no sound.
        fusion (`str`, *optional*, defaults to `"grounding"`):
            How the video reaches the decoder. `"grounding"` is the published model: the text is grounded in the video
            (equation 4), and the decoder attends to the text alone. `"decoder"` is fusion-in-decoder (Izacard and
            Grave, EACL 2021): the tokens of all frames, projected to the width of the text, lie behind those of the
            text, and the decoder attends to both. Without text that is TrOCR's encoder and decoder (Li et al., 2021)
            over the frames of a video, a baseline of the paper.
        fusion_num_attention_heads (`int`, *optional*, defaults to 8):
            Heads of the cross-modal attentions (equations 3 and 4). Must divide the width of the vision backbone (if
            there is an audio backbone) and that of the text backbone (with `fusion="grounding"`).
        fusion_dropout (`float`, *optional*, defaults to 0.1):
            Dropout on the attention weights and on the output of the cross-modal attentions, in training.
        fusion_init (`str`, *optional*, defaults to `"zero"`):
            `"zero"` starts the output projections of the cross-modal attentions at zero, so that a model put together
            from pretrained backbones starts as exactly BART; `"normal"` draws them like every other layer.
        frame_position_embedding (`str`, *optional*, defaults to `"none"`):
            `"none"` is the published model, which cannot know the order of the frames. `"learned"` adds a learned
            vector per frame position before the first cross-modal attention.
        vision_source (`str`, *optional*, defaults to `"own"`):
            `"own"` is the published model, whose vision encoder is another one than its retriever's. `"retriever"`
            says that the vision encoder is the vision tower of the checkpoint's [`HashtagRetriever`], weight for
            weight, so that the pipeline runs it once for both.
        patch_pooling (`int`, *optional*, defaults to 1):
            1 is the published model, whose text attends to every patch of every frame. With `k` it attends to the
            means of `k` x `k` patches, and to the class token as it is: less to attend to, the more so with
            `fusion="decoder"`.
        pointer_head (`bool`, *optional*, defaults to `False`):
            Whether tokens of description and guidance can be copied (See et al., ACL 2017): the [`PointerHead`] mixes
            the vocabulary's distribution with one over these tokens. `False` is the published model. With
            `fusion_init="zero"` nothing is copied before training.
        text_position_embedding (`str`, *optional*, defaults to `"absolute"`):
            `"absolute"` is the text backbone's own. `"relative_1"` to `"relative_4"` are the four methods of Huang et
            al. (Findings of EMNLP 2020), learned relative terms in the self-attention of a BART or mBART encoder: a
            factor for each distance, one for each signed distance, one for each signed distance and number of a head's
            width, and a vector for each signed distance that is added. See [`RelativePositions`].
        relative_attention_max_distance (`int`, *optional*, defaults to 64):
            The largest distance that a relative term has of its own.
        position_biased_input (`bool`, *optional*, defaults to `True`):
            Whether the text backbone's absolute positions are added too, so that a pretrained one starts as it was.
            `False` needs a relative `text_position_embedding`.
        position_restart_token_ids (`list[int]`, *optional*):
            Tokens at which relative positions start anew, such as those that begin hashtags: see [`restarted`].
        max_frames (`int`, *optional*, defaults to 64):
            Number of learned frame positions; used with `frame_position_embedding="learned"` only.
        initializer_range (`float`, *optional*, defaults to 0.02):
            Standard deviation of the normal distribution that new weights are drawn from.

    Raises:
        ValueError: an unknown `fusion`, `fusion_init`, `frame_position_embedding`, `text_position_embedding` or
            `vision_source`; a `patch_pooling` or a `relative_attention_max_distance` that is no whole number from 1; a
            backbone dict without `model_type`, or a backbone that cannot be used; a number of heads that does not
            divide a backbone's width.

    Example:

    ```python
    >>> from transformers import BartConfig, ViTConfig
    >>> from transformers_ggm import GGMConfig

    >>> config = GGMConfig(vision_config=ViTConfig(), text_config=BartConfig(d_model=768))
    >>> config.text_config.model_type, config.audio_config
    ('bart', None)

    ```
    """

    model_type = "ggm"
    sub_configs = {"vision_config": AutoConfig, "text_config": AutoConfig, "audio_config": AutoConfig}
    # By its name of today and of before transformers 5.24.
    keys_to_ignore_at_inference = ["cache", "past_key_values"]

    def __init__(
        self,
        vision_config=None,
        text_config=None,
        audio_config=None,
        fusion="grounding",
        fusion_num_attention_heads=8,
        fusion_dropout=0.1,
        fusion_init="zero",
        frame_position_embedding="none",
        vision_source="own",
        patch_pooling=1,
        pointer_head=False,
        text_position_embedding="absolute",
        relative_attention_max_distance=64,
        position_biased_input=True,
        position_restart_token_ids=None,
        max_frames=64,
        initializer_range=0.02,
        **kwargs,
    ):
        self.vision_config = as_config(vision_config, "vit", "vision_config")
        self.text_config = as_config(text_config, "bart", "text_config")
        self.audio_config = as_config(audio_config, None, "audio_config")
        self.fusion = fusion
        self.fusion_num_attention_heads = fusion_num_attention_heads
        self.fusion_dropout = fusion_dropout
        self.fusion_init = fusion_init
        self.frame_position_embedding = frame_position_embedding
        self.vision_source = vision_source
        self.patch_pooling = patch_pooling
        self.pointer_head = pointer_head
        self.text_position_embedding = text_position_embedding
        self.relative_attention_max_distance = relative_attention_max_distance
        self.position_biased_input = position_biased_input
        self.position_restart_token_ids = position_restart_token_ids
        self.max_frames = max_frames
        self.initializer_range = initializer_range
        self._check()
        text = self.text_config
        for name in ("bos_token_id", "pad_token_id", "eos_token_id", "decoder_start_token_id"):
            kwargs.setdefault(name, getattr(text, name, None))
        if kwargs["decoder_start_token_id"] is None:  # T5Gemma's
            kwargs["decoder_start_token_id"] = kwargs["bos_token_id"]
        kwargs["is_encoder_decoder"] = True
        kwargs.setdefault("tie_word_embeddings", text.tie_word_embeddings)
        super().__init__(**without_other_code(kwargs))

    def to_dict(self):
        """As in transformers; the classes that `pipeline()` puts into `custom_pipelines` become their names again."""
        return with_named_classes(super().to_dict())

    def _check(self):
        choices = {
            "fusion": FUSIONS,
            "fusion_init": FUSION_INITS,
            "frame_position_embedding": FRAME_POSITION_EMBEDDINGS,
            "text_position_embedding": TEXT_POSITION_EMBEDDINGS,
            "vision_source": VISION_SOURCES,
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"`{name}` must be one of {allowed}, got {getattr(self, name)!r}.")
        if not isinstance(self.patch_pooling, int) or self.patch_pooling < 1:
            raise ValueError(f"`patch_pooling` must be a whole number from 1, got {self.patch_pooling!r}.")
        if self.text_config.model_type not in TEXT_BACKBONES:
            raise ValueError(
                f"`text_config` must be of one of the families {TEXT_BACKBONES} (umt5 from transformers {UMT5_SINCE} "
                f"on), got {self.text_config.model_type!r}."
            )
        self._check_text_positions()
        decoder = decoder_config_of(self.text_config)
        if decoder is not self.text_config:
            if not self.text_config.tie_word_embeddings:
                raise ValueError("`text_config` has a head of its own, which is not known of T5Gemma here: tie it.")
            if self.pointer_head and hidden_size_of(self.text_config) != decoder.hidden_size:
                raise ValueError("`pointer_head` needs a text backbone whose encoder and decoder are equally wide.")
        widths = {"text_config": hidden_size_of(self.text_config)} if self.fusion == "grounding" else {}
        if self.audio_config is not None:
            widths["vision_config"] = hidden_size_of(self.vision_config)
        for name, width in widths.items():
            if width % self.fusion_num_attention_heads:
                raise ValueError(
                    f"`fusion_num_attention_heads`={self.fusion_num_attention_heads} does not divide the width "
                    f"{width} of `{name}`; choose a divisor."
                )

    def _check_text_positions(self):
        if self.text_position_embedding == "absolute":
            if not self.position_biased_input or self.position_restart_token_ids:
                raise ValueError(
                    "`position_biased_input=False` and `position_restart_token_ids` need a relative "
                    f"`text_position_embedding`: one of {TEXT_POSITION_EMBEDDINGS[1:]}."
                )
        elif self.text_config.model_type not in RELATIVE_BACKBONES:
            raise ValueError(
                f"`text_position_embedding`={self.text_position_embedding!r} needs a text backbone of "
                f"{RELATIVE_BACKBONES}, got {self.text_config.model_type!r}."
            )
        distance = self.relative_attention_max_distance
        if not isinstance(distance, int) or distance < 1:
            raise ValueError(f"`relative_attention_max_distance` must be a whole number from 1, got {distance!r}.")


def decoder_config_of(text_config: PreTrainedConfig) -> PreTrainedConfig:
    """What says of an encoder-decoder how its decoder is built: T5Gemma has a configuration for each half."""
    return getattr(text_config, "decoder", text_config)


def hidden_size_of(config: PreTrainedConfig) -> int:
    """Width of a backbone's `last_hidden_state`."""
    if config.model_type == "clap_audio_model":  # its `hidden_size` is not derived from the stages it really has
        return config.patch_embeds_hidden_size * 2 ** (len(config.depths) - 1)
    if config.model_type == "t5gemma":
        return config.encoder.hidden_size
    if config.model_type == "timm_wrapper" and hasattr(config, "num_features"):
        return config.num_features  # as timm's own configurations on the Hub name it
    if not hasattr(config, "hidden_size") and getattr(config, "hidden_sizes", None):
        return config.hidden_sizes[-1]  # convolutional: one width a stage
    if not hasattr(config, "hidden_size"):
        raise ValueError(
            f"The backbone {config.model_type!r} has no single `hidden_size`; of a model with several encoders, give "
            "the configuration of one, e.g. `CLIPConfig().vision_config`."
        )
    return config.hidden_size


__all__ = ["GGMConfig"]
