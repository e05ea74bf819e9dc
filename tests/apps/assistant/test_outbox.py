"""What is sent to a webhook: tried again with growing pauses, told in the end, never lost, and once by its key."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from danlu.apps.assistant import outbox
from danlu.apps.assistant.outbox import FIRST_PAUSE, GIVEN_UP, LEASE, LONGEST_PAUSE, SENT, TRIES, WAITING, Webhook
from danlu.apps.assistant.store import Store
from danlu.apps.assistant.tables import OUTBOX
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
    yield found
    found.server.shutdown()
    found.thread.join()
    found.server.server_close()


def kept(store: Store, *numbers: int) -> list[str]:
    with store.begin() as connection:
        return [outbox.put(connection, {"event": "handover", "number": number}, 1e9) for number in numbers]


def counts(store: Store) -> dict[str, int]:
    with store.begin() as connection:
        return outbox.counts(connection)


def row(store: Store) -> tuple[object, ...]:
    with store.begin() as connection:
        return tuple(connection.execute(OUTBOX.select()).one())


def test_what_fails_is_tried_again_with_growing_pauses_under_the_same_key(store: Store, hook: Hook, clock) -> None:
    (key,) = kept(store, 1)
    hook.statuses = [500, 302, 429]
    said: list[str] = []
    waited = []
    for _ in range(4):
        before = clock.time
        while not outbox.send_due(store, Webhook(hook.url), clock, said.append):
            if len(hook.seen) == len(waited) + 1:
                waited.append(clock.time - before)
                break
            clock.time += 0.5
    assert hook.seen == [key] * 4
    assert hook.taken[key]["number"] == 1
    assert 0.75 * FIRST_PAUSE <= waited[1] <= 1.25 * FIRST_PAUSE + 0.5
    assert 2 * 0.75 * FIRST_PAUSE <= waited[2] <= 2 * 1.25 * FIRST_PAUSE + 0.5
    assert counts(store) == {WAITING: 0, SENT: 1, GIVEN_UP: 0}
    assert outbox.send_due(store, Webhook(hook.url), clock, said.append) == 0
    assert said == []


def test_after_the_last_try_it_is_told_and_kept_and_can_be_sent_again(store: Store, hook: Hook, clock) -> None:
    keys = kept(store, 1, 2)
    hook.statuses = [503] * 2 * TRIES
    said: list[str] = []
    for _ in range(TRIES):
        outbox.send_due(store, Webhook(hook.url), clock, said.append)
        clock.time += 1.25 * LONGEST_PAUSE
    assert len(hook.seen) == 2 * TRIES
    assert counts(store) == {WAITING: 0, SENT: 0, GIVEN_UP: 2}
    assert len(said) == 2
    assert f"was not taken in {TRIES} tries (OSError: status 503)" in said[0]
    assert "secret-path" not in "".join(said)
    assert outbox.again(store, clock()) == 2
    assert outbox.send_due(store, Webhook(hook.url), clock, said.append) == 2
    assert set(hook.taken) == set(keys)


def test_it_is_tried_for_about_a_day() -> None:
    middle = [outbox.pause(tries, lambda: 0.5) for tries in range(1, TRIES)]
    longest = [outbox.pause(tries, lambda: 1.0) for tries in range(1, TRIES)]
    assert 0.9 * 86_400 <= sum(middle) <= 1.1 * 86_400
    assert middle[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert middle[-1] == LONGEST_PAUSE
    assert max(longest) == 1.25 * LONGEST_PAUSE


@pytest.mark.parametrize("other", [200, 503])
@pytest.mark.parametrize("own", [200, 503])
def test_a_sender_that_was_slower_than_its_lease_changes_nothing_that_another_has_noted(
    store: Store, hook: Hook, clock, monkeypatch: pytest.MonkeyPatch, own: int, other: int
) -> None:
    (key,) = kept(store, 1)
    hook.statuses = [other]
    post, noted = Webhook.post, []

    def slow(webhook: Webhook, body: bytes, key: str) -> None:
        monkeypatch.setattr(Webhook, "post", post)
        clock.time += LEASE + 1
        outbox.send_due(store, webhook, clock, pytest.fail)
        noted.append(row(store))
        if own != 200:
            raise OSError(f"status {own}")

    monkeypatch.setattr(Webhook, "post", slow)
    outbox.send_due(store, Webhook(hook.url), clock, pytest.fail)
    assert hook.seen == [key]
    assert row(store) == noted[0]
    assert counts(store)[SENT if other == 200 else WAITING] == 1


def test_several_senders_send_each_once(store: Store, hook: Hook, clock) -> None:
    keys = kept(store, *range(12))
    senders = [
        threading.Thread(target=outbox.send_due, args=(store, Webhook(hook.url), clock, pytest.fail)) for _ in range(4)
    ]
    for each in senders:
        each.start()
    for each in senders:
        each.join()
    assert sorted(hook.seen) == sorted(keys)


def test_what_was_sent_and_not_noted_is_sent_again_under_its_key_once_the_lease_is_over(
    store: Store, hook: Hook, clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (key,) = kept(store, 1)

    def killed(*_given: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "_noted", killed)
        with pytest.raises(KeyboardInterrupt):
            outbox.send_due(store, Webhook(hook.url), clock, print)
    assert outbox.send_due(store, Webhook(hook.url), clock, print) == 0
    clock.time += LEASE + 1
    assert outbox.send_due(store, Webhook(hook.url), clock, print) == 1
    assert hook.seen == [key, key]
    assert list(hook.taken) == [key]


def test_a_clock_that_is_set_back_holds_nothing_up(store: Store, hook: Hook, clock) -> None:
    kept(store, 1)
    hook.statuses = [500]
    outbox.send_due(store, Webhook(hook.url), clock, print)
    clock.time -= 30 * 86_400
    assert outbox.send_due(store, Webhook(hook.url), clock, print) == 1


def test_nobody_listening_is_a_failure_as_any(store: Store, clock: Callable[[], float]) -> None:
    kept(store, 1)
    assert outbox.send_due(store, Webhook("http://127.0.0.1:1/x"), clock, print) == 0
    assert counts(store)[WAITING] == 1


@pytest.mark.parametrize("url", ["ftp://a/b", "file:///etc/passwd", "http://", "https://a b/c", "http://a:0/", "hook"])
def test_what_is_no_address_of_the_web_is_refused(url: str) -> None:
    with pytest.raises(Refusal, match="--webhook: expected an address"):
        Webhook(url)
