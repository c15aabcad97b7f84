"""Files behind `http://` and `https://`, read from their start on."""

import base64
import http.client
import io
import urllib.error
import urllib.parse
import urllib.request

from ..version import __version__

_TIMEOUT_SECONDS = 30.0
# What a browser leaves as it is: what has a meaning in an address, and what is quoted already.
_KEPT = "/%:@!$&'()*+,;=~"
_SAFE_IN_QUERY = _KEPT + "?[]{}|\\^`"
# No others: a server must not send its readers on to files or other protocols.
_HANDLERS = (
    urllib.request.ProxyHandler,
    urllib.request.HTTPHandler,
    urllib.request.HTTPSHandler,
    urllib.request.HTTPDefaultErrorHandler,
    urllib.request.HTTPRedirectHandler,
    urllib.request.HTTPErrorProcessor,
    urllib.request.UnknownHandler,
)


class HttpStatusError(OSError):
    """A server answers, but not with the file.

    Args:
        status (`int`): As the server says it, such as 404.
        reason (`str`): What it says of it.
    """

    def __init__(self, status: int, reason: str):
        super().__init__(f"HTTP status {status} {reason}".rstrip())
        self.status = status


def browser_url(url: str) -> str:
    """
    A URL as a browser asks for it: spaces and other letters are quoted, what is quoted already is not quoted again.

    Example:

    ```python
    >>> from transformers_ggm.utils.http_files import browser_url
    >>> browser_url("https://münchen.example/erster Schnee%21.mp4?key=ä b")
    'https://xn--mnchen-3ya.example/erster%20Schnee%21.mp4?key=%C3%A4%20b'

    ```
    """
    parts = urllib.parse.urlsplit(url.strip())
    place = parts.netloc.rpartition("@")[2]
    if not place.isascii():
        place = place.encode("idna").decode()
    path = urllib.parse.quote(parts.path, safe=_KEPT, errors="surrogateescape")
    query = urllib.parse.quote(parts.query, safe=_SAFE_IN_QUERY, errors="surrogateescape")
    return urllib.parse.urlunsplit((parts.scheme, place, path, query, ""))


def open_http(url: str) -> "HttpFile":
    """Asks for a file. Raises whatever `urllib` and `http.client` raise, and [`HttpStatusError`]."""
    request = urllib.request.Request(  # noqa: S310
        browser_url(url), headers={"User-Agent": f"transformers-ggm/{__version__}"}
    )
    parts = urllib.parse.urlsplit(url.strip())
    if parts.username is not None:
        user = urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or "")
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(':'.join(user).encode()).decode()}")
    opener = urllib.request.OpenerDirector()
    for handler in _HANDLERS:
        opener.add_handler(handler())
    try:
        return HttpFile(opener.open(request, timeout=_TIMEOUT_SECONDS))
    except urllib.error.HTTPError as error:
        error.close()
        raise HttpStatusError(error.code, str(error.reason)) from error


class HttpFile(io.RawIOBase):
    """
    What a server sends, as it comes.

    Args:
        response (`http.client.HTTPResponse`): Its answer.

    Attributes:
        version (`list[str]`): What the server says of the file's state; another one for another state.
    """

    def __init__(self, response: http.client.HTTPResponse):
        self._response = response
        self.version = [response.headers.get(field) for field in ("ETag", "Last-Modified", "Content-Length")]

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        # `read1` gives what has come so far: a server that trickles is noticed within one piece.
        piece = self._response.read1(size)
        if not piece and self._response.length:
            # No error for `http.client`.
            raise ConnectionError(f"it ended {self._response.length} bytes too early")
        return piece

    def close(self) -> None:
        self._response.close()
        super().close()
