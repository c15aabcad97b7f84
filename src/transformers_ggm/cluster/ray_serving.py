"""
The application of `ggm serve` on Ray Serve: replicas on as many machines as the requests need. Needs
`pip install transformers-ggm[ray]`.

Batches are gathered by the application itself, and not by `serve.batch`: that gathers requests before their clips are
decoded, where one slow clip would hold up a whole batch, and one that cannot be read would fail it.
"""

import signal
import threading
from typing import Any

from pydantic import BaseModel, ConfigDict
from ray import serve

from ..errors import ClusterError
from ..serving import ServingSettings, create_app, load_engine
from ..serving.loading import read_api_key
from .ray_session import ray_session

APPLICATION = "transformers-ggm"
_RETRY_AFTER_SECONDS = 1


class Served(BaseModel):
    """
    What replicas serve: plain values, since they are sent to other machines and stand in configuration files.

    Args:
        model (`str`, *optional*): Folder, which all machines have, or Hub id of a checkpoint; the bundled one by
            default.
        store (`str`, *optional*): URL of a pool store, which all replicas follow.
        safe (`bool`, defaults to `True`): Whether unsafe hashtags are left out.
        api_key_file (`str`, *optional*): File, on every machine, with the key that requests must bring; the machines'
            environment variable `GGM_API_KEY` by default. A key is no argument, since Ray shows arguments.
        settings (`dict[str, Any]`, defaults to none): Of [`ServingSettings`], of each replica.
        parts (`dict[str, Any]`, defaults to none): Further arguments of `pipeline("hashtag-generation")`.
        blocked (`list[str]`, defaults to none): Hashtags and patterns (`"*sale*"`) to leave out.
        num_cpus (`float`, defaults to 1): Cores of a replica. So many threads decode, unless `settings` says
            otherwise.
        num_gpus (`float`, defaults to 0): GPUs of a replica; parts of one (0.25) let replicas share it.
        min_replicas, max_replicas (`int`, defaults to 1): How many replicas there are; in between, so many as the
            requests need.
    """

    model_config = ConfigDict(extra="forbid")

    model: str | None = None
    store: str | None = None
    safe: bool = True
    api_key_file: str | None = None
    settings: dict[str, Any] = {}
    parts: dict[str, Any] = {}
    blocked: list[str] = []
    num_cpus: float = 1.0
    num_gpus: float = 0.0
    min_replicas: int = 1
    max_replicas: int = 1


@serve.deployment(name="replica", backpressure_config={"status_code": 429, "retry_after_s": _RETRY_AFTER_SECONDS})
@serve.ingress()
class Replica:
    """
    One of the processes that answer: the whole application of one machine, with a pipeline and a pool of its own.

    Args:
        model (`str`, *optional*), store (`str`, *optional*), safe (`bool`), api_key_file (`str`, *optional*),
            settings (`dict[str, Any]`), parts (`dict[str, Any]`): As of [`Served`].
    """

    def __init__(
        self,
        model: str | None,
        store: str | None,
        safe: bool,
        api_key_file: str | None,
        settings: dict[str, Any],
        parts: dict[str, Any],
    ):
        checked = ServingSettings(**settings, api_key=read_api_key(api_key_file))
        self._engine = load_engine(checked, model, store, safe=safe, **parts)

    def __serve_build_asgi_app__(self):
        return create_app(self._engine)

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Takes over what may change while it runs, now and at its start."""
        self._engine.block(user_config["blocked"])

    def check_health(self) -> None:
        """Called by Ray every few seconds, in the thread that answers: a replica that fails is replaced."""
        if not self._engine.is_running:
            raise ClusterError("The replica takes no requests.")


def build_app(served: Served) -> serve.Application:
    """
    The application, for `serve.run`, and as `import_path` of a configuration file for `serve deploy`.

    Requests that no replica has room for wait in the proxy that they came to, up to `max_requests` of the settings;
    those beyond get a 429 with `Retry-After`.

    Run again under its name, an application takes over what is new: what is blocked and how many replicas there are
    at once, all else by replacing one replica after the other, each when it has answered what it has.

    Args:
        served ([`Served`]): What it serves; in a configuration file its `args`.

    Raises:
        ArgumentError: A setting is out of range.

    Example:

    ```python
    >>> from ray import serve
    >>> from transformers_ggm.cluster.ray_serving import Served, build_app

    >>> app = build_app(Served(max_replicas=4, settings={"max_batch_size": 8}))
    >>> serve.run(app)  # doctest: +SKIP

    ```
    """
    given = {"decoding_threads": max(1, round(served.num_cpus)), **served.settings}
    settings = ServingSettings(**given)
    deployment = Replica.options(
        ray_actor_options={"num_cpus": served.num_cpus, "num_gpus": served.num_gpus},
        autoscaling_config={
            "min_replicas": served.min_replicas,
            "max_replicas": served.max_replicas,
            # One batch for the models, and one that is decoded meanwhile.
            "target_ongoing_requests": 2 * settings.max_batch_size,
        },
        max_ongoing_requests=settings.max_requests,
        max_queued_requests=settings.max_requests,
        graceful_shutdown_timeout_s=settings.upload_seconds + settings.request_seconds,
        health_check_period_s=2.0,
        user_config={"blocked": served.blocked},
    )
    # Not the rest: whatever a replica is made of, it is replaced for.
    return deployment.bind(served.model, served.store, served.safe, served.api_key_file, given, served.parts)


def serve_on_ray(served: Served, host: str, port: int, address: str | None = None) -> None:
    """
    Answers requests on a Ray cluster until the process is told to end (SIGTERM, or Ctrl-C): then no more are taken,
    and those under way are answered. For an application that stays when its command has ended, there is
    `serve deploy`.

    Args:
        served ([`Served`]): What is served.
        host (`str`), port (`int`): Where each machine of the cluster listens.
        address (`str`, *optional*): Of the cluster, see [`ray_session`].

    Raises:
        ArgumentError: A setting is out of range.
        ClusterError: There is no such cluster, or no replica can be started.
    """
    ended = threading.Event()
    app = build_app(served)
    with ray_session(address):
        serve.start(proxy_location="EveryNode", http_options={"host": host, "port": port})
        try:
            _run(app)
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: ended.set())
            ended.wait()
        finally:
            serve.delete(APPLICATION)
            serve.shutdown()


def _run(app: serve.Application) -> None:
    try:
        serve.run(app, name=APPLICATION)
    except RuntimeError as error:
        raise ClusterError(f"No replica can be started: {error}") from error
