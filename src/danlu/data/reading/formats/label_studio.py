"""What Label Studio exports (https://github.com/HumanSignal/label-studio) as JSON and JSON-MIN: spans and classes."""

from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import Field

from danlu.data.reading.annotated import Span, Unfit, entities_of, label_columns, whole_number
from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.json_format import JsonFormat
from danlu.data.reading.source_file import SourceFile
from danlu.data.record import Record

_OWN = frozenset(
    ("annotator", "annotation_id", "created_at", "updated_at", "lead_time", "annotations", "predictions", "id")
)
_SPANS = ("labels", "hypertextlabels", "paragraphlabels")

Results = dict[str, list[dict[str, Any]]]
"""What was annotated, by the name of the control: values of spans and of choices."""


FEW = 10
"""Tasks with fewer of which nobody can tell whether their texts repeat."""


class LabelStudio(JsonFormat):
    """One record a task: `{"text", "entities"}` of labelled spans, `label` or `labels` of choices, or both.

    Choices of several controls are columns under their names. Of several annotations of a task the first counts that
    was not cancelled, a ground truth before others. Predictions are not read.
    """

    counted_in: ClassVar[str] = "record"

    text: str = Field(default="text", description="key of the text in the data of a task")
    choices: tuple[str, ...] = Field(
        default=(), description="controls of JSON-MIN whose plain texts are choices; none: what repeats"
    )

    def rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the tasks; see `FileFormat.rows`."""
        read = []
        for unit, number, given in self.objects(source, bad_rows):
            try:
                data, results = self._full(given, bad_rows) if "data" in given else self._short(given)
                text = self._text(data)
                read.append((number, unit, given, text, results))
            except Unfit as error:
                bad_rows.reject(source.name, f"{unit} {number}", str(error), given)
        self._part(read)
        spanned = any(_is_span(value) for *_, results in read for values in results.values() for value in values)
        chosen = {name for *_, results in read for name, values in results.items() if any(map(_choices, values))}
        for number, unit, given, text, results in read:
            try:
                yield number, self._record(given, text, results, chosen, bad_rows, spanned=spanned)
            except Unfit as error:
                bad_rows.reject(source.name, f"{unit} {number}", str(error), given)

    def _full(self, task: Record, bad_rows: BadRows) -> tuple[Any, Results]:
        """The data of a task of the full export, and what was annotated."""
        given = task.get("annotations", task.get("completions"))
        kept = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
        kept = [one for one in kept if not one.get("was_cancelled") and isinstance(one.get("result"), list)]
        if not kept:
            raise Unfit("is not annotated; annotate it, or write 'on_bad_row: skip' to leave such tasks out")
        kept.sort(key=lambda one: not one.get("ground_truth"))
        if len(kept) > 1 and any(one["result"] != kept[0]["result"] for one in kept):
            bad_rows.mend("tasks with several annotations, of which the first counts")
        results: Results = {}
        for item in kept[0]["result"]:
            value = item.get("value") if isinstance(item, dict) else None
            if isinstance(value, dict) and (_is_span(value) or _choices(value)):
                results.setdefault(str(item.get("from_name", "label")), []).append(value)
            else:
                bad_rows.mend("results that are neither spans nor choices left out")
        return task["data"], results

    def _short(self, task: Record) -> tuple[Any, Results]:
        """The same of a task of JSON-MIN."""
        results: Results = {}
        for name, value in task.items():
            if name in _OWN or name == self.text:
                continue
            if isinstance(value, dict) and _choices(value):
                results[name] = [value]
            elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
                results[name] = [item for item in value if _is_span(item) or _choices(item)]
            elif isinstance(value, str) and ("annotation_id" in task or "annotator" in task):
                results[name] = [{"choices": [value]}]
        return task, results

    def _part(self, read: "list[tuple[int, str, Record, str, Results]]") -> None:
        """Leave to the data of the tasks what JSON-MIN has beside what was annotated: texts that hardly repeat."""
        texts: dict[str, list[str]] = {}
        for _, _, given, _, results in read:
            for name in results if "data" not in given else ():
                if isinstance(given.get(name), str):
                    texts.setdefault(name, []).append(given[name])
        for name, values in texts.items():
            many = len(values) >= FEW and 2 * len(set(values)) > len(values)
            if (name not in self.choices) if self.choices else many:
                for _, _, given, _, results in read:
                    if isinstance(given.get(name), str):
                        results.pop(name, None)

    def _text(self, data: Any) -> str:
        if isinstance(data, dict) and isinstance(data.get(self.text), str):
            return str(data[self.text])
        keys = ", ".join(map(str, data)) if isinstance(data, dict) else "none"
        raise Unfit(f"there is no text in '{self.text}'; the keys are: {keys}; name the one that is meant in 'text'")

    def _record(
        self, given: Record, text: str, results: Results, chosen: set[str], bad_rows: BadRows, *, spanned: bool
    ) -> Record:
        record: Record = {} if given.get("id") is None else {"id": given["id"]}
        record["text"] = text
        spans = [span for values in results.values() for value in values if _is_span(value) for span in _spans(value)]
        if spanned:
            record["entities"] = entities_of(text, spans, bad_rows)
        for name in sorted(chosen):
            labels = [label for value in results.get(name, ()) for label in _choices(value)]
            if labels:
                record |= label_columns(labels) if len(chosen) == 1 else {name: "|".join(labels)}
        if not spanned and not chosen & results.keys():
            raise Unfit("has neither spans nor choices; annotate it, or write 'on_bad_row: skip' to leave it out")
        return record


def _is_span(value: dict[str, Any]) -> bool:
    return "start" in value and any(name in value for name in _SPANS)


def _spans(value: dict[str, Any]) -> list[Span]:
    """A span for each of its labels."""
    labels = next(value[name] for name in _SPANS if name in value)
    start = value.get("globalOffsets", value) if isinstance(value.get("globalOffsets"), dict) else value
    first, last = whole_number(start.get("start"), "the start"), whole_number(start.get("end"), "the end")
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) for label in labels):
        raise Unfit(f"the labels of span [{first}, {last}] are {labels!r:.40}; expected texts")
    mention = value.get("text")
    return [(first, last, label, mention if isinstance(mention, str) else None) for label in labels]


def _choices(value: dict[str, Any]) -> list[str]:
    found = value.get("choices")
    found = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    return [item for item in found if isinstance(item, str)]
