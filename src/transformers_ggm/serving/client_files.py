"""The clip of a request as an open file, whatever way it comes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO

from ..errors import InputError, RequestError
from .request_options import HashtagRequest
from .rooted_clips import rooted_clip
from .settings import ServingSettings
from .url_clips import fetch_clip


class ClientFile:
    """
    A file that messages call what the client calls it, and not what it is on this machine.

    Args:
        file (`IO[bytes]`): Seekable.
        name (`str`): What the client calls it.
    """

    def __init__(self, file: IO[bytes], name: str):
        self._file, self.name = file, name
        self.read, self.seek, self.tell = file.read, file.seek, file.tell

    def seekable(self) -> bool:
        return True


@asynccontextmanager
async def requested_clip(asked: HashtagRequest, settings: ServingSettings) -> AsyncIterator[ClientFile | None]:
    """
    The clip that a request names, open while the block runs; `None` for words alone.

    Args:
        asked ([`HashtagRequest`]): The request.
        settings ([`ServingSettings`]): What may be read and fetched.

    Raises:
        InputError: It names two.
        RequestError: What it names may not be read, or is not there.
    """
    if asked.url is not None and asked.path is not None:
        raise InputError("give a url or a path of the clip, and not both.")
    if asked.url is not None:
        file = await _fetched(asked.url, settings)
    elif asked.path is not None:
        file = await asyncio.to_thread(_opened, asked.path, settings)
    else:
        yield None
        return
    try:
        yield ClientFile(file, asked.url or asked.path)
    finally:
        file.close()


async def _fetched(url: str, settings: ServingSettings) -> IO[bytes]:
    if not settings.allowed_hosts:
        raise RequestError(403, "url: this server fetches no clips: send the clip itself.")
    return await fetch_clip(url, settings.allowed_hosts, settings.max_upload_bytes, settings.fetch_seconds)


def _opened(path: str, settings: ServingSettings) -> IO[bytes]:
    if settings.root is None:
        raise RequestError(403, "path: this server reads no clips of its own: send the clip itself.")
    try:
        return open(rooted_clip(settings.root, path), "rb")
    except OSError:
        raise RequestError(404, "path: the file cannot be read.") from None
