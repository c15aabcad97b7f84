"""Configuration of an instructed language model that writes hashtags in the place of a GGM."""

from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    AutoConfig,
    PreTrainedConfig,
)

from ..utils.remote_code_fields import without_other_code
from .configuration_ggm import as_config


class InstructedConfig(PreTrainedConfig):
    r"""
    Configuration of an [`InstructedForHashtagGeneration`]: that of the language model in it. "Both hashtag retriever
    and generator can accept any advanced models as drop-in replacements" (Yu et al., ACL 2023, section 3).

    Args:
        language_model_config (`PreTrainedConfig` or `dict`, *optional*, defaults to `LlamaConfig()`):
            Any model of `AutoModelForImageTextToText` (Qwen3-VL, SmolVLM2, Gemma 3, ...), which is shown frames, or of
            `AutoModelForCausalLM` (SmolLM2, Llama, Qwen, ...), which reads words alone.

    Raises:
        ValueError: a dict without `model_type`, a model of neither kind, or an encoder-decoder.

    Example:

    ```python
    >>> from transformers import LlamaConfig
    >>> from transformers_ggm import InstructedConfig

    >>> config = InstructedConfig(LlamaConfig(num_hidden_layers=2))
    >>> config.language_model_config.model_type, config.takes_images
    ('llama', False)

    ```
    """

    model_type = "ggm_instructed"
    sub_configs = {"language_model_config": AutoConfig}
    keys_to_ignore_at_inference = ["cache", "past_key_values"]

    def __init__(self, language_model_config=None, **kwargs):
        self.language_model_config = as_config(language_model_config, "llama", "language_model_config")
        kind = type(self.language_model_config)
        if kind not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING and kind not in MODEL_FOR_CAUSAL_LM_MAPPING:
            raise ValueError(
                f"`language_model_config` is of the family {self.language_model_config.model_type!r}, which neither"
                " AutoModelForImageTextToText nor AutoModelForCausalLM knows: name a model that answers prompts."
            )
        if self.language_model_config.is_encoder_decoder:
            raise ValueError(
                f"`language_model_config` is of the family {self.language_model_config.model_type!r}, an"
                " encoder-decoder, whose answers do not go on where a prompt ends: name a model with a decoder alone,"
                " or make it the text backbone of a GGM."
            )
        text = self.language_model_config.get_text_config()
        for name in ("bos_token_id", "pad_token_id", "eos_token_id"):
            kwargs.setdefault(name, getattr(text, name, None))
        # Which weights are tied is the language model's matter: none of them has a second name here.
        kwargs["tie_word_embeddings"] = False
        super().__init__(**without_other_code(kwargs))

    @classmethod
    def of_language_model(cls, name_or_path: str, **kwargs) -> "InstructedConfig":
        """
        The configuration for a pretrained language model.

        Args:
            name_or_path (`str`): folder or Hub id.
            kwargs: for `AutoConfig.from_pretrained`.

        Raises:
            OSError, ValueError: there is none, or it is of another kind.
        """
        return cls(AutoConfig.from_pretrained(name_or_path, **kwargs))

    @property
    def takes_images(self) -> bool:
        """Whether the model is shown frames."""
        return type(self.language_model_config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

    def get_text_config(self, *args, **kwargs) -> PreTrainedConfig:
        """That of the language model, whose cache and vocabulary `generate` asks for."""
        return self.language_model_config.get_text_config(*args, **kwargs)


__all__ = ["InstructedConfig"]
