"""Spans of requests, as a collector gets them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from servers import serving

from danlu.refusal import Refusal
from danlu.serve.shelf import Shelf
from danlu.serve.tracing import Tracing

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """One that keeps what it is sent."""
    taken: list[bytes] = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Taking)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", taken
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_request_is_a_span_of_the_trace_it_came_with_and_holds_no_text(shelf: Shelf) -> None:
    with collector() as (url, taken):
        tracing = Tracing(url)
        with serving(shelf, tracing=tracing) as live:
            headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
            live.post("/v1/predict", {"model": "classify", "text": "这本书写得很好"}, headers=headers)
            live.post("/v1/predict", {"model": "none", "text": "这本书写得很好"})
        tracing.close()
    assert taken
    assert not any("这本书".encode() in each for each in taken)
    spans = [
        span
        for each in taken
        for resource in ExportTraceServiceRequest.FromString(each).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert [span.name for span in spans] == ["/v1/predict", "/v1/predict"]
    told = [{each.key: each.value for each in span.attributes} for span in spans]
    assert [each["http.response.status_code"].int_value for each in told] == [200, 404]
    assert told[0]["danlu.model"].string_value == "classify"
    assert told[0]["danlu.tokens.read"].int_value > 2
    assert (spans[0].trace_id.hex(), spans[0].parent_span_id.hex()) == (TRACE, PARENT)
    assert spans[1].trace_id.hex() != TRACE
    assert all(0 < span.end_time_unix_nano - span.start_time_unix_nano < 60e9 for span in spans)


@pytest.mark.parametrize("url", ["localhost:4318", "file:///etc", "http://a b"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(Refusal, match="expected the address of a collector"):
        Tracing(url)
