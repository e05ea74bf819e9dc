"""Pages and messages over http: limits, closed networks, servers that go on for ever."""

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate

import pytest
from monitor_web import Web

from danlu.apps.monitor.feed import BYTES
from danlu.machine.networks import is_open
from danlu.machine.web import Failed, deliver, fetch, post


@pytest.fixture
def web() -> Iterator[Web]:
    found = Web()
    yield found
    found.close()


def test_a_page_is_fetched_within_limits(web: Web) -> None:
    def answer(path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        if path.startswith("/loop"):
            return 302, {"Location": f"/loop{len(path)}x"}, b""
        if path == "/moved":
            return 301, {"Location": "/page?q=%C3%A4"}, b""
        if path == "/known":
            return 301, {"Location": "/新闻/".encode().decode("latin-1")}, b""
        if path == "/file":
            return 302, {"Location": "file:///etc/passwd"}, b""
        if path == "/bomb":
            return 200, {"Content-Encoding": "gzip"}, gzip.compress(b"0" * (BYTES + 1))
        if path == "/slow":
            time.sleep(1)
        return 200, {"Content-Encoding": "gzip"}, gzip.compress(f"{path} {headers['user-agent']}".encode())

    web.answer = answer
    assert fetch(f"{web.url}/moved", {}, 100, 5).content == b"/page?q=%C3%A4 danlu"
    assert fetch(f"{web.url}/known", {}, 100, 5).content == b"/%E6%96%B0%E9%97%BB/ danlu"
    assert fetch(f"{web.url}/新?q=报", {}, 100, 5).content.startswith(b"/%E6%96%B0?q=%E6%8A%A5 ")
    for path, reason in {
        "loop": "more than 5 times", "file": "no address of http", "bomb": "unpacks to more than", "slow": "in time",
    }.items():  # fmt: skip
        with pytest.raises(Failed, match=reason):
            fetch(f"{web.url}/{path}", {}, BYTES, 0.3 if path == "slow" else 5)
    with pytest.raises(Failed, match="more than 5 bytes"):
        fetch(f"{web.url}/page", {}, 5, 5)
    for url in ("ftp://x/y", "file:///etc/passwd", "http://", "http://a b/", "http://x:99999/", "javascript:1"):
        with pytest.raises(Failed, match="no address of http"):
            fetch(url, {}, 5, 5)


def test_what_is_posted_goes_to_one_machine_and_its_reply_is_bounded(web: Web) -> None:
    assert deliver(f"{web.url}/in", {"词": 1}, {"X-Key": "k"}, 5) == {}
    assert (web.bodies, web.asked[0][1]["x-key"], web.asked[0][1]["user-agent"]) == ([{"词": 1}], "k", "danlu")
    web.answer = lambda path, headers, body: (307, {"Location": f"{web.url}/elsewhere"}, b"")
    with pytest.raises(Failed, match=r"^http://127\.0\.0\.1:\d+ answers 307 Temporary Redirect$"):
        deliver(f"{web.url}/in?token=hidden", {}, {}, 5)
    assert [path for path, _, _ in web.asked] == ["/in", "/in?token=hidden"]
    web.answer = lambda path, headers, body: (400, {}, b"0123456789")
    for most, said in ((9, b"012345678"), (10, b"0123456789")):
        answer = post(web.url, b"{}", {}, 5, most)
        assert (answer.status, answer.content, answer.whole) == (400, said, most == 10)
    web.answer = lambda path, headers, body: (200, {}, b"[" * 100_000)
    assert deliver(web.url, {}, {}, 5) == {}


def test_how_long_a_server_asks_to_wait_is_told_in_seconds_or_as_a_date(web: Web) -> None:
    def after(told: str) -> float | None:
        web.answer = lambda path, headers, body: (503, {"Retry-After": told}, b"")
        with pytest.raises(Failed) as failed:
            deliver(web.url, {}, {}, 5)
        return failed.value.after

    assert [after(told) for told in ("120", "soon", "-1", "")] == [120.0, None, None, None]
    assert after(formatdate(time.time() + 600, usegmt=True)) == pytest.approx(600, abs=30)
    assert after(formatdate(0, usegmt=True)) == 0.0


def test_no_page_of_the_open_network_sends_on_into_a_closed_one(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    met = iter([False, True])  # where the same name leads the second time, and as if it had been open the first time
    monkeypatch.setattr("danlu.machine.web.is_open", lambda address: next(met))
    web.answer = lambda path, headers, body: (302, {"Location": "/inner"}, b"")
    with pytest.raises(Failed, match="closed network"):
        fetch(f"{web.url}/", {}, 5, 5)
    assert len(web.asked) == 1


def test_a_page_of_a_closed_network_sends_on_to_no_other_of_it(web: Web) -> None:
    try:
        other = socket.create_server(("127.0.0.2", 0))
    except OSError:
        pytest.skip("this machine has no second address of its own")
    with other:
        other.settimeout(0.2)
        inner = f"http://127.0.0.2:{other.getsockname()[1]}/"
        web.answer = lambda path, headers, body: (302, {"Location": inner}, b"")
        with pytest.raises(Failed, match="closed network"):
            fetch(f"{web.url}/", {}, 5, 5)
        line, _ = other.accept()
        with line:
            assert line.recv(100) == b""  # nothing was asked there


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True), ("2606:4700::1111", True), ("64:ff9b::808:808", True), ("::ffff:8.8.8.8", True),
        ("127.0.0.1", False), ("10.1.2.3", False), ("169.254.169.254", False), ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("::1", False), ("fe80::1%eth0", False), ("fd00::1", False), ("::ffff:10.0.0.1", False), ("224.0.0.1", False),
        ("64:ff9b::a9fe:a9fe", False), ("64:ff9b::7f00:1", False), ("2002:a00:1::", False),
        ("64:ff9b:1::808:808", False),
    ],
)  # fmt: skip
def test_addresses_of_closed_networks_are_known_whatever_they_are_wrapped_in(address: str, expected: bool) -> None:
    assert is_open(address) is expected


HELLO = b"\x16\x03\x03\x3f\x00\x02\x00\x3e\xfc\x03\x03"
"""How TLS 1.2 begins to say hello, at length."""


@pytest.mark.parametrize(("scheme", "begin"), [("http", b"HTTP/1.1 200 OK\r\nX: "), ("https", HELLO)])
@pytest.mark.parametrize("ask", [lambda url: fetch(url, {}, 5, 0.4), lambda url: deliver(url, {}, {}, 0.4)])
def test_a_server_that_says_a_letter_at_a_time_is_left(scheme: str, begin: bytes, ask: Callable[[str], object]) -> None:
    ends: list[str] = []

    def drip(listening: socket.socket) -> None:
        line, _ = listening.accept()
        with line:
            line.recv(10_000)
            try:
                for byte in begin + b"x" * 150:
                    line.sendall(bytes([byte]))
                    time.sleep(0.05)
                ends.append("heard to the end")
            except OSError:
                ends.append("left")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=(listening,))
        thread.start()
        with pytest.raises(Failed, match="did not come to its end in time"):
            ask(f"{scheme}://127.0.0.1:{listening.getsockname()[1]}/")
        thread.join(30)
    assert ends == ["left"]


@pytest.mark.parametrize("said", [b"\0\xff\x1b[31m junk", b"HTTP/1.1 500 \0\x1b[31mno\r\nContent-Length: 0\r\n\r\n"])
def test_what_a_server_says_commands_no_terminal_and_can_be_kept(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            line, _ = listening.accept()
            with line:
                line.recv(4096)
                line.sendall(said)
                line.shutdown(socket.SHUT_WR)
                while line.recv(4096):  # a body that comes by itself; closed before, it would be answered by a reset
                    pass

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(Failed) as failed:
            deliver(f"http://127.0.0.1:{listening.getsockname()[1]}/", {}, {}, 5.0)
        thread.join()
    assert "[31m" in str(failed.value)
    assert not {"\0", "\x1b"} & {*str(failed.value)}


def test_secrets_of_an_address_are_not_told() -> None:
    with pytest.raises(Failed) as failed:
        fetch("http://me:hidden@127.0.0.1:9/x?token=hidden", {}, 5, 1)
    assert "hidden" not in str(failed.value)


def test_what_breaks_off_is_not_taken_for_the_whole(web: Web) -> None:
    packed = gzip.compress(b"a whole page" * 100)
    for headers, content, reason in (
        ({"Content-Length": "20"}, b"half", "broke off: 16 bytes are lacking"),
        ({"Content-Encoding": "gzip"}, packed[:-9], "broke off: its gzip has no end"),
    ):
        web.answer = lambda path, asked, body, told=(headers, content): (200, *told)
        with pytest.raises(Failed, match=reason):
            fetch(f"{web.url}/page", {}, BYTES, 5)
    for content, size in (
        (packed, 1200),
        (packed + packed, 2400),
        (packed + b"\0\0", 1200),
        (packed + b"\r\n", 1200),
        (b"", 0),
    ):
        web.answer = lambda path, headers, body, told=content: (200, {"Content-Encoding": "gzip"}, told)
        assert len(fetch(f"{web.url}/page", {}, 2400, 5).content) == size
    web.answer = lambda path, headers, body: (200, {"Content-Encoding": "gzip"}, gzip.compress(b"") * 101)
    with pytest.raises(Failed, match="is packed in more than 100 pieces"):
        fetch(f"{web.url}/page", {}, BYTES, 5)
    web.answer = lambda path, headers, body: (200, {"Content-Encoding": "gzip"}, packed * 3)
    with pytest.raises(Failed, match="unpacks to more than 2,400 bytes"):
        fetch(f"{web.url}/page", {}, 2400, 5)
