"""What is refused before it is read."""

import asyncio
import json
import socket
import time

import httpx
import pytest
from served import HASHTAGS, UPLOAD, HeldModels, answers, listening, posted

from transformers_ggm.serving import Engine, ServingSettings, create_app

pytestmark = pytest.mark.contract

KEY = "a key of sixteen letters"


def raw(address, head, body=b"", then=lambda connection: None):
    """What a server answers to bytes, until it closes the connection: status, headers and body."""
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + body)
        then(connection)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
            if b"\r\n\r\n" in answer and b"100 Continue" not in answer:
                told, _, rest = answer.partition(b"\r\n\r\n")
                size = int(told.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                if len(rest) >= size:
                    break
        return answer.decode()


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "wrong"}, {"X-API-Key": ""}, {"X-API-Key": KEY + "x"}])
def test_without_the_key(headers, suggest):
    """Would fail if a server with a key answered who does not have it."""
    answer = posted(suggest, json={"description": "snow"}, headers=headers, given={"api_key": KEY})
    assert answer.status_code == 401 and "X-API-Key" in answer.json()["message"]


def test_with_the_key(suggest):
    """Would fail if the right key were refused, or if what watches a server needed it."""
    answer = posted(suggest, json={"description": "snow"}, headers={"X-API-Key": KEY}, given={"api_key": KEY})
    assert answer.status_code == 200
    for path in ("/health", "/ready", "/metrics"):
        assert answers(suggest, lambda client, path=path: client.get(path), api_key=KEY).status_code == 200


def test_below_another_path(suggest):
    """Would fail if an application that is put below another one's path let everybody in, or counted nothing."""

    async def ask():
        engine = Engine(suggest, ServingSettings(api_key=KEY, isolate_decoding=False))
        transport = httpx.ASGITransport(create_app(engine), root_path="/api")
        async with engine.running(), httpx.AsyncClient(transport=transport, base_url="http://test/api") as client:
            asked = {"json": {"description": "snow"}}
            refused = await client.post(HASHTAGS, **asked)
            return refused, await client.post(HASHTAGS, headers={"X-API-Key": KEY}, **asked), engine.metrics.page()

    refused, answered, metrics = asyncio.run(ask())
    assert (refused.status_code, answered.status_code) == (401, 200)
    assert f'route="{HASHTAGS}",status="401"}} 1.0' in metrics.decode()


def test_one_request_too_many(suggest, monkeypatch):
    """Would fail if a server took requests without end, or did not say when to come again."""
    models = HeldModels(monkeypatch)

    async def ask(client):
        taken = [asyncio.ensure_future(client.post(HASHTAGS, json={"description": "snow"})) for _ in range(2)]
        assert await asyncio.to_thread(models.begun.wait, 60)
        refused = await client.post(HASHTAGS, json={"description": "snow"})
        models.let_go.set()
        answered = await asyncio.gather(*taken)
        again = await client.post(HASHTAGS, json={"description": "snow"})
        return refused, [*answered, again], (await client.get("/metrics")).text

    refused, answered, metrics = answers(suggest, ask, max_requests=2)
    assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1
    assert [each.status_code for each in answered] == [200] * 3
    assert 'ggm_rejected_requests_total{reason="full"} 1.0' in metrics


@pytest.mark.parametrize("told", [True, False], ids=["by its header", "while it comes"])
def test_bodies_that_are_too_large(told, suggest, clips):
    """Would fail if a large body were taken in, whether it says so or comes in chunks."""
    large = b'--b\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n' + b"x" * 300_000

    async def chunks():
        for start in range(0, len(large), 50_000):
            yield large[start : start + 50_000]

    request = {"content": large if told else chunks(), "headers": {"Content-Type": "multipart/form-data; boundary=b"}}
    answer = posted(suggest, UPLOAD, given={"max_upload_bytes": 100_000}, **request)
    assert answer.status_code == 413 and "100000 bytes" in answer.json()["message"]


def test_words_are_not_as_large_as_clips(suggest):
    """Would fail if a body that is read into memory could be as large as one that is kept in a file."""
    answer = posted(suggest, json={"description": "x" * 2_000_000})
    assert answer.status_code == 413 and "1048576 bytes" in answer.json()["message"]


def test_slow_uploads_and_clients_that_go_away(suggest, clips, monkeypatch):
    """Would fail if a client that sends nothing kept its place for ever, or one that has gone had its work done: its
    place must be free again, though the models are still held."""
    models = HeldModels(monkeypatch)
    body = json.dumps({"description": "snow"}).encode()
    head = f"POST {HASHTAGS} HTTP/1.1\nHost: x\nContent-Type: application/json\nContent-Length: {len(body)}\n\n"
    with listening(suggest, upload_seconds=0.5) as (address, engine):
        slow = raw(address, head, body[:5])
        assert " 408 " in slow.splitlines()[0] and "within 0.5 s" in slow
        with socket.create_connection(address) as connection:
            connection.sendall(head.replace("\n", "\r\n").encode() + body)
            assert models.begun.wait(30)
        until(lambda: 'status="499"} 1.0' in engine.metrics.page().decode())
        assert "ggm_in_flight_requests 0.0" in engine.metrics.page().decode()
        with socket.create_connection(address) as connection:  # in the middle of its body
            connection.sendall(head.replace("\n", "\r\n").encode() + body[:5])
        models.let_go.set()
        assert " 200 " in raw(address, head, body).splitlines()[0]
        until(lambda: "ggm_in_flight_requests 0.0" in engine.metrics.page().decode())


def test_who_asks_first_is_refused_before_sending(suggest):
    """Would fail if a client that waits for `100 Continue` were told to send what is refused anyway."""
    head = (
        f"POST {UPLOAD} HTTP/1.1\nHost: x\nContent-Type: multipart/form-data; boundary=b\n"
        "Content-Length: 90000000\nExpect: 100-continue\n\n"
    )
    with listening(suggest) as (address, _):
        begin = time.monotonic()
        answer = raw(address, head)
        assert " 413 " in answer.splitlines()[0] and "100 Continue" not in answer
        assert time.monotonic() - begin < 25


def until(is_so, seconds=30):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
