"""The cluster that work is done on: one that runs, or one of this machine that lasts as long as the work."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from ..errors import ClusterError

_ANSWER_SECONDS = 10.0


def import_ray() -> ModuleType:
    """
    Ray, with its library for data.

    Raises:
        `ImportError`: it is not installed; says how to install it.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ImportError(
            f"This needs Ray, which cannot be imported ({error}): pip install 'transformers-ggm[ray]'."
        ) from error
    return ray


@contextmanager
def ray_session(address: str | None = None) -> Iterator[ModuleType]:
    """
    Connects to a Ray cluster while the block runs, and gives `ray`. Where this process is connected already, it is
    that cluster, and the connection stays.

    Args:
        address (`str`, *optional*): `"host:6379"` of a cluster, or `"auto"` for the one that this machine is part of.
            By default a cluster of this machine alone is started, and ends with the block.

    Raises:
        `ImportError`: Ray is not installed.
        `ClusterError`: There is no cluster at the address.

    Example:

    ```python
    >>> from transformers_ggm.cluster.ray_session import ray_session

    >>> with ray_session("head.internal:6379") as ray:  # doctest: +SKIP
    ...     ray.cluster_resources()["CPU"]
    64.0

    ```
    """
    ray = import_ray()
    if ray.is_initialized():
        yield ray
        return
    own = {"include_dashboard": False} if address is None else {}
    try:
        _check_answer(address)
        ray.init(address=address or "local", log_to_driver=False, logging_level="error", **own)
    except Exception as error:  # of many kinds, as Ray has them
        if address is None:
            raise ClusterError(f"Ray cannot be started on this machine ({error}): see what it says.") from error
        raise ClusterError(
            f"The Ray cluster at {address!r} cannot be reached ({error}): give the address that `ray start --head`"
            " told, or none to work on this machine alone; where the cluster wants a token, set RAY_AUTH_MODE=token."
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_answer(address: str | None) -> None:
    """Raises `OSError` where nobody answers, for which Ray would wait many minutes."""
    host, colon, port = (address or "").rpartition("://")[2].rpartition(":")
    if colon:
        socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS).close()
