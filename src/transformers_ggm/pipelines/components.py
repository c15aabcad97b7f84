"""Where the model of a pipeline came from, so that the other parts of its checkpoint are taken from there too."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import is_offline_mode
from huggingface_hub.constants import DEFAULT_REVISION
from transformers import PreTrainedModel, ProcessorMixin
from transformers.utils import PROCESSOR_NAME

from ..errors import CheckpointError
from ..modeling import HashtagRetriever
from ..modeling.modeling_utils import source_of
from ..processing import HashtagRetrieverProcessor
from ..recommendation.recommender_files import RECOMMENDATION_PATTERNS
from ..retrieval import HashtagPool
from ..retrieval.retriever_loading import load_retriever_part
from ..utils.checkpoint_layout import POOL_FOLDER, RECOMMENDATION_FILE, RETRIEVER_FOLDER
from ..utils.hub_snapshots import local_folder

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

    def processor(self, kind: type[ProcessorMixin]) -> ProcessorMixin:
        """The processor of the checkpoint; of an adapter without one, that of its base.

        Args:
            kind (`type`): Its class, such as [`GGMProcessor`].

        Raises:
            `CheckpointError`: The model was not loaded.
            `OSError`: There is none, or it cannot be read.
        """
        if not self.name:
            raise CheckpointError(
                f"The model was not loaded and so has no processor: pass its {kind.__name__}, processor=."
            )
        if self.base is None:
            return kind.from_pretrained(self.name, **self.hub)
        folder = self._folder(_PROCESSOR_FILES)
        return kind.from_pretrained(folder) if (folder / PROCESSOR_NAME).is_file() else self.base.processor(kind)

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

    def recommendation(self) -> Path | None:
        """The folder of the checkpoint, or else of its base, that has a `recommendation.json`; `None` where none has.
        Its other parts are downloaded, too."""
        if not self.name:
            return None
        try:
            if (self._folder([RECOMMENDATION_FILE]) / RECOMMENDATION_FILE).is_file():
                return self._folder(RECOMMENDATION_PATTERNS)
        except CheckpointError:
            # What a model was loaded from may be gone; what else is needed of it says so.
            return None
        return None if self.base is None else self.base.recommendation()

    def _folder(self, patterns: Sequence[str]) -> Path:
        failure = (
            f"{' and '.join(pattern.removesuffix('*') for pattern in patterns)} of {self.name!r} could not be fetched:"
            " check the name and your connection, or pass parts that you have as retriever= and hashtag_pool=."
        )
        return local_folder(self.name, patterns, failure, **self.hub)


WITHOUT_GUIDANCE = "or go without guidance: pipeline(..., num_guidance=0)"


class GuidanceParts:
    """A retriever with its processor and a hashtag pool that belong together.

    Those not given are taken from the folders `retriever` and `hashtag_pool` of the checkpoint.

    Args:
        model (`PreTrainedModel`): The generator; the retriever gets its data type.
        checkpoint ([`Checkpoint`]): Where the model was loaded from.
        device (`torch.device`): Where the retriever is put.
        wanted (`bool`): Whether there is to be guidance. Without it no retriever is loaded, and a pool, which then
            only tells what is novel, may be missing.
        retriever ([`HashtagRetriever`], `str` or `Path`, *optional*): The retriever, or its folder or Hub id.
        retriever_processor ([`HashtagRetrieverProcessor`], *optional*): Needed with a retriever that was never saved.
        hashtag_pool ([`HashtagPool`], `str` or `Path`, *optional*): The pool, or its folder or Hub id.
        local_files_only (`bool`, defaults to `False`): Whether nothing may be downloaded.

    Raises:
        `CheckpointError`: A part is missing or cannot be read.
        `RetrieverMismatchError`: The pool was made by another retriever.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        checkpoint: Checkpoint,
        device: torch.device,
        wanted: bool,
        retriever: HashtagRetriever | str | Path | None = None,
        retriever_processor: HashtagRetrieverProcessor | None = None,
        hashtag_pool: HashtagPool | str | Path | None = None,
        local_files_only: bool = False,
    ):
        needed = [RETRIEVER_FOLDER] if wanted and retriever is None else []
        needed += [POOL_FOLDER] if hashtag_pool is None else []
        folders = checkpoint.folders(needed)
        missing = [folder for folder in needed if folder not in folders]
        if missing and wanted:
            source = f"{checkpoint.name!r} has" if checkpoint.name else "The model was not loaded and so has"
            raise CheckpointError(
                f"{source} no {' and no '.join(f'{folder}/' for folder in missing)}, which guidance needs: pass"
                f" {' and '.join(f'{folder}=' for folder in missing)}, {WITHOUT_GUIDANCE}."
            )
        retriever = folders.get(RETRIEVER_FOLDER) if retriever is None else retriever
        # A part that is named apart has a revision of its own, but is read with the same token and into the same
        # cache.
        hub = {name: value for name, value in checkpoint.hub.items() if name != "revision"}
        self.retriever, self.processor = _load_retriever(retriever, retriever_processor, model.dtype, hub)
        self.pool = folders.get(POOL_FOLDER) if hashtag_pool is None else hashtag_pool
        if isinstance(self.pool, (str, os.PathLike)):
            self.pool = HashtagPool.from_pretrained(self.pool, **hub)
        if self.retriever is not None:
            if self.pool is not None:
                self.pool.check_retriever(self.retriever)
            _place(self.retriever, device, model.dtype)


def _load_retriever(
    retriever: Any, processor: Any, dtype: torch.dtype, hub: dict[str, Any]
) -> tuple[HashtagRetriever | None, HashtagRetrieverProcessor | None]:
    if retriever is None:
        return None, None
    source = retriever
    if isinstance(retriever, (str, os.PathLike)):
        retriever = load_retriever_part(HashtagRetriever, source, dtype=dtype, **hub)
    else:
        source = retriever.name_or_path
    if processor is None:
        if not source:
            raise CheckpointError("`retriever` was not loaded from a folder: pass its `retriever_processor` too.")
        commit = getattr(retriever.config, "_commit_hash", None)
        processor = load_retriever_part(HashtagRetrieverProcessor, source, revision=commit or DEFAULT_REVISION, **hub)
    return retriever, processor


def _place(retriever: HashtagRetriever, device: torch.device, dtype: torch.dtype) -> None:
    if retriever.dtype != dtype:
        # Rounded weights cannot be recognised any more.
        retriever.keep_fingerprint()
    retriever.to(device=device, dtype=dtype).eval()
