"""An instructed language model as the generator: prompts in, answers with hashtags out."""

from collections.abc import Mapping
from typing import Any

import torch
import transformers
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    GenerationMixin,
    PreTrainedModel,
)
from transformers.utils import ModelOutput

from ..errors import CheckpointError
from .configuration_instructed import InstructedConfig
from .modeling_utils import NotedCommitMixin, UnsplitLayersMixin

# Of `from_pretrained`, what concerns the files and not the weights.
_OF_FILES = ("cache_dir", "force_download", "gguf_file", "local_files_only", "revision", "subfolder", "token")


class InstructedForHashtagGeneration(NotedCommitMixin, UnsplitLayersMixin, PreTrainedModel, GenerationMixin):
    r"""
    A language model, with or without eyes, in a checkpoint of this package. It computes exactly what the language
    model does; what it is asked is the matter of [`InstructedProcessor`].

    Args:
        config ([`InstructedConfig`]): the language model. Weights are random.

    Example:

    ```python
    >>> import torch
    >>> from transformers import LlamaConfig
    >>> from transformers_ggm import InstructedConfig, InstructedForHashtagGeneration

    >>> llama = LlamaConfig(vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=1,
    ...                     num_attention_heads=2, num_key_value_heads=2)
    >>> model = InstructedForHashtagGeneration(InstructedConfig(llama))
    >>> model(torch.tensor([[1, 7, 8]])).logits.shape
    torch.Size([1, 3, 50])

    ```
    """

    config_class = InstructedConfig
    base_model_prefix = "language_model"
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    # What a language model cannot do, it says itself.
    _supports_sdpa = True
    _supports_flash_attn = True
    accepts_loss_kwargs = True

    def __init__(self, config: InstructedConfig):
        super().__init__(config)
        auto_class = AutoModelForImageTextToText if config.takes_images else AutoModelForCausalLM
        self.language_model = auto_class.from_config(config.language_model_config, dtype=torch.get_default_dtype())
        self.post_init()

    @classmethod
    def from_language_model_pretrained(
        cls, name_or_path: str, max_new_tokens: int = 48, **kwargs: Any
    ) -> "InstructedForHashtagGeneration":
        r"""
        Takes a pretrained language model as it is. `generation_config` becomes greedy, with `max_new_tokens`: the
        surest answer is wanted, not another one every time.

        Args:
            name_or_path (`str`): folder or Hub id, e.g. `"HuggingFaceTB/SmolVLM2-500M-Video-Instruct"`.
            max_new_tokens (`int`, *optional*, defaults to 48): tokens of an answer at most.
            kwargs: for `from_pretrained` of the language model: `dtype`, `device_map`, `gguf_file`, `revision`, ...

        Raises:
            CheckpointError: the checkpoint cannot be read, is of another kind, or lacks weights.

        Example:

        ```python
        >>> model = InstructedForHashtagGeneration.from_language_model_pretrained(
        ...     "HuggingFaceTB/SmolLM2-135M-Instruct"
        ... )  # doctest: +SKIP

        ```
        """
        of_files = {name: kwargs[name] for name in _OF_FILES if name in kwargs}
        try:
            config = InstructedConfig.of_language_model(name_or_path, **of_files)
            auto_class = AutoModelForImageTextToText if config.takes_images else AutoModelForCausalLM
            language_model, told = auto_class.from_pretrained(
                name_or_path, output_loading_info=True, **_unpacking(kwargs), **kwargs
            )
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{name_or_path} cannot be loaded as a language model: {error}") from error
        if told["missing_keys"]:
            raise CheckpointError(
                f"{name_or_path} lacks the weights {sorted(told['missing_keys'])[:3]} of a language model: it is a"
                f" {config.language_model_config.model_type!r} without what writes. Name one that answers prompts."
            )
        if "gguf_file" in kwargs and hasattr(language_model.config, "quantization_config"):
            del language_model.config.quantization_config  # which the weights are not any more
        config = InstructedConfig(language_model.config, dtype=language_model.dtype)
        with torch.device("meta"):
            model = cls(config)
        model.language_model = language_model
        model.generation_config = language_model.generation_config
        model.use_greedy_decoding(max_new_tokens)
        return model.eval()

    def use_greedy_decoding(self, max_new_tokens: int = 48) -> None:
        """
        Sets `generation_config` to the likeliest next token, always.

        Args:
            max_new_tokens (`int`, *optional*, defaults to 48): tokens of an answer at most.
        """
        of_sampling = dict.fromkeys(("temperature", "top_k", "top_p", "min_p", "typical_p"))
        self.generation_config.update(
            do_sample=False, num_beams=1, max_length=None, max_new_tokens=max_new_tokens, **of_sampling
        )

    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        labels: torch.LongTensor | None = None,
        **kwargs: Any,
    ) -> ModelOutput | tuple:
        r"""
        Args:
            input_ids, attention_mask (`torch.LongTensor` of shape `(batch, length)`): prompts, and in training their
                answers, padded on the left.
            labels (`torch.LongTensor` of shape `(batch, length)`, *optional*): the answers' tokens where they stand,
                -100 everywhere else.
            kwargs: what else the language model takes, such as `pixel_values`.

        Returns:
            As the language model: `logits` `(batch, length, vocab_size)` and, given `labels`, `loss`.
        """
        return self.language_model(input_ids=input_ids, attention_mask=attention_mask, labels=labels, **kwargs)

    def generate(self, *args, **kwargs):
        """
        As in transformers. The language model generates, by this model's `generation_config`: a family may prepare
        its inputs in a way of its own.
        """
        self.language_model.generation_config = self.generation_config
        return self.language_model.generate(*args, **kwargs)

    def get_input_embeddings(self) -> nn.Module:
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.language_model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module | None:
        return self.language_model.get_output_embeddings()

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        self.language_model.set_output_embeddings(new_embeddings)

    def prepare_inputs_for_generation(self, *args, **kwargs):
        """The language model's own: peft calls it."""
        return self.language_model.prepare_inputs_for_generation(*args, **kwargs)

    def _init_weights(self, module: nn.Module) -> None:
        # Called for what a checkpoint lacks: as the language model draws it.
        self.language_model._init_weights(module)


def _unpacking(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """
    Weights in llama.cpp's format become plain ones: so they are saved, and can be trained. Versions of transformers
    that do not leave them packed have no such setting.
    """
    has_setting = "gguf_file" in kwargs and hasattr(transformers, "GgufConfig")
    return {"quantization_config": transformers.GgufConfig(dequantize=True)} if has_setting else {}


__all__ = ["InstructedForHashtagGeneration"]
