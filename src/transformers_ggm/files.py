"""Writing whole folders or nothing."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(folder: str | Path) -> Iterator[Path]:
    """
    Gives a temporary folder beside `folder` to write to; it takes the place of `folder` when all went well, and is
    removed when something failed.

    Example:

    ```python
    >>> import pathlib, tempfile
    >>> from transformers_ggm.files import written_whole
    >>> place = pathlib.Path(tempfile.mkdtemp(), "model")
    >>> with written_whole(place) as temporary:
    ...     _ = (temporary / "config.json").write_text("{}")
    >>> sorted(file.name for file in place.iterdir())
    ['config.json']

    ```
    """
    folder = Path(folder)
    temporary = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
    replaced = folder.with_name(f".{folder.name}.replaced-{os.getpid()}")
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if folder.exists():
            folder.rename(replaced)
        temporary.rename(folder)
    except BaseException:
        if replaced.exists() and not folder.exists():
            replaced.rename(folder)
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    shutil.rmtree(replaced, ignore_errors=True)
