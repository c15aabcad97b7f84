"""Clips below a folder, named by whoever asks."""

import os

from ..errors import RequestError


def rooted_clip(root: str | os.PathLike, path: str) -> str:
    """
    The file that a path names below a folder.

    Args:
        root (`str` or `os.PathLike`): The folder.
        path (`str`): Relative to it.

    Returns:
        `str`: The file, its links followed.

    Raises:
        RequestError: There is no such file, or it lies outside: which of the two is not told, since that would tell
            what lies outside.

    Example:

    ```python
    >>> from transformers_ggm.errors import RequestError
    >>> from transformers_ggm.serving.rooted_clips import rooted_clip

    >>> try:
    ...     rooted_clip(".", "../../etc/passwd")
    ... except RequestError as error:
    ...     print(error.status)
    404

    ```
    """
    missing = RequestError(404, "path: there is no such file below the folder that this server reads.")
    try:
        base = os.path.realpath(root)
        found = os.path.realpath(os.path.join(base, path))
    except (OSError, ValueError):  # a zero byte, a circle of links
        raise missing from None
    if os.path.commonpath([base, found]) != base or not os.path.isfile(found):
        raise missing
    return found
