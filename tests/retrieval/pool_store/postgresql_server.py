"""A PostgreSQL server of a test's own, in a temporary folder, which no other user of the machine meets."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path


def binaries() -> Path | None:
    """Where Debian and others put the server, newest version first; `None` where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[4]))
    if found:
        return found[-1].parent
    on_path = shutil.which("postgres")
    return Path(on_path).resolve().parent if on_path else None


def why_not() -> str | None:
    """Why no server can be started here."""
    if binaries() is None:
        return "PostgreSQL is not installed: apt-get install postgresql"
    if os.geteuid() == 0 and _unprivileged() is None:
        return "PostgreSQL does not run as root, and there is no user postgres or nobody"
    return None


def _unprivileged() -> pwd.struct_passwd | None:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


class Server:
    """A running server, reached by a Unix socket in its folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        user = _unprivileged() if os.geteuid() == 0 else None
        self._as = {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        self._run(
            "initdb", "--pgdata", "data", "--username", "tests", "--auth", "trust", "--encoding", "UTF8", "--no-sync"
        )
        self.process = None
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(binaries() / program), *arguments]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True, timeout=120, **self._as)

    def start(self) -> None:
        options = ["-D", "data", "-k", str(self.folder), "-c", "listen_addresses=", "-c", "fsync=off"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(binaries() / "postgres"), *options],
                cwd=self.folder, stdout=log, stderr=log, start_new_session=True, **self._as,
            )  # fmt: skip
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            asked = [str(binaries() / "pg_isready"), "-q", "-h", str(self.folder)]
            if subprocess.run(asked, check=False, timeout=30).returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError((self.folder / "log").read_text())

    def stop(self, how: int = signal.SIGINT) -> None:
        """As an administrator who does not wait for clients; by SIGQUIT at once."""
        self.process.send_signal(how)
        self.process.wait(timeout=60)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://tests@/{database}?host={self.folder}"

    def new_database(self, name: str) -> str:
        """An empty database; its URL."""
        self._run("createdb", "--host", str(self.folder), "--username", "tests", name)
        return self.url(name)


@contextmanager
def postgresql_server():
    # Not below pytest's own folder, which other users may not enter; and short, as the path of a socket must be.
    with tempfile.TemporaryDirectory(prefix="ggm-pg-") as folder:
        server = Server(Path(folder))
        try:
            yield server
        finally:
            if server.process.poll() is None:
                server.stop(signal.SIGQUIT)
