"""One machine that serves: uvicorn, and an end that loses no request."""

import asyncio
import logging
from types import FrameType

import uvicorn
from fastapi import FastAPI

from .application import create_app
from .engine import Engine

logger = logging.getLogger("transformers_ggm")

_OF_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")


def serve(engine: Engine, host: str, port: int) -> None:
    """
    Answers requests until the process is told to end (SIGTERM, or Ctrl-C): then `/ready` says so for
    `drain_seconds`, in which requests are still taken, and what is under way is answered.

    Args:
        engine ([`Engine`]): Answers.
        host (`str`): Address to listen on; `"0.0.0.0"` for all of the machine's.
        port (`int`): Likewise.
    """
    settings = engine.settings
    if settings.api_key is None and host not in _OF_THIS_MACHINE:
        logger.warning(f"Without a key, everybody who reaches {host} is answered: set GGM_API_KEY.")
    app = create_app(engine)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="info",
        timeout_graceful_shutdown=round(settings.request_seconds + settings.upload_seconds),
    )
    DrainingServer(config, app, settings.drain_seconds).run()


class DrainingServer(uvicorn.Server):
    """
    Uvicorn, which at the first signal waits for whoever sends requests to notice that it ends.

    Args:
        config (`uvicorn.Config`): Its options.
        app (`FastAPI`): The application.
        drain_seconds (`float`): How long it waits.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI, drain_seconds: float):
        super().__init__(config)
        self._app, self._drain_seconds = app, drain_seconds

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._app.state.draining or not self.started:
            # Who asks twice does not want to wait.
            super().handle_exit(sig, frame)
            return
        self._app.state.draining = True
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(loop.call_later, self._drain_seconds, self._end)

    def _end(self) -> None:
        # Not noted as a signal, which uvicorn would raise again at its end: this is an end as it should be.
        self.should_exit = True
