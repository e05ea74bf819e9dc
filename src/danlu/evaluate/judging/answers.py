"""Answers to be judged, from lines of json as `danlu predict` and `danlu evaluate` leave them, or anybody else."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.call_lines import with_calls
from danlu.data.reading.json_text import parse
from danlu.data.reading.lines import lines
from danlu.data.reading.source_file import find_source
from danlu.data.record import Record
from danlu.evaluate.scoring.examine import ANSWERS, digest
from danlu.refusal import Refusal

QUESTIONS = ("question", "prompt", "text", "source", "context")
"""Columns that may hold what was asked, the first that there is."""

REFERENCES = ("reference", "gold", "target", "summary", "translation")
"""Columns that may hold a right answer."""

MOST = 100_000
"""Answers of a file."""


@dataclass(frozen=True)
class Pair:
    """A question with two answers; `where` is the file and line of the first."""

    question: str
    reference: str
    one: str
    two: str
    where: str


@dataclass(frozen=True)
class _Line:
    question: str | None
    reference: str | None
    answer: str
    where: str
    digest: str | None = None


def read_pairs(first: Path, second: Path | None = None, *, records: Sequence[Record] = ()) -> list[Pair]:
    """The answers of two files to the same questions, or those of one beside its references.

    What was asked stands in the lines, or in `records`, by whose digests an evaluation names them.

    Raises:
        Refusal: a file or a line is wrong, the files do not belong together, or there is no reference; names the line.
    """
    asked = {digest(record): _question(record) or "" for record in records}
    ours = _lines(first, asked)
    if second is None:
        for each in ours:
            if each.reference is None:
                raise Refusal(
                    f"{each.where}: there is no reference to compare with ({', '.join(REFERENCES)}); add one, or give "
                    "a second file of answers"
                )
        return [Pair(each.question or "", "", each.answer, each.reference or "", each.where) for each in ours]
    theirs = _lines(second, asked)
    if len(ours) != len(theirs):
        raise Refusal(
            f"{first} has {len(ours):,} answers and {second} {len(theirs):,}; give the answers to the same questions"
        )
    found = []
    for one, two in zip(ours, theirs, strict=True):
        if one.question is not None and two.question is not None and one.question != two.question:
            raise Refusal(
                f"{one.where} and {two.where} answer other questions ('{one.question:.40}', '{two.question:.40}'); "
                "give both in the same order"
            )
        if one.digest is not None and two.digest is not None and one.digest != two.digest:
            raise Refusal(
                f"{one.where} and {two.where} answer other records; give evaluations of the same data in the same order"
            )
        question, reference = one.question or two.question or "", one.reference or two.reference or ""
        found.append(Pair(question, reference, one.answer, two.answer, one.where))
    return found


def _lines(path: Path, asked: Mapping[str, str]) -> list[_Line]:
    file = path / ANSWERS if path.is_dir() else path
    source = find_source(str(file))
    found = list(_read(source.name, lines(source, bad_rows=BadRows(stop=True)), asked))
    if not found:
        raise Refusal(f"{file}: there are no answers in it; give a file of json lines")
    if len(found) > MOST:
        raise Refusal(f"{file}: has more than {MOST:,} answers, each of which is judged twice; give fewer")
    return found


def _read(name: str, rows: Iterator[tuple[int, str]], asked: Mapping[str, str]) -> Iterator[_Line]:
    for number, text in rows:
        where = f"{name}, line {number:,}"
        if not text.strip():
            continue
        value = parse(text, where)
        if not isinstance(value, dict):
            raise Refusal(f'{where}: expected an object with an answer, as {{"question": ..., "answer": ...}}')
        answer = _answer(value)
        if answer is None:
            raise Refusal(
                f"{where}: there is no text in 'answer' nor in 'prediction' "
                f"({', '.join(map(str, value)) or 'nothing'}); "
                "judges compare texts: give the answers of a task that writes"
            )
        question = _question(value)
        if question is None and "digest" in value and asked:
            question = asked.get(str(value["digest"]))
            if question is None:
                raise Refusal(f"{where}: its record is not among those of --data; give the file that was evaluated on")
        own = str(value["digest"]) if "digest" in value else None
        yield _Line(question, _first(value, REFERENCES), answer, where, own)


def _question(value: Mapping[str, Any]) -> str | None:
    """What was asked: a column, or what was said before the last answer of a conversation."""
    messages = value.get("messages")
    if not isinstance(messages, list) or not all(isinstance(each, dict) for each in messages):
        return _first(value, QUESTIONS)
    said = [(str(each.get("role")), each.get("content")) for each in messages]
    while said and said[-1][0] == "assistant":
        said.pop()
    told = [(role, content) for role, content in said if isinstance(content, str)]
    if len(told) == 1:
        return told[0][1]
    return "\n\n".join(f"{role}: {content}" for role, content in told) or None


def _answer(value: Mapping[str, Any]) -> str | None:
    said = value.get("prediction")
    inner = said.get("text") if isinstance(said, dict) else said
    if isinstance(said, dict) and isinstance(inner, str):
        inner = with_calls(inner, said.get("tool_calls"))
    return _first({"prediction": inner, "answer": value.get("answer")}, ("prediction", "answer"))


def _first(value: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """The first text that there is, or the first of a list of texts."""
    for name in names:
        given = value.get(name)
        if isinstance(given, list) and given:
            given = given[0]
        if isinstance(given, str):
            return given
    return None
