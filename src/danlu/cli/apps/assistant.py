"""`danlu app assistant`: customer service from past tickets."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from danlu.cli.serving import HOST, PORT, Host, Keys, LogTexts, Port, refuse_no_server, serve_site, tell

if TYPE_CHECKING:
    from danlu.apps.assistant.assistant import Assistant
    from danlu.serve.shelf import Shelf
    from danlu.serve.site import Site

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
Generator = Annotated[
    Path | None, typer.Option(help="bundle of chat or causal_lm: writes from past answers where none fits")
]
Intents = Annotated[Path | None, typer.Option(help="bundle of classify: names what is asked about")]


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
    generator: Generator = None,
    intents: Intents = None,
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
    host: Host = HOST,
    port: Port = PORT,
    keys: Keys = None,
    log_texts: LogTexts = False,
) -> None:
    """Answer customers from past tickets: a page, a widget for a website (/widget.js), and an HTTP interface.

    What nothing answers is handed over to a person. Whoever keeps it says on the page which answers were right, and
    what would have been; that holds from the next question on.
    """
    refuse_no_server()
    from danlu.apps.assistant.assistant import Models
    from danlu.apps.assistant.conversations import Patience
    from danlu.apps.assistant.opening import ROLES, begin, opened, take_sample
    from danlu.apps.assistant.outbox import Webhook
    from danlu.apps.assistant.serving import origins_of, site_of
    from danlu.apps.bundles import of_shelf, places

    hook, welcome = None if webhook is None else Webhook(webhook), origins_of(origin or [])
    patience = Patience(60 * session_minutes, session_turns, keep_days)
    given = {"embedder": embedder, "ranker": ranker, "generator": generator, "intents": intents}

    @contextmanager
    def site(shelf: "Shelf") -> "Iterator[Site]":
        with opened(folder, database, Models(**of_shelf(shelf, ROLES)), patience) as assistant:
            if sample:
                take_sample(assistant, tell)
            _take(assistant, tickets, question_column, answer_column, intent_column)
            begin(assistant, tell)
            yield site_of(assistant, origins=welcome, a_minute=a_minute, webhook=hook, say=tell)

    serve_site(places(given, ROLES), site, host=host, port=port, keys=keys, log_texts=log_texts)


def add(
    tickets: Annotated[list[Path], typer.Argument(help="files of past tickets")],
    *,
    folder: Folder = FOLDER,
    database: Database = None,
    question_column: Question = "",
    answer_column: Answered = "",
    intent_column: Intent = "",
    intents: Intents = None,
) -> None:
    """Add tickets; a server that runs takes them over at once."""
    with _opened(folder, database, intents=intents) as assistant:
        _take(assistant, tickets, question_column, answer_column, intent_column)


def forget(
    answers: Annotated[list[str], typer.Argument(help="files of tickets, or ids or texts of answers")],
    *,
    folder: Folder = FOLDER,
    database: Database = None,
    question_column: Question = "",
    answer_column: Answered = "",
) -> None:
    """Remove past answers with all their questions; a server that runs gives them no more at once."""
    from danlu.apps.assistant import opening

    _refuse_absent(folder, database)
    with _opened(folder, database) as assistant:
        opening.forget(assistant, answers, opening.Columns(question_column, answer_column), tell)


def ask(
    question: Annotated[str, typer.Argument(help="what a customer asks")],
    *,
    folder: Folder = FOLDER,
    database: Database = None,
    embedder: Embedder = None,
    ranker: Ranker = None,
    generator: Generator = None,
    intents: Intents = None,
    session: Annotated[str | None, typer.Option(help="conversation that it goes on with")] = None,
) -> None:
    """Answer one question, as JSON, as a server with the same bundles does."""
    from danlu.machine.terminal import show

    _refuse_absent(folder, database)
    given = {"embedder": embedder, "ranker": ranker, "generator": generator, "intents": intents}
    with _opened(folder, database, **given) as assistant:
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
    from danlu.apps.assistant.retraining import retrain as retrained
    from danlu.refusal import Refusal

    if tune and embedder is None:
        raise Refusal("--tune trains the bundle of --embedder further; give one")
    _refuse_absent(folder, database)
    with _opened(folder, database, embedder=embedder, ranker=ranker) as assistant:
        found = retrained(assistant, tune=tune, outside=outside, say=tell)
        for name, told in (("before", found.before), (f"version {found.version.number}", found.after)):
            tell(f"{name}: " + ", ".join(f"{key} {value}" for key, value in told.plain().items()))
        number, held = found.version.number, found.after.questions
        if found.served:
            tell(f"version {number} answers from now on; danlu app assistant back undoes that")
        else:
            why = "does worse" if held else "has nothing to be compared on"
            tell(f"version {number} {why} ({held:,} questions), so the one before goes on answering")


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
    tell(f"version {found.number} answers from now on")


def send_again(*, folder: Folder = FOLDER, database: Database = None) -> None:
    """Send to the webhook anew what it has not taken in all its tries; the server that runs does so."""
    from danlu.apps.assistant import outbox

    with _stored(folder, database) as store:
        count = outbox.again(store)
    tell(f"{count:,} are sent again")


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
        with store.reading() as connection:
            found = made(known, judging.judgements(connection))
    write_text(file, "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in found))
    tell(f"{file}: {len(found):,} rows")


@contextmanager
def _opened(folder: Path, database: str | None, **given: Path | None) -> "Iterator[Assistant]":
    from danlu.apps import bundles
    from danlu.apps.assistant.assistant import Models
    from danlu.apps.assistant.opening import ROLES, opened

    with (
        bundles.opened(given, ROLES) as found,
        opened(folder, database, Models(**found)) as assistant,
    ):
        yield assistant


def _stored(folder: Path, database: str | None) -> Any:
    from danlu.apps.assistant.opening import FILE
    from danlu.apps.assistant.store import Store

    _refuse_absent(folder, database)
    return Store(database or folder / FILE)


def _refuse_absent(folder: Path, database: str | None) -> None:
    from danlu.apps.assistant.opening import FILE
    from danlu.refusal import Refusal

    if database is None and not (folder / FILE).is_file():
        raise Refusal(f"{folder}: there is no assistant; start one with: danlu app assistant --sample")


def _take(assistant: Any, tickets: list[Path] | None, question: str, answer: str, intent: str) -> None:
    from danlu.apps.assistant.opening import Columns, take

    for path in tickets or []:
        take(assistant, path, Columns(question, answer, intent), tell)


COMMANDS = {
    "start": start,
    "add": add,
    "forget": forget,
    "ask": ask,
    "retrain": retrain,
    "back": back,
    "send-again": send_again,
    "rows": rows,
}
