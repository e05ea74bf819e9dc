"""Messages: every kind of channel, what they refuse, and that each is sent once."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import suppress
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from monitor_streams import COARSE, plain_judge, stream

from danlu.apps.monitor.channel import Channel
from danlu.apps.monitor.channels.mail import LONGEST, Mail
from danlu.apps.monitor.leases import release_ended
from danlu.apps.monitor.message import TRIAL, Message, message_of
from danlu.apps.monitor.outbox import again, give_up_gone, outbox_of
from danlu.apps.monitor.settings import read_settings
from danlu.apps.monitor.store import Store
from danlu.apps.monitor.tables import OUTBOX
from danlu.apps.monitor.work import Worker
from danlu.apps.sending.outbox import LEASE, Outbox
from danlu.machine.holder import this_process
from danlu.machine.web import Failed
from danlu.recipe.part import kinds as kinds_of
from danlu.refusal import Refusal

MESSAGE = Message("k" * 32, "价格：负面上升", "12 of 20\n- 太贵了", {"key": "k" * 32, "topic": "价格"})


class Postman(socketserver.StreamRequestHandler):
    """As much of SMTP as a mail takes."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line.split()[0].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = []
                while (line := self.rfile.readline()) != b".\r\n":
                    lines.append(line.removeprefix(b"."))
                self.server.mails.append(b"".join(lines))  # type: ignore[attr-defined]
            refused = word == b"RCPT" and b"nobody" in line
            if word == b"QUIT":
                self.wfile.write(self.server.farewell)  # type: ignore[attr-defined]
                return
            self.wfile.write(b"550 unknown\r\n" if refused else b"250 ok\r\n")


@pytest.fixture
def postman() -> Iterator[Any]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Postman) as server:
        server.mails, server.farewell = [], b"221 bye\r\n"  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


def test_mail_arrives_with_the_key_and_one_who_is_unknown_is_told(postman: Any) -> None:
    host, port = postman.server_address
    told = {"host": host, "port": port, "security": "none", "sender": "me@example.org"}
    Mail(**told, to=["a@example.org", "b@example.org"]).send(MESSAGE)
    mail = message_from_bytes(postman.mails[0], policy=default)
    assert mail["Subject"] == MESSAGE.title
    assert mail["Message-ID"] == f"<{MESSAGE.key}@example.org>"
    assert mail.get_content().splitlines() == MESSAGE.text.splitlines()
    some = Mail(**told, to=["a@example.org", "nobody@example.org"])
    assert some.send(MESSAGE) == f"{host}: the mail was not taken for nobody@example.org"
    assert len(postman.mails) == 2
    with pytest.raises(Failed, match=r"not taken .*nobody@example\.org"):
        Mail(**told, to=["nobody@example.org"]).send(MESSAGE)
    assert len(postman.mails) == 2
    postman.farewell = b"500 no\r\n"
    assert Mail(**told, to=["a@example.org"]).send(MESSAGE) is None
    postman.farewell = b""
    assert Mail(**told, to=["a@example.org"]).send(MESSAGE) is None
    with pytest.raises(Failed, match="the mail was not taken"):
        Mail(**told | {"security": "starttls"}, to=["a@example.org"]).send(MESSAGE)
    with pytest.raises(Failed, match="unencrypted"):
        Mail(**told | {"host": "mail.example.org"}, user="me", password="x", to=["a@example.org"]).send(MESSAGE)


def test_a_server_that_never_comes_to_an_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of its replies is in time; another process would send the mail as well before it has said all."""

    class Slow(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                for _ in range(400):
                    self.wfile.write(b"220-wait\r\n")
                    threading.Event().wait(0.02)

    monkeypatch.setattr("danlu.apps.monitor.channels.mail.LONGEST", 0.2)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        mail = Mail(host="127.0.0.1", port=server.server_address[1], security="none", sender="me@a.b", to=["a@b.c"])
        with pytest.raises(Failed, match="the mail was not taken"):
            mail.send(MESSAGE)
        server.shutdown()
    assert LONGEST < LEASE


def test_of_a_mail_that_some_get_the_others_are_told_and_it_is_sent_once(postman: Any, alerted: Store) -> None:
    host, port = postman.server_address
    mail = Mail(host=host, port=port, security="none", sender="me@a", to=["a@b", "nobody@c"])
    lines: list[str] = []
    box = outbox_of(alerted, "mail", mail, say=lines.append)
    assert box.send_due() == len(postman.mails) == len(rows(alerted)) // 2
    assert {row.state for row in rows(alerted) if row.channel == "mail"} == {"sent"}
    assert len(lines) == len(postman.mails) > 0
    assert all("not taken for nobody@c" in line for line in lines)


def test_keywords_are_taken_without_the_white_space_around_them(tmp_path: Path) -> None:
    file = tmp_path / "monitor.yaml"
    file.write_text(f"topics: {{b: [' price ', 价格], {'n' * 130}: [x]}}", encoding="utf-8")
    assert read_settings(file).topics == {"b": ["price", "价格"], "n" * 100: ["x"]}


def test_settings_name_what_is_wrong_in_them(tmp_path: Path) -> None:
    file = tmp_path / "monitor.yaml"
    for text, reason in {
        "feed: [x]": "did you mean 'feeds'", "feeds: [ftp://x]": "no address of http or https",
        "channels: {a: {kind: webhok}}": "did you mean 'webhook'", "channels: {a: {kind: mail, hots: x}}": "hots",
        "topics: {all: [x]}": "'all' is the topic of every text", "alarm: {odds: 1}": "odds",
        "zone: CST": "zone", "channels: {a: {}}": "monitor.yaml line 1: channels.a: needs a 'kind': one of dingtalk",
    }.items():  # fmt: skip
        file.write_text(text, encoding="utf-8")
        with pytest.raises(Refusal, match=reason):
            read_settings(file)
    for nothing in ("", "# channels: none so far\n"):
        file.write_text(nothing, encoding="utf-8")
        assert read_settings(file).channels == {}
    kinds = {
        "webhook": "url: x", "dingtalk": "url: x", "wecom": "url: x", "feishu": "url: x",
        "mail": "host: x, sender: a@b, to: [c@d]",
    }  # fmt: skip
    assert sorted(kinds) == kinds_of(Channel)
    text = "".join(f"  {kind}: {{kind: {kind}, {rest}}}\n" for kind, rest in kinds.items())
    file.write_text(f"channels:\n{text}", encoding="utf-8")
    assert [channel.kind for channel in read_settings(file).channels.values()] == list(kinds)


FORMER = """CREATE TABLE monitor_outbox (id INTEGER NOT NULL PRIMARY KEY, alert BIGINT NOT NULL,
channel VARCHAR(100) NOT NULL, state VARCHAR(8) NOT NULL, tries INTEGER NOT NULL, due FLOAT NOT NULL,
holder VARCHAR(350), until FLOAT, error TEXT, sent FLOAT, UNIQUE (alert, channel))"""


def test_messages_of_an_earlier_version_are_sent_and_its_sent_ones_are_not(alerted: Store) -> None:
    before = rows(alerted)
    with alerted.begin() as connection:  # as it kept them
        connection.exec_driver_sql(FORMER)
        told = "SELECT id, alert, channel, 'waiting', 3, due, 'dead', due + 1e9, 'no', NULL FROM monitor_messages"
        connection.exec_driver_sql(f"INSERT INTO monitor_outbox {told}")
        connection.exec_driver_sql("UPDATE monitor_outbox SET state = 'sent', sent = due WHERE channel = 'mail'")
        connection.execute(OUTBOX.delete())
    for _ in range(2):
        with Store(str(alerted.engine.url)) as opened:
            kept = rows(opened)
            assert [(row.alert, row.channel, row.tries) for row in kept] == [
                (row.alert, row.channel, 3) for row in before
            ]
    listener = Listener()
    boxes = [outbox_of(alerted, name, listener) for name in ("hook", "mail")]  # type: ignore[arg-type]
    assert [box.send_due() for box in boxes] == [len(before) // 2, 0]


class Listener:
    """A channel that takes what it is told to take."""

    def __init__(self, *answers: bool) -> None:
        self.answers, self.heard = list(answers), list[Message]()

    def send(self, message: Message) -> None:
        self.heard.append(message)
        if self.answers and not self.answers.pop(0):
            raise Failed("not now")


@pytest.fixture
def alerted(store: Store) -> Store:
    """A store with alerts for two channels."""
    items = stream(10, 6, [(0.0, 0.15), (9.2, 0.9)])
    store.put(items, items[-1].date or 0.0)
    own = Worker(store, plain_judge(), COARSE, ["hook", "mail"], settled=0.0)
    own.work((items[-1].date or 0.0) + 2 * 10_800)
    return store


def rows(store: Store) -> list[Any]:
    with store.begin() as connection:
        return list(connection.execute(OUTBOX.select().order_by(OUTBOX.c.id)))


def outbox(store: Store, listener: Listener, name: str = "hook") -> Outbox:
    return outbox_of(store, name, listener, say=lambda _: None)  # type: ignore[arg-type]


def test_every_alert_goes_to_every_channel_once(alerted: Store) -> None:
    hook, mail = Listener(), Listener(*[False])
    assert outbox(alerted, hook).send_due() == len(hook.heard) == len(rows(alerted)) // 2 >= 2
    assert outbox(alerted, mail, "mail").send_due() == len(rows(alerted)) // 2 - 1
    assert [message.key for message in mail.heard] == [message.key for message in hook.heard]
    assert [row.state for row in rows(alerted)].count("waiting") == 1
    assert any("a: negative texts rise from" in message.title for message in hook.heard)
    assert "- " in hook.heard[0].text


def test_of_those_that_were_given_up_all_or_those_of_an_alert_are_tried_once_more(alerted: Store) -> None:
    with alerted.begin() as connection:
        connection.execute(OUTBOX.update().values(state="failed"))
    assert again(alerted, rows(alerted)[0].alert) == 2
    assert again(alerted) == len(rows(alerted)) - 2


def test_what_a_killed_process_had_is_taken_over_and_no_clock_that_went_back_holds_it(alerted: Store) -> None:
    with alerted.begin() as connection:
        now = alerted.clock(connection)
        connection.execute(OUTBOX.update().values(holder="x 1 0.0 elsewhere", until=now + 30))
    listener = Listener()
    assert release_ended(alerted) == 0  # of another machine that is not known
    assert outbox(alerted, listener).send_due() == 0
    with alerted.begin() as connection:
        connection.execute(OUTBOX.update().values(until=now - 1))
        connection.execute(OUTBOX.update().where(OUTBOX.c.id == 1).values(until=now + 1e6, due=now + 1e6))
    assert outbox(alerted, listener).send_due() == len(rows(alerted)) // 2
    here = this_process().split(" ", 2)[2]
    with alerted.begin() as connection:
        connection.execute(OUTBOX.update().values(state="waiting", holder=f"x 1 0.0 {here}", until=now + 30))
    assert outbox(alerted, listener).send_due() == 0
    assert release_ended(alerted) == 1
    assert outbox(alerted, listener).send_due() == len(rows(alerted)) // 2


def test_messages_of_a_channel_that_is_gone_are_given_up_and_told(alerted: Store) -> None:
    lines: list[str] = []
    give_up_gone(alerted, ["hook"], lines.append)
    assert lines == []  # another process may still send them
    with alerted.begin() as connection:
        connection.execute(OUTBOX.update().values(due=OUTBOX.c.due - 80_000))
    give_up_gone(alerted, ["hook"], lines.append)
    assert lines == []  # which may be down for a night
    with alerted.begin() as connection:
        connection.execute(OUTBOX.update().values(due=OUTBOX.c.due - 10_000))
    give_up_gone(alerted, ["hook"], lines.append)
    count = len(rows(alerted)) // 2
    assert lines == [f"mail: {count} messages wait for this channel, which is not there any more; they are given up"]
    assert {row.channel: row.state for row in rows(alerted)} == {"hook": "waiting", "mail": "failed"}
    assert {row.error for row in rows(alerted)} == {None, "there is no channel of this name any more"}
    assert again(alerted) == count
    give_up_gone(alerted, [], lines.append)
    assert {row.state for row in rows(alerted) if row.channel == "hook"} == {"failed"}


def test_messages_are_in_the_language_that_is_set() -> None:
    told = {"direction": "up", "since": 486_000, "step": 486_010, "seconds": 3600, "before": 0.2, "after": 0.35}
    alert = {"key": "k", "topic": "all", "told": told | {"negatives": 30, "texts": 86}}
    texts = [{"title": "", "text": "x" * 500, "url": "javascript:x"}, {"title": "题", "text": "y", "url": "http://x/1"}]
    english, chinese = (message_of(alert, texts, language) for language in ("en", "zh"))
    assert english.title == "all topics: negative texts rise from 20% to 35%"
    assert chinese.title == "全部话题：负面占比由 20% 升至 35%"
    assert "javascript" not in english.text
    assert english.text.endswith("- 题 http://x/1")
    assert len(english.text) < 400
    assert english.plain == chinese.plain | {"title": english.title}
    assert TRIAL.plain["trial"] is True
    named = message_of(alert | {"topic": "up"}, [], "en")
    assert named.title == "up: negative texts rise from 20% to 35%"
    assert message_of(alert | {"topic": "a\n# b"}, [], "zh").title == "a # b：负面占比由 20% 升至 35%"
