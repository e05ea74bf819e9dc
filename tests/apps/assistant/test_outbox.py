"""What is sent to a webhook: tried again with growing pauses, told in the end, never lost, and once by its key."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from danlu.apps.assistant import outbox
from danlu.apps.assistant.outbox import Webhook
from danlu.apps.assistant.store import Store
from danlu.apps.sending.outbox import LONGEST_WAIT
from danlu.machine.database import Database
from danlu.refusal import Refusal


class Hook:
    """A receiver that fails as often as it is told, and takes each key once."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.seen: list[str] = []
        self.taken: dict[str, dict[str, object]] = {}
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                key = self.headers["Idempotency-Key"]
                hook.seen.append(key)
                status = hook.statuses.pop(0) if hook.statuses else 200
                if status == 200:
                    hook.taken[key] = body
                self.send_response(status)
                self.send_header("Content-Length", "0")
                if status == 302:
                    self.send_header("Location", hook.url)
                self.end_headers()

            def log_message(self, *_told: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/secret-path"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()


@pytest.fixture
def hook() -> Iterator[Hook]:
    found = Hook()
    try:
        yield found
    finally:
        found.server.shutdown()
        found.thread.join()
        found.server.server_close()


def test_the_desk_gets_each_under_its_key_and_its_address_is_told_nowhere(store: Store, hook: Hook, clock) -> None:
    with store.begin() as connection:
        keys = [outbox.put(connection, {"event": "handover", "number": number}, clock()) for number in (1, 2)]
    hook.statuses = [302, 200]
    said: list[str] = []
    box = outbox.outbox_of(store, Webhook(hook.url), said.append)
    assert box.send_due() == 1
    box.clock = lambda connection: Database.clock(connection) + LONGEST_WAIT
    assert box.send_due() == 1
    assert hook.seen == [*keys, keys[0]]
    assert hook.taken == {key: {"event": "handover", "number": at, "key": key} for at, key in enumerate(keys, 1)}
    assert f"{keys[0]} for http://127.0.0.1:{hook.server.server_port} was not taken" in said[0]
    assert "answers 302 Found" in said[0]
    assert "secret-path" not in "".join(said)


def test_what_was_given_up_is_sent_anew(store: Store, clock) -> None:
    with store.begin() as connection:
        outbox.put(connection, {"event": "handover"}, clock())
    said: list[str] = []
    box = outbox.outbox_of(store, Webhook("http://127.0.0.1:1/x"), said.append)
    box.tries = 1
    assert box.send_due() == 0
    assert said[0].endswith("it is given up, and sent again with: danlu app assistant send-again")
    with store.begin() as connection:
        assert outbox.counts(connection) == {"waiting": 0, "sent": 0, "failed": 1}
    assert outbox.again(store) == 1


def test_what_an_earlier_version_has_kept_is_sent_under_its_key(tmp_path: Path, hook: Hook, clock) -> None:
    file = tmp_path / "assistant.db"
    with closing(sqlite3.connect(file)) as before, before:
        before.execute(
            "CREATE TABLE assistant_outbox (key VARCHAR(40) NOT NULL PRIMARY KEY, handover VARCHAR(40), "
            "made FLOAT NOT NULL, due FLOAT NOT NULL, tries INTEGER NOT NULL, state VARCHAR(10) NOT NULL, "
            "holder VARCHAR(40), held FLOAT NOT NULL, why TEXT, body TEXT NOT NULL)"
        )
        for key, state in (("a", "waiting"), ("b", "sent"), ("c", "given_up")):
            told = (key, clock(), clock(), state, clock() + 60, json.dumps({"event": "handover", "key": key}))
            before.execute("INSERT INTO assistant_outbox VALUES (?, NULL, ?, ?, 3, ?, 'dead', ?, 'no', ?)", told)
    for _ in range(2):  # once, however often it is opened
        with Store(f"sqlite:///{file}") as store, store.begin() as connection:
            assert outbox.counts(connection) == {"waiting": 1, "sent": 1, "failed": 1}
    with Store(f"sqlite:///{file}") as store:
        box = outbox.outbox_of(store, Webhook(hook.url), print)
        assert (box.send_due(), outbox.again(store), box.send_due()) == (1, 1, 1)
    assert hook.taken == {key: {"event": "handover", "key": key} for key in ("a", "c")}


@pytest.mark.parametrize("url", ["ftp://a/b", "file:///etc/passwd", "http://", "https://a b/c", "http://a:0/", "hook"])
def test_what_is_no_address_of_the_web_is_refused(url: str) -> None:
    with pytest.raises(Refusal, match="--webhook: expected an address"):
        Webhook(url)
