"""The parts of a checkpoint that guidance comes from: where they are, and how they fit."""

import os
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.constants import DEFAULT_REVISION
from safetensors import SafetensorError
from transformers import PreTrainedModel

from ..checkpoint_layout import POOL_FOLDER, RETRIEVER_FOLDER
from ..errors import CheckpointError
from ..modeling import HashtagRetriever
from ..processing import HashtagRetrieverProcessor
from ..retrieval import HashtagPool
from .checkpoint import Checkpoint

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
        # A part that is named apart has a revision of its own, but is read with the same token and into the same cache.
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
        retriever = _load(HashtagRetriever, source, dtype=dtype, **hub)
    else:
        source = retriever.name_or_path
    if processor is None:
        if not source:
            raise CheckpointError("`retriever` was not loaded from a folder: pass its `retriever_processor` too.")
        commit = getattr(retriever.config, "_commit_hash", None)
        processor = _load(HashtagRetrieverProcessor, source, revision=commit or DEFAULT_REVISION, **hub)
    return retriever, processor


def _load(part: type, source: str | Path, **kwargs) -> Any:
    try:
        return part.from_pretrained(source, **kwargs)
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"{source} cannot be loaded as a {part.__name__}: {error}") from error


def _place(retriever: HashtagRetriever, device: torch.device, dtype: torch.dtype) -> None:
    if retriever.dtype != dtype:
        # Rounded weights cannot be recognised any more.
        retriever.keep_fingerprint()
    retriever.to(device=device, dtype=dtype).eval()
