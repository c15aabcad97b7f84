"""What a pool or an index of posts was saved as: a folder here, or a part of a repository on the Hub."""

import os
from collections.abc import Sequence
from pathlib import Path

from ..utils.hub_snapshots import local_folder


def fetch_folder(
    path_or_hub_id: str | os.PathLike,
    files: Sequence[str],
    what: str,
    *,
    subfolder: str = "",
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | os.PathLike | None = None,
    local_files_only: bool = False,
) -> Path:
    """
    Gives the local folder of what was saved, downloading its files (and nothing else) where it is on the Hub.

    Args:
        path_or_hub_id (`str` or `os.PathLike`): a folder, or the id of a repository.
        files (`Sequence[str]`): the names of the files.
        what (`str`): what they are, for messages.
        subfolder, revision, token, cache_dir, local_files_only: where they lie, and as in
            `huggingface_hub.snapshot_download`.

    Raises:
        CheckpointError: Neither a folder nor a repository that can be read.
    """
    name = os.fspath(path_or_hub_id)
    prefix = f"{subfolder.strip('/')}/" if subfolder else ""
    folder = local_folder(
        name,
        [prefix + file for file in files],
        f"{name!r} is not a local folder, and no {what} could be fetched from the Hub under that name"
        f"{'' if revision is None else f' at {revision!r}'}: check the name, `revision` and `token`, and your"
        " connection.",
        revision=revision,
        token=token,
        cache_dir=cache_dir,
        local_files_only=local_files_only,
    )
    return folder / prefix
