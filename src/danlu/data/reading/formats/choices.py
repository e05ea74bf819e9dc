"""Questions with choices in the form of ARC (Clark et al., 2018) and CommonsenseQA (Talmor et al., 2019).

Several questions on one passage in those of RACE (Lai et al., 2017) and C3 (Sun et al., 2020).
"""

from collections.abc import Iterator
from string import ascii_uppercase
from typing import Any, ClassVar

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.json_format import JsonFormat
from danlu.data.reading.source_file import SourceFile
from danlu.data.record import Record

_STEMS = ("stem", "question", "question_stem", "text")
_PASSAGES = ("article", "passage", "context")
_KEYS = ("answerKey", "answer_key", "answer", "label")
_FORM = (
    'expected "question" as {"stem": ..., "choices": [{"label": "A", "text": ...}]}, or a text beside "choices", and '
    '"answerKey"'
)


class Choices(JsonFormat):
    """One record a question, `{"text", "choices": [...], "answer": "A"}`, with a `question` if there is a passage.

    Choices have a label each, in a list of objects or as the lists `text` and `label`; the answer is the label of one,
    whatever labels are, and becomes its letter. Where the answer is not told, there is none in the record.
    Of RACE an object is a passage with the lists `questions`, `options` and `answers`; of C3 a list of the lines of a
    passage, its questions, each with `choice` and the text of the `answer`, and a name.
    """

    counted_in: ClassVar[str] = "record"

    def rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the questions; see `FileFormat.rows`."""
        for unit, number, given in self.objects(source, bad_rows):
            for asked in _questions(given):
                found = _record(asked)
                if isinstance(found, str):
                    bad_rows.reject(source.name, f"{unit} {number}", found, asked)
                else:
                    yield number, found

    def listed(self, value: Any) -> Any:
        """See `JsonFormat.listed`; a file of RACE is one passage."""
        return [value] if isinstance(value, dict) and isinstance(value.get("questions"), list) else value

    def shaped(self, value: Any) -> Any:
        """See `JsonFormat.shaped`; a passage of C3 is an object like all others."""
        match value:
            case [list() as lines, list() as asked, str() as name] if all(isinstance(line, str) for line in lines):
                return {"id": name, "article": "\n".join(lines), "questions": asked}
        return value


def _questions(given: Record) -> Iterator[Record]:
    """Each question on a passage by itself; what is no such passage as it is."""
    asked = given.get("questions")
    if not isinstance(asked, list):
        yield given
        return
    others = {key: value for key, value in given.items() if key not in ("questions", "options", "answers")}
    for number, question in enumerate(asked):
        if isinstance(question, dict):  # of C3
            choices, answer = question.get("choice"), question.get("answer")
            labels = choices if isinstance(choices, list) else []
            offered = [{"label": choice, "text": choice} for choice in labels]
            yield {**others, "question": question.get("question"), "choices": offered, "answer": answer}
            continue
        options, answers = (_at(given.get(key), number) for key in ("options", "answers"))
        labels = options if isinstance(options, list) else []
        offered = [{"label": label, "text": text} for label, text in zip(ascii_uppercase, labels, strict=False)]
        yield {**others, "question": question, "choices": offered, "answer": answers}


def _at(values: Any, place: int) -> Any:
    return values[place] if isinstance(values, list | str) and place < len(values) else None


def _record(given: Record) -> Record | str:
    """The record of an object, or what is wrong with it."""
    inner = given["question"] if isinstance(given.get("question"), dict) else given
    stem = next((inner[key] for key in _STEMS if isinstance(inner.get(key), str)), None)
    offered = _offered(inner.get("choices", given.get("choices")))
    if stem is None or not offered:
        return f"{_FORM}; the keys are: {', '.join(map(str, given))}"
    labels, texts = [label for label, _ in offered], [text for _, text in offered]
    passage = next((given[key] for key in _PASSAGES if isinstance(given.get(key), str)), None)
    record: Record = {"text": stem} if passage is None else {"text": passage, "question": stem}
    record["choices"] = texts
    key = next((key for key in _KEYS if given.get(key) not in (None, "")), None)
    if key is not None:
        if str(given[key]).strip() not in labels:
            return f"the answer {given[key]!r:.40} is none of the labels of its choices: {', '.join(labels)}; mend it"
        place = labels.index(str(given[key]).strip())
        record["answer"] = ascii_uppercase[place] if len(labels) <= len(ascii_uppercase) else place
    taken = {"question", "choices", *_STEMS, *_PASSAGES, *_KEYS}
    return {**{name: value for name, value in given.items() if name not in taken}, **record}


def _offered(value: Any) -> list[tuple[str, str]]:
    """Label and text of each choice; none where they are of another form."""
    try:
        if isinstance(value, dict):
            pairs = list(zip(value["label"], value["text"], strict=True))
        else:
            pairs = [(item["label"], item["text"]) for item in value]
    except (TypeError, KeyError, ValueError):
        return []
    return [(str(label).strip(), text) for label, text in pairs if isinstance(text, str)]
