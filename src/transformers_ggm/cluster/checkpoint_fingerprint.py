"""What tells a checkpoint, with all its parts, from any other one."""

import json
from pathlib import Path

import xxhash

from ..errors import CheckpointError
from ..pipelines.components import Checkpoint

_CHUNK_BYTES = 1 << 20


def checkpoint_fingerprint(checkpoint: Checkpoint) -> str:
    """
    Another string for a checkpoint that answers otherwise: of one on the Hub its commit, of a folder the content of
    its files, whatever the folder is called. Of files of which another one keeps the digest (those of a pool, an index
    of posts) that digest is taken, since they can have many gigabytes.

    Args:
        checkpoint ([`Checkpoint`]): of a pipeline's model; of an adapter, its base counts too.

    Raises:
        `CheckpointError`: A file cannot be read.

    Example:

    ```python
    >>> from transformers import pipeline
    >>> from transformers_ggm.cluster.checkpoint_fingerprint import checkpoint_fingerprint
    >>> from transformers_ggm.pipelines.components import Checkpoint

    >>> suggest = pipeline("hashtag-generation")
    >>> len(checkpoint_fingerprint(Checkpoint.of(suggest.model)))
    32

    ```
    """
    digest = xxhash.xxh3_128()
    part: Checkpoint | None = checkpoint
    while part is not None:
        folder = Path(part.name)
        if folder.is_dir():
            _add_folder(digest, folder)
        else:
            digest.update(f"{part.name}@{part.hub.get('revision')}".encode())
        part = part.base
    return digest.hexdigest()


def _add_folder(digest: "xxhash.xxh3_128", folder: Path) -> None:
    try:
        files = sorted(path for path in folder.rglob("*") if path.is_file() and not _is_beside(path, folder))
        vouched = {file for path in files if path.suffix == ".json" for file in _vouched_by(path)}
        for path in files:
            if path not in vouched:
                digest.update(path.relative_to(folder).as_posix().encode())
                with path.open("rb") as stream:
                    while chunk := stream.read(_CHUNK_BYTES):
                        digest.update(chunk)
    except OSError as error:
        raise CheckpointError(f"{folder} cannot be read ({error}): check the rights of its files.") from error


def _is_beside(path: Path, folder: Path) -> bool:
    """Whether a file is none that anything is loaded from: hidden ones, cards."""
    return path.suffix == ".md" or any(name.startswith(".") for name in path.relative_to(folder).parts)


def _vouched_by(path: Path) -> list[Path]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return []
    digests = content.get("sha256") if isinstance(content, dict) else None
    return [path.parent / name for name in digests] if isinstance(digests, dict) else []
