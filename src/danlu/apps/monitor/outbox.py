"""Alerts that are to be sent, each to all channels; a webhook tells by its key that it has one, mail by Message-ID."""

from collections.abc import Callable, Collection
from typing import Any

from danlu.apps.monitor.channel import Channel
from danlu.apps.monitor.message import message_of
from danlu.apps.monitor.queries import alert_of, texts_behind
from danlu.apps.monitor.store import Store
from danlu.apps.monitor.tables import OUTBOX
from danlu.apps.sending import outbox
from danlu.apps.sending.outbox import LEASE, Outbox

TEXTS = 5
"""That a message shows."""


def outbox_of(
    store: Store,
    name: str,
    channel: Channel,
    language: str = "en",
    lease: float = LEASE,
    say: Callable[[str], object] = print,
) -> Outbox:
    """What sends to a channel."""

    def send(row: Any) -> str | None:
        with store.reading() as connection:
            alert = alert_of(connection, row.alert)
            texts = texts_behind(connection, alert, TEXTS)
        return channel.send(message_of(alert, texts, language))

    return Outbox(
        store,
        OUTBOX,
        {name: send},
        called=lambda row: f"alert {row.alert}",
        advice="danlu app monitor again",
        lease=lease,
        say=say,
    )


def give_up_gone(store: Store, channels: Collection[str], say: Callable[[str], object] = print) -> None:
    """Give up messages that wait for channels that are not among these any more, and tell of them."""
    for name, count in outbox.give_up_gone(store, OUTBOX, channels).items():
        say(f"{name}: {count:,} messages wait for this channel, which is not there any more; they are given up")


def again(store: Store, alert: int | None = None) -> int:
    """Try messages once more that were given up, all or those of an alert; gives how many there are."""
    return outbox.again(store, OUTBOX, *([] if alert is None else [OUTBOX.c.alert == alert]))
