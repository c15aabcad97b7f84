"""Where the model of a pipeline came from, so that the other parts of its checkpoint are taken from there too."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import is_offline_mode, snapshot_download
from huggingface_hub.errors import EntryNotFoundError, HTTPError
from transformers import AutoModelForSeq2SeqLM, PreTrainedModel

from ..errors import CheckpointError

_SOURCE = "_pipeline_checkpoint"
_HUB_ARGUMENTS = ("revision", "token", "cache_dir", "local_files_only")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint folder or Hub repository.

    Args:
        name (`str`): The folder, the id of the repository, or `""` for a model that was not loaded.
        hub (`dict`): `revision`, `token`, `cache_dir` and `local_files_only`, where known.
    """

    name: str
    hub: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, model: PreTrainedModel, local_files_only: bool = False) -> "Checkpoint":
        """The checkpoint of a model that `pipeline()` loaded, else of the name that the model itself remembers."""
        # Taken off the model: it may hold a token, which is not to be kept or saved with it.
        known = vars(model).pop(_SOURCE, None)
        if known is None:
            known = cls(model.name_or_path, {"revision": getattr(model.config, "_commit_hash", None)})
        # Said outright: older versions of huggingface_hub ask for the list of files even when offline.
        return cls(known.name, {**known.hub, "local_files_only": local_files_only or is_offline_mode()})

    def folders(self, names: Sequence[str]) -> dict[str, Path]:
        """Those of the folders `names` that the checkpoint has, downloaded where it is on the Hub.

        Raises:
            `CheckpointError`: They could not be fetched from the Hub.
        """
        if not self.name or not names:
            return {}
        folder = Path(self.name) if os.path.isdir(self.name) else self._download(names)
        return {name: folder / name for name in names if (folder / name).is_dir()}

    def _download(self, names: Sequence[str]) -> Path:
        try:
            return Path(snapshot_download(self.name, allow_patterns=[f"{name}/*" for name in names], **self.hub))
        except (OSError, ValueError, EntryNotFoundError, HTTPError) as error:
            reason = str(error).strip().split("\n")[0]
            raise CheckpointError(
                f"{' and '.join(f'{name}/' for name in names)} of {self.name!r} could not be fetched"
                f" ({type(error).__name__}: {reason}): check the name and your connection, or pass parts that you have"
                " as retriever= and hashtag_pool=."
            ) from error


class AutoModelOfCheckpoint(AutoModelForSeq2SeqLM):
    """`AutoModelForSeq2SeqLM` that notes on the model where it was loaded from.

    `pipeline()` hands its pipeline class the model and its processor, but not the revision, token and cache with
    which it loaded them.
    """

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *model_args, **kwargs):
        """As in transformers."""
        hub = {name: kwargs[name] for name in _HUB_ARGUMENTS if name in kwargs}
        # Older versions of transformers pass the commit beside the revision that was asked for.
        hub["revision"] = kwargs.get("_commit_hash") or hub.get("revision")
        model = super().from_pretrained(pretrained_model_name_or_path, *model_args, **kwargs)
        setattr(model, _SOURCE, Checkpoint(str(pretrained_model_name_or_path), hub))
        return model
