"""Writing whole folders and files, or nothing; and knowing before the work that they can be written."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import OutputError


def check_output_folder(folder: str | os.PathLike, argument: str = "output_dir") -> Path:
    """
    Makes sure, before any work, that files can be written into a folder, and makes it where it is not there.

    Args:
        folder (`str` or `os.PathLike`): The folder.
        argument (`str`, defaults to `"output_dir"`): What the caller calls it.

    Raises:
        `OutputError`: It is a file, or lies in one, or may not be written to; names the argument and says what to do.

    Example:

    ```python
    >>> import pathlib, tempfile
    >>> from transformers_ggm.utils.files import check_output_folder
    >>> check_output_folder(pathlib.Path(tempfile.mkdtemp(), "new", "folder")).is_dir()
    True

    ```
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Rights alone do not tell of file systems that are read-only or full.
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, ValueError) as error:
        kinds = {FileExistsError: "is no folder", NotADirectoryError: "lies in what is no folder"}
        what = kinds.get(type(error), f"cannot be written to ({error})")
        raise OutputError(f"`{argument}` {folder} {what}: give another folder.") from error
    return folder


def check_output_file(file: str | os.PathLike, argument: str = "output") -> Path:
    """
    Makes sure, before any work, that a file can be written, and makes the folder that it is to lie in. What is in the
    file stays.

    Args:
        file (`str` or `os.PathLike`): The file, which need not be there.
        argument (`str`, defaults to `"output"`): What the caller calls it.

    Raises:
        `OutputError`: It is a folder, or lies in a file, or may not be written; names the argument and says what to
            do.
    """
    file = Path(file)
    try:
        if file.is_dir():
            raise OutputError(f"`{argument}` {file} is a folder: give the name of a file.")
        check_output_folder(file.parent, argument)
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists():
            file.open("ab").close()
    except OutputError:
        raise
    except (OSError, ValueError) as error:
        raise OutputError(f"`{argument}` {file} cannot be written ({error}): give another file.") from error
    return file


@contextmanager
def atomic_folder(folder: str | Path) -> Iterator[Path]:
    """
    Gives a temporary folder beside `folder` to write to; it takes the place of `folder` when all went well, and is
    removed when something failed.

    Example:

    ```python
    >>> import pathlib, tempfile
    >>> from transformers_ggm.utils.files import atomic_folder
    >>> place = pathlib.Path(tempfile.mkdtemp(), "model")
    >>> with atomic_folder(place) as temporary:
    ...     _ = (temporary / "config.json").write_text("{}")
    >>> sorted(file.name for file in place.iterdir())
    ['config.json']

    ```
    """
    folder = Path(folder)
    temporary = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
    replaced = folder.with_name(f".{folder.name}.replaced-{os.getpid()}")
    for leftover in (temporary, replaced):  # of a killed process that had the same number, as is common in containers
        shutil.rmtree(leftover, ignore_errors=True)
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


def write_json(path: str | Path, content: Any) -> None:
    """Writes a JSON file whole or not at all."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_text(path: str | Path, text: str) -> None:
    """Writes a text file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_lines(path: str | Path, lines: Iterable[str]) -> int:
    """Writes lines to a text file, which appears when all are written, and gives their number."""
    count = 0
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(line + "\n")
            count += 1
    return count


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Gives a temporary file beside `path` to write; it takes the place of `path` when all went well."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
