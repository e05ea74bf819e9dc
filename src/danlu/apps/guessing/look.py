"""The data as a task would read it: in which format, under which names, and what stands there."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pydantic import ValidationError

from danlu.apps.guessing.columns import NONE, Column, columns_of, matched
from danlu.apps.guessing.files import Given
from danlu.apps.guessing.formats import candidates
from danlu.data.cleaning.rewriting import TEXTS
from danlu.data.duplicates.dedup import find_clusters
from danlu.data.labels import label_of
from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.format import Format
from danlu.data.record import Record, text_of
from danlu.recipe.part import find, nearest
from danlu.recipe.read import Written, sentences
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.task.texts import SECOND

FIRST = 1000  # records by which the columns are told
MOST = 200_000  # records that are counted; of larger data the rest is estimated

KEPT = 20_000
"""Records that are held to be measured."""

_OF_ONE_FILE = ("member", "split", "constants", "encoding")  # settings
_BAD = 0.5  # of the rows: with more that cannot be read, it is another format


@dataclass(frozen=True)
class Read:
    """A format that fits, the column of the data for each of the task, and all columns of the first records."""

    settings: dict[str, Any]
    columns: dict[str, str]
    there: dict[str, Column]


class Unfit(Exception):
    """No format gives what the task needs.

    - `there`: the columns of the likeliest one; `settings`: its settings; empty where nothing could be read.
    - `why`: what stopped the likeliest one.
    """

    def __init__(self, there: dict[str, Column], settings: dict[str, Any], why: str) -> None:
        super().__init__(why)
        self.there, self.settings, self.why = there, settings, why


def read(task: type[Task], given: Given, stated: Mapping[str, Any], chosen: Mapping[str, str]) -> Read:
    """The first format that gives the task what it needs; `chosen` are columns that the user has named.

    Raises:
        Unfit: there is none.
        Refusal: there is no such file, or no such column.
    """
    failed: Unfit | None = None
    for guessed in candidates(given, stated):
        own = find(Format, guessed["kind"]).model_fields.keys() & chosen.keys()  # type: ignore[type-abstract]
        named = {name: str(value) for name, value in chosen.items() if name not in own}
        try:
            return _read_as(task, given, guessed | {name: chosen[name] for name in own}, named)
        except Unfit as unfit:
            failed = failed if failed and (failed.there or not unfit.there) else unfit
    assert failed is not None
    raise failed


def read_alike(task: type[Task], given: Given, stated: Mapping[str, Any], first: Read) -> Read:
    """A file as another one of the same data was read, or else in a format of its own.

    Raises:
        Unfit: it lacks what the task needs, or says nothing there.
        Refusal: there is no such file, or no such column.
    """
    settings = {key: value for key, value in first.settings.items() if key not in _OF_ONE_FILE}
    encoding = next(({"encoding": each["encoding"]} for each in candidates(given, stated) if "encoding" in each), {})
    try:
        found = _read_as(task, given, settings | encoding | given.fixed, first.columns)
    except (Unfit, Refusal):
        found = read(task, given, stated, {} if "header" in settings else first.columns)
    if not all(found.there[column].values for column in found.columns.values()):
        raise Unfit(found.there, found.settings, "")
    return found


def _read_as(task: type[Task], given: Given, settings: dict[str, Any], named: Mapping[str, str]) -> Read:
    """A file in one format, where that gives the task what it needs."""
    bad_rows = BadRows()
    try:
        records = [*islice(lenient(opened(given, settings)).read(bad_rows=bad_rows), FIRST)]
    except Refusal as refusal:
        raise Unfit({}, settings, str(refusal)) from refusal
    there = columns_of(records)
    placed = _placed(task, named, list(there), given)
    columns = matched(task, there, placed) if bad_rows.count <= _BAD * len(records) else None
    if columns is None:
        raise Unfit(there, settings, "".join(bad_rows.first[:1]))
    if set(columns) < set(task.columns):  # what it lacks must be told in the columns that it has, as marks in a text
        some = [{name: record[column] for name, column in columns.items() if column in record} for record in records]
        try:
            task().fitted(some)
        except Refusal as refusal:
            raise Unfit(there, settings, str(refusal)) from refusal
    return Read(settings, columns, there)


def lenient(source: Format) -> Format:
    """The format with bad rows left out."""
    return source.model_copy(update={"on_bad_row": "skip"})


def opened(given: Given, settings: Mapping[str, Any]) -> Format:
    """The format with its settings.

    Raises:
        Refusal: a setting is wrong.
    """
    plain = {**settings, "path": given.path}
    try:
        return Format.model_validate(plain)
    except ValidationError as error:
        raise Refusal(sentences(error, Written(f"the settings for {given.path}", plain))) from error


def _placed(task: type[Task], chosen: Mapping[str, str], there: list[str], given: Given) -> dict[str, str]:
    """The columns that the user has named, by name or by number from 0; one that need not be there may be `NONE`."""
    found = {}
    for column, name in chosen.items():
        if name == NONE and name not in there and column not in task.columns:
            found[column] = NONE
        elif name not in there and name.isdecimal() and int(name) < len(there):
            found[column] = there[int(name)]
        elif name in there:
            found[column] = name
        else:
            raise Refusal(
                f"{given.shown}: there is no column '{name}' for '{column}'{nearest(name, there)}; the columns are, "
                f"from 0: {', '.join(there)}"
            )
    return found


@dataclass(frozen=True)
class Measured:
    """What was counted.

    - `records`: the first ones; `rows`: read, or estimated where not all was (`whole` is false).
    - `bad`: rows that cannot be read, and `first_bad` why; `lengths`: characters of each text.
    - `labels`: rows by label; `scarce`: how many of them a split can deal out, what repeats and contradicts aside.
    """

    records: list[Record]
    rows: int
    whole: bool
    bad: int
    first_bad: str
    lengths: list[int]
    labels: Counter[str]
    scarce: Counter[str]

    @property
    def texts(self) -> list[str]:
        """The texts of the first records."""
        return [said_in(record) for record in self.records]

    @property
    def characters(self) -> int:
        """Of all texts, estimated where not all was read."""
        return int(sum(self.lengths) / max(1, len(self.lengths)) * self.rows)

    def percentile(self, share: float) -> int:
        """The length below which a share of the texts lies."""
        return percentile(self.lengths, share)


def percentile(counts: Sequence[int], share: float) -> int:
    """The count below which a share of these lies."""
    return sorted(counts)[min(len(counts) - 1, int(share * len(counts)))]


def said_in(record: Record) -> str:
    """The text of a record, or both of two, or what its messages say and a line of each of its other texts."""
    return text_of(record, ("text", SECOND)).strip() or text_of(record, ("messages", *TEXTS))


def measured(sources: Sequence[Format], size: int | None) -> Measured:
    """Read the records of a split as the recipe will, and count; `size` is that of its files in bytes, if known."""
    bad_rows, labels = BadRows(), Counter[str]()
    records, lengths = list[Record](), list[int]()
    each = max(1, MOST // len(sources))
    whole = True
    for source in sources:
        records_of = lenient(source).read(bad_rows=bad_rows, labelled=True)
        for number, record in enumerate(records_of, 1):
            lengths.append(len(said_in(record)))
            if (label := label_of(record.get("label"))) is not None:
                labels[label] += 1
            if number <= max(1, KEPT // len(sources)):
                records.append(record)
            if number == each:
                whole = False
                break
    rows = len(lengths)
    if not whole and size:
        bytes_a_row = sum(len(said_in(record).encode("utf-8", "replace")) for record in records) / len(records)
        rows = max(rows, int(size / max(1.0, bytes_a_row)))
    scarce = _scarce(records) if len(records) == len(lengths) else labels
    return Measured(records, rows, whole, bad_rows.count, "".join(bad_rows.first[:1]), lengths, labels, scarce)


def _scarce(records: Sequence[Record]) -> Counter[str]:
    """How many clusters of like texts each label has, without texts that come with several labels."""
    labels = [label_of(record.get("label")) for record in records]
    if not any(labels):
        return Counter()
    clusters = find_clusters([text_of(record, ("text", SECOND)).strip() for record in records])
    said: dict[int, set[str | None]] = {}
    for text, label in zip(clusters.exact.tolist(), labels, strict=True):
        said.setdefault(text, set()).add(label)
    near = zip(clusters.near.tolist(), clusters.exact.tolist(), labels, strict=True)
    kept = {(cluster, label) for cluster, text, label in near if len(said[text]) == 1}
    return Counter(label for _, label in kept if label is not None)
