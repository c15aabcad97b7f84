"""From what stands on a command line to what answers."""

import os
from pathlib import Path
from typing import Any

from transformers import pipeline

from .engine import Engine
from .settings import ServingSettings

API_KEY = "GGM_API_KEY"


def read_api_key(file: str | os.PathLike | None) -> str | None:
    """
    The key of a server, which never stands on a command line, where all users of a machine can read it.

    Args:
        file (`str` or `os.PathLike`, *optional*): Has nothing but the key; by default the environment variable
            `GGM_API_KEY` is the key, where it is set.
    """
    if file is not None:
        return Path(file).read_text(encoding="utf-8").strip()
    return os.environ.get(API_KEY) or None


def load_engine(
    settings: ServingSettings, model: str | None = None, store: str | None = None, *, safe: bool = True, **parts: Any
) -> Engine:
    """
    Loads a pipeline to serve.

    Args:
        settings ([`ServingSettings`]): Options of the server.
        model (`str`, *optional*): Folder or Hub id of a checkpoint; the bundled one by default.
        store (`str`, *optional*): URL of a pool store, whose hashtags take the place of the checkpoint's.
        safe (`bool`, defaults to `True`): Whether unsafe hashtags are left out.
        **parts: Further arguments of `pipeline("hashtag-generation")`.

    Returns:
        [`Engine`]: Not running yet.

    Raises:
        CheckpointError: There is no such checkpoint.
        StoreError, PoolError: The store cannot be reached, or is empty.
        InputError: A part does not fit the checkpoint, or a library is missing.

    Example:

    ```python
    >>> from transformers_ggm.serving import ServingSettings, load_engine

    >>> load_engine(ServingSettings()).is_running
    False

    ```
    """
    reader = None
    if store is not None:
        from ..retrieval.pool_store import PoolReader, PoolStore

        reader = PoolReader(PoolStore(store))
        parts["hashtag_pool"] = reader.pool
    suggest = pipeline("hashtag-generation", model=model, safe=safe or None, **parts)
    return Engine(suggest, settings, reader)
