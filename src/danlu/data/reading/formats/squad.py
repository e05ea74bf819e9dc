"""Extractive question answering in the form of SQuAD: Rajpurkar et al. (2016); 2.0 with unanswerable ones (2018)."""

from collections.abc import Iterator
from typing import Any, ClassVar

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.guess import holds_json_lines
from danlu.data.reading.json_format import JsonFormat
from danlu.data.reading.json_text import parse
from danlu.data.reading.offsets import character_at, nearest_mention, unit_of
from danlu.data.reading.source_file import SourceFile
from danlu.data.record import Record
from danlu.refusal import Refusal

_FORM = 'expected "context", "question" and "answers" with "text" and "answer_start"'


class Squad(JsonFormat):
    """One record a question, `{"id", "context", "question", "answers": [{"text", "start"}]}`.

    Reads `data`/`paragraphs`/`qas` and flat objects, in a list or one a line. An answer that does not stand at its
    offset is moved to the nearest place where its text does; one whose text is nowhere in the context is left out,
    and the question with it if it was the last. A question without answers is one that the context does not answer.
    """

    counted_in: ClassVar[str] = "question"

    def rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the questions; see `FileFormat.rows`."""
        for number, given in enumerate(self._questions(source, bad_rows), 1):
            found = _record(given, bad_rows)
            if isinstance(found, str):
                bad_rows.reject(source.name, f"question {number}", found, given)
            else:
                yield number, found

    def _questions(self, source: SourceFile, bad_rows: BadRows) -> Iterator[Record]:
        """Flat questions, each with its context."""
        items: Any
        try:
            value = parse(self.whole_text(source), source.name)
        except Refusal:
            if not holds_json_lines(source, self.encoding):
                raise
            items = (row for _, row in self.lines_of_json(source, bad_rows))
        else:
            flat = isinstance(value, dict) and "data" not in value
            items = [value] if flat else value["data"] if isinstance(value, dict) else value
            if not isinstance(items, list):
                raise Refusal(f"{source.name}: expected a list of articles under 'data', or of questions; {_FORM}")
        for item in items:
            if not isinstance(item, dict) or "paragraphs" not in item:
                yield item if isinstance(item, dict) else {"item": item}
                continue
            for paragraph in item["paragraphs"] if isinstance(item["paragraphs"], list) else [item["paragraphs"]]:
                if not isinstance(paragraph, dict) or not isinstance(paragraph.get("qas"), list):
                    yield {"paragraph": paragraph}
                    continue
                for question in paragraph["qas"]:
                    known = question if isinstance(question, dict) else {"question": question}
                    yield {"context": paragraph.get("context"), **known}


def _record(given: Record, bad_rows: BadRows) -> Record | str:
    """The record of a flat question, or what is wrong with it."""
    context, question = given.get("context"), given.get("question")
    if not isinstance(context, str) or not isinstance(question, str):
        return f"{_FORM}; the keys are: {', '.join(map(str, given))}"
    known = {"id": given["id"]} if given.get("id") is not None else {}
    without = given.get("is_impossible") is True
    if given.get("answers") is None and not without:  # nobody says, as in the test sets of contests
        return {**known, "context": context, "question": question}
    answers: list[dict[str, Any]] = []
    stated = [] if without else _stated(given["answers"])
    if without and any(text for text, _ in _stated(given.get("answers") or []) or []):
        bad_rows.mend("answers of questions that are marked as impossible, left out")
    if stated is None:
        return f"{_FORM}; the answers are no such list"
    unit = unit_of(context, [(start, text) for text, start in stated if text])
    for text, start in stated:
        found = character_at(context, start, unit)
        if found is None or not context.startswith(text, found):
            found = nearest_mention(context, text, start if found is None else found)
        if found is None or not text:
            continue
        if found != start:
            bad_rows.mend("answers moved to where their text stands")
        answers.append({"text": text, "start": found})
    if stated and not answers:
        return f"no answer stands in the context, such as {stated[0][0][:80]!r}; mend the answer, or leave it out"
    if len(answers) < len(stated):
        bad_rows.mend("questions without those of their answers that do not stand in the context")
    return {**known, "context": context, "question": question, "answers": answers}


def _stated(answers: Any) -> list[tuple[str, int]] | None:
    """Text and start of each answer; None where they are not of a known form."""
    if isinstance(answers, dict):  # as the datasets library has it: a list of texts beside a list of starts
        texts, starts = answers.get("text", []), answers.get("answer_start", [])
        if not isinstance(texts, list) or not isinstance(starts, list) or len(texts) != len(starts):
            return None
        answers = [{"text": text, "start": start} for text, start in zip(texts, starts, strict=True)]
    if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
        return None
    found = [(answer.get("text"), answer.get("start", answer.get("answer_start"))) for answer in answers]
    return found if all(isinstance(text, str) and isinstance(start, int) for text, start in found) else None
