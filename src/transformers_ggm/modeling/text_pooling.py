"""One vector of the tokens of a text, as sentence encoders make it."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from transformers.utils import cached_file

from ..errors import CheckpointError
from ..utils.checkpoint_layout import read_configuration

POOLINGS = ("mean", "cls", "max", "mean_sqrt_len_tokens", "lasttoken")
POOLING_FLAGS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_lasttoken": "lasttoken",
}
_AGAIN = "save or download the encoder again"
_MODULES = ("Transformer", "Pooling", "Normalize")


def pool_tokens(states: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
    """
    One vector of the states of each text, padding aside (Reimers and Gurevych, EMNLP 2019).

    Args:
        states (`torch.Tensor` of shape `(b, n, d)`): What an encoder makes of the tokens.
        mask (`torch.Tensor` of shape `(b, n)`): 1 on tokens, 0 on padding; of each text one token or more.
        pooling (`str`): `"mean"`, `"cls"` (the first token), `"max"`, `"mean_sqrt_len_tokens"` (the sum over the root
            of the number of tokens) or `"lasttoken"`.

    Returns:
        `torch.Tensor` of shape `(b, d)`.

    Example:

    ```python
    >>> import torch
    >>> from transformers_ggm.modeling.text_pooling import pool_tokens

    >>> pool_tokens(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[1, 1, 0]]), "mean")
    tensor([[2.]])

    ```
    """
    if pooling == "cls":
        first = mask.argmax(dim=1)
        return states[torch.arange(len(states)), first]
    if pooling == "lasttoken":
        last = mask.shape[1] - 1 - mask.flip(1).argmax(dim=1)
        return states[torch.arange(len(states)), last]
    mask = mask[..., None].to(states.dtype)
    if pooling == "max":
        return states.masked_fill(mask == 0, -torch.inf).amax(dim=1)
    count = mask.sum(dim=1).clamp(min=1e-9)
    return (states * mask).sum(dim=1) / (count if pooling == "mean" else count.sqrt())


def read_pooling(path_or_hub_id: str | os.PathLike, **hub: Any) -> tuple[str, bool]:
    """
    The pooling of a sentence encoder, and whether it normalises, as its `modules.json` and the configuration of its
    pooling say: the mean without normalisation for a plain checkpoint, as sentence-transformers has it.

    Args:
        path_or_hub_id (`str` or `os.PathLike`): A folder, or the id of a repository on the Hub.
        hub: As for transformers' `cached_file`, such as `revision` and `token`.

    Raises:
        CheckpointError: A file cannot be read, or has a module or pooling that is not known here.
    """
    file = _file_of(path_or_hub_id, "modules.json", hub)
    if file is None:
        return "mean", False
    try:
        modules = json.loads(file.read_text(encoding="utf-8"))
        kinds = {str(module["type"]).rpartition(".")[2]: module["path"] for module in modules}
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"{file} is no list of modules: {_AGAIN}.") from error
    unknown = sorted(set(kinds) - set(_MODULES))
    if unknown or kinds.get("Transformer", "") != "":
        raise CheckpointError(
            f"{file} has modules that are not read here ({', '.join(unknown) or 'a Transformer in a folder'}): use an"
            f" encoder of {', '.join(_MODULES)} alone."
        )
    settings = _file_of(path_or_hub_id, f"{kinds['Pooling']}/config.json", hub) if "Pooling" in kinds else None
    config = {} if settings is None else read_configuration(settings, _AGAIN)
    return _pooling_mode(config, path_or_hub_id), "Normalize" in kinds


def longest_text(path_or_hub_id: str | os.PathLike, **hub: Any) -> int | None:
    """
    How many tokens a sentence encoder reads, as its `sentence_bert_config.json` says, `None` where it does not.

    Args:
        path_or_hub_id (`str` or `os.PathLike`), hub: As for [`read_pooling`].

    Raises:
        CheckpointError: The file cannot be read.
    """
    file = _file_of(path_or_hub_id, "sentence_bert_config.json", hub)
    return None if file is None else read_configuration(file, _AGAIN).get("max_seq_length")


def _file_of(path_or_hub_id: str | os.PathLike, name: str, hub: dict[str, Any]) -> Path | None:
    """The file, downloaded where it is on the Hub; `None` where there is none."""
    file = cached_file(
        path_or_hub_id,
        name,
        _raise_exceptions_for_gated_repo=False,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
        **hub,
    )
    return None if file is None else Path(file)


def _pooling_mode(config: dict[str, Any], encoder: str | os.PathLike) -> str:
    named = config.get("pooling_mode")
    modes = [named] if isinstance(named, str) else [mode for flag, mode in POOLING_FLAGS.items() if config.get(flag)]
    others = [
        flag for flag in config if flag.startswith("pooling_mode_") and config[flag] and flag not in POOLING_FLAGS
    ]
    if others or len(modes) > 1 or (modes and modes[0] not in POOLINGS):
        raise CheckpointError(f"{encoder} pools by {[*modes, *others]}: use an encoder with one of {POOLINGS}.")
    return modes[0] if modes else "mean"
