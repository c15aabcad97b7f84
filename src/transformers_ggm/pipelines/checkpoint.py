"""Where the model of a pipeline came from, so that the other parts of its checkpoint are taken from there too."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from huggingface_hub import is_offline_mode, snapshot_download
from huggingface_hub.errors import EntryNotFoundError, HTTPError
from transformers import PreTrainedModel
from transformers.utils import PROCESSOR_NAME

from ..errors import CheckpointError
from ..modeling.noted_commit import source_of
from ..processing import GGMProcessor

_PROCESSOR_FILES = ("*.json", "*.txt", "*.model", "*.jinja")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint folder or Hub repository.

    Args:
        name (`str`): The folder, the id of the repository, or `""` for a model that was not loaded.
        hub (`dict`): `revision`, `token`, `cache_dir` and `local_files_only`, where known.
        base (`Checkpoint`, *optional*): of an adapter, the whole checkpoint that it changes.
    """

    name: str
    hub: dict[str, Any] = field(default_factory=dict, repr=False)
    base: "Checkpoint | None" = None

    @classmethod
    def of(cls, model: PreTrainedModel, local_files_only: bool = False) -> "Checkpoint":
        """The checkpoint that a model was loaded from, else that of the name that the model itself remembers."""
        source = source_of(model)
        if source is None:
            known = cls(model.name_or_path, {"revision": getattr(model.config, "_commit_hash", None)})
        elif source.adapter is None:
            known = cls(model.name_or_path, source.hub)
        else:
            # Adapter and base are each looked for at the revision that was asked for.
            base = cls(model.name_or_path, source.hub)
            known = cls(source.adapter, {**source.hub, "revision": source.asked_revision}, base)
        return known._reached(local_files_only or is_offline_mode())

    def _reached(self, local_files_only: bool) -> "Checkpoint":
        # Said outright: older versions of huggingface_hub ask for the list of files even when offline.
        base = None if self.base is None else self.base._reached(local_files_only)
        return replace(self, hub={**self.hub, "local_files_only": local_files_only}, base=base)

    def processor(self) -> GGMProcessor:
        """The processor of the checkpoint; of an adapter without one, that of its base.

        Raises:
            `CheckpointError`: The model was not loaded.
            `OSError`: There is none, or it cannot be read.
        """
        if not self.name:
            raise CheckpointError(
                "The model was not loaded and so has no processor: pass its GGMProcessor, processor=."
            )
        if self.base is None:
            return GGMProcessor.from_pretrained(self.name, **self.hub)
        folder = self._folder(_PROCESSOR_FILES)
        return GGMProcessor.from_pretrained(folder) if (folder / PROCESSOR_NAME).is_file() else self.base.processor()

    def folders(self, names: Sequence[str]) -> dict[str, Path]:
        """Those of the folders `names` that the checkpoint has, or else its base, downloaded where it is on the Hub.

        Raises:
            `CheckpointError`: They could not be fetched from the Hub.
        """
        if not self.name or not names:
            return {}
        folder = self._folder([f"{name}/*" for name in names])
        found = {name: folder / name for name in names if (folder / name).is_dir()}
        missing = [name for name in names if name not in found]
        return found if self.base is None else found | self.base.folders(missing)

    def _folder(self, patterns: Sequence[str]) -> Path:
        if os.path.isdir(self.name):
            return Path(self.name)
        try:
            return Path(snapshot_download(self.name, allow_patterns=list(patterns), **self.hub))
        except (OSError, ValueError, EntryNotFoundError, HTTPError) as error:
            reason = str(error).strip().split("\n")[0]
            raise CheckpointError(
                f"{' and '.join(pattern.removesuffix('*') for pattern in patterns)} of {self.name!r} could not be fetched"
                f" ({type(error).__name__}: {reason}): check the name and your connection, or pass parts that you have"
                " as retriever= and hashtag_pool=."
            ) from error
