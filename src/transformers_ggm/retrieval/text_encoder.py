"""Vectors of texts by any sentence encoder in the format of sentence-transformers, with transformers alone."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import normalize
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ..errors import CheckpointError
from ..modeling.text_pooling import POOLING_FLAGS, POOLINGS, pool_tokens, read_pooling
from ..utils.checkpoint_layout import read_configuration
from ..utils.files import write_json
from .hub_folders import fetch_folder
from .like_lengths import encode_by_length

_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "1_Pooling/*"]


class TextEncoder:
    """
    A text encoder with its own pooling and normalisation. It costs one pass of the model for every batch of texts.

    Args:
        model (`PreTrainedModel`): Gives `last_hidden_state` of tokens.
        tokenizer (`PreTrainedTokenizerBase`): The model's.
        pooling (`str`, defaults to `"mean"`): `"mean"`, `"cls"`, `"max"`, `"mean_sqrt_len_tokens"` or `"lasttoken"`.
        normalized (`bool`, defaults to `True`): Whether vectors get length 1.
        max_length (`int`, *optional*): Tokens that are read; by default as many as the tokenizer says.
        lower_case (`bool`, defaults to `False`): Whether texts are lower-cased first.
        prompt (`str`, defaults to `""`): What is put before each text.

    Raises:
        CheckpointError: There is no such pooling.

    Example:

    ```python
    >>> from transformers_ggm.retrieval import TextEncoder

    >>> encoder = TextEncoder.from_pretrained("sentence-transformers/all-MiniLM-L6-v2")  # doctest: +SKIP
    >>> encoder.encode(["first snow", "a lake"]).shape  # doctest: +SKIP
    torch.Size([2, 384])

    ```
    """

    reads = "text"

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        pooling: str = "mean",
        normalized: bool = True,
        max_length: int | None = None,
        lower_case: bool = False,
        prompt: str = "",
    ):
        if pooling not in POOLINGS:
            raise CheckpointError(f"the pooling {pooling!r} is not known: use an encoder with one of {POOLINGS}.")
        self.model, self.tokenizer = model.eval(), tokenizer
        self.pooling, self.normalized, self.lower_case, self.prompt = pooling, normalized, lower_case, prompt
        positions = getattr(model.config, "max_position_embeddings", None) or tokenizer.model_max_length
        self.max_length = min(max_length or tokenizer.model_max_length, positions)
        self._known_fingerprint: str | None = None

    @classmethod
    def from_pretrained(cls, path_or_hub_id: str | os.PathLike, **hub: Any) -> "TextEncoder":
        """
        Loads an encoder as its `modules.json`, `1_Pooling/config.json` and `sentence_bert_config.json` say; a plain
        checkpoint without them gets the mean over its tokens, as sentence-transformers gives it.

        Args:
            path_or_hub_id (`str` or `os.PathLike`): A folder, or the id of a repository on the Hub.
            hub: `revision`, `token`, `cache_dir`, `local_files_only`, as in `huggingface_hub.snapshot_download`.

        Raises:
            CheckpointError: It cannot be read, or has a module or pooling that is not known here.
        """
        folder = fetch_folder(path_or_hub_id, _FILES, "text encoder", **hub)
        pooling, normalized = read_pooling(folder)
        options = _read_if_there(folder / "sentence_bert_config.json")
        try:
            model = AutoModel.from_pretrained(folder)
            tokenizer = AutoTokenizer.from_pretrained(folder)
        except (OSError, ValueError) as error:
            reason = str(error).strip().split("\n")[0]
            raise CheckpointError(f"{path_or_hub_id} is no text encoder that can be loaded: {reason}") from error
        if not hasattr(model.config, "hidden_size") or model.config.is_encoder_decoder:
            raise CheckpointError(
                f"{path_or_hub_id} is a {type(model).__name__}, not an encoder of texts alone: choose a sentence"
                " encoder, such as sentence-transformers/all-MiniLM-L6-v2."
            )
        return cls(
            model,
            tokenizer,
            pooling=pooling,
            normalized=normalized,
            max_length=options.get("max_seq_length"),
            lower_case=bool(options.get("do_lower_case")),
            prompt=_default_prompt(_read_if_there(folder / "config_sentence_transformers.json")),
        )

    def save_pretrained(self, save_directory: str | os.PathLike) -> None:
        """
        Saves the encoder in the format of sentence-transformers, which loads it too.

        Args:
            save_directory (`str` or `os.PathLike`): A folder, made where there is none.
        """
        folder = Path(save_directory)
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
        modules += [("2_Normalize", "Normalize")] if self.normalized else []
        described = [
            {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for number, (path, kind) in enumerate(modules)
        ]
        for path, _ in modules:
            (folder / path).mkdir(exist_ok=True)
        pooling = {flag: mode == self.pooling for flag, mode in POOLING_FLAGS.items()}
        dim = {"word_embedding_dimension": self.model.config.hidden_size}
        prompts = {"prompts": {"text": self.prompt}, "default_prompt_name": "text"} if self.prompt else {}
        write_json(folder / "modules.json", described)
        write_json(folder / "1_Pooling" / "config.json", dim | pooling)
        options = {"max_seq_length": self.max_length, "do_lower_case": self.lower_case}
        write_json(folder / "sentence_bert_config.json", options)
        write_json(folder / "config_sentence_transformers.json", prompts)

    @torch.inference_mode()
    def encode(self, texts: Sequence[str], batch_size: int = 64, progress_bar: bool = False) -> torch.Tensor:
        """
        Vectors of texts.

        Args:
            texts (`Sequence[str]`): Any texts; one of which the tokenizer makes no token gets zeros.
            batch_size (`int`, defaults to 64): Texts encoded at a time; those of like length go together.
            progress_bar (`bool`, defaults to `False`): Whether to show one.

        Returns:
            `torch.Tensor` of shape `(len(texts), d)`, float32 on the CPU.
        """
        texts = [self.prompt + (text.lower() if self.lower_case else text) for text in texts]
        vectors = encode_by_length(
            texts, batch_size, self._tokenize, self._encode_batch, self.model.device, progress_bar=progress_bar
        )
        return torch.cat([torch.zeros(0, self.model.config.hidden_size), *vectors])

    def _tokenize(self, texts: Sequence[str]) -> Mapping[str, torch.Tensor]:
        return self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=self.max_length, return_tensors="pt"
        )

    def _encode_batch(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        has_tokens = inputs["attention_mask"].any(dim=1, keepdim=True)
        if not has_tokens.any():
            return torch.zeros(len(has_tokens), self.model.config.hidden_size)
        states = self.model(**inputs).last_hidden_state
        vectors = pool_tokens(states, inputs["attention_mask"], self.pooling) * has_tokens
        return normalize(vectors, dim=-1) if self.normalized else vectors

    def fingerprint(self) -> str:
        """Hexadecimal SHA-256 of the weights (as float16) and settings, by which an index knows its encoder."""
        if self._known_fingerprint is None:
            settings = [self.pooling, self.normalized, self.max_length, self.lower_case, self.prompt]
            digest = hashlib.sha256(json.dumps(settings).encode())
            for name, tensor in sorted(self.model.state_dict().items()):
                digest.update(name.encode())
                digest.update(
                    tensor.detach().to("cpu", torch.float16).contiguous().view(torch.uint8).numpy().tobytes()
                )
            self._known_fingerprint = digest.hexdigest()
        return self._known_fingerprint


def _default_prompt(config: dict[str, Any]) -> str:
    prompts = config.get("prompts") or {}
    return prompts.get(config.get("default_prompt_name")) or ""


def _read_if_there(file: Path) -> dict[str, Any]:
    return read_configuration(file, "save or download the encoder again") if file.is_file() else {}
