"""`danlu app knowledge`: a folder of documents that answers questions."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from danlu.cli.serving import HOST, PORT, Host, Keys, LogTexts, Port, refuse_no_server, serve_site, tell

if TYPE_CHECKING:
    from danlu.apps.bundles import Given
    from danlu.apps.grounded.grounded import Grounded
    from danlu.apps.knowledge.knowledge import Answer, Knowledge
    from danlu.serve.shelf import Shelf
    from danlu.serve.site import Site

LINE = "Questions answered from a folder of documents, with pieces that stand there, or not at all."

Folder = Annotated[Path, typer.Argument(help="folder of the documents: txt, md, html, pdf, docx, csv, tsv, jsonl")]
Place = Annotated[
    str, typer.Option("--index", help="folder of the index, of one folder alone, or postgresql://user@machine/database")
]
Embedder = Annotated[str | None, typer.Option(help="bundle of embed: passages are found by meaning too")]
Ranker = Annotated[str | None, typer.Option(help="bundle of rank: passages are put in order by it")]
Reader = Annotated[str | None, typer.Option(help="bundle of answer: answers are pieces that it points at")]
Generator = Annotated[
    str | None, typer.Option(help="bundle that writes (chat, causal_lm, rewrite): answers are written")
]
QueryPrefix = Annotated[str, typer.Option(help="what the embedder wants before a question, such as 'query: '")]
PassagePrefix = Annotated[str, typer.Option(help="and before a passage, such as 'passage: '")]
Anew = Annotated[bool, typer.Option("--anew", help="make the vectors of another embedder anew")]
Threads = Annotated[int | None, typer.Option(min=1, help="cores to use for each bundle; all")]


def start(
    folder: Folder = Path("documents"),
    *,
    sample: Annotated[bool, typer.Option("--sample", help="write made-up documents into the folder first")] = False,
    index: Place = "knowledge",
    embedder: Embedder = None,
    ranker: Ranker = None,
    reader: Reader = None,
    generator: Generator = None,
    query_prefix: QueryPrefix = "",
    passage_prefix: PassagePrefix = "",
    anew: Anew = False,
    threads: Threads = None,
    every: Annotated[
        float, typer.Option(min=0, help="seconds after which the folder is looked at again; 0: never")
    ] = 30,
    host: Host = HOST,
    port: Port = PORT,
    keys: Keys = None,
    log_texts: LogTexts = False,
) -> None:
    """Answer questions on a page and over HTTP, and follow the folder while files are added, changed and removed.

    Without a bundle the sentence that holds most of a question's words answers. What the documents do not answer is
    not answered; how sure an answer has to be is fitted by `fit`.
    """
    refuse_no_server()
    from danlu.apps.bundles import of_shelf, places
    from danlu.apps.knowledge.knowledge import ROLES, Knowledge, Models
    from danlu.apps.knowledge.sample import put_sample
    from danlu.apps.knowledge.site import site_of

    if sample:
        questions = put_sample(folder)
        tell(f"{folder}: holds made-up documents; {questions.name} beside it holds questions that they answer")
    prefixes = (query_prefix, passage_prefix)
    given = {"embedder": embedder, "ranker": ranker, "reader": reader, "generator": generator}

    @contextmanager
    def site(shelf: "Shelf") -> "Iterator[Site]":
        models = Models(**of_shelf(shelf, ROLES))
        with Knowledge.open(folder, index, models, prefixes=prefixes, anew=anew) as knowledge:
            _refresh(knowledge)
            _tell_way(knowledge)
            yield site_of(knowledge, every)

    serve_site(places(given, ROLES, threads), site, host=host, port=port, keys=keys, log_texts=log_texts)


def ask(
    questions: Annotated[list[str], typer.Argument(help="questions; each may follow the one before")],
    *,
    folder: Annotated[Path, typer.Option(help="folder of the documents, which is looked at first")] = Path("documents"),
    index: Place = "knowledge",
    embedder: Embedder = None,
    ranker: Ranker = None,
    reader: Reader = None,
    generator: Generator = None,
    query_prefix: QueryPrefix = "",
    passage_prefix: PassagePrefix = "",
    threads: Threads = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a question, as the server answers")] = False,
) -> None:
    """Answer questions in the terminal, as the server answers them."""
    from danlu.apps.knowledge.following import Turn
    from danlu.machine.terminal import as_text, show

    prefixes = (query_prefix, passage_prefix)
    given = {"embedder": embedder, "ranker": ranker, "reader": reader, "generator": generator}
    with _opened(folder, index, given, prefixes, threads) as knowledge:
        _refresh(knowledge, quiet=True)
        before = None
        for question in questions:
            found = knowledge.ask(as_text(question, "the question"), before)
            if found.grounded.answered:
                before = Turn(found.grounded.question, found.subject)
            if as_json:
                show(json.dumps({"object": "answer", **found.to_plain()}, ensure_ascii=False))
            else:
                for line in _lines(question, found):
                    show(line)


def refresh(
    folder: Folder = Path("documents"),
    *,
    index: Place = "knowledge",
    embedder: Embedder = None,
    query_prefix: QueryPrefix = "",
    passage_prefix: PassagePrefix = "",
    anew: Anew = False,
    threads: Threads = None,
) -> None:
    """Make the index follow the folder; a server that runs answers from it at once."""
    prefixes = (query_prefix, passage_prefix)
    with _opened(folder, index, {"embedder": embedder}, prefixes, threads, anew=anew) as knowledge:
        _refresh(knowledge)


def fit(
    questions: Annotated[str, typer.Argument(help="file with columns question and, where known, document and answer")],
    *,
    folder: Annotated[Path, typer.Option(help="folder of the documents, which is looked at first")] = Path("documents"),
    outside: Annotated[str | None, typer.Option(help="file of questions that the documents do not answer")] = None,
    refuse: Annotated[float | None, typer.Option(help="share of what is outside that is refused; 0.95")] = None,
    answer: Annotated[float | None, typer.Option(help="instead: share of what is inside that is answered")] = None,
    index: Place = "knowledge",
    embedder: Embedder = None,
    ranker: Ranker = None,
    reader: Reader = None,
    query_prefix: QueryPrefix = "",
    passage_prefix: PassagePrefix = "",
    threads: Threads = None,
) -> None:
    """Fit how sure an answer has to be, so that a stated share of what the documents do not answer is refused.

    Every question is asked with its document and, as one outside, without it. All rates are of questions that did not
    set the threshold by which they were judged.
    """
    from danlu.apps.knowledge.fitting import fit as fitted
    from danlu.apps.knowledge.fitting import read_questions
    from danlu.language import default, translator
    from danlu.machine.terminal import show

    inside, others = read_questions(questions), read_questions(outside) if outside is not None else []
    share = 0.95 if refuse is None and answer is None else refuse
    prefixes = (query_prefix, passage_prefix)
    with _opened(
        folder, index, {"embedder": embedder, "ranker": ranker, "reader": reader}, prefixes, threads
    ) as knowledge:
        _refresh(knowledge, quiet=True)
        done = fitted(knowledge, inside, others, refuse=share, answer=answer).to_plain()
        for line in _fitted(done, translator(default())):
            show(line)
        tell(f"{knowledge.threshold}: written; a server takes it when it next looks at the folder")


def _fitted(done: dict[str, Any], _: Callable[[str], str]) -> Iterator[str]:
    """What came of a fit, line by line."""
    yield _("questions: {inside:,} inside, {outside:,} outside (their document left out, and others)").format(**done)
    rates = {
        "answered": _("answered of those inside"),
        "refused": _("refused of those outside"),
        "found": _("the document is among the five best passages"),
        "holding": _("the answer holds a right text, of those answered"),
        "exact_match": _("the answer is a right text, of those answered"),
    }
    for name, told in rates.items():
        if name in done:
            yield _("{told}: {value:.1%} (95 %: {low:.1%} to {high:.1%})").format(told=told, **done[name])
    if "f1" in done:
        yield _("F1 of those answered: {f1:.1%}").format(**done)


COMMANDS = {"start": start, "ask": ask, "refresh": refresh, "fit": fit}


@contextmanager
def _opened(
    folder: Path,
    place: str,
    given: "Given",
    prefixes: tuple[str, str],
    threads: int | None,
    *,
    anew: bool = False,
) -> "Iterator[Knowledge]":
    from danlu.apps.bundles import opened
    from danlu.apps.knowledge.knowledge import ROLES, Knowledge, Models

    with (
        opened(given, ROLES, threads) as found,
        Knowledge.open(folder, place, Models(**found), prefixes=prefixes, anew=anew) as knowledge,
    ):
        yield knowledge


def _refresh(knowledge: "Knowledge", *, quiet: bool = False) -> None:
    """Follow the folder and tell what that did; what cannot be read is listed."""
    done = knowledge.refresh()
    if not quiet or done.added or done.changed or done.removed:
        told = f"added {done.added:,}, changed {done.changed:,}, removed {done.removed:,}"
        tell(f"{knowledge.folder}: holds {len(knowledge.index):,} documents ({told})")
    for name, reason in done.unread[:SHOWN]:
        tell(f"{name}: cannot be read: {reason}")
    if len(done.unread) > SHOWN:
        tell(f"and {len(done.unread) - SHOWN:,} more files cannot be read")
    for note in knowledge.notes:
        tell(note)


SHOWN = 20
"""Files that cannot be read, of which the reason is told."""


def _tell_way(knowledge: "Knowledge") -> None:
    """Say how answers come about, and by which threshold."""
    models = knowledge.models
    ways = [
        "passages found by words" + (" and meaning" if models.embedder else ""),
        "put in order by a ranker" if models.ranker else "",
        "answers written, the words of each sentence checked" if models.generator else "",
        "answers pointed at by a model" if models.reader else "",
        "" if models.generator or models.reader else "the best sentence answers (--reader and --generator do better)",
    ]
    tell("; ".join(filter(None, ways)))
    rates: dict[str, Any] = knowledge.grounder.bar.rates
    if rates:
        answered, refused = rates["answered"]["value"], rates["refused"]["value"]
        tell(f"threshold: answered {answered:.0%} of what the documents answer, refused {refused:.0%} of the rest")
    else:
        tell("threshold: that of the package; danlu app knowledge fit QUESTIONS fits one to these documents")


def _lines(question: str, answer: "Answer") -> Iterator[str]:
    """An answer as a person reads it in a terminal."""
    from danlu.language import default, translator

    found, _ = answer.grounded, translator(default())
    yield f"? {question}" + (f"  ({found.question})" if answer.how != "as_asked" else "")
    if not found.answered:
        why = {
            "nothing_found": _("No answer: nothing in the documents has anything to do with it."),
            "unsure": _("No answer: nothing in the documents is likely enough to answer it."),
            "no_answer": _("No answer: the passages that were found do not answer it."),
            "changed": _("No answer: the documents were changed while they were read; ask again."),
        }
        yield f"  {why[found.why]}"
        near = _("near: {place}")
        for number in range(1, min(3, len(found.passages)) + 1):
            yield f"  {near.format(place=_place(found, number))}"
        return
    yield f"  {' '.join(found.text.split())}"
    for piece in found.cited:
        yield f"  [{piece.number}] {piece.document} {piece.start}-{piece.end}: {' '.join(piece.text.split())}"


def _place(found: "Grounded", number: int) -> str:
    passage = found.passages[number - 1]
    return f"{passage.document} {passage.start}-{passage.end}"
