"""Loading a retriever, whose every fault is told in the same words."""

import os
from typing import Any, TypeVar

from safetensors import SafetensorError

from ..errors import CheckpointError

_Part = TypeVar("_Part")


def load_retriever_part(part: type[_Part], source: str | os.PathLike, **kwargs: Any) -> _Part:
    """
    Loads a retriever or its processor.

    Args:
        part (`type`): [`HashtagRetriever`] or [`HashtagRetrieverProcessor`].
        source (`str` or `os.PathLike`): Folder or Hub id.
        kwargs: As for its `from_pretrained`.

    Raises:
        CheckpointError: There is none, or it cannot be read.
    """
    try:
        return part.from_pretrained(source, **kwargs)
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"{source} cannot be loaded as a retriever: {error}") from error
