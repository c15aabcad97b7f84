"""The application: its routes, and how one request is answered."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, nullcontext
from typing import Annotated, Any

from fastapi import FastAPI, File, Request, Response, Security
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader

from ..errors import RequestError
from ..version import __version__
from .admission import UPLOADS, Admission
from .client_files import ClientClip, requested_clip, uploaded_clip
from .counting import Counting
from .engine import Engine
from .errors_as_json import answer_errors
from .request_options import (
    ErrorAnswer,
    FeedbackAnswer,
    FeedbackRequest,
    HashtagRequest,
    StateAnswer,
    SuggestionAnswer,
    SuggestionOptions,
    UploadForm,
)
from .serving_metrics import MEDIA_TYPE

_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": description}
    for status, description in {
        401: "The key is missing or wrong.",
        403: "The clip may not be fetched or read from there.",
        404: "There is no such clip below the server's folder.",
        408: "The body took too long to come.",
        413: "The body, or the clip behind the URL, is too large.",
        422: "The clip cannot be read, or a field is wrong.",
        429: "The server has enough to do: try again after `Retry-After` seconds.",
        502: "The clip cannot be fetched.",
        504: "The answer, or the clip behind the URL, took too long.",
    }.items()
}
# Nobody sees it but who reads the metrics.
_CLIENT_IS_GONE = 499


def create_app(engine: Engine) -> FastAPI:
    """
    An ASGI application that answers requests with hashtags.

    The engine runs from the application's start to its end (its lifespan). `app.state.draining = True` has `/ready`
    tell that no more requests should be sent; those that come are answered all the same.

    Args:
        engine ([`Engine`]): Has the pipeline, the settings and the metrics.

    Returns:
        `FastAPI`: For any server of ASGI applications.

    Example:

    ```python
    >>> from transformers import pipeline
    >>> from transformers_ggm.serving import Engine, ServingSettings, create_app

    >>> app = create_app(Engine(pipeline("hashtag-generation"), ServingSettings()))
    >>> sorted(path for path in app.openapi()["paths"] if path.startswith("/v1"))
    ['/v1/hashtags', '/v1/hashtags/upload']

    ```
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with engine.running():
            yield

    app = FastAPI(
        title="transformers-ggm",
        summary="Hashtags for short videos.",
        version=__version__,
        lifespan=lifespan,
    )
    app.state.draining = False
    answer_errors(app)
    _add_hashtags(app, engine)
    if engine.settings.feedback_file is not None:
        _add_feedback(app, engine)
    _add_state(app, engine)
    app.add_middleware(Admission, settings=engine.settings, metrics=engine.metrics)
    # Added last, it is outermost, and counts what is refused.
    app.add_middleware(Counting, metrics=engine.metrics, routes={*app.openapi()["paths"]})
    return app


def _key(engine: Engine) -> list:
    """Tells of the key in OpenAPI; it is checked before a body is read."""
    if engine.settings.api_key is None:
        return []
    return [Security(APIKeyHeader(name="X-API-Key", auto_error=False))]


def _add_hashtags(app: FastAPI, engine: Engine) -> None:
    settings = engine.settings
    told: dict[str, Any] = {
        "response_model": SuggestionAnswer,
        "response_model_exclude_unset": True,
        "responses": _ERRORS,
        "dependencies": _key(engine),
        "tags": ["hashtags"],
    }

    async def answer(clip: ClientClip | None, asked: SuggestionOptions) -> SuggestionAnswer:
        with nullcontext() if clip is None else clip.named():
            found = await engine.answer(asked.item(clip and clip.path), asked)
        parts = found if isinstance(found, dict) else {"hashtags": found}
        return SuggestionAnswer(request_id=asked.request_id, **parts)

    @app.post("/v1/hashtags", summary="Hashtags for a clip behind a URL or path, or for words", **told)
    async def suggest(request: Request, asked: HashtagRequest):
        async def answered() -> SuggestionAnswer:
            async with requested_clip(asked, settings) as clip:
                return await answer(clip, asked)

        request.state.request_id = asked.request_id
        return await _in_time(request, answered(), settings.request_seconds)

    @app.post(UPLOADS, summary="Hashtags for a clip that is sent", **told)
    async def suggest_for_upload(request: Request, form: Annotated[UploadForm, File()]):
        async def answered() -> SuggestionAnswer:
            async with uploaded_clip(form.video.file, form.video.filename or "clip") as clip:
                return await answer(clip, form)

        request.state.request_id = form.request_id
        return await _in_time(request, answered(), settings.request_seconds)


def _add_feedback(app: FastAPI, engine: Engine) -> None:
    @app.post(
        "/v1/feedback",
        summary="Keep what somebody made of suggestions",
        response_model=FeedbackAnswer,
        responses={status: _ERRORS[status] for status in (401, 413, 422)},
        dependencies=_key(engine),
        tags=["feedback"],
    )
    async def keep_feedback(given: FeedbackRequest):
        row = await asyncio.to_thread(
            engine.suggest.feedback, given.item(), given.accepted, given.rejected, engine.settings.feedback_file
        )
        return FeedbackAnswer(hashtags=row["hashtags"], rejected=row["rejected"] or [])


def _add_state(app: FastAPI, engine: Engine) -> None:
    @app.get("/health", summary="Whether the server is alive", response_model=StateAnswer, tags=["state"])
    async def health():
        return StateAnswer(status="ok")

    @app.get(
        "/ready",
        summary="Whether requests should be sent here",
        response_model=StateAnswer,
        responses={503: {"model": StateAnswer}},
        tags=["state"],
    )
    async def ready():
        if app.state.draining or not engine.is_running:
            status = "draining" if app.state.draining else "not started"
            return JSONResponse({"status": status}, 503)
        return StateAnswer(status=engine.state)

    @app.get("/metrics", summary="For Prometheus", response_class=Response, tags=["state"])
    async def metrics():
        return Response(engine.metrics.page(), media_type=MEDIA_TYPE)


async def _in_time(request: Request, work: Awaitable[Any], seconds: float) -> Any:
    """The result of some work, which is given up when time is up or its client has gone."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if gone.done():
            raise RequestError(_CLIENT_IS_GONE, "the client has gone.")
        raise RequestError(504, f"there is no answer after {seconds:g} s: the server has too much to do.")
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
