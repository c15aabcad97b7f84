"""Clips behind URLs: what is fetched, and what must not be."""

import asyncio
import io
import socket

import pytest
from odd_server import OddServer, chunked, content, reset, status
from served import posted

from transformers_ggm.errors import RequestError
from transformers_ggm.serving import url_clips
from transformers_ggm.serving.url_clips import checked_url, fetch_clip, is_public

pytestmark = pytest.mark.contract

ALL = ("*", "*:8080")


def fetched(url, hosts=ALL, max_bytes=100_000, max_seconds=10.0):
    file = io.BytesIO()
    asyncio.run(fetch_clip(url, file, hosts, max_bytes, max_seconds))
    return file.getvalue()


def refused(url, **limits):
    with pytest.raises(RequestError) as caught:
        fetched(url, **limits)
    return caught.value


@pytest.fixture
def server():
    with OddServer().running() as server:
        yield server


@pytest.fixture
def reachable(server, monkeypatch):
    """The server, taken for a public one: nothing else is."""
    port = int(server.url.rpartition(":")[2])
    monkeypatch.setattr(url_clips, "is_public", lambda address: address == "127.0.0.1")
    server.hosts = (f"127.0.0.1:{port}",)
    return server


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "2130706433", "0x7f000001",
        "0177.0.0.1", "127.1", "0.0.0.0", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1",
        "[fe80::1]", "[fd00::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "224.0.0.1", "255.255.255.255", "[::]",
    ],
)  # fmt: skip
def test_private_addresses(host, server):
    """Would fail if a server could be made to ask what only its own machine or network reaches, in whatever form the
    address is written."""
    port = server.url.rpartition(":")[2]
    server.answers["/clip.mp4"] = content(b"secret")
    for where in (f"http://{host}:{port}/clip.mp4", f"http://{host}/clip.mp4"):
        assert refused(where, hosts=("*", f"*:{port}")).status in (403, 422)
    assert not server.asked


def test_names_that_lead_to_private_addresses(server, monkeypatch):
    """Would fail if a public name could stand for a private address, alone or among public ones; or if the name were
    asked for again for the connection, when it may have another address."""
    resolved = []

    def getaddrinfo(host, port, *args, **kwargs):
        resolved.append(host)
        addresses = ["93.184.215.14", "127.0.0.1"] if "two" in str(host) else ["127.0.0.1"]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    for name in ("one.example.com", "two.example.com"):
        assert refused(f"http://{name}/clip.mp4").status == 403
    assert resolved == ["one.example.com", "two.example.com"] and not server.asked


def test_the_address_that_was_checked_is_connected_to(reachable, monkeypatch):
    """Would fail if a name server could give the check a public address and the connection another one."""
    reachable.answers["/clip.mp4"] = content(b"a clip")
    port = int(reachable.url.rpartition(":")[2])
    turns = iter(["127.0.0.1", "10.0.0.1"])
    own = socket.getaddrinfo

    def getaddrinfo(host, port, *args, **kwargs):
        if host != "cdn.example.com":
            return own(host, port, *args, **kwargs)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(turns), port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert fetched(f"http://cdn.example.com:{port}/clip.mp4", (f"*.example.com:{port}",)) == b"a clip"
    assert reachable.headers["/clip.mp4"]["Host"] == f"cdn.example.com:{port}"
    assert next(turns) == "10.0.0.1"


def redirect(where):
    def answer(handler, times):
        handler.send_response(302)
        handler.send_header("Location", where)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def test_redirects(reachable):
    """Would fail if a server that is allowed could lead to one that is not, or for ever; or no redirect were
    followed."""
    server = reachable
    server.answers["/clip.mp4"] = content(b"a clip")
    server.answers["/moved"] = redirect("/clip.mp4")
    server.answers["/round"] = redirect("/round")
    assert fetched(f"{server.url}/moved", server.hosts) == b"a clip"
    assert refused(f"{server.url}/round", hosts=server.hosts).status == 422
    private = {"http://10.0.0.1/x": 403, "http://localhost:1/x": 403, "file:///etc/passwd": 422, "gopher://x/": 422}
    for number, (where, code) in enumerate(private.items()):
        server.answers[f"/{number}"] = redirect(where)
        assert refused(f"{server.url}/{number}", hosts=server.hosts).status == code
        assert refused(f"{server.url}/{number}", hosts=(*server.hosts, "*")).status in (403, 422)


def test_what_does_not_answer_as_it_should(reachable):
    """Would fail if a clip were taken that is too large, cut or slow, or its server's words were passed on."""
    server, hosts = reachable, {"hosts": reachable.hosts}
    server.answers["/large"] = content(b"x" * 200_000)
    server.answers["/chunks"] = chunked(b"x" * 200_000)
    server.answers["/reset"] = reset(b"x" * 1000)
    server.answers["/gone"] = status(404)
    server.answers["/slow"] = lambda handler, times: threading_wait(handler)
    assert [refused(f"{server.url}/{name}", **hosts).status for name in ("large", "chunks", "reset", "gone")] == [
        413, 413, 502, 502,
    ]  # fmt: skip
    assert refused(f"{server.url}/slow", max_seconds=0.2, **hosts).status == 504


def threading_wait(handler):
    """Sends a byte now and then, as long as somebody reads."""
    import time

    handler.send_response(200)
    handler.end_headers()
    for _ in range(20):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.05)


@pytest.mark.parametrize(
    "url, hosts, is_allowed",
    [
        ("https://cdn.example.com/a.mp4", ("cdn.example.com",), True),
        ("https://CDN.Example.com./a.mp4", ("cdn.example.com",), True),
        ("https://a.b.example.com/a.mp4", ("*.example.com",), True),
        ("https://example.com/a.mp4", ("*.example.com",), False),
        ("https://evilexample.com/a.mp4", ("*.example.com",), False),
        ("https://example.com.evil.org/a.mp4", ("*.example.com", "example.com"), False),
        ("https://other.org/a.mp4", ("*",), True),
        ("https://other.org:8443/a.mp4", ("*", "other.org"), False),
        ("https://other.org:8443/a.mp4", ("other.org:8443",), True),
        ("https://user:pw@other.org/a.mp4", ("*",), False),
        ("https://cdn.example.com@evil.org/a.mp4", ("cdn.example.com",), False),
        ("ftp://other.org/a.mp4", ("*",), False),
        ("file:///etc/passwd", ("*",), False),
        ("//other.org/a.mp4", ("*",), False),
        ("http:///a.mp4", ("*",), False),
        ("http://[::1/a.mp4", ("*",), False),
        ("https://other.org:99999/a.mp4", ("*",), False),
        ("https://münchen.example/a b.mp4", ("xn--mnchen-3ya.example",), True),
    ],
)
def test_allowed_hosts(url, hosts, is_allowed):
    """Would fail if a host were taken for an allowed one by a part of its name, or an allowed one were refused."""
    if is_allowed:
        assert checked_url(url, hosts)
    else:
        with pytest.raises(RequestError):
            checked_url(url, hosts)


def test_public_addresses():
    """Would fail if no clip could be fetched from the internet at all."""
    assert all(map(is_public, ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:93.184.215.14"]))


def test_a_clip_behind_a_url_is_answered(suggest, clips, reachable):
    """Would fail if a clip by its URL were answered otherwise than one that is sent; or if one were fetched by a
    server that allows no host."""
    path, words = next(iter(clips.items()))
    reachable.answers["/a.mp4"] = content(path.read_bytes())
    asked = {"url": f"{reachable.url}/a.mp4", "description": words, "top_n": 3}
    answer = posted(suggest, json=asked, given={"allowed_hosts": reachable.hosts})
    assert answer.json()["hashtags"] == suggest(str(path), description=words, top_n=3)
    reachable.asked.clear()
    assert posted(suggest, json=asked).status_code == 403 and not reachable.asked
