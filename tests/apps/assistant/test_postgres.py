"""The same on a server: what is kept lies in PostgreSQL, several assistants beside it, each with its own index."""

import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from threading import Thread

import postgres_server
import pytest

from danlu.apps.assistant import outbox, versions
from danlu.apps.assistant.conversations import forget, session_of, turns_of
from danlu.apps.assistant.opening import opened, take_sample
from danlu.apps.assistant.tables import SESSIONS

pytestmark = pytest.mark.skipif(bool(postgres_server.missing()), reason=postgres_server.missing())


def test_two_machines_share_a_database(tmp_path: Path) -> None:
    said: list[str] = []
    former = "key text, handover text, made float, due float, tries int, state text, why text, body text"
    with postgres_server.server() as url, opened(tmp_path / "one", url) as one, ExitStack() as stack:
        with one.store.begin() as connection:  # as an earlier version has left it
            connection.exec_driver_sql(f"CREATE TABLE assistant_outbox ({former})")
            told = "'k', NULL, 1, 1, 24, 'given_up', 'no', '{}'"
            connection.exec_driver_sql(f"INSERT INTO assistant_outbox VALUES ({told})")
        other = stack.enter_context(opened(tmp_path / "other", url))
        with other.store.begin() as connection:
            assert outbox.counts(connection) == {"waiting": 0, "sent": 0, "failed": 1}
            connection.exec_driver_sql("DELETE FROM assistant_messages")
        take_sample(one, said.append)
        with one.store.begin() as connection:
            versions.keep(connection, replace(versions.FIRST, number=1), serve=True)
        assert other.refresh()
        assert other.version.number == 1
        turn = one.ask("Who won?").turn
        one.judge(turn, "corrected", "Nobody.", "desk")
        other.refresh()
        assert other.ask("Who won?").text == "Nobody."
        with other.store.begin() as connection:
            assert outbox.counts(connection)["waiting"] == 0
        session = one.ask("Do you sell boats?").session
        turns: list[int] = []

        def counted() -> None:
            with other.store.begin() as connection:
                turns.append(session_of(connection, session, other.now(), other.patience, "en")[0].turns)

        late = Thread(target=counted, daemon=True)
        with one.store.begin() as connection:
            there, _ = session_of(connection, session, one.now(), one.patience, "en")
            late.start()
            late.join(0.3)
            connection.execute(SESSIONS.update().where(SESSIONS.c.id == session).values(turns=there.turns + 1))
        late.join(30)
        assert turns == [there.turns + 1], "of two turns at once the other waits"
        with other.store.begin() as connection:
            assert outbox.counts(connection)["waiting"] == 1
            assert forget(connection, other.now(), other.patience) == 0
        hook = outbox.Webhook("http://127.0.0.1:1/")
        for each in (other, one):
            assert outbox.outbox_of(each.store, hook, said.append).send_due() == 0
        with one.store.begin() as connection:
            rows = connection.exec_driver_sql("SELECT tries, state FROM assistant_messages ORDER BY tries").all()
            assert [tuple(row) for row in rows] == [(0, "waiting"), (1, "waiting")]
            assert forget(connection, one.now() + 91 * 86_400, one.patience) == 3
            assert connection.exec_driver_sql("SELECT tries FROM assistant_messages").scalar_one() == 1
            assert turns_of(connection, session) == []
    assert postgres_server.PASSWORD not in "".join(said)
    assert not list((tmp_path / "one").glob("*.db"))
    assert "psycopg" in sys.modules
