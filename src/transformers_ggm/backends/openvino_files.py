"""Where converted models are kept: in a cache of this machine, and in the folder `openvino/` of a checkpoint."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import xxhash
from huggingface_hub.constants import HF_HOME
from torch import nn

from ..errors import CheckpointError
from ..modeling.weights_digest import weights_checksum
from ..utils.checkpoint_layout import OPENVINO_FILE, OPENVINO_FOLDER, read_configuration
from ..utils.files import atomic_folder, write_json
from .openvino_core import openvino_core

# Raised where files made before would be converted otherwise now.
_FORMAT = 1


@dataclass(frozen=True)
class Wanted:
    """
    A converted model that is wanted.

    Args:
        part (`str`): which model of a checkpoint, such as `"vision_encoder"`.
        module (`nn.Module`): it, as PyTorch has it.
        inputs (`tuple[str, ...]`): the names of its inputs.
        int8 (`bool`): whether it is rounded to eight bits.
    """

    part: str
    module: nn.Module
    inputs: tuple[str, ...]
    int8: bool = False

    @property
    def name(self) -> str:
        """What it is called within a checkpoint."""
        inputs = xxhash.xxh3_64(" ".join(self.inputs).encode()).hexdigest()[:6]
        return f"{self.part}-{inputs}{'-int8' if self.int8 else ''}"

    def fingerprint(self, dtype: torch.dtype = torch.bfloat16) -> str:
        """
        Another string for other weights, inputs or kinds of module. Weights are read in a type: in bfloat16 those of a
        checkpoint are the same however it was loaded.
        """
        told = f"{_FORMAT} {self.name} {type(self.module).__name__} {weights_checksum(self.module, dtype)}"
        return xxhash.xxh3_128(told.encode()).hexdigest()


class OpenVINOFiles:
    """
    Converted models of one checkpoint. They are looked for in the checkpoint, then in this machine's cache
    (`transformers_ggm/openvino` below `HF_HOME`), and else made, and put into the cache.

    Args:
        folder (`Path`, *optional*): the `openvino/` of the checkpoint, where it has one.

    Raises:
        CheckpointError: its `openvino.json` cannot be read.
    """

    def __init__(self, folder: Path | None = None):
        self._folder = folder
        self._known: dict[str, str] = {}
        if folder is not None:
            self._known = read_configuration(folder / OPENVINO_FILE, "export the checkpoint again").get("models", {})

    def get(self, wanted: Wanted, make: Callable[[], Any]) -> Any:
        """
        Args:
            wanted ([`Wanted`]): which model.
            make (`Callable`): converts it.

        Returns:
            `openvino.Model`.

        Raises:
            CheckpointError: the checkpoint has one that was made from other weights, or one that cannot be read.
        """
        if wanted.name in self._known:
            if self._known[wanted.name] != wanted.fingerprint():
                raise CheckpointError(
                    f"{self._folder / wanted.name}.xml was made from other weights than the checkpoint has: export it"
                    f" again, or remove {OPENVINO_FOLDER}/."
                )
            return _read(self._folder / f"{wanted.name}.xml")
        dtype = next((weight.dtype for weight in wanted.module.parameters()), torch.float32)
        cached = Path(HF_HOME) / "transformers_ggm" / "openvino" / wanted.fingerprint(dtype)
        if (cached / "model.xml").is_file():
            return _read(cached / "model.xml")
        model = make()
        cached.parent.mkdir(parents=True, exist_ok=True)
        with atomic_folder(cached) as folder:
            _write(model, folder / "model.xml")
        return model

    def has(self, wanted: Wanted) -> bool:
        """Whether the checkpoint has it, made from its own weights or not."""
        return wanted.name in self._known


def save_openvino(folder: Path, models: Sequence[tuple[Wanted, Any]]) -> None:
    """
    Writes converted models into the `openvino/` of a checkpoint, in the place of those that are there.

    Args:
        folder (`Path`): of the checkpoint.
        models (`list`): pairs of what was wanted and the `openvino.Model`.
    """
    with atomic_folder(folder / OPENVINO_FOLDER) as new:
        for wanted, model in models:
            _write(model, new / f"{wanted.name}.xml")
        known = {wanted.name: wanted.fingerprint() for wanted, _ in models}
        write_json(new / OPENVINO_FILE, {"format": _FORMAT, "models": known})


def _write(model: Any, file: Path) -> None:
    openvino = importlib.import_module("openvino")

    openvino.save_model(model, file, compress_to_fp16=False)


def _read(file: Path) -> Any:
    try:
        return openvino_core().read_model(file)
    except RuntimeError as error:
        raise CheckpointError(f"{file} cannot be read by OpenVINO: export the checkpoint again.") from error


__all__ = ["OpenVINOFiles", "Wanted", "save_openvino"]
