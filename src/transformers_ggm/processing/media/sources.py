"""
Where media comes from: a path, a URL, bytes or a file object, all opened as one seekable binary file of bounded size.

FFmpeg is always handed such a file and never a name: a playlist or a crafted name can then open nothing by itself.
"""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from ...errors import MediaError
from ...utils.opening import foreign, is_url, local_name, open_named, shown_name

MediaSource = str | os.PathLike | bytes | bytearray | memoryview | BinaryIO

_CHUNK_BYTES = 1 << 20


def is_media_source(value) -> bool:
    """
    Tells whether a value names or holds a media file (path, URL, bytes, binary file object) and not an array.

    Args:
        value: Anything.

    Returns:
        `bool`: Whether it does.
    """
    return isinstance(value, (str, os.PathLike, bytes, bytearray, memoryview)) or hasattr(value, "read")


def source_name(source: MediaSource) -> str:
    """
    What to call a source in an error message: its path or URL, or what kind of object it is.

    Args:
        source (path, URL, bytes or binary file object): Where a clip comes from.

    Returns:
        `str`: To be put into a sentence; a long one is cut.
    """
    if isinstance(source, (str, os.PathLike)):
        return shown_name(path_of(source))
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"the clip given as {memoryview(source).nbytes} bytes"
    return f"the file object {getattr(source, 'name', type(source).__name__)!r}"


def path_of(source: str | os.PathLike) -> str:
    """The path or URL that a source names, as text: a path of bytes comes out as Python itself lists it."""
    with foreign(f"the path given as a {type(source).__name__}", MediaError):
        return os.fsdecode(os.fspath(source))


@contextmanager
def open_source(
    source: MediaSource, max_bytes: int, check_time: Callable[[], None] = lambda: None
) -> Iterator[BinaryIO]:
    """Opens a source as a seekable binary file at its first byte.

    Files this function opens are closed on leaving; a file object that was passed in stays open.

    Args:
        source: Path, `http(s)` or other fsspec URL, bytes, or binary file object.
        max_bytes (`int`): The most bytes a source may have.
        check_time (`Callable[[], None]`, *optional*): Called after each piece of a source that is read in pieces, to
            raise when it takes too long.

    Raises:
        `MediaError`: The source is missing, unreadable, empty, no binary file, or larger than `max_bytes`.
    """
    name = source_name(source)
    file = _open(source, name, max_bytes, check_time)
    try:
        with foreign(name, MediaError):
            file.seek(0, io.SEEK_END)
            size = file.tell()
            file.seek(0)
        _check_size(size, name, max_bytes)
        yield file
    finally:
        if file is not source:
            file.close()


def _open(source: MediaSource, name: str, max_bytes: int, check_time: Callable[[], None]) -> BinaryIO:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(source)
    if isinstance(source, (str, os.PathLike)):
        path = local_name(path_of(source))
        file = open_named(path, MediaError, check_time)
        if not is_url(path) and file.seekable():
            return file
        with file:
            return _read_all(file, name, max_bytes, check_time)
    if isinstance(source, io.TextIOBase) or not hasattr(source, "read"):
        raise MediaError(
            f"{name} cannot be read as a clip: pass a path, a URL, bytes or a file opened with mode 'rb'."
        )
    with foreign(name, MediaError):
        if hasattr(source, "seek") and (not hasattr(source, "seekable") or source.seekable()):
            return source
        return _read_all(source, name, max_bytes, check_time)


def _read_all(file, name: str, max_bytes: int, check_time: Callable[[], None]) -> BinaryIO:
    buffer = io.BytesIO()
    # `read1`, where there is one, gives what has come so far: a server that trickles is noticed within one piece.
    read = getattr(file, "read1", file.read)
    while chunk := read(_CHUNK_BYTES):
        buffer.write(chunk)
        _check_size(buffer.tell(), name, max_bytes)
        check_time()
    return buffer


def _check_size(size: int, name: str, max_bytes: int) -> None:
    if size == 0:
        raise MediaError(f"{name} is empty: there is no clip in it.")
    if size > max_bytes:
        raise MediaError(
            f"{name} has more than the {max_bytes} bytes allowed: pass a smaller clip or raise MediaLimits.max_bytes."
        )
