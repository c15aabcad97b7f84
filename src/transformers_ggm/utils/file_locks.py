"""One process at a time at what several would spoil."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import DatasetError
from .files import write_json


def owner_file(lock: str | Path) -> Path:
    """Where it stands who holds a lock: in a file of its own, since who asks for a lock empties the lock's file."""
    return Path(f"{lock}.owner")


@contextmanager
def alone_with(target: str | Path, lock: str | Path) -> Iterator[None]:
    """
    Keeps other processes, and other threads, away from a file or folder.

    Args:
        target (`str` or `Path`): What messages call it.
        lock (`str` or `Path`): File that is locked. It stays; the lock is the operating system's, so that a killed
            process leaves none behind.

    Raises:
        DatasetError: Another one has it; says who, where, and since when. Or no file can be written there.
    """
    held = FileLock(lock)
    try:
        held.acquire(timeout=0)
    except Timeout as error:
        raise DatasetError(
            f"{target} is being written by {_holder(lock)}: wait for it, or give another name."
        ) from error
    except Exception as error:  # of file systems without locks, and of names that are none
        raise DatasetError(f"{target} cannot be locked ({error}): give a place that can be written to.") from error
    try:
        owner = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now().astimezone().isoformat(timespec="seconds"),
        }
        write_json(owner_file(lock), owner)
        yield
    finally:
        owner_file(lock).unlink(missing_ok=True)
        held.release()


def _holder(lock: str | Path) -> str:
    try:
        owner = json.loads(owner_file(lock).read_text(encoding="utf-8"))
        return f"process {owner['pid']} on {owner['host']} since {owner['since']}"
    except (OSError, ValueError, KeyError, TypeError):  # just begun, or just ended
        return "another process"
