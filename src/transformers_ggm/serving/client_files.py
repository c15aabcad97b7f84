"""The clip of a request as a file, whatever way it comes."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import IO

from ..errors import InputError, MediaError, RequestError
from .request_options import HashtagRequest
from .rooted_clips import rooted_clip
from .settings import ServingSettings
from .url_clips import fetch_clip


@dataclass(frozen=True)
class ClientClip:
    """
    A clip that messages call what the client calls it, and not what it is on this machine.

    Attributes:
        path (`str`): of the file.
        name (`str`): what the client calls it.
    """

    path: str
    name: str

    @contextmanager
    def named(self) -> Iterator[None]:
        """
        Raises:
            MediaError: What is raised within, with the client's name in its message.
        """
        try:
            yield
        except MediaError as error:
            told = str(error).replace(repr(self.path), repr(self.name)).replace(self.path, self.name)
            raise MediaError(told) from error


@asynccontextmanager
async def requested_clip(asked: HashtagRequest, settings: ServingSettings) -> AsyncIterator[ClientClip | None]:
    """
    The clip that a request names, there while the block runs; `None` for words alone.

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
        if not settings.allowed_hosts:
            raise RequestError(403, "url: this server fetches no clips: send the clip itself.")
        limits = (settings.allowed_hosts, settings.max_upload_bytes, settings.fetch_seconds)
        with tempfile.NamedTemporaryFile() as file:
            await fetch_clip(asked.url, file, *limits)
            yield ClientClip(file.name, asked.url)
    elif asked.path is not None:
        if settings.root is None:
            raise RequestError(403, "path: this server reads no clips of its own: send the clip itself.")
        yield ClientClip(await asyncio.to_thread(rooted_clip, settings.root, asked.path), asked.path)
    else:
        yield None


@asynccontextmanager
async def uploaded_clip(upload: IO[bytes], name: str) -> AsyncIterator[ClientClip]:
    """
    A clip that was sent, there while the block runs.

    Args:
        upload (`IO[bytes]`): What came; it is copied and closed, since it has no name by which a process finds it.
        name (`str`): What the client calls it.
    """
    with tempfile.NamedTemporaryFile() as file:
        await asyncio.to_thread(_copy, upload, file)
        yield ClientClip(file.name, name)


def _copy(upload: IO[bytes], file: IO[bytes]) -> None:
    with upload:
        shutil.copyfileobj(upload, file, 1 << 20)
    file.flush()
