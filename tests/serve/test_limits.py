"""What is too much is refused before memory is spent; what nobody waits for stops, and its neighbours go on."""

import http.client
import json
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from servers import Live, serving

from danlu.refusal import Refusal
from danlu.serve.gate import UNKNOWN, Gate
from danlu.serve.keys import Key, add_key, owner, read_keys
from danlu.serve.limits import Limits
from danlu.serve.problem import Problem
from danlu.serve.shelf import Shelf

CHAT = "/v1/chat/completions"
LATE = "答案没有及时准备好；请少要一些，或稍后再试"
LONG: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": "书"}], "max_tokens": 110}
ON = {"logit_bias": {"0": -10000}}
"""Never ends by itself."""


def until(right: Any, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not right():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.005)


def raw(live: Live, path: str, body: Any) -> socket.socket:
    """A request whose answer nobody has read yet."""
    host, _, port = live.address.removeprefix("http://").partition(":")
    found = socket.create_connection((host, int(port)), timeout=20)
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(data)}\r\n\r\n"
    found.sendall(head.encode() + data)
    return found


@pytest.mark.parametrize("stream", [False, True])
def test_who_goes_away_stops_the_writing_and_frees_the_place(live: Live, shelf: Shelf, stream: bool) -> None:
    before = live.service.gate.waiting
    sockets = [raw(live, CHAT, {**LONG, **ON, "stream": stream, "max_tokens": 120}) for _ in range(4)]
    until(lambda: live.service.gate.waiting == before + 4)
    with shelf.lease("chat") as model:
        writer = model.predictor._queue.writer
    until(lambda: bool(writer._under_way))
    for each in sockets:
        each.close()
    until(lambda: live.service.gate.waiting == before and not writer._under_way)
    assert live.service.gate.tokens == 0


def test_what_a_stream_had_written_is_counted_when_its_client_goes_away(shelf: Shelf) -> None:
    with serving(shelf, Limits(patience=120)) as live:
        lost = raw(live, CHAT, {**LONG, **ON, "stream": True, "max_tokens": 120})
        while b'"content":"' not in lost.recv(2**16).replace(b'"content":""', b""):
            pass
        lost.close()
        until(lambda: live.service.gate.waiting == 0)
        with live.client() as client:
            told = client.get("/metrics").text.splitlines()
    (written,) = [line for line in told if line.startswith("danlu_tokens_total") and '"written"' in line]
    assert 0 < float(written.split()[-1]) <= 120


def test_neighbours_of_a_bad_and_a_lost_request_get_their_answers(live: Live) -> None:
    right = live.post(CHAT, LONG).json()["choices"][0]["message"]["content"]
    lost = [raw(live, CHAT, {**LONG, "stream": True}) for _ in range(3)]
    with ThreadPoolExecutor(8) as pool:
        wrong = {"type": "json_schema", "json_schema": {"schema": {"type": "no such"}}}
        bad = pool.submit(live.post, CHAT, {**LONG, "response_format": wrong})
        good = [pool.submit(live.post, CHAT, LONG) for _ in range(4)]
        for each in lost:
            each.close()
        assert [each.result().json()["choices"][0]["message"]["content"] for each in good] == [right] * 4
        assert bad.result().status_code == 400


@pytest.mark.parametrize("told", [True, False])
def test_who_sends_a_little_too_much_reads_why_and_is_not_cut_off(shelf: Shelf, told: bool) -> None:
    with serving(shelf, Limits(body=2**21)) as live:
        connection = http.client.HTTPConnection(*live.at, timeout=60)
        parts = [b"x" * 2**20] * 28  # more than lies between two processes that do not read
        headers = {"Content-Length": str(28 * 2**20)} if told else {"Transfer-Encoding": "chunked"}
        connection.request("POST", "/v1/predict", iter(parts), headers, encode_chunked=not told)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["error"]["code"]) == (413, "too_large")
        connection.close()


@pytest.mark.parametrize("head", [{"Content-Length": str(2**40)}, {"Content-Length": "4096", "Expect": "100-continue"}])
def test_who_tells_of_far_too_much_or_asks_before_is_not_waited_for(shelf: Shelf, head: dict[str, str]) -> None:
    with serving(shelf, Limits(body=1024)) as live:
        connection = http.client.HTTPConnection(*live.at, timeout=20)
        connection.putrequest("POST", "/v1/predict")
        for name, value in head.items():
            connection.putheader(name, value)
        connection.endheaders()
        assert connection.getresponse().status == 413
        connection.close()


def test_large_and_compressed_bodies_are_refused(shelf: Shelf) -> None:
    with serving(shelf, Limits(body=2048)) as live, live.client() as client:
        assert client.post("/v1/predict", content=b"x" * 4096).status_code == 413
        parts = (b"x" * 512 for _ in range(10))  # its length is not told
        assert client.post("/v1/predict", content=parts).json()["error"]["code"] == "too_large"
        answer = client.post("/v1/predict", content=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
        assert answer.status_code == 415
        good = client.post("/v1/predict", json={"model": "classify", "text": "好"})
        assert good.status_code == 200


def test_more_requests_than_places_are_told_when_to_come_again(shelf: Shelf) -> None:
    with serving(shelf, Limits(waiting=1)) as live:
        first = raw(live, CHAT, {**LONG, **ON, "max_tokens": 120, "stream": True})
        until(lambda: live.service.gate.waiting == 1)
        refused = live.post("/v1/predict", {"model": "classify", "text": "好"})
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        first.close()
        until(lambda: live.service.gate.waiting == 0)
        assert live.post("/v1/predict", {"model": "classify", "text": "好"}).status_code == 200


def test_an_answer_that_takes_too_long_is_given_up(shelf: Shelf) -> None:
    with serving(shelf, Limits(seconds=0.05)) as live:
        late = live.post(CHAT, {**LONG, **ON, "max_tokens": 120, "n": 8, "temperature": 1})
        assert (late.status_code, late.json()["error"]["code"]) == (504, "timeout")
        until(lambda: live.service.gate.tokens == 0)
        with live.client() as client:
            asked = {**LONG, **ON, "max_tokens": 120, "n": 8, "temperature": 1, "stream": True}
            streamed = client.post(CHAT, json=asked, headers={"Accept-Language": "zh"}).text
        (last,) = [json.loads(each)["error"] for each in streamed.split("data: ") if '"error"' in each]
        assert (last["code"], last["message"], last["translated"]) == ("timeout", late.json()["error"]["message"], LATE)


def test_a_gate_lets_in_what_will_be_done_in_time_and_no_more() -> None:
    now = 0.0
    gate = Gate(Limits(patience=2.0, tokens=10**6), clock=lambda: now)
    for _ in range(20):
        with gate.admitted(50_000, None):
            now += 1.0
            gate.done(50_000)
        with gate.admitted(16_000, None):
            pass  # who goes away at once has taught nothing
    assert gate.rate == pytest.approx(50_000, rel=0.01)
    with gate.admitted(60_000, None), gate.admitted(30_000, None):
        with pytest.raises(Problem) as full, gate.admitted(20_000, None):
            pass
        assert (full.value.status, full.value.retry_after) == (429, 2)
        assert gate.tokens == 90_000
    assert gate.tokens == 0
    with pytest.raises(Problem, match="1,000,001 tokens"), gate.admitted(1_000_001, None):
        pass
    assert UNKNOWN < 50_000


def test_a_prompt_counts_for_each_text_after_it_as_each_holds_it_in_memory() -> None:
    gate = Gate(Limits())
    key = Key(name="a", sha256="0" * 64, tokens_per_minute=20_000)
    with gate.admitted(4_000, key, texts=16, written=16 * 100, rows=16):
        pass  # what a key may ask is counted as it is told
    many = gate.admitted(4_000, None, texts=64, written=64 * 200, rows=64)
    with pytest.raises(Problem, match="as what is read counts for each of 64 texts") as never, many:
        pass
    assert (never.value.status, gate.texts) == (413, 0)


def test_many_texts_after_a_long_prompt_are_refused_where_one_is_not(shelf: Shelf) -> None:
    with serving(shelf, Limits(tokens=160)) as live:
        asked = {**LONG, "max_tokens": 4, "temperature": 1}
        one, many = (live.post(CHAT, asked | {"n": count}) for count in (1, 16))
    assert one.status_code == 200
    assert one.json()["usage"]["prompt_tokens"] < 160 // 2
    assert (many.status_code, many.json()["error"]["code"]) == (413, "too_many_tokens")
    assert "counts for each of 16 texts" in many.json()["error"]["message"]


def test_many_texts_are_written_side_by_side_whatever_a_short_one_tells_of_the_speed() -> None:
    now = 0.0
    gate = Gate(Limits(patience=2.0, texts=32), clock=lambda: now)
    with gate.admitted(8, None):
        now += 0.025
        gate.done(8)  # 320 tokens a second, by a text that was alone
    with ExitStack() as stack:
        for _ in range(32):
            stack.enter_context(gate.admitted(20, None, texts=1, written=256))
        with pytest.raises(Problem, match="as much to do"), gate.admitted(20, None, texts=1, written=256):
            pass
        for _ in range(6):
            stack.enter_context(gate.admitted(100, None))  # what is read does not wait for them
        assert (gate.texts, gate.tokens) == (32, 600)
        with pytest.raises(Problem, match="as much to do"):
            gate.refuse_full(425)  # 1,024 may wait, however slow a lone text was
        gate.refuse_full(424)
    assert (gate.texts, gate.tokens) == (0, 0)
    gate.refuse_full(10**6)  # who comes alone waits for nobody


def test_where_no_more_is_taken_a_request_is_refused_before_its_records_are_read(shelf: Shelf) -> None:
    with serving(shelf, Limits(patience=0.5)) as live:
        body = {"model": "classify", "record": {"nothing": "that it reads"}}
        assert live.post("/v1/predict", body).status_code == 400
        live.service.gate.tokens = 10**6
        found = live.post("/v1/predict", body)
        assert (found.status_code, found.json()["error"]["code"]) == (429, "busy")
        live.service.gate.tokens = 0
        assert live.post("/v1/predict", body).status_code == 400


def test_a_key_has_its_own_share() -> None:
    now = 0.0
    gate = Gate(Limits(), clock=lambda: now)
    key = Key(name="a", sha256="0" * 64, requests_per_minute=2, tokens_per_minute=100)
    for tokens in (10, 20):
        gate.request(key)
        with gate.admitted(tokens, key):
            now += 10
    with pytest.raises(Problem, match="2 requests a minute") as full:
        gate.request(key)
    assert full.value.retry_after == 40
    now = 61.0
    with pytest.raises(Problem, match="100 tokens a minute"), gate.admitted(90, key):
        pass
    with gate.admitted(80, key):
        pass
    with pytest.raises(Problem, match="this request alone comes to 101; ask less") as never, gate.admitted(101, key):
        pass
    assert (never.value.status, never.value.retry_after) == (413, None)


def test_a_key_is_told_to_wait_until_there_is_room_for_its_request() -> None:
    now = 0.0
    gate = Gate(Limits(), clock=lambda: now)
    key = Key(name="a", sha256="0" * 64, tokens_per_minute=100)
    for tokens in (10, 50, 40):
        with gate.admitted(tokens, key):
            now += 10
    for tokens, wait in ((10, 30), (11, 40), (60, 40), (61, 50)):
        with pytest.raises(Problem, match="100 tokens a minute") as full, gate.admitted(tokens, key):
            pass
        assert full.value.retry_after == wait


def test_keys_are_known_by_their_hash_and_who_has_none_is_not_let_in(shelf: Shelf, tmp_path: Path) -> None:
    file = tmp_path / "keys.yaml"
    plain, admin = add_key(file, "小王"), add_key(file, "ops", admin=True)
    assert plain not in file.read_text()
    keys = read_keys(file)
    assert [key.name for key in keys] == ["小王", "ops"]
    assert owner(keys, admin) == keys[1]
    assert owner(keys, plain + "x") is None
    ask = {"model": "classify", "text": "好"}
    with serving(shelf, keys=keys) as live:
        assert live.post("/v1/predict", ask).json()["error"]["code"] == "key_missing"
        wrong = live.post("/v1/predict", ask, headers={"Authorization": "Bearer danlu-x"})
        assert (wrong.status_code, wrong.headers["www-authenticate"]) == (401, "Bearer")
        bearer = {"Authorization": f"Bearer {plain}"}
        assert live.post("/v1/predict", ask, headers=bearer).status_code == 200
        assert live.post("/admin/reload", {}, headers=bearer).status_code == 403


def test_a_reload_reads_the_keys_anew_and_a_damaged_file_leaves_those_that_are(shelf: Shelf, tmp_path: Path) -> None:
    file = tmp_path / "keys.yaml"
    gone, stays = add_key(file, "gone"), add_key(file, "ops", admin=True)
    ask = {"model": "classify", "text": "好"}
    with serving(Shelf(()), keys=read_keys(file), keys_file=file) as live:

        def status(key: str, path: str = "/v1/predict", body: object = ask) -> int:
            return live.post(path, body, headers={"Authorization": f"Bearer {key}"}).status_code

        assert (status(gone), status(stays)) == (404, 404)  # there is no model, but both are known
        kept = [line for line in file.read_text().splitlines() if "gone" not in line]
        file.write_text("\n".join(kept))
        new = add_key(file, "new")
        assert (status(gone), status(new)) == (404, 401)
        assert status(stays, "/admin/reload", {}) == 200
        assert (status(gone), status(new), status(stays)) == (401, 404, 404)
        file.write_text("keys: []\n")
        refused = live.post("/admin/reload", {}, headers={"Authorization": f"Bearer {stays}"})
        assert refused.status_code == 409
        assert "names no key" in refused.json()["error"]["message"]
        assert (status(new), status(stays)) == (404, 404)


@pytest.mark.skipif(os.name != "posix", reason="rights are those of POSIX")
def test_a_file_of_keys_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys.yaml"
    add_key(file, "a")
    file.chmod(0o644)
    with pytest.raises(Refusal, match="chmod 600"):
        read_keys(file)
    file.chmod(0o600)
    file.write_text("keys:\n- {name: a, sha256: short}\n")
    with pytest.raises(Refusal, match=r"keys\.yaml line 2: keys\.0\.sha256"):
        read_keys(file)
    file.write_text("keys: []\n")
    with pytest.raises(Refusal, match="names no key"):
        read_keys(file)


def test_logs_hold_no_text_of_a_user(live: Live, capfd: pytest.CaptureFixture[str]) -> None:
    live.post("/v1/predict", {"model": "classify", "text": "秘密的话"}, headers={"X-Request-ID": "mine"})
    told = capfd.readouterr().err
    (line,) = [json.loads(each) for each in told.splitlines() if '"mine"' in each]
    assert (line["route"], line["status"], line["model"], line["read"] > 0) == ("/v1/predict", 200, "classify", True)
    assert "秘密" not in told
    assert "\\u79d8" not in told
