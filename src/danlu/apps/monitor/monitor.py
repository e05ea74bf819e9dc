"""A monitor that runs: its threads fetch, judge, look for changes and send, until they are told to end.

Several processes may run on one database: what one has taken the others leave be, and what it leaves they take over.
"""

import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from danlu.apps.monitor.channel import Channel
from danlu.apps.monitor.facts import keep_step
from danlu.apps.monitor.feed import Feed
from danlu.apps.monitor.judging import Judge
from danlu.apps.monitor.leases import release_ended
from danlu.apps.monitor.looks import Looks
from danlu.apps.monitor.outbox import give_up_gone, outbox_of
from danlu.apps.monitor.settings import Settings
from danlu.apps.monitor.sources import Gone, Source, Sources
from danlu.apps.monitor.store import Store
from danlu.apps.monitor.watched import files_of
from danlu.apps.monitor.work import Worker
from danlu.apps.sending.outbox import LEASE
from danlu.language import default
from danlu.machine.database import Unreachable

PAUSE = 1.0
"""Seconds between two looks for something to do."""

LONGEST_PAUSE = 30.0
"""Seconds between two tries while the database is away, at most."""

_FETCHERS = 8
_FILES_EVERY = 5.0
_FEEDS_EVERY = 5.0
_TIDIED_EVERY = 3600.0


@dataclass
class Monitor:
    """All that one process does.

    - `folder`: what paths of the settings begin at; `clock`: the time, in seconds since 1970.
    - `lease`: seconds for which other processes that have ended are waited for.
    """

    store: Store
    settings: Settings
    channels: Mapping[str, Channel]
    judge: Judge
    folder: Path
    say: Callable[[str], object] = print
    clock: Callable[[], float] = time.time
    lease: float = 30.0
    pause: float = PAUSE
    watch: Callable[[str], object] = str
    away: str = ""
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)
    _threads: list[threading.Thread] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        """Raises `Refusal` where the database counts in other steps than the settings say."""
        keep_step(self.store, self.settings.alarm.step)
        language = self.settings.language or default()
        names = sorted(self.channels)
        places = {"feeds": self.settings.feeds, "files": self.settings.watch}
        kinds = [kind for kind, named in places.items() if named]
        self.looks = Looks(self.store, kinds, self.settings.alarm.step)
        self.worker = Worker(
            self.store,
            self.judge,
            self.settings.alarm,
            names,
            self.lease,
            stopping=self._stop.is_set,
            say=self.say,
            watch=self.watch,
            keep=self.settings.keep,
            looks=self.looks,
        )
        self.outboxes = [
            outbox_of(self.store, name, channel, language, max(self.lease, LEASE), self.say)
            for name, channel in self.channels.items()
        ]
        self.feeds = Sources(self.store, self.settings.every, say=self.say)
        self.files = Sources(self.store, _FILES_EVERY, say=self.say)
        self._gone = Gone(self.store)

    def start(self) -> None:
        """Begin, in threads."""
        jobs: list[tuple[str, Callable[[], object]]] = [
            ("leases", lambda: release_ended(self.store)),
            ("work", lambda: self.worker.work(self.clock())),
            ("tidy", self._tidy),
        ]
        jobs += [(f"send-{number}", outbox.send_due) for number, outbox in enumerate(self.outboxes)]
        fetches = {"feeds": self._fetch_feeds, "files": self._fetch_files}
        jobs += [(kind, partial(self.looks.look, kind, fetches[kind])) for kind in self.looks.kinds]
        pauses = {"feeds": max(self.pause, _FEEDS_EVERY), "tidy": _TIDIED_EVERY}
        for name, job in jobs:
            pause = pauses.get(name, self.pause)
            thread = threading.Thread(target=self._run, args=(job, pause), name=f"danlu-monitor-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End once what is under way is done."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, job: Callable[[], object], least: float) -> None:
        pause = least
        while not self._stop.is_set():
            try:
                job()
            except Unreachable as away:
                self._tell_away(away.why)
                pause = min(2 * pause, LONGEST_PAUSE)
            except Exception as error:
                frames = "".join(traceback.format_tb(error.__traceback__))  # what it says may hold a text
                print(f"{frames}{type(error).__name__}: {str(error)[:200]}", file=sys.stderr)  # noqa: T201
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                if self.away:
                    self.away = ""
                    self.say(f"{self.store.shown}: answers again; what was left is being done")
                pause = least
            self._stop.wait(pause)

    def _tell_away(self, sentence: str) -> None:
        if not self.away:
            self.say(f"{sentence}; it is tried again until it answers, and nothing that was taken is lost")
        self.away = sentence

    def _fetch_feeds(self) -> None:
        feeds = [Feed(url, self.settings.offset()) for url in self.settings.feeds]
        with ThreadPoolExecutor(_FETCHERS, "danlu-feeds") as threads:
            for done in [threads.submit(self._fetch_feed, feed) for feed in feeds]:
                done.result()

    def _fetch_feed(self, feed: Feed) -> None:
        if not self._stop.is_set():
            self.feeds.fetch_due([feed], self.clock)

    def _fetch_files(self) -> None:
        self.files.fetch_due(self._files(), self.clock)

    def source_names(self, *, whole: bool = False) -> set[str]:
        """The names of all sources that there are now; `whole`: also of files that are too many to be looked at."""
        files = {source.name for source in self._files(whole=whole)}
        return {Feed(url).name for url in self.settings.feeds} | files

    def _tidy(self) -> None:
        """See to what the settings name no longer, or what is gone."""
        names = self.source_names(whole=True)
        self.files.note_seen(names)
        self._gone.remove(names)
        give_up_gone(self.store, self.channels, self.say)

    def _files(self, *, whole: bool = False) -> Iterator[Source]:
        for place in self.settings.watch:
            yield from files_of(self.folder / place, self.settings.offset(), whole=whole)
