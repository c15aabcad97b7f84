"""Clients of a server under load: those that ask and wait, and those that behave badly."""

import asyncio
import itertools
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

BOUNDARY = "a-boundary"
TIMEOUT_SECONDS = 90.0


@dataclass(frozen=True)
class Clip:
    """A clip to send.

    Args:
        video (`bytes`): The file.
        description (`str`): The author's words.
        hashtags (`list[str]`): What the pipeline answers, which the server is to answer too.
    """

    video: bytes
    description: str
    hashtags: list[str]

    def body(self, request_id: str) -> bytes:
        """The form of a request."""
        fields = {"description": self.description, "request_id": request_id}
        parts = [
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in fields.items()
        ]
        head = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="video"; filename="clip.mp4"\r\n'
            "Content-Type: video/mp4\r\n\r\n"
        )
        return b"".join([*parts, head.encode(), self.video, f"\r\n--{BOUNDARY}--\r\n".encode()])


@dataclass
class Answered:
    """A request that came back, or did not.

    Args:
        begin, end (`float`): Seconds by `time.perf_counter`.
        outcome (`str`): `"right"`, `"other hashtags"`, `"another's"`, or the status or error.
    """

    begin: float
    end: float
    outcome: str


@dataclass
class Load:
    """
    Clients that send clips to a server until their time is up.

    Args:
        port (`int`): The server's, on this machine.
        clips (`list[Clip]`): What is sent, in turn.
        seconds (`float`): How long.

    Attributes:
        answered (`list[Answered]`): requests of those who wait.
        bad (`Counter`): what clients that behave badly were told, by what they did.
        under_way (`dict[str, float]`): when requests that have no answer yet began, by their ids.
    """

    port: int
    clips: list[Clip]
    seconds: float
    answered: list[Answered] = field(default_factory=list)
    bad: Counter = field(default_factory=Counter)
    under_way: dict[str, float] = field(default_factory=dict)

    async def run(self, num_clients: int, num_bad: int = 0) -> None:
        """Ends when all clients have ended.

        Args:
            num_clients (`int`): Clients that wait for each answer before they ask again.
            num_bad (`int`): Clients of each bad kind besides.
        """
        self._end = time.perf_counter() + self.seconds
        bad = [self._broken, self._truncated, self._slow, self._gone]
        clients = [self._good(number) for number in range(num_clients)]
        clients += [self._badly(kind) for kind in bad for _ in range(num_bad)]
        await asyncio.gather(*clients)

    async def _good(self, number: int) -> None:
        transport = httpx.AsyncHTTPTransport(verify=False)
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        url = f"http://127.0.0.1:{self.port}/v1/hashtags/upload"
        async with httpx.AsyncClient(transport=transport, headers=headers, timeout=TIMEOUT_SECONDS) as client:
            for turn in itertools.count():
                begin = time.perf_counter()
                if begin > self._end:
                    return
                clip, request_id = self.clips[(number * 7 + turn) % len(self.clips)], f"{number}-{turn}"
                self.under_way[request_id] = begin
                try:
                    response = await client.post(url, content=clip.body(request_id))
                    outcome = _outcome(response, clip, request_id)
                except httpx.HTTPError as error:
                    outcome = type(error).__name__
                del self.under_way[request_id]
                self.answered.append(Answered(begin, time.perf_counter(), outcome))
                if outcome not in ("right", "other hashtags"):
                    await asyncio.sleep(0.5)

    async def _badly(self, behave: Any) -> None:
        while time.perf_counter() < self._end:
            try:
                told = await behave()
            except OSError as error:
                told = type(error).__name__
            self.bad[behave.__name__.strip("_"), told] += 1
            await asyncio.sleep(1)

    async def _broken(self) -> str:
        """Sends what is no clip."""
        return await self._told(Clip(b"no clip at all" * 100, "", []).body("broken"))

    async def _truncated(self) -> str:
        """Says that there is more than it sends, and closes."""
        body = self.clips[0].body("truncated")
        return await self._told(body[: len(body) // 2], len(body), waits=False)

    async def _slow(self) -> str:
        """Sends a clip by and by, within ten seconds."""
        return await self._told(self.clips[0].body("slow"), pieces=20)

    async def _gone(self) -> str:
        """Sends a clip, and does not wait for the answer."""
        return await self._told(self.clips[0].body("gone"), waits=False)

    async def _told(self, body: bytes, length: int | None = None, pieces: int = 1, waits: bool = True) -> str:
        """The status that a body is answered with, by hand."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(
                f"POST /v1/hashtags/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length or len(body)}\r\n"
                f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nConnection: close\r\n\r\n".encode()
            )
            size = -(-len(body) // pieces)
            for start in range(0, len(body), size):
                writer.write(body[start : start + size])
                await writer.drain()
                await asyncio.sleep(10 / pieces if pieces > 1 else 0.2)
            if not waits:
                return "closed"
            line = await asyncio.wait_for(reader.readline(), TIMEOUT_SECONDS)
            return line.split()[1].decode() if line else "closed by the server"
        finally:
            writer.close()


def _outcome(response: httpx.Response, clip: Clip, request_id: str) -> str:
    if response.status_code != 200:
        return str(response.status_code)
    told = response.json()
    if told["request_id"] != request_id:
        return "another's"
    return "right" if [tag["hashtag"] for tag in told["hashtags"]] == clip.hashtags else "other hashtags"
