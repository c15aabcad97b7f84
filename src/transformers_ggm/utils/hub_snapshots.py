"""Folders that lie here or on the Hub."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import EntryNotFoundError, HTTPError

from ..errors import CheckpointError


def local_folder(name: str, patterns: Sequence[str], failure: str, **hub: Any) -> Path:
    """
    A folder as it is; of a repository on the Hub, the folder into which its files are downloaded.

    Args:
        name (`str`): A folder, or the id of a repository.
        patterns (`Sequence[str]`): Which of the repository's files are wanted.
        failure (`str`): What could not be fetched and what to do, for the message.
        **hub: `revision`, `token`, `cache_dir` and `local_files_only`, as in `huggingface_hub.snapshot_download`.

    Raises:
        CheckpointError: Neither a folder nor a repository that can be read.
    """
    if os.path.isdir(name):
        return Path(name)
    try:
        return Path(snapshot_download(name, allow_patterns=list(patterns), **hub))
    except (OSError, ValueError, EntryNotFoundError, HTTPError) as error:
        reason = str(error).strip().split("\n")[0]
        raise CheckpointError(f"{failure} ({type(error).__name__}: {reason})") from error


__all__ = ["local_folder"]
