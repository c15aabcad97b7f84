"""
The files that a source of shorts is made of: local paths and URLs, how they are opened, and what tells one version of
a file from the next.
"""

import glob
import hashlib
import io
import os
import re
import shutil
import tempfile
import urllib.parse
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import fsspec

from ...errors import DatasetError
from ...utils.file_names import as_on_disk
from ...utils.opening import foreign, is_http, is_url, local_name, open_named, shown_name

_CHUNK_BYTES = 1 << 18
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def suffix_of(name: str) -> str:
    """The extension of a path or URL in lower case, with its dot: `.csv` of `https://host/Clips.CSV?key=1`."""
    path = urllib.parse.urlsplit(name).path if is_url(name) else name
    return os.path.splitext(path)[1].lower()


def folder_of(name: str) -> str:
    """The folder that relative paths in a file are relative to: an absolute path, or a URL without its last part."""
    if not is_url(name):
        return os.path.dirname(os.path.abspath(name))
    return name.partition("?")[0].rpartition("/")[0]


def join_name(folder: str, name: str) -> str:
    """
    Gives the path or URL of a clip that a table in `folder` calls `name`; of a clip that is there under another
    spelling of its letters, that one.

    Example:

    ```python
    >>> from transformers_ggm.data.sources.files import join_name
    >>> join_name("/shorts", "clips/a.mp4"), join_name("s3://bucket/shorts", "a.mp4"), join_name("/shorts", "s3://b/a")
    ('/shorts/clips/a.mp4', 's3://bucket/shorts/a.mp4', 's3://b/a')

    ```
    """
    name = local_name(name)
    if is_url(name) or os.path.isabs(name):
        return name
    if is_url(folder):
        return f"{folder}/{urllib.parse.quote(name, safe='/%') if is_http(folder) else name}"
    return as_on_disk(folder, name)


def open_file(name: str) -> BinaryIO:
    """
    Opens a local path, an HTTP URL (from its start only, not seekable) or another fsspec URL for reading.

    Raises:
        DatasetError: it cannot be opened, or, from what is returned, it cannot be read.
    """
    return io.BufferedReader(open_named(name, DatasetError))


class LocalCopy:
    """
    A temporary copy of a remote file, for files that are read several times. It is removed together with this object,
    or when the process ends.

    Args:
        url (`str`): what to copy.

    Attributes:
        path (`str`): where the copy is.

    Raises:
        DatasetError: it cannot be copied; nothing stays of what was.
    """

    def __init__(self, url: str):
        handle, self.path = tempfile.mkstemp(prefix="shorts-", suffix=suffix_of(url))
        remove = weakref.finalize(self, _remove, self.path, os.getpid())
        try:
            with open(handle, "wb") as copy, open_file(url) as remote:
                shutil.copyfileobj(remote, copy, _CHUNK_BYTES)
        except BaseException:
            # Not with this object, which the exception's traceback keeps for as long as somebody has it.
            remove()
            raise


def _remove(path: str, process: int) -> None:
    # A forked worker process has the object too, and must not take the file from the others.
    if os.getpid() == process:
        Path(path).unlink(missing_ok=True)


def content_stamp(path: str) -> str:
    """Gives the SHA-256 of a local file's content."""
    digest = hashlib.sha256()
    with open_file(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def file_stamp(name: str) -> str:
    """
    Tells one version of a file from the next without reading it: by name, size and time of change, and for remote
    files by what the server says of them. The folder is not part of it: a moved file is the same file.

    Raises:
        DatasetError: there is no such file, or the server does not answer.
    """
    return repr([name.rpartition("/")[2] if is_url(name) else os.path.basename(name), *_version_of(name)])


def _version_of(name: str) -> list:
    if is_http(name):
        with open_named(name, DatasetError) as file:
            return file.version
    with foreign(shown_name(name), DatasetError):
        if is_url(name):
            filesystem, path = fsspec.url_to_fs(name)
            return [filesystem.ukey(path)]
        status = os.stat(name)
        return [status.st_size, status.st_mtime_ns]


def expand_pattern(pattern: str) -> list[str]:
    """
    Lists the files that a pattern stands for: `{0..3}` and `{a,b}` are written out in their order, then `*`, `?` and
    `[ab]` are matched against the files there, sorted by name.

    Raises:
        DatasetError: no file matches, or a pattern with `*`, `?` or `[` is an HTTP URL, where files cannot be listed.

    Example:

    ```python
    >>> from transformers_ggm.data.sources.files import expand_pattern
    >>> expand_pattern("s3://bucket/clips-{008..010}.tar")
    ['s3://bucket/clips-008.tar', 's3://bucket/clips-009.tar', 's3://bucket/clips-010.tar']

    ```
    """
    names = [name for written_out in _expand_braces(pattern) for name in _match(written_out)]
    if not names:
        raise DatasetError(f"No file matches {pattern}.")
    return names


def _expand_braces(pattern: str) -> Iterator[str]:
    for braces in _BRACES.finditer(pattern):
        if bounds := _RANGE.fullmatch(braces[1]):
            first, last = bounds.groups()
            options = [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]
        elif "," in braces[1]:
            options = braces[1].split(",")
        else:
            continue
        for option in options:
            yield from _expand_braces(pattern[: braces.start()] + option + pattern[braces.end() :])
        return
    yield pattern


def _match(name: str) -> list[str]:
    if is_http(name):
        if "*" in name:
            raise DatasetError(
                f"{name}: files cannot be listed over HTTP; write their numbers out, as in {{000..099}}."
            )
        return [name]
    if not glob.has_magic(name) or os.path.exists(name):
        return [name]
    if not is_url(name):
        return sorted(glob.glob(name, recursive=True))
    with foreign(f"The list of {shown_name(name)}", DatasetError):
        filesystem, path = fsspec.url_to_fs(name)
        return sorted(filesystem.unstrip_protocol(found) for found in filesystem.glob(path))
