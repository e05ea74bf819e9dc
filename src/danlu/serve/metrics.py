"""What a server counts, as Prometheus reads it."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
TOKENS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 16384, 65536)
CONTENT = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counters of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "danlu_requests", "Requests answered.", ["route", "model", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "danlu_request_seconds",
            "From the request to its answer.",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.first = Histogram(
            "danlu_first_piece_seconds", "From the request to the first piece of a stream.", ["route"],
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self.tokens = Counter("danlu_tokens", "Tokens read and written.", ["model", "way"], registry=self.registry)
        self.sizes = Histogram(
            "danlu_request_tokens", "Tokens of a request.", ["route"], buckets=TOKENS, registry=self.registry
        )
        self.drifted = Gauge(
            "danlu_golden_differences", "Differences from the golden outputs.", ["model"], registry=self.registry
        )

    def gauge(self, name: str, told: str, function: Callable[[], float]) -> None:
        """Tell a number that is asked for when it is read."""
        Gauge(name, told, registry=self.registry).set_function(function)

    def text(self) -> bytes:
        """All of it."""
        return generate_latest(self.registry)
