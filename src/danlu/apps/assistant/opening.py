"""An assistant opened from a folder: its database, its bundles, tickets that are given to it, its first version."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from danlu.apps.assistant.assistant import Assistant, Models
from danlu.apps.assistant.conversations import Patience
from danlu.apps.assistant.finding import fingerprint
from danlu.apps.assistant.folding import fold, key_of
from danlu.apps.assistant.intents import with_intents
from danlu.apps.assistant.retraining import retrain
from danlu.apps.assistant.store import Store
from danlu.apps.assistant.tickets import read_tickets, shown
from danlu.apps.bundles import Role
from danlu.apps.grounded.write import refuse_other_writers
from danlu.bundle.answering import Answering
from danlu.index.embedding import Embedder
from danlu.index.reranking import Reranker
from danlu.refusal import Refusal

Say = Callable[[str], object]
FILE = "assistant.db"
GROWN = 2
"""Times as many answers as a version was fitted on, from which on it is told that it is old."""


def _refuse_no_intents(bundle: Answering) -> None:
    if bundle.task.kind != "classify":
        raise Refusal(f"{bundle.folder}: was trained for {bundle.task.kind}; intents are named by one of classify")


ROLES = {
    "embedder": Role(Embedder, kept=True),
    "ranker": Role(Reranker),
    "generator": Role(refuse_other_writers),
    "intents": Role(_refuse_no_intents),
}
"""The bundles that may help, by the names of `Models`."""


@dataclass(frozen=True)
class Columns:
    """Names of columns of a file of tickets; empty: as they are called."""

    question: str = ""
    answer: str = ""
    intent: str = ""


@contextmanager
def opened(
    folder: Path, database: str | None = None, models: Models | None = None, patience: Patience | None = None
) -> Iterator[Assistant]:
    """An assistant over bundles of their `ROLES`, closed at the end with its database; the bundles stay open.

    Raises:
        Refusal: the database cannot be opened, or a tuned bundle.
    """
    with Store(database or folder / FILE) as store:
        folder.mkdir(parents=True, exist_ok=True)
        with Assistant(store, folder, models, patience) as assistant:
            yield assistant


def take(assistant: Assistant, path: Path, columns: Columns, say: Say) -> None:
    """Learn the tickets of a file; what is known already stays as it is.

    Raises:
        Refusal: see `read_tickets`.
    """
    read = read_tickets(path, columns.question, columns.answer, columns.intent)
    folded = fold(read.tickets)
    entries, how = with_intents(folded.entries, assistant.models.intents)
    answers, questions = assistant.store.add(entries)
    assistant.refresh()
    told = ", ".join(f"{what}: {column}" for what, column in read.columns.items())
    say(
        f"{path}: {len(read.tickets):,} tickets ({told}) fold into {len(entries):,} answers; new are {answers:,} "
        f"answers and {questions:,} questions; intents by {how}"
    )
    for line in read.in_words():
        say(f"{path}: {line}")
    if read.doubt is not None:
        count, example = read.doubt
        say(
            f"{path}: column '{read.columns['answer']}' was taken for the answer, and holds {count:,} different ones, "
            f"such as '{example:.60}'; if customers were told otherwise, take them back with 'danlu app assistant "
            "forget FILE', and name the column with --answer-column"
        )
    if folded.contested:
        say(f"{path}: {folded.contested:,} questions were answered in two ways or more; each way is kept")
    version, known = assistant.version, len(assistant.finder.known.entries)
    if known > GROWN * version.told.get("answers", known):
        say(
            f"version {version.number} was fitted on {version.told['answers']:,} answers, and {known:,} are known; fit "
            "order and threshold anew with: danlu app assistant retrain"
        )


def forget(assistant: Assistant, given: Sequence[str], columns: Columns, say: Say) -> None:
    """Remove answers with all their questions: of the tickets of a file, or of an id or a text.

    Raises:
        Refusal: what is given is no file, and no answer that is known; or see `read_tickets`.
    """
    entries = assistant.finder.known.entries
    of_text: dict[str, list[str]] = {}
    for entry in entries.values():
        of_text.setdefault(key_of(entry.answer), []).append(entry.id)
    found: dict[str, None] = {}
    for each in given:
        if each in entries or key_of(shown(each)) in of_text:
            texts = [entries[each].answer if each in entries else shown(each)]
        elif os.path.isfile(each):  # noqa: PTH113 - a long text is no path, and Path would say so by an error
            read = read_tickets(each, columns.question, columns.answer, columns.intent)
            texts = [ticket.answer for ticket in read.tickets]
        else:
            raise Refusal(
                f"{each:.80}: there is no such file, and no answer of this id or text is known; ids stand in what "
                "'danlu app assistant ask' says"
            )
        of_each = dict.fromkeys(name for text in texts for name in of_text.get(key_of(text), []))
        if not of_each:
            say(f"{each}: none of its answers is known")
        found |= of_each
    if not found:
        return
    answers, questions = assistant.store.forget(found, assistant.now())
    assistant.refresh()
    say(f"{answers:,} answers and {questions:,} questions are forgotten; a file that holds them brings them back")


def take_sample(assistant: Assistant, say: Say) -> None:
    """Learn the made-up tickets that come with the package."""
    with as_file(files("danlu.apps.assistant") / "sample" / "tickets.csv") as path:
        take(assistant, path, Columns(), lambda line: say(line.replace(str(path), "sample")))


def begin(assistant: Assistant, say: Say) -> None:
    """Fit order and threshold where nothing was fitted yet.

    Raises:
        Refusal: there are no tickets.
    """
    if not assistant.finder.known.entries:
        raise Refusal("no tickets are known yet; give some with --tickets FILE (csv, jsonl ...), or try --sample")
    if assistant.version.number == 0:
        say("order and threshold are fitted on questions made of the tickets")
        found = retrain(assistant)
        after = found.after.plain()
        say(
            f"of made questions that did not take part: first answer right {after['hit']}, answered "
            f"{after['answered']}, of these right {after['precision']}, refused of those without one {after['refused']}"
        )
    models = assistant.version.ranking.bar.models
    if models not in (None, fingerprint(assistant.embedder)):
        say("the version that answers was fitted with another --embedder, or without one; retrain with this one")
    if assistant.embedder is None:
        say("no --embedder is given: past answers are found by words alone")
