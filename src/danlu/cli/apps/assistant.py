"""`danlu app assistant`: customer service from past tickets."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from danlu.machine.extra import needed

LINE = "Customer service: answers from past tickets, handing over to a person, learning from what people say."

FOLDER = Path("assistant")
Folder = Annotated[Path, typer.Option(help="where all is kept")]
Database = Annotated[
    str | None, typer.Option(help="postgresql://user@machine/database, instead of a file in the folder")
]
Embedder = Annotated[Path | None, typer.Option(help="bundle of the task embed: finds by meaning too")]
Ranker = Annotated[Path | None, typer.Option(help="bundle of the task rank: puts what was found in order")]
Tickets = Annotated[list[Path] | None, typer.Option(help="files of past tickets (csv, tsv, jsonl, json, parquet)")]
Question = Annotated[str, typer.Option(help="column of the question; without it, as it is called")]
Answered = Annotated[str, typer.Option(help="column of the answer")]
Intent = Annotated[str, typer.Option(help="column of what a ticket is about, if there is one")]


def start(
    *,
    tickets: Tickets = None,
    sample: Annotated[bool, typer.Option("--sample", help="learn the made-up tickets of the package")] = False,
    folder: Folder = FOLDER,
    database: Database = None,
    question_column: Question = "",
    answer_column: Answered = "",
    intent_column: Intent = "",
    embedder: Embedder = None,
    ranker: Ranker = None,
    generator: Annotated[
        Path | None, typer.Option(help="bundle of chat or causal_lm: writes from past answers where none fits")
    ] = None,
    intents: Annotated[Path | None, typer.Option(help="bundle of classify: names what is asked about")] = None,
    webhook: Annotated[str | None, typer.Option(help="address that is told of what is handed over to a person")] = None,
    origin: Annotated[
        list[str] | None, typer.Option(help="website that may hold the widget, such as https://shop.example")
    ] = None,
    a_minute: Annotated[int, typer.Option(min=1, max=10_000, help="questions of one machine by the widget")] = 30,
    session_minutes: Annotated[float, typer.Option(min=1, max=10_000, help="of silence that end a conversation")] = 30,
    session_turns: Annotated[int, typer.Option(min=1, max=1000, help="most questions of a conversation")] = 50,
    keep_days: Annotated[
        float,
        typer.Option(
            min=1,
            max=10_000,
            help="for which conversations are kept, and what was done, sent and clicked of them",
        ),
    ] = 90,
    host: Annotated[str, typer.Option(help="address to listen at; 0.0.0.0: all of this machine")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free")] = 8000,
    keys: Annotated[Path | None, typer.Option(help="file of the keys that may ask; danlu key makes one")] = None,
) -> None:
    """Answer customers from past tickets: a page, a widget for a website (/widget.js), and an HTTP interface.

    What nothing answers is handed over to a person. Whoever keeps it says on the page which answers were right, and
    what would have been; that holds from the next question on.
    """
    for package in ("fastapi", "uvicorn", "prometheus_client"):
        needed(package, "serve", "a server")
    from danlu.apps.assistant.conversations import Patience
    from danlu.apps.assistant.opening import Given, begin, opened, take_sample
    from danlu.apps.assistant.outbox import Webhook
    from danlu.apps.assistant.serving import origins_of, site_of
    from danlu.serve.limits import Limits
    from danlu.serve.run import serve

    hook, welcome = None if webhook is None else Webhook(webhook), origins_of(origin or [])
    patience = Patience(60 * session_minutes, session_turns, keep_days)
    given = Given(embedder, ranker, generator, intents)
    with opened(folder, database, given, patience) as assistant:
        if sample:
            take_sample(assistant, _tell)
        _take(assistant, tickets, question_column, answer_column, intent_column)
        begin(assistant, _tell)
        site = site_of(assistant, origins=welcome, a_minute=a_minute, webhook=hook, say=_tell)
        serve([], site=lambda _shelf: site, host=host, port=port, keys=keys, limits=Limits(), say=_tell)


def add(
    tickets: Annotated[list[Path], typer.Argument(help="files of past tickets")],
    *,
    folder: Folder = FOLDER,
    database: Database = None,
    question_column: Question = "",
    answer_column: Answered = "",
    intent_column: Intent = "",
    intents: Annotated[Path | None, typer.Option(help="bundle of classify: names what is asked about")] = None,
) -> None:
    """Add tickets; a server that runs takes them over at once."""
    from danlu.apps.assistant.opening import Given, opened

    with opened(folder, database, Given(intents=intents)) as assistant:
        _take(assistant, tickets, question_column, answer_column, intent_column)


def ask(
    question: Annotated[str, typer.Argument(help="what a customer asks")],
    *,
    folder: Folder = FOLDER,
    database: Database = None,
    embedder: Embedder = None,
    ranker: Ranker = None,
    session: Annotated[str | None, typer.Option(help="conversation that it goes on with")] = None,
) -> None:
    """Answer one question, as JSON, as the server does."""
    from danlu.apps.assistant.opening import Given, opened
    from danlu.machine.terminal import show

    _refuse_absent(folder, database)
    with opened(folder, database, Given(embedder, ranker)) as assistant:
        show(json.dumps(assistant.ask(question, session).plain(), ensure_ascii=False, indent=1))


def retrain(
    *,
    folder: Folder = FOLDER,
    database: Database = None,
    embedder: Embedder = None,
    ranker: Ranker = None,
    tune: Annotated[bool, typer.Option("--tune", help="train the embedder further on tickets and judgements")] = False,
    outside: Annotated[
        float, typer.Option(min=0.001, max=0.5, help="share of questions that nothing answers, answered all the same")
    ] = 0.05,
) -> None:
    """Make the next version from what people have said, and let it answer if it does no worse than the one before."""
    from danlu.apps.assistant.opening import Given, opened
    from danlu.apps.assistant.retraining import retrain as retrained
    from danlu.refusal import Refusal

    if tune and embedder is None:
        raise Refusal("--tune trains the bundle of --embedder further; give one")
    _refuse_absent(folder, database)
    with opened(folder, database, Given(embedder, ranker)) as assistant:
        found = retrained(assistant, tune=tune, outside=outside, say=_tell)
        for name, told in (("before", found.before), (f"version {found.version.number}", found.after)):
            _tell(f"{name}: " + ", ".join(f"{key} {value}" for key, value in told.plain().items()))
        number, held = found.version.number, found.after.questions
        if found.served:
            _tell(f"version {number} answers from now on; danlu app assistant back undoes that")
        else:
            why = "does worse" if held else "has nothing to be compared on"
            _tell(f"version {number} {why} ({held:,} questions), so the one before goes on answering")


def back(
    number: Annotated[int | None, typer.Argument(help="the version; without it, the one before")] = None,
    *,
    folder: Folder = FOLDER,
    database: Database = None,
) -> None:
    """Let an earlier version answer again."""
    from danlu.apps.assistant import versions

    with _stored(folder, database) as store, store.begin() as connection:
        found = versions.go_back(connection, number)
    _tell(f"version {found.number} answers from now on")


def send_again(*, folder: Folder = FOLDER, database: Database = None) -> None:
    """Send to the webhook anew what it has not taken in all its tries; the server that runs does so."""
    import time

    from danlu.apps.assistant import outbox

    with _stored(folder, database) as store:
        count = outbox.again(store, time.time())
    _tell(f"{count:,} are sent again")


def rows(
    file: Annotated[Path, typer.Argument(help="file of json lines to write")],
    *,
    folder: Folder = FOLDER,
    database: Database = None,
) -> None:
    """Write what a training of the task embed can learn from: questions, right answers, and wrong ones beside."""
    from danlu.apps.assistant import judging
    from danlu.apps.assistant.matching import Known
    from danlu.apps.assistant.tuning import rows as made
    from danlu.machine.files import refuse_unwritable, write_text

    refuse_unwritable(file)
    with _stored(folder, database) as store:
        known = Known()
        known.add(*store.all())
        with store.begin() as connection:
            found = made(known, judging.judgements(connection))
    write_text(file, "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in found))
    _tell(f"{file}: {len(found):,} rows")


def _stored(folder: Path, database: str | None) -> Any:
    from danlu.apps.assistant.opening import FILE
    from danlu.apps.assistant.store import Store

    _refuse_absent(folder, database)
    return Store(database or f"sqlite:///{folder / FILE}")


def _refuse_absent(folder: Path, database: str | None) -> None:
    from danlu.apps.assistant.opening import FILE
    from danlu.refusal import Refusal

    if database is None and not (folder / FILE).is_file():
        raise Refusal(f"{folder}: there is no assistant; start one with: danlu app assistant --sample")


def _take(assistant: Any, tickets: list[Path] | None, question: str, answer: str, intent: str) -> None:
    from danlu.apps.assistant.opening import Columns, take

    for path in tickets or []:
        take(assistant, path, Columns(question, answer, intent), _tell)


def _tell(line: str) -> None:
    from danlu.machine.terminal import say

    say(line, err=True)


COMMANDS = {
    "start": start,
    "add": add,
    "ask": ask,
    "retrain": retrain,
    "back": back,
    "send-again": send_again,
    "rows": rows,
}
