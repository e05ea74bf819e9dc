"""Those who mean ill cost a server little, and their neighbours nothing."""

import socket
from typing import Any

import pytest
from servers import Live, serving

from danlu.serve.limits import Limits
from danlu.serve.shelf import Shelf

CHAT = "/v1/chat/completions"
SAID: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": "书"}], "max_tokens": 4}


def form(schema: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (form({"type": "integer", "multipleOf": 999983}), "too complex"),
        ({"regex": "a" * 70_000}, "smaller one"),
    ],
)
def test_a_form_that_takes_for_ever_is_refused_and_the_next_is_written(
    live: Live, asked: dict[str, Any], told: str
) -> None:
    refused = live.post(CHAT, SAID | asked)
    assert refused.status_code == 400
    assert told in refused.json()["error"]["message"]
    good = live.post(CHAT, SAID | {"choices": ["好", "书"]})
    assert good.json()["choices"][0]["message"]["content"] in ("好", "书")


def test_a_body_that_never_ends_gives_its_place_back(shelf: Shelf) -> None:
    with serving(shelf, Limits(seconds=0.2)) as live, socket.create_connection(live.at, timeout=20) as slow:
        head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        slow.sendall(head + b"Content-Length: 100\r\n\r\n{")
        answer = b"".join(iter(lambda: slow.recv(4096), b""))  # to the end of the connection
        assert answer.startswith(b"HTTP/1.1 408")
        assert live.service.gate.waiting == 0


@pytest.mark.parametrize(
    ("path", "asked", "status"),
    [
        ("/v1/predict", {"model": "classify", "records": [1] * 100_000}, 413),
        ("/v1/predict", {"model": "classify", "text": "好" * 2_000}, 413),
        ("/v1/predict", {"model": "classify", "record": None}, 400),
        (CHAT, {**SAID, "messages": [1] * 100_000}, 400),
        (CHAT, {**SAID, "messages": [{"role": "user", "content": "书" * 100_000}]}, 400),
        (CHAT, {**SAID, "stop": [str(number) for number in range(100)]}, 400),
        (CHAT, {**SAID, "stop": "a" * 2_000}, 400),
        (CHAT, {**SAID, "logit_bias": {"9" * 5000: 1}}, 400),
        (CHAT, {**SAID, "response_format": {"type": "json_schema", "json_schema": "x"}}, 400),
    ],
)
def test_too_much_of_anything_is_refused_before_it_is_looked_at(
    shelf: Shelf, path: str, asked: Any, status: int
) -> None:
    with serving(shelf, Limits(tokens=64)) as live:
        refused = live.post(path, asked)
    assert refused.status_code == status, refused.text
    assert len(refused.text) < 1_000
