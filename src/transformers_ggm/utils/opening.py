"""Opening what a path or an address names: one way for clips, tables and tars, whose every fault is told as ours.

What is opened is made by others: libraries of stores, servers, disks, file objects. None of them promises which
exceptions it raises, so that none is listed here: what passes a [`foreign`] boundary becomes an error of this package.
"""

import http.client
import io
import os
import stat
import time
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import fsspec

from .http_files import HttpStatusError, open_http

# Waits before something that broke is tried again.
WAITS_SECONDS = (0.5, 2.0)
# Answers of a server after which it is asked again.
_PASSING_STATUS = (408, 425, 429, 500, 502, 503, 504)
# What waiting does not mend.
_LASTING_ERRORS = (
    FileNotFoundError,
    PermissionError,
    IsADirectoryError,
    NotADirectoryError,
    http.client.InvalidURL,
)
_SHOWN_CHARACTERS = 300
_CHUNK_BYTES = 1 << 20


def is_url(name: str) -> bool:
    """Tells whether `name` is a URL (`https://...`, `s3://...`, `memory://...`) and not a local path."""
    return "://" in name


def is_http(name: str) -> bool:
    """
    Tells whether `name` is a URL that is read without fsspec, whose HTTP client is not made for forked processes.
    """
    return name.lstrip().lower().startswith(("http://", "https://"))


def local_name(name: str) -> str:
    """
    Gives a `file://` URL as the path it stands for, and anything else as it is.

    Example:

    ```python
    >>> from transformers_ggm.utils.opening import local_name
    >>> local_name("file:///clips/first%20snow.mp4")
    '/clips/first snow.mp4'

    ```
    """
    if not name.lower().startswith("file://"):
        return name
    path = urllib.parse.urlsplit(name).path
    if os.name == "nt":
        return urllib.request.url2pathname(path)
    # `url2pathname` would replace bytes that are not UTF-8.
    return os.fsdecode(urllib.parse.unquote_to_bytes(path))


def shown_name(name: str) -> str:
    """A path or URL as messages show it: a text that was taken for one can be long."""
    return _short(repr(name))


def _short(text: str) -> str:
    text = " ".join(text.split())  # one line, whatever a server says
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


@contextmanager
def foreign(name: str, error_class: type[Exception]) -> Iterator[None]:
    """
    The boundary around calls of others' code: their exceptions become `error_class`, which names what was opened.
    Errors of that class pass as they are, and so do a full memory and the end of the program.

    Args:
        name (`str`): What messages call it.
        error_class (`type`): `MediaError` or `DatasetError`.
    """
    try:
        yield
    except (MemoryError, error_class):
        raise
    except Exception as error:
        raise told(name, error, error_class) from error


def told(name: str, error: Exception, error_class: type[Exception]) -> Exception:
    """What someone else's exception means for whoever named the file."""
    if isinstance(error, FileNotFoundError):
        return error_class(f"{name} does not exist: check the path.")
    kind = type(error).__name__
    reason = str(error) if isinstance(error, OSError) else f"{kind}: {error}"
    if isinstance(error, OSError) and error.strerror:
        reason = error.strerror  # without the name, which is told already
    return error_class(f"{name} cannot be read ({_short(reason) or kind}): check that it exists and may be read.")


def open_named(name: str, error_class: type[Exception], check_time: Callable[[], None] = lambda: None) -> io.RawIOBase:
    """
    Opens a local path, a URL of HTTP (read from its start only, not seekable) or another URL that fsspec knows.

    Args:
        name (`str`): The path or URL. URLs are quoted where a browser would quote them.
        error_class (`type`): What is raised for all that goes wrong now and later, `MediaError` or `DatasetError`.
        check_time (`Callable[[], None]`, *optional*): Called before something is tried again, to raise when it takes
            too long.

    Returns:
        `io.RawIOBase`: The file. What breaks while it is read is opened anew, and read on from where it was.
    """
    file = NamedFile(name, error_class, check_time)
    file.seekable()  # opens it
    return file


class NamedFile(io.RawIOBase):
    """
    A file behind a name. What breaks, and may be over in a moment, is tried again: of many files some always meet a
    busy server, or a connection that is cut.

    Args: as for [`open_named`].

    Attributes:
        version (`list[str]` or `None`): What a server of HTTP says of the file's state, once it was opened.
    """

    def __init__(self, name: str, error_class: type[Exception], check_time: Callable[[], None]):
        self._path = local_name(name)
        self._shown = shown_name(name)
        self._error_class = error_class
        self._check_time = check_time
        self._file: Any = None
        self.version: Any = None
        self._position = 0
        self._checksum = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._tried(lambda file: file.seekable())

    def readinto(self, buffer) -> int:
        piece = self._tried(lambda file: _bytes_of(file, len(buffer)))
        buffer[: len(piece)] = piece
        self._position += len(piece)
        if is_http(self._path):
            self._checksum = zlib.crc32(piece, self._checksum)
        return len(piece)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        def moved(file) -> int:
            if whence == io.SEEK_END:
                file.seek(offset, whence)
                return file.tell()
            target = offset + (self._position if whence == io.SEEK_CUR else 0)
            file.seek(target)
            return target

        self._position = self._tried(moved)
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        if not self.closed:
            self._leave()
        super().close()

    def _tried(self, work: Callable[[Any], Any]) -> Any:
        """Does something with the opened file; opens it again where that, or what is done with it, fails."""
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        for wait in (*WAITS_SECONDS, None):
            try:
                if self._file is None:
                    self._open()
                return work(self._file)
            except MemoryError:
                raise
            except Exception as error:
                was_open = self._file is not None
                self._leave()
                if wait is None or not _may_be_over(error, was_open, self._path):
                    raise told(self._shown, error, self._error_class) from error
            time.sleep(wait)
            self._check_time()

    def _open(self) -> None:
        self._file = _open(self._path)
        self.version = getattr(self._file, "version", None)
        if is_http(self._path):
            self._read_again()
        elif self._position:
            self._file.seek(self._position)

    def _read_again(self) -> None:
        """Passes over what was read before, which must be what it was."""
        missing, checksum = self._position, 0
        while missing:
            piece = _bytes_of(self._file, min(missing, _CHUNK_BYTES))
            if not piece:
                break
            missing, checksum = missing - len(piece), zlib.crc32(piece, checksum)
            self._check_time()
        if missing or checksum != self._checksum:
            raise _ChangedError("it changed while it was read")

    def _leave(self) -> None:
        file, self._file = self._file, None
        try:
            if file is not None:
                file.close()
        except MemoryError:
            raise
        except Exception:  # noqa: S110
            # What was read is read: that a file cannot be let go of properly harms nothing.
            pass


class _ChangedError(OSError):
    """A file is not the one that was begun."""


def _open(name: str) -> Any:
    if is_http(name):
        return open_http(name)
    if is_url(name):
        return fsspec.open(name, "rb").open()
    status = os.stat(name)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError("it is a folder: pass the path of one file")
    if not stat.S_ISREG(status.st_mode):
        # Opening a pipe waits for someone who writes to it, perhaps for ever.
        raise PermissionError("it is a pipe or device, no file: pass a file object that reads it")
    return open(name, "rb", buffering=0)


def _bytes_of(file, size: int) -> bytes:
    piece = file.read(size) or b""
    if not isinstance(piece, (bytes, bytearray, memoryview)):
        raise TypeError(f"reading it gives {type(piece).__name__} and not bytes")
    if len(piece) > size:
        raise ValueError(f"reading {size} bytes of it gives {len(piece)}")
    return piece


def _may_be_over(error: Exception, was_open: bool, name: str) -> bool:
    """Whether the same may succeed in a moment. What could be opened is there, whatever breaks off reading it."""
    if not is_url(name) or isinstance(error, _ChangedError):
        return False
    if isinstance(error, HttpStatusError):
        return error.status in _PASSING_STATUS
    if was_open:
        return True
    broken = (OSError, http.client.HTTPException) if is_http(name) else OSError
    return isinstance(error, broken) and not isinstance(error, _LASTING_ERRORS)
