"""Where media comes from: a path, a URL, bytes or a file object, all opened as one seekable binary file of bounded size.

FFmpeg is always handed such a file and never a name: a playlist or a crafted name can then open nothing by itself.
"""

import io
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import fsspec

from ...errors import MediaError

MediaSource = str | os.PathLike | bytes | bytearray | memoryview | BinaryIO

_CHUNK_BYTES = 1 << 20
_TIMEOUT_SECONDS = 30.0
# Waits before a download is tried again, and the answers after which it is; so is a connection that fails.
_WAITS_SECONDS = (0.5, 2.0)
_PASSING_STATUS = (408, 429, 500, 502, 503, 504)


def is_media_source(value) -> bool:
    """Tells whether `value` names or holds a media file (path, URL, bytes, binary file object) and not an array."""
    return isinstance(value, (str, os.PathLike, bytes, bytearray, memoryview)) or hasattr(value, "read")


def source_name(source: MediaSource) -> str:
    """What to call a source in an error message: its path or URL, or what kind of object it is."""
    if isinstance(source, (str, os.PathLike)):
        return repr(os.fspath(source))
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"the clip given as {len(source)} bytes"
    return f"the file object {getattr(source, 'name', type(source).__name__)!r}"


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
    file = _open(source, max_bytes, check_time)
    try:
        size = file.seek(0, io.SEEK_END)
        _check_size(size, source, max_bytes)
        file.seek(0)
        yield file
    finally:
        if file is not source:
            file.close()


def _open(source: MediaSource, max_bytes: int, check_time: Callable[[], None]) -> BinaryIO:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(source)
    if isinstance(source, (str, os.PathLike)):
        return _open_named(os.fspath(source), max_bytes, check_time)
    if isinstance(source, io.TextIOBase) or not hasattr(source, "read"):
        raise MediaError(
            f"{source_name(source)} cannot be read as a clip: pass a path, a URL, bytes or a file opened with mode 'rb'."
        )
    if hasattr(source, "seek") and (not hasattr(source, "seekable") or source.seekable()):
        return source
    return _read_all(source, source, max_bytes, check_time)


def _open_named(name: str, max_bytes: int, check_time: Callable[[], None]) -> BinaryIO:
    scheme = name.split("://", 1)[0].lower() if "://" in name else ""
    try:
        if scheme in ("http", "https"):
            return _fetch(name, max_bytes, check_time)
        if scheme:
            with fsspec.open(name, "rb") as file:
                return _read_all(file, name, max_bytes, check_time)
        if Path(name).is_dir():
            raise MediaError(f"{name!r} is a folder, not a clip: pass the path of one file.")
        return open(name, "rb")
    except FileNotFoundError as error:
        raise MediaError(f"{name!r} does not exist: check the path.") from error
    except (OSError, ImportError) as error:
        raise MediaError(f"{name!r} cannot be opened ({error}): check that it exists and may be read.") from error
    except ValueError as error:
        if isinstance(error, MediaError):
            raise
        raise MediaError(f"{name!r} is neither a path nor a URL that can be opened ({error}).") from error


def _fetch(url: str, max_bytes: int, check_time: Callable[[], None]) -> BinaryIO:
    """Downloads a file. What may be over in a moment is tried again: of many clips some always meet a busy server."""
    for waited in (*_WAITS_SECONDS, None):
        try:
            # Not through fsspec: its HTTP client is an extra that this package does not need otherwise.
            with urllib.request.build_opener().open(url, timeout=_TIMEOUT_SECONDS) as response:
                return _read_all(response, url, max_bytes, check_time)
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            if waited is None or getattr(error, "code", 503) not in _PASSING_STATUS:
                raise
        time.sleep(waited)
        check_time()


def _read_all(file, source: MediaSource, max_bytes: int, check_time: Callable[[], None]) -> BinaryIO:
    buffer = io.BytesIO()
    # `read1`, where there is one, gives what has come so far: a server that trickles is noticed within one piece.
    read = getattr(file, "read1", file.read)
    while chunk := read(_CHUNK_BYTES):
        buffer.write(chunk)
        _check_size(buffer.tell(), source, max_bytes)
        check_time()
    return buffer


def _check_size(size: int, source: MediaSource, max_bytes: int) -> None:
    if size == 0:
        raise MediaError(f"{source_name(source)} is empty: there is no clip in it.")
    if size > max_bytes:
        raise MediaError(
            f"{source_name(source)} has more than the {max_bytes} bytes allowed: pass a smaller clip or raise"
            " MediaLimits.max_bytes."
        )
