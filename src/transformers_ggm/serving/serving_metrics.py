"""What a server counts, for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class ServingMetrics:
    """
    Counters of one application.

    Attributes:
        requests (`Counter`): answered requests by `route` and `status`.
        seconds (`Histogram`): time from the first byte of a request to the last of its answer, by `route`.
        in_flight (`Gauge`): requests that are read, waiting and worked at.
        rejected (`Counter`): requests that were refused before they were read, by `reason`.
        batch_size (`Histogram`): clips of a batch.
        decoding_seconds (`Histogram`): time to decode a clip.
    """

    def __init__(self):
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        ours = {"registry": self.registry, "namespace": "ggm"}
        self.requests = Counter("requests", "Requests that were answered.", ("route", "status"), **ours)
        self.seconds = Histogram("request_seconds", "Time of a request.", ("route",), buckets=_SECONDS, **ours)
        self.in_flight = Gauge("in_flight_requests", "Requests that are read, waiting and worked at.", **ours)
        self.rejected = Counter("rejected_requests", "Requests that were refused unread.", ("reason",), **ours)
        self.batch_size = Histogram("batch_size", "Clips of a batch.", buckets=_SIZES, **ours)
        self.decoding_seconds = Histogram("decoding_seconds", "Time to decode a clip.", buckets=_SECONDS, **ours)
        self._queue = Gauge("queue_length", "Clips that wait to be decoded or for the models.", **ours)

    def follow_queue(self, length: Callable[[], int]) -> None:
        """Has the length of the queue read whenever the metrics are."""
        self._queue.set_function(length)

    def page(self) -> bytes:
        """All of it, in the text format of Prometheus."""
        return generate_latest(self.registry)
