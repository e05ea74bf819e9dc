"""A SIGHUP that comes before a server is open ends nothing, and is followed once it is."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from danlu.serve.hangup import remembered
from danlu.serve.limits import Limits
from danlu.serve.run import serve
from danlu.serve.service import Service
from danlu.serve.shelf import Place

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")


def hang_up() -> None:
    os.kill(os.getpid(), signal.SIGHUP)


def test_a_signal_is_kept_for_the_blocks_within_and_after_the_block_means_what_it_did() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGHUP, lambda number, _frame: heard.append(number))
    try:
        with remembered() as outer:
            assert not outer.heard
            hang_up()
            with remembered() as inner:
                assert inner.heard
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # as an event loop leaves it
            with remembered() as other:
                assert not other.heard
        assert heard == []
        hang_up()
        assert heard == [signal.SIGHUP]
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread_nothing_is_kept() -> None:
    before, found = signal.getsignal(signal.SIGHUP), []

    def look() -> None:
        with remembered() as hangups:
            found.append((hangups.heard, signal.getsignal(signal.SIGHUP)))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [(False, before)]


def test_a_signal_while_bundles_are_opened_takes_them_anew_once_they_are(
    bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []
    told: list[dict[str, Any]] = []

    def opening(bundle: Any) -> None:
        if not opened:
            hang_up()
        opened.append(bundle)

    def say(self: Service, event: str, **values: Any) -> None:
        if event == "reload":
            told.append(values)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Service, "say", say)
    place = Place("m", str(bundles["classify"]), threads=1, accepts=opening)
    before = signal.getsignal(signal.SIGHUP)
    serve([place], port=0, limits=Limits(), replay=0, say=lambda _: None)
    assert told == [{"models": ["m"], "refused": None}]
    assert len(opened) == 2
    assert signal.getsignal(signal.SIGHUP) == before
