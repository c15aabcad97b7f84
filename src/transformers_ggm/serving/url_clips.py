"""
Clips behind URLs, fetched without being led to what only this machine can reach.

A name is resolved once, each of its addresses is looked at, and one of those is connected to: a name server cannot
answer the check with one address and the connection with another. Redirects are followed by hand, each as a URL of its
own.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from typing import IO
from urllib.parse import urljoin, urlsplit

import httpcore

from ..errors import RequestError
from ..utils.http_files import browser_url
from ..utils.opening import shown_name
from ..version import __version__

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 3
_PORTS = {"http": 80, "https": 443}
# Addresses of IPv4 within IPv6, as some networks reach them.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_HEADERS = [("User-Agent", f"transformers-ggm/{__version__}"), ("Accept", "*/*"), ("Accept-Encoding", "identity")]


async def fetch_clip(
    url: str, file: IO[bytes], allowed_hosts: Sequence[str], max_bytes: int, max_seconds: float
) -> None:
    """
    Fetches a clip into a file.

    Args:
        url (`str`): Of HTTP or HTTPS.
        file (`IO[bytes]`): It is written to.
        allowed_hosts (`Sequence[str]`): Hosts, lower case: `cdn.example.com`, with all below it as `*.example.com`,
            with a port as `cdn.example.com:8080`; `*` is every public one.
        max_bytes (`int`), max_seconds (`float`): What it may be at most, and how long it may take.

    Raises:
        RequestError: The URL is not allowed, leads to a private address or too far, is too large or slow, or its
            server does not answer with a file.
    """
    try:
        await asyncio.wait_for(_fetch(url, allowed_hosts, max_bytes, file), max_seconds)
    except asyncio.TimeoutError:
        raise RequestError(504, f"{shown_name(url)} takes longer to come than {max_seconds:g} s.") from None
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
        # Not what it says: that could tell which ports of which machines are open.
        message = f"{shown_name(url)} cannot be fetched: its server does not answer as it should."
        raise RequestError(502, message) from error


async def _fetch(url: str, allowed_hosts: Sequence[str], max_bytes: int, file: IO[bytes]) -> None:
    async with httpcore.AsyncConnectionPool(network_backend=_PublicBackend()) as connections:
        for _ in range(_MOST_REDIRECTS + 1):
            target = checked_url(url, allowed_hosts)
            async with connections.stream("GET", target, headers=_HEADERS) as response:
                if response.status in _REDIRECTS:
                    url = urljoin(target, _header(response, b"location"))
                    continue
                if response.status != 200:
                    raise RequestError(502, f"{shown_name(url)} cannot be fetched: HTTP status {response.status}.")
                await _read(response, url, max_bytes, file)
                return
    raise RequestError(422, f"{shown_name(url)} is redirected more than {_MOST_REDIRECTS} times.")


async def _read(response: httpcore.Response, url: str, max_bytes: int, file: IO[bytes]) -> None:
    size = 0
    async for piece in response.aiter_stream():
        size += len(piece)
        if size > max_bytes:
            raise RequestError(413, f"{shown_name(url)} has more than the {max_bytes} bytes allowed.")
        await asyncio.to_thread(file.write, piece)
    file.flush()


def checked_url(url: str, allowed_hosts: Sequence[str]) -> str:
    """
    A URL as it is asked for, if its host is allowed.

    Args:
        url (`str`), allowed_hosts (`Sequence[str]`): As in [`fetch_clip`].

    Raises:
        RequestError: It is no URL of HTTP, has a name and password in it, or its host or port is not allowed.
    """
    try:
        asked = browser_url(url)
        parts = urlsplit(asked)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise RequestError(422, f"url: {shown_name(url)} is no URL.") from error
    if parts.scheme not in _PORTS or not host or "@" in urlsplit(url).netloc:
        raise RequestError(422, f"url: {shown_name(url)} is no URL of http or https without a password in it.")
    names = {host, *(f"*.{host.split('.', i)[-1]}" for i in range(1, host.count(".") + 1)), "*"}
    if port not in (None, _PORTS[parts.scheme]):
        names = {f"{name}:{port}" for name in names}
    if names.isdisjoint(allowed_hosts):
        raise RequestError(403, f"url: this server fetches no clips from {shown_name(parts.netloc)}.")
    return asked


class _PublicBackend(httpcore.AnyIOBackend):
    """Connects to public addresses alone."""

    async def connect_tcp(self, host: str, port: int, *args, **kwargs) -> httpcore.AsyncNetworkStream:
        return await super().connect_tcp(await public_address(host, port), port, *args, **kwargs)


async def public_address(host: str, port: int) -> str:
    """
    The first address of a host, if all are public.

    Args:
        host (`str`): A name or an address.
        port (`int`): Where it is to be connected to.

    Raises:
        RequestError: It has none, or one is not public.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise RequestError(422, f"url: the host {shown_name(host)} is not known.") from error
    addresses = [entry[4][0] for entry in found]
    if not addresses or not all(map(is_public, addresses)):
        raise RequestError(
            403, f"url: the host {shown_name(host)} is not public: this server fetches nothing from it."
        )
    return addresses[0]


def is_public(address: str) -> bool:
    """
    Whether an address is one of the internet, and not of this machine, of a private network or of many at once. An
    address of IPv4 within one of IPv6 is looked at as such.

    Example:

    ```python
    >>> from transformers_ggm.serving.url_clips import is_public

    >>> [is_public(address) for address in ("93.184.215.14", "10.0.0.1", "::1", "::ffff:127.0.0.1")]
    [True, False, False, False]

    ```
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found in _NAT64:
            found = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        else:
            within = found.ipv4_mapped or found.sixtofour or (found.teredo and found.teredo[1])
            found = within or found
    return found.is_global and not found.is_multicast and not found.is_reserved


def _header(response: httpcore.Response, name: bytes) -> str:
    values = [value for key, value in response.headers if key.lower() == name]
    if not values:
        raise RequestError(502, "url: its server redirects to nowhere.")
    return values[0].decode("latin-1")
