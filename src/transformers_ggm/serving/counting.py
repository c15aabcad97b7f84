"""Counts requests and their time."""

import time
from collections.abc import Callable, Collection

from .serving_metrics import ServingMetrics


class Counting:
    """
    Passes everything on to an ASGI application, and counts what comes of it.

    Args:
        app: The ASGI application.
        metrics ([`ServingMetrics`]): Where requests are counted.
        routes (`Collection[str]`): The paths that are counted apart; what others ask for is `other`, so that nobody
            can make up as many series as they like.
    """

    def __init__(self, app: Callable, metrics: ServingMetrics, routes: Collection[str]):
        self._app, self._metrics, self._routes = app, metrics, routes

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, begin = "500", time.perf_counter()

        async def noting(message: dict) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            route = path if path in self._routes else "other"
            self._metrics.requests.labels(route, status).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - begin)
