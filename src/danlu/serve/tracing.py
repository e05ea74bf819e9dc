"""Spans of requests for OpenTelemetry: which route, how long, how many tokens; never a text."""

import time
from collections.abc import Mapping
from typing import Any

from danlu.machine.extra import needed
from danlu.refusal import Refusal

SECONDS = 5
"""How long a collector has to take what it is sent."""


class Tracing:
    """Sends a span a request to a collector, in a thread of its own; a collector that is down stops nobody."""

    def __init__(self, url: str, service: str = "danlu") -> None:
        """Send to `url`, the address of a collector that takes OTLP over HTTP, such as http://localhost:4318.

        Raises:
            Refusal: the address is none, or the extra is not installed.
        """
        if not url.startswith(("http://", "https://")) or any(letter.isspace() for letter in url):
            raise Refusal(f"--telemetry {url}: expected the address of a collector, such as http://localhost:4318")
        needed("opentelemetry.sdk", "telemetry", "--telemetry")
        needed("opentelemetry.exporter.otlp.proto.http", "telemetry", "--telemetry")
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = TracerProvider(resource=Resource({"service.name": service}), shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=f"{url.rstrip('/')}/v1/traces", timeout=SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("danlu.serve")
        self._before = TraceContextTextMapPropagator()

    def span(self, name: str, seconds: float, headers: Mapping[str, str], told: Mapping[str, Any]) -> None:
        """A request that has ended now, and took so many `seconds`; it goes on the trace that its headers name."""
        from opentelemetry.trace import SpanKind, StatusCode

        end = time.time_ns()
        context = self._before.extract({"traceparent": headers.get("traceparent", "")})
        span = self._tracer.start_span(
            name,
            context=context,
            kind=SpanKind.SERVER,
            start_time=end - int(seconds * 1e9),
            attributes={key: value for key, value in told.items() if value is not None},
        )
        if int(told.get("http.response.status_code", 200)) >= 500:
            span.set_status(StatusCode.ERROR)
        span.end(end_time=end)

    def close(self) -> None:
        """Send what is left, as long as the collector takes it."""
        self._provider.force_flush(SECONDS * 1000)
        self._provider.shutdown()
