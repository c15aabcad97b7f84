"""
The application of `ggm serve` on Ray Serve: replicas on as many machines as the requests need. Needs
`pip install transformers-ggm[ray]`.

Batches are gathered by the application itself, and not by `serve.batch`: that gathers requests before their clips are
decoded, where one slow clip would hold up a whole batch, and one that cannot be read would fail it.
"""

import signal
import threading
from dataclasses import dataclass
from typing import Any

import ray
from pydantic import BaseModel, ConfigDict, field_validator
from ray import serve

from ..errors import ArgumentError, ClusterError
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
    """

    model_config = ConfigDict(extra="forbid")

    model: str | None = None
    store: str | None = None
    safe: bool = True
    api_key_file: str | None = None
    settings: dict[str, Any] = {}
    parts: dict[str, Any] = {}

    @field_validator("settings")
    @classmethod
    def _no_key(cls, settings: dict[str, Any]) -> dict[str, Any]:
        if "api_key" in settings:
            raise ValueError("an api_key here would be shown by Ray: give api_key_file.")
        return settings


@dataclass(frozen=True)
class Scale:
    """
    How many replicas there are, and of what size.

    Args:
        min_replicas, max_replicas (`int`, defaults to 1): In between, there are so many as the requests need.
        num_cpus (`float`, defaults to 1): Cores of a replica. So many threads decode, unless its settings say
            otherwise.
        num_gpus (`float`, defaults to 0): GPUs of a replica; parts of one (0.25) let replicas share it.

    Raises:
        ArgumentError: There are to be more at least than at most.
    """

    min_replicas: int = 1
    max_replicas: int = 1
    num_cpus: float = 1.0
    num_gpus: float = 0.0

    def __post_init__(self):
        if not 1 <= self.min_replicas <= self.max_replicas:
            given = f"min_replicas={self.min_replicas}, max_replicas={self.max_replicas}"
            raise ArgumentError(f"{given}: pass one at least, and at most no fewer.")


@serve.deployment(name="hashtags", backpressure_config={"status_code": 429, "retry_after_s": _RETRY_AFTER_SECONDS})
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
        cores = ray.get_runtime_context().get_assigned_resources().get("CPU", 1)
        given = {"decoding_threads": max(1, round(cores)), **settings, "api_key": read_api_key(api_key_file)}
        checked = ServingSettings(**given)
        self._engine = load_engine(checked, model, store, safe=safe, **parts)

    def __serve_build_asgi_app__(self):
        return create_app(self._engine)

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """
        Takes over what may change while it runs.

        Args:
            user_config (`dict[str, Any]`): `blocked`, hashtags and patterns (`"*sale*"`) to leave out.
        """
        self._engine.block(user_config["blocked"])

    def check_health(self) -> None:
        """Called by Ray every few seconds, in the thread that answers: a replica that fails is replaced."""
        if not self._engine.is_running:
            raise ClusterError("The replica takes no requests.")


def build_app(served: Served) -> serve.Application:
    """
    The application, as `import_path` of a configuration file for `serve deploy`, whose `deployments` say how many
    replicas there are and of what size. An example is `examples/serving/ray_serve.yaml`.

    Args:
        served ([`Served`]): What it serves; `args` of the file.

    Raises:
        ArgumentError: A setting is out of range.

    Example:

    ```python
    >>> from transformers_ggm.cluster.ray_serving import Served, build_app

    >>> app = build_app(Served(settings={"max_batch_size": 8}))

    ```
    """
    return _application(served, Scale())


def _application(served: Served, scale: Scale) -> serve.Application:
    """
    Requests that no replica has room for wait in the proxy that they came to, up to `max_requests` of the settings;
    those beyond get a 429 with `Retry-After`.
    """
    settings = ServingSettings(**served.settings)
    deployment = Replica.options(
        ray_actor_options={"num_cpus": scale.num_cpus, "num_gpus": scale.num_gpus},
        autoscaling_config={
            "min_replicas": scale.min_replicas,
            "max_replicas": scale.max_replicas,
            # One batch for the models, and one that is decoded meanwhile.
            "target_ongoing_requests": 2 * settings.max_batch_size,
        },
        max_ongoing_requests=settings.max_requests,
        max_queued_requests=settings.max_requests,
        # What a replica has is answered before it ends.
        graceful_shutdown_timeout_s=settings.upload_seconds + settings.request_seconds,
        health_check_period_s=2.0,
    )
    return deployment.bind(**served.model_dump())


def serve_on_ray(served: Served, scale: Scale, host: str, port: int, address: str | None = None) -> None:
    """
    Answers requests on a Ray cluster until the process is told to end (SIGTERM, or Ctrl-C): then no more are taken,
    and those under way are answered. For an application that stays when its command has ended, there is
    `serve deploy`.

    Args:
        served ([`Served`]): What is served.
        scale ([`Scale`]): By how many replicas.
        host (`str`), port (`int`): Where each machine of the cluster listens.
        address (`str`, *optional*): Of the cluster, see [`ray_session`].

    Raises:
        ArgumentError: A setting is out of range.
        ClusterError: There is no such cluster, or no replica can be started.
    """
    ended = threading.Event()
    app = _application(served, scale)
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
