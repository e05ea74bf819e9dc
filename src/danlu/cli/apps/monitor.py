"""`danlu app monitor`: market sentiment."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from danlu.cli.serving import HOST, PORT, Host, Keys, LogTexts, Port, refuse_no_server, serve_site, tell
from danlu.machine.extra import needed

if TYPE_CHECKING:
    from danlu.serve.shelf import Shelf
    from danlu.serve.site import Site

LINE = "Watch news and opinions: topics, sentiment, and an alert when it turns."

Topics = Annotated[str | None, typer.Option("--topics", help="folder of a bundle that tells topics")]
Sentiment = Annotated[str | None, typer.Option("--sentiment", help="folder of a bundle that tells sentiment")]
Negative = Annotated[str | None, typer.Option("--negative", help="its label that means negative")]
Folder = Annotated[Path, typer.Argument(help="folder of the monitor: its settings, monitor.yaml, and its database")]

_FOLDER = Path("monitor")


def start(
    folder: Folder = _FOLDER,
    *,
    sample: Annotated[bool, typer.Option("--sample", help="put settings and made-up texts into the folder")] = False,
    store: Annotated[str | None, typer.Option(help="database; monitor.db in the folder")] = None,
    topics: Topics = None,
    sentiment: Sentiment = None,
    negative: Negative = None,
    host: Host = HOST,
    port: Port = PORT,
    keys: Keys = None,
    log_texts: LogTexts = False,
) -> None:
    """Watch feeds, files and what is pushed, tell topics and sentiment, and send an alert when it turns.

    What is watched and who is told stands in monitor.yaml of the folder. Several may run on one database.
    """
    refuse_no_server("monitor")
    from danlu.apps.bundles import of_shelf, places
    from danlu.apps.monitor.monitor import Monitor
    from danlu.apps.monitor.opening import judge_of, put_sample, roles
    from danlu.apps.monitor.settings import NAME, read_settings
    from danlu.apps.monitor.site import site_of
    from danlu.apps.monitor.store import NAME as FILE
    from danlu.apps.monitor.store import Store

    folder.mkdir(parents=True, exist_ok=True)
    if sample:
        put_sample(folder, tell)
    settings = read_settings(folder / NAME)
    if settings.feeds:
        needed("feedparser", "monitor", "reading feeds")
    needs = roles(negative)

    @contextmanager
    def site(shelf: "Shelf") -> "Iterator[Site]":
        judge = judge_of(settings, of_shelf(shelf, needs), negative, tell)
        opened = Store(store or folder.absolute() / FILE)
        try:
            monitor = Monitor(opened, settings, settings.channels, judge, folder, say=tell)
            watched = f"{len(settings.feeds)} feeds, {len(settings.watch)} places of files"
            told = f"tells {len(settings.channels)} channels"
            tell(f"{opened.shown}: watches {watched}, and what is pushed to /v1/texts; {told}")
            yield site_of(monitor)
        finally:
            opened.close()

    chosen = places({"topics": topics, "sentiment": sentiment}, needs)
    serve_site(chosen, site, host=host, port=port, keys=keys, log_texts=log_texts)


def replay(
    file: Annotated[Path, typer.Argument(help="csv, tsv, json or jsonl with text and date; topics, negative too")],
    folder: Annotated[Path, typer.Option(help="whose settings are taken, if there are any")] = _FOLDER,
    *,
    plant: Annotated[int, typer.Option(min=0, max=1000, help="surges to plant, to see how late they are told")] = 0,
    times: Annotated[float, typer.Option(min=0.05, max=50, help="times the odds of a negative text in them")] = 3.0,
    hours: Annotated[float, typer.Option(min=1, max=10_000, help="that a surge lasts")] = 48.0,
    seed: Annotated[int, typer.Option(min=0, help="where they are planted")] = 0,
    topics: Topics = None,
    sentiment: Sentiment = None,
    negative: Negative = None,
) -> None:
    """Run history through once more: which alerts would have come, when, and how many of them false."""
    import time

    from danlu.apps.bundles import opened
    from danlu.apps.monitor.judging import Unjudged
    from danlu.apps.monitor.opening import judge_of, roles
    from danlu.apps.monitor.replay import heard, places_for, watched
    from danlu.apps.monitor.replay import plant as planted
    from danlu.apps.monitor.settings import NAME, read_settings
    from danlu.apps.monitor.sources import told_of
    from danlu.apps.monitor.store import Kept
    from danlu.apps.monitor.told import lines_of
    from danlu.apps.monitor.watched import read_items
    from danlu.language import default
    from danlu.machine.terminal import show
    from danlu.machine.web import Failed
    from danlu.refusal import Refusal

    settings = read_settings(folder / NAME)
    try:
        items, told = read_items(file, settings.offset())
    except Failed as failed:
        raise Refusal(str(failed)) from None
    for line in (*told, *told_of(Kept(unread=sum(item.unread for item in items)))):
        tell(line)
    needs = roles(negative)
    try:
        with opened({"topics": topics, "sentiment": sentiment}, needs) as bundles:
            judge = judge_of(settings, bundles, negative, tell)
            rows, found = heard(items, judge, settings.alarm, time.time())
    except Unjudged as failed:
        raise Refusal(f"{file}: {failed}; see that the model works") from None
    if plant:
        found.surges = places_for(rows, plant, settings.alarm, times, hours, seed)
        rows = planted(rows, found.surges, seed)
    for line in lines_of(watched(rows, settings.alarm, found), settings.alarm, default()):
        show(line)


def again(
    folder: Folder = _FOLDER,
    *,
    store: Annotated[str | None, typer.Option(help="database; monitor.db in the folder")] = None,
) -> None:
    """Try messages once more that were given up."""
    from danlu.apps.monitor.outbox import again as send_again
    from danlu.apps.monitor.store import NAME as FILE
    from danlu.apps.monitor.store import Store
    from danlu.language import default, translator
    from danlu.machine.terminal import show
    from danlu.refusal import Refusal

    if store is None and not (folder / FILE).is_file():
        raise Refusal(f"{folder}: holds no {FILE}; give the folder of a monitor")
    opened = Store(store or folder / FILE)
    try:
        told = translator(default())("{messages} messages are tried once more by the monitor that runs")
        show(told.format(messages=send_again(opened)))
    finally:
        opened.close()


def trial(folder: Folder = _FOLDER) -> None:
    """Send a message to every channel, to see that they work."""
    from danlu.apps.monitor.message import TRIAL
    from danlu.apps.monitor.settings import NAME, read_settings
    from danlu.language import default, translator
    from danlu.machine.terminal import show
    from danlu.machine.web import Failed
    from danlu.refusal import Refusal
    from danlu.sentences import in_language

    channels = read_settings(folder / NAME).channels
    if not channels:
        raise Refusal(
            f"{folder / NAME}: names no channels; add some, as in channels: {{ops: {{kind: webhook, url: ...}}}}"
        )
    failed, _ = 0, translator(default())
    for name, channel in channels.items():
        try:
            told = _("{name}: sent, but {reason}") if (said := channel.send(TRIAL)) else _("{name}: sent")
            show(told.format(name=name, reason=said))
        except Failed as error:
            failed += 1
            show(_("{name}: not sent: {reason}").format(name=name, reason=in_language(str(error), default()) or error))
    if failed:
        raise typer.Exit(1)


COMMANDS = {"start": start, "replay": replay, "again": again, "trial": trial}
