"""What goes wrong, as answers: our messages, and nothing of the server's own."""

import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ..errors import HashtagError, InputError, MediaError, RequestError, StoreError
from .request_options import ErrorAnswer

logger = logging.getLogger("transformers_ggm")

# The request's own faults: their messages name what it says, and no file of this machine.
_OF_REQUEST = (InputError, MediaError, HashtagError)
_KINDS = {404: "NotFound", 405: "MethodNotAllowed", 408: "RequestTimeout", 413: "ContentTooLarge"}


def error_response(error: Exception, request: Request | None = None) -> JSONResponse:
    """
    The answer that tells of an error.

    Args:
        error (`Exception`): Any.
        request (`Request`, *optional*): Whose id it brings back, where that is known.
    """
    request_id = None if request is None else getattr(request.state, "request_id", None)
    if isinstance(error, RequestError):
        return _response(error.status, type(error).__name__, str(error), request_id, error.headers)
    if isinstance(error, _OF_REQUEST):
        kind = next(kind.__name__ for kind in type(error).__mro__ if kind in _OF_REQUEST)
        return _response(422, kind, str(error), request_id)
    if isinstance(error, RequestValidationError):
        return _response(422, "InputError", _fields_told(error), request_id)
    if isinstance(error, HTTPException):
        kind = _KINDS.get(error.status_code, "RequestError")
        return _response(error.status_code, kind, str(error.detail), request_id, error.headers)
    status = 503 if isinstance(error, (StoreError, MemoryError)) else 500
    return _response(status, "ServerError", "the server could not answer: its log tells why.", request_id)


def answer_errors(app: FastAPI) -> None:
    """Has an application answer errors so."""

    async def tell(request: Request, error: Exception) -> JSONResponse:
        return error_response(error, request)

    for kind in (RequestError, *_OF_REQUEST, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, tell)


def _response(
    status: int, kind: str, message: str, request_id: str | None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    answer = ErrorAnswer(error=kind, message=message, request_id=request_id)
    return JSONResponse(answer.model_dump(), status, dict(headers or {}))


def _fields_told(error: RequestValidationError) -> str:
    """Which fields are wrong, without what they held: that may be long, or not for logs."""
    return "; ".join(f"{'.'.join(map(str, each['loc'][1:])) or 'body'}: {each['msg']}" for each in error.errors())
