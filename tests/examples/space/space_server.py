"""The app in a process of its own, as its users start it, and a note of every host that it talks to."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

REPOSITORY = Path(__file__).resolve().parents[3]
SPACE = REPOSITORY / "examples" / "space"
MAX_SECONDS = 10.0
MAX_UPLOAD_MB = 2.0
_START_SECONDS = 240
# Python imports a module of this name when it starts.
_NOTING_HOSTS = """
import os, socket

def noting(original, place):
    def call(*arguments, **options):
        address = arguments[place]
        host = address[0] if isinstance(address, tuple) else address
        with open(os.environ["NOTED_HOSTS"], "a") as file:
            file.write(f"{host}\\n")
        return original(*arguments, **options)
    return call

socket.getaddrinfo = noting(socket.getaddrinfo, 0)
socket.socket.connect = noting(socket.socket.connect, 1)
"""


@dataclass(frozen=True)
class SpaceServer:
    """A running app: its address, what it printed, and the hosts that it looked up or connected to."""

    url: str
    log: Path
    noted_hosts: Path

    def hosts(self) -> set[str]:
        return set(self.noted_hosts.read_text().split())


@contextmanager
def run_space(folder: Path) -> Iterator[SpaceServer]:
    """Starts the app on a free port of this machine alone, and ends it."""
    (folder / "sitecustomize.py").write_text(_NOTING_HOSTS)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    server = SpaceServer(f"http://127.0.0.1:{port}", folder / "log.txt", folder / "hosts.txt")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GRADIO_", "GGM_"))}
    environment |= {
        "PYTHONPATH": os.pathsep.join([str(folder), str(REPOSITORY / "src")]),
        "NOTED_HOSTS": str(server.noted_hosts),
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(folder / "uploads"),
        "GGM_MAX_SECONDS": str(MAX_SECONDS),
        "GGM_MAX_UPLOAD_MB": str(MAX_UPLOAD_MB),
        "OMP_NUM_THREADS": "1",
        "NO_PROXY": "127.0.0.1,localhost",
    }
    with server.log.open("w") as log:
        process = subprocess.Popen([sys.executable, SPACE / "app.py"], env=environment, stdout=log, stderr=log)
        try:
            _wait_for(server, process)
            yield server
        finally:
            process.terminate()
            process.wait(30)


def _wait_for(server: SpaceServer, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"The app ended while starting:\n{server.log.read_text()}")
        try:
            if httpx.get(server.url, trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.3)
    raise RuntimeError(f"The app did not start in {_START_SECONDS} s:\n{server.log.read_text()}")
