"""Those who mean ill cost a server little, and their neighbours nothing."""

import socket
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from servers import Live, serving

from danlu.serve.feedback import Feedback
from danlu.serve.keys import add_key, read_keys
from danlu.serve.limits import Limits
from danlu.serve.problem import problem_of
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
        (CHAT, {**SAID, "messages": [{"role": "user", "content": "书" * 2_000}]}, 413),
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


JUDGED = {"model": "classify", "record": {"text": "秘密"}, "correct": True}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "elsewhere.example"}, 421),
        ({"Content-Type": "text/plain"}, 415),
        ({"Origin": "http://localhost:1", "Host": "localhost:1"}, 200),
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
    ],
)
def test_a_page_of_another_site_can_ask_nothing(live: Live, headers: dict[str, str], status: int) -> None:
    answer = live.post("/v1/predict", {"model": "classify", "text": "好"}, headers=headers)
    assert answer.status_code == status


def test_a_database_that_cannot_be_written_is_told_without_the_record(
    shelf: Shelf, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    store = Feedback(f"sqlite:///{(tmp_path / 'kept.db').as_posix()}")
    with serving(shelf, feedback=store) as live:
        with sqlite3.connect(tmp_path / "kept.db") as other:
            other.execute("DROP TABLE danlu_feedback")
        other.close()
        refused = live.post("/v1/feedback", JUDGED)
    store.close()
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "database_unavailable")
    told = capfd.readouterr().err
    assert "秘密" not in told
    assert "\\u79d8" not in told


def test_a_mistake_of_ours_tells_the_log_where_and_not_what(capfd: pytest.CaptureFixture[str]) -> None:
    text = "秘密"
    with pytest.raises(KeyError) as mistake:
        {}[text]
    assert problem_of(mistake.value).status == 500
    told = capfd.readouterr().err
    assert "KeyError" in told
    assert "test_hostile.py" in told
    assert text not in told


def test_what_tells_of_models_wants_a_key_where_keys_are_wanted(shelf: Shelf, tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys.yaml", "a")
    with serving(shelf, keys=read_keys(tmp_path / "keys.yaml")) as live, live.client() as client:
        for path in ("/metrics", "/openapi.json"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers={"Authorization": f"Bearer {key}"}).status_code == 200
        assert client.get("/health/ready").status_code == 200
        assert client.head("/health/live").status_code == 200


def test_a_name_with_nothing_behind_its_slash_is_no_other_name(live: Live) -> None:
    assert live.post("/v1/predict", {"model": "classify/", "text": "好"}).status_code == 404
