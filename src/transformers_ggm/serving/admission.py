"""What a request must pass before it is read: the key, room for one more, and limits on its body."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from fastapi.exceptions import HTTPException

from ..errors import RequestError
from .errors_as_json import error_response
from .serving_metrics import ServingMetrics
from .settings import ServingSettings

# Within a path, since an application may be put below another one's path.
GUARDED = "/v1/"
UPLOADS = "/v1/hashtags/upload"
# Other bodies are read into memory, and hold words alone.
_MAX_JSON_BYTES = 1 << 20
_RETRY_AFTER_SECONDS = 1
# An answer that comes while the body is still sent is lost to most clients: for so long, it is read and thrown away.
_LINGER_SECONDS = 1.0


class Admission:
    """
    Lets requests below `/v1/` through to an ASGI application, or refuses them before their bodies are read.

    Args:
        app: The ASGI application.
        settings ([`ServingSettings`]): Key, number of requests, size and time of a body.
        metrics ([`ServingMetrics`]): Where refusals are counted.
    """

    def __init__(self, app: Callable, settings: ServingSettings, metrics: ServingMetrics):
        self._app, self._settings, self._metrics = app, settings, metrics
        self._num_admitted = 0

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        if scope["type"] != "http" or GUARDED not in scope["path"]:
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        max_bytes = self._settings.max_upload_bytes
        if not scope["path"].endswith(UPLOADS):
            max_bytes = min(max_bytes, _MAX_JSON_BYTES)
        try:
            self._check(headers, max_bytes)
        except RequestError as error:
            if b"expect" not in headers:
                await _throw_away(receive)
            await error_response(error)(scope, receive, send)
            return
        self._num_admitted += 1
        self._metrics.in_flight.set(self._num_admitted)
        try:
            await self._app(scope, _BoundedBody(receive, max_bytes, self._settings.upload_seconds), send)
        finally:
            self._num_admitted -= 1
            self._metrics.in_flight.set(self._num_admitted)

    def _check(self, headers: dict[bytes, bytes], max_bytes: int) -> None:
        settings, close = self._settings, {"Connection": "close"}
        if settings.api_key is not None:
            given = headers.get(b"x-api-key", b"")
            if not hmac.compare_digest(given, settings.api_key.encode()):
                self._metrics.rejected.labels("key").inc()
                raise RequestError(
                    401, "the header X-API-Key is missing or wrong.", close | {"WWW-Authenticate": "ApiKey"}
                )
        size = headers.get(b"content-length", b"0")
        if size.isdigit() and int(size) > max_bytes:
            self._metrics.rejected.labels("size").inc()
            raise _too_large(max_bytes)
        if self._num_admitted >= settings.max_requests:
            self._metrics.rejected.labels("full").inc()
            message = f"the server has {settings.max_requests} requests to answer already: try again later."
            raise RequestError(429, message, close | {"Retry-After": str(_RETRY_AFTER_SECONDS)})


class _BoundedBody:
    """The messages of a request, until its body is too large or too slow."""

    def __init__(self, receive: Callable[[], Awaitable[dict]], max_bytes: int, max_seconds: float):
        self._receive, self._max_bytes, self._max_seconds = receive, max_bytes, max_seconds
        self._end = asyncio.get_running_loop().time() + max_seconds
        self._size = 0
        self._is_complete = False

    async def __call__(self) -> dict[str, Any]:
        if self._is_complete:
            # Nothing but the end of the connection, which may take as long as the answer.
            return await self._receive()
        try:
            rest = self._end - asyncio.get_running_loop().time()
            message = await asyncio.wait_for(self._receive(), max(rest, 0.0))
        except asyncio.TimeoutError:
            message = f"the body of the request did not come within {self._max_seconds:g} s."
            raise _as_http(RequestError(408, message, {"Connection": "close"})) from None
        self._size += len(message.get("body", b""))
        self._is_complete = not message.get("more_body", False)
        if self._size > self._max_bytes:
            await _throw_away(self._receive)
            raise _as_http(_too_large(self._max_bytes))
        return message


def _too_large(max_bytes: int) -> RequestError:
    message = f"the body of the request has more than the {max_bytes} bytes allowed."
    return RequestError(413, message, {"Connection": "close"})


def _as_http(error: RequestError) -> HTTPException:
    # What parses bodies takes all other exceptions for faults of the form.
    return HTTPException(error.status, str(error), error.headers)


async def _throw_away(receive: Callable[[], Awaitable[dict]]) -> None:
    async def read() -> None:
        while (await receive()).get("more_body", False):
            pass

    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(read(), _LINGER_SECONDS)
