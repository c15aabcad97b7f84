"""Applications that are called in the test's own process, or by a server on a port of this machine."""

import asyncio
import socket
import threading
from contextlib import asynccontextmanager, contextmanager

import httpx
import uvicorn

from transformers_ggm.pipelines.call_steps import CallSteps
from transformers_ggm.serving import Engine, ServingSettings, create_app

HASHTAGS, UPLOAD = "/v1/hashtags", "/v1/hashtags/upload"


@asynccontextmanager
async def client_of(engine, **options):
    """A client of an application that runs meanwhile."""
    transport = httpx.ASGITransport(create_app(engine), raise_app_exceptions=False)
    async with engine.running(), httpx.AsyncClient(transport=transport, base_url="http://test", **options) as client:
        yield client


def answers(suggest, ask, **settings):
    """What `ask(client)` gives, of an application with such settings."""

    async def asked():
        async with client_of(Engine(suggest, ServingSettings(**{"isolate_decoding": False, **settings}))) as client:
            return await ask(client)

    return asyncio.run(asked())


def posted(suggest, path=HASHTAGS, headers=None, given=None, **request):
    """The answer to one request."""
    return answers(suggest, lambda client: client.post(path, headers=headers, **request), **(given or {}))


@contextmanager
def listening(suggest, **settings):
    """A server on a port of its own, and its engine: for what needs a connection."""
    engine = Engine(suggest, ServingSettings(**{"isolate_decoding": False, **settings}))
    # Older versions of uvicorn change the loops of all of the process where uvloop is installed.
    options = {"log_level": "warning", "timeout_graceful_shutdown": 5, "loop": "asyncio"}
    server = uvicorn.Server(uvicorn.Config(create_app(engine), **options))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname(), engine
        finally:
            server.should_exit = True
            thread.join()


class HeldModels:
    """Models that answer only once they are let go."""

    def __init__(self, monkeypatch):
        self.begun, self.let_go = threading.Event(), threading.Event()
        run = CallSteps.run

        def held(steps, prepared):
            self.begun.set()
            assert self.let_go.wait(60)
            return run(steps, prepared)

        monkeypatch.setattr(CallSteps, "run", held)
