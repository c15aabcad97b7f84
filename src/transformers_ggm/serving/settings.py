"""What a server takes, and how it works: its options."""

import os
from dataclasses import dataclass, field, fields

from ..data.prepare.options import available_cores
from ..errors import ArgumentError

_MAY_BE_ZERO = ("max_wait_seconds", "drain_seconds")


def _help(default, text: str):
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class ServingSettings:
    """
    Options of a server.

    Raises:
        ArgumentError: One is out of range, or names a folder that is not there.

    Example:

    ```python
    >>> from transformers_ggm.serving import ServingSettings

    >>> ServingSettings(max_requests=8).max_requests
    8

    ```
    """

    max_batch_size: int = _help(16, "Clips that the models see at once, at most.")
    max_wait_seconds: float = _help(0.005, "How long a clip waits for others of its batch, at most.")
    decoding_threads: int = _help(available_cores(), "Clips that are decoded at once; one a core by default.")
    isolate_decoding: bool = _help(True, "Decode in processes of their own, which a clip may crash or hold.")
    max_requests: int = _help(256, "Requests that are read, waiting and worked at together; one more gets a 429.")
    max_upload_bytes: int = _help(64 * 1024 * 1024, "Size of a request's body, and of a clip behind a URL, at most.")
    upload_seconds: float = _help(60.0, "Time that the body of a request may take to come.")
    fetch_seconds: float = _help(20.0, "Time that a clip behind a URL may take to come.")
    request_seconds: float = _help(60.0, "Time that answering may take once the body is there.")
    drain_seconds: float = _help(5.0, "How long a server that is told to end still takes requests.")
    allowed_hosts: tuple[str, ...] = _help((), "Hosts that clips are fetched from: cdn.example.com, *.example.com, *.")
    root: str | None = _help(None, "Folder whose clips may be named by their paths.")
    feedback_file: str | None = _help(None, "File of JSON lines that feedback is added to.")
    api_key: str | None = field(default=None, repr=False, metadata={"help": "What requests must bring as X-API-Key."})

    def __post_init__(self):
        for each in fields(self):
            value = getattr(self, each.name)
            is_number = isinstance(each.default, (int, float)) and not isinstance(each.default, bool)
            if is_number and (value < 0 or (value == 0 and each.name not in _MAY_BE_ZERO)):
                raise ArgumentError(f"{each.name}={value}: pass a number above 0.")
        if self.root is not None and not os.path.isdir(self.root):
            raise ArgumentError(f"root={self.root!r} is no folder: name the one that has the clips.")
        if self.api_key is not None and len(self.api_key) < 16:
            raise ArgumentError(
                "the key is shorter than 16 characters: make a longer one, such as by `openssl rand -hex 32`."
            )
        object.__setattr__(self, "allowed_hosts", tuple(host.lower() for host in self.allowed_hosts))
