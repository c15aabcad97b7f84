"""The end of a server."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest
import uvicorn
from served import HASHTAGS, HeldModels

from transformers_ggm.serving import Engine, ServingSettings, create_app
from transformers_ggm.serving.server import DrainingServer

pytestmark = pytest.mark.contract


def test_what_is_under_way_is_answered_at_the_end(suggest, monkeypatch):
    """Would fail if a server that is told to end did not say so to whoever sends requests, refused those that still
    come, or went without answering those that it has."""
    models = HeldModels(monkeypatch)

    async def scenario():
        app = create_app(Engine(suggest, ServingSettings(isolate_decoding=False)))
        server = DrainingServer(uvicorn.Config(app, log_level="warning"), app, drain_seconds=0.5)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            ended = asyncio.ensure_future(server.serve([listener]))
            async with httpx.AsyncClient(base_url=url, timeout=60) as client:
                while not server.started:
                    await asyncio.sleep(0.01)
                assert (await client.get("/ready")).status_code == 200
                first = asyncio.ensure_future(client.post(HASHTAGS, json={"description": "snow"}))
                assert await asyncio.to_thread(models.begun.wait, 60)
                server.handle_exit(signal.SIGTERM, None)
                told = await client.get("/ready")
                assert told.status_code == 503 and told.json() == {"status": "draining"}
                assert (await client.get("/health")).status_code == 200
                late = asyncio.ensure_future(client.post(HASHTAGS, json={"description": "late"}))
                while not server.should_exit:
                    await asyncio.sleep(0.01)
                models.let_go.set()
                assert [(await each).status_code for each in (first, late)] == [200, 200]
            await asyncio.wait_for(ended, 30)

    asyncio.run(scenario())


@pytest.mark.slow
def test_the_command_ends_well(clips):
    """Would fail if `ggm serve` did not start, did not follow SIGTERM, or ended as if something were wrong."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "transformers_ggm", "serve", "--port", str(port), "--drain_seconds", "1"]
    environment = {**os.environ, "GGM_API_KEY": "a key of sixteen letters"}
    with subprocess.Popen(command, env=environment, text=True) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            end = time.monotonic() + 600
            while not is_ready(url):
                assert time.monotonic() < end and process.poll() is None
                time.sleep(0.2)
            asked = {"description": "first snow"}
            assert httpx.post(url + HASHTAGS, json=asked).status_code == 401
            headers = {"X-API-Key": "a key of sixteen letters"}
            assert httpx.post(url + HASHTAGS, json=asked, headers=headers).json()["hashtags"]
            files = {"video": next(iter(clips)).read_bytes()}
            assert httpx.post(f"{url}/v1/hashtags/upload", files=files, headers=headers, timeout=300).json()[
                "hashtags"
            ]
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()


def is_ready(url):
    try:
        return httpx.get(f"{url}/ready").status_code == 200
    except httpx.TransportError:
        return False
