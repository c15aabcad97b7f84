"""Configuration of the retriever that finds a video's nearest hashtags."""

from transformers import AutoConfig, PreTrainedConfig

from ..utils.remote_code_fields import without_other_code
from .configuration_ggm import as_config
from .text_pooling import POOLINGS

QUERIES = ("video", "text", "video+text")


class HashtagRetrieverConfig(PreTrainedConfig):
    r"""
    Configuration of a [`HashtagRetriever`] (Yu et al., ACL 2023, section 3.1).

    Args:
        backbone_config (`PreTrainedConfig` or `dict`, *optional*, defaults to `CLIPConfig()`):
            Any dual encoder of `AutoModel` with `get_image_features` and `get_text_features` (CLIP, SigLIP,
            Chinese-CLIP, `VisionTextDualEncoder`); with `text_pooling` also a text encoder alone.
        logit_scale_init_value (`float`, *optional*, defaults to 2.6592):
            Logarithm of the inverse temperature at the start (CLIP's: ln(1 / 0.07)).
        max_inverse_temperature (`float`, *optional*, defaults to 100.0):
            The inverse temperature is learned, but never larger than this (CLIP's limit).
        fingerprint (`str`, *optional*):
            Hash of the weights, written by `save_pretrained`; tells whether a hashtag pool belongs to the retriever.
        bfloat16_digest (`str`, *optional*):
            Hash of the weights in bfloat16, written by `save_pretrained`; tells whether a model loaded in that type
            still has the weights that `fingerprint` is of.
        query (`str`, *optional*, defaults to `"video"`):
            What hashtags are sought by: `"video"`, the mean of the frames' vectors, as published; `"text"`, the vector
            of the description; `"video+text"`, the normalised sum of both (of a row that has only one of them, that
            one alone).
        text_pooling (`str`, *optional*):
            How the text tower's tokens become one vector, as a sentence encoder was trained: `"mean"`, `"cls"`,
            `"max"`, `"mean_sqrt_len_tokens"` or `"lasttoken"`. By default as the backbone does it.
        whitening_power (`float`, *optional*):
            Vectors are whitened with this power, from 0 to 1, by [`HashtagRetriever.fit_whitening`], which sets it. By
            default they are not.

    Raises:
        ValueError: `query` is none of the three, `text_pooling` none of the five, `whitening_power` out of range, or
            the query has a video that a text encoder alone does not see.

    Example:

    ```python
    >>> from transformers_ggm import HashtagRetrieverConfig

    >>> config = HashtagRetrieverConfig(query="video+text")
    >>> config.backbone_config.model_type, config.query_reads_video
    ('clip', True)

    ```
    """

    model_type = "hashtag_retriever"
    sub_configs = {"backbone_config": AutoConfig}
    # Saved whole, not as a difference from defaults: `VisionTextDualEncoderConfig` has none to differ from.
    has_no_defaults_at_init = True

    def __init__(
        self,
        backbone_config=None,
        logit_scale_init_value=2.6592,
        max_inverse_temperature=100.0,
        fingerprint=None,
        bfloat16_digest=None,
        query="video",
        text_pooling=None,
        whitening_power=None,
        **kwargs,
    ):
        # As configurations that were saved before version 0.3 name it.
        max_inverse_temperature = kwargs.pop("max_logit_scale", max_inverse_temperature)
        self.backbone_config = as_config(backbone_config, "clip", "backbone_config")
        self.logit_scale_init_value = logit_scale_init_value
        self.max_inverse_temperature = max_inverse_temperature
        self.fingerprint = fingerprint
        self.bfloat16_digest = bfloat16_digest
        self.query = query
        if query not in QUERIES:
            raise ValueError(f"`query` must be one of {QUERIES}, got {query!r}.")
        self.text_pooling = text_pooling
        if text_pooling not in (None, *POOLINGS):
            raise ValueError(f"`text_pooling` must be one of {POOLINGS}, or None, got {text_pooling!r}.")
        self.whitening_power = whitening_power
        if whitening_power is not None and not 0 <= whitening_power <= 1:
            raise ValueError(f"`whitening_power` must be from 0 to 1, or None, got {whitening_power!r}.")
        if self.reads_text_alone and query != "text":
            raise ValueError(
                f"the backbone {self.backbone_config.model_type!r} has no tower that sees: `query` must be 'text',"
                f" got {query!r}."
            )
        super().__init__(**without_other_code(kwargs))

    def get_text_config(self, *args, **kwargs) -> PreTrainedConfig:
        """The configuration of the text tower, as everywhere in transformers: it has the `vocab_size`."""
        return self.backbone_config.get_text_config(*args, **kwargs)

    @property
    def reads_text_alone(self) -> bool:
        """Whether the backbone is a text encoder, without a tower that sees."""
        return self.text_pooling is not None and not hasattr(self.backbone_config, "vision_config")

    @property
    def query_reads_video(self) -> bool:
        """Whether frames are part of the query."""
        return "video" in self.query

    @property
    def query_reads_text(self) -> bool:
        """Whether the description is part of the query."""
        return "text" in self.query

    @property
    def projection_dim(self) -> int:
        """Width of the vectors that videos and hashtags are compared by."""
        if self.reads_text_alone:
            return self.backbone_config.hidden_size
        if hasattr(self.backbone_config, "projection_dim"):
            return self.backbone_config.projection_dim
        return self.backbone_config.text_config.projection_size  # SigLIP projects texts only


__all__ = ["HashtagRetrieverConfig"]
