"""The promise of a format: how records are read from files."""

import warnings
from abc import abstractmethod
from collections.abc import Generator, Iterator, Sequence
from typing import ClassVar, Literal

from pydantic import Field, ValidationError

from danlu.data.labels import is_empty, name_of, trimmed
from danlu.data.reading.bad_rows import BadRows
from danlu.data.record import STRUCTURED, Record, plain_record
from danlu.machine.remote import shown
from danlu.recipe.part import Part, nearest
from danlu.recipe.read import Written, keyed, sentences
from danlu.refusal import Empty, Refusal


class Format(Part):
    """Where records are read from, and under which names."""

    folder: ClassVar[str] = "danlu.data.reading.formats"

    counted_in: ClassVar[str] = "line"
    """What rows are counted in: lines of text, records, pages."""

    path: str = Field(
        description="file, pattern such as data/*.jsonl, zip, gzip or URL; 'package:name/inside.txt' reads from an "
        "installed package"
    )
    columns: dict[str, str] = Field(default={}, description="column of the record: column in the file")
    constants: dict[str, str] = Field(default={}, description="columns that are the same in every record")
    join: dict[str, str] = Field(
        default={}, description="column whose value is a list of texts: what to put between them to make one text"
    )
    names: dict[str, str] = Field(
        default={},
        description="name of a label by its number or code, as a file beside the data may list it: '3': sport",
    )
    on_bad_row: Literal["stop", "skip"] = Field(
        default="stop", description="a row that cannot be read: stop, or leave it out, count it and write it aside"
    )

    @abstractmethod
    def shards(self) -> list[str]:
        """Names of what is read one after the other, as messages call it."""

    @abstractmethod
    def rows_of(self, shard: str, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the records of a shard as they stand there, each with the number of its line or record, from 1."""

    def read(
        self, needed: Sequence[str] = (), bad_rows: BadRows | None = None, *, labelled: bool = False
    ) -> Generator[Record, None, None]:
        """Yield the records in order, columns renamed and joined, constants added, values made plain (`plain`).

        Columns that are not named in `columns` keep their names; empty values (null), and labels that are, are left
        out; where the records are to be learnt from (`labelled`), a row with an empty label is a bad row. Every record
        has the `needed` columns, and texts in them unless they are structured by their nature. Rows that cannot be
        read stop, or go to `bad_rows` under `on_bad_row: skip`; so does the rest of a file that is damaged. Without
        `bad_rows` a warning tells of them at the end.

        Raises:
            Refusal: a row or file cannot be read and `on_bad_row` is stop, or there are no records that can be.
        """
        unwatched = bad_rows is None
        bad_rows = bad_rows or BadRows()
        if self.on_bad_row == "stop":
            bad_rows = bad_rows.stopping()
        wanted = tuple(dict.fromkeys((*self.columns, *self.join, *needed)))
        empty = True
        for shard in self.shards():
            name = shown(shard)
            try:
                for number, row in self.rows_of(shard, bad_rows):
                    record = self._ready(row, wanted, needed, bad_rows, labelled=labelled)
                    if isinstance(record, str):
                        bad_rows.reject(name, f"{self.counted_in} {number}", record, row)
                    else:
                        empty = False
                        yield record
            except Refusal as refusal:
                if bad_rows.stop:
                    raise
                bad_rows.reject(name, "", str(refusal).removeprefix(f"{name}: "))
        if empty and bad_rows.first:
            told = f"holds no records that can be read, the first bad row being: {bad_rows.first[0]}"
            raise Refusal(f"{shown(self.path)}: {told}")
        if empty:
            raise Empty(f"{shown(self.path)}: holds no records; give a file with at least one")
        if unwatched and bad_rows.count:
            warnings.warn("; ".join(bad_rows.in_words()), stacklevel=2)

    def _ready(
        self, row: Record, wanted: Sequence[str], texts: Sequence[str], bad_rows: BadRows, *, labelled: bool
    ) -> Record | str:
        """The record of a row, or what is wrong with it."""
        record = self._named(row)
        if "tags" in record:
            record = _with_text_tags(record)
        if "label" in record and is_empty(record["label"]):
            if labelled:
                return (
                    "the label is empty; fill it in, write 'on_bad_row: skip' to leave such rows out, or rename the "
                    "column in 'columns' if it is no label"
                )
            record = {key: value for key, value in record.items() if key != "label"}
            wanted = [column for column in wanted if column != "label"]
        if None in record.values():
            record = {key: value for key, value in record.items() if value is not None}
        if wanted and (lacking := self._lacking(record, row, wanted, texts)):
            return lacking
        record = plain_record(record)
        label = record.get("label")
        if isinstance(label, str) and (bare := trimmed(label)) != label:
            record = record | {"label": bare}
            bad_rows.mend("labels without the white space around them")
        if self.names and (named := name_of(record.get("label"), self.names)):
            record = record | {"label": named}
        if self.names and isinstance(labels := record.get("labels"), list):
            record = record | {"labels": [name_of(each, self.names) or each for each in labels]}
        return record

    def _named(self, row: Record) -> Record:
        if not (self.columns or self.constants or self.join):
            return row
        if not self.columns:
            named = row | self.constants
        else:
            taken = set(self.columns.values())
            named = {name: value for name, value in row.items() if name not in taken}
            named |= {name: row[old] for name, old in self.columns.items() if old in row} | self.constants
        for name, between in self.join.items():
            if isinstance(value := named.get(name), list):
                named[name] = between.join(str(each) for each in value if each is not None)
        return named

    def _without_header(self) -> str:
        """What to say of a table whose first row may be no header; or nothing."""
        return ""

    def _lacking(self, record: Record, row: Record, wanted: Sequence[str], texts: Sequence[str]) -> str | None:
        """What is wrong with the columns that are wanted, of which some hold texts; None if nothing is."""
        for column in wanted:
            if column not in record or (column not in self.constants and self.columns.get(column, column) not in row):
                meant = self.columns.get(column, column)
                if row.get(meant, 0) is None:
                    return f"column '{meant}' is empty (null); fill it in, or write 'on_bad_row: skip' to leave it out"
                there = ", ".join(map(str, row)) or "none"
                if meant == "text" and "messages" in row:
                    return (
                        f"there is no column 'text'; the columns are: {there}; of conversations write 'text: messages' "
                        "in the stage"
                    )
                return (
                    f"there is no column '{meant}'{nearest(meant, list(map(str, row)))}; the columns are: {there}; "
                    f"write 'columns: {{{column}: NAME}}' with the one that is meant{self._without_header()}"
                    f"{lists_in(row)}"
                )
            value = record[column]
            if column in STRUCTURED or isinstance(value, str):
                continue
            if isinstance(value, list | dict):
                what = "a list" if isinstance(value, list) else "an object"
                return (
                    f"column '{column}' holds {what} where a text is expected; name the column with the text in "
                    f"'columns', or write 'join: {{{column}: \" \"}}' for a list of texts"
                )
            if column in texts:
                what = "bytes" if isinstance(value, bytes) else f"{value!r:.20}"
                return (
                    f"column '{column}' holds {what} where a text is expected; name the column with the text in "
                    "'columns', or write it as a text, in quotes"
                )
        return None


def _with_text_tags(record: Record) -> Record:
    """The record with tags that are numbers, without names beside them, as texts."""
    tags = record["tags"]
    if not isinstance(tags, list) or not any(type(tag) is int for tag in tags):
        return record
    return record | {"tags": [str(tag) if type(tag) is int else tag for tag in tags]}


def lists_in(row: Record) -> str:
    """What to say of an object that holds lists of objects, for these may be the records; or nothing."""
    found = [
        str(name)
        for name, value in row.items()
        if name not in STRUCTURED and isinstance(value, list) and value and isinstance(value[0], dict)
    ]
    return f"; if the records are the list in '{found[0]}', write 'kind: json' and 'under: {found[0]}'" if found else ""


def guess(path: str, member: str | None = None, settings: Sequence[str] = ()) -> Format:
    """The format of a file by the suffix of its name, packing aside, unless the settings name its `kind`.

    `settings` are keys of the format, each `key=value` with the value in YAML: `delimiter=;`, `header=[text, label]`,
    `columns.text=review`.

    Raises:
        Refusal: there is no such file, its suffix is not known, or a setting is wrong.
    """
    from danlu.data.reading.guess import kind_of_file

    given = keyed(settings) | {"path": path} | ({} if member is None else {"member": member})
    if "kind" not in given:
        member = given.get("member") if isinstance(given.get("member"), str) else None
        given = {"kind": kind_of_file(path, member)} | given
    try:
        return Format.model_validate(given)
    except ValidationError as error:
        raise Refusal(sentences(error, Written(f"the settings for {path}", given))) from error


def open_records(
    path: str, member: str | None = None, needed: Sequence[str] = (), settings: Sequence[str] = ()
) -> Iterator[Record]:
    """Yield the records of a file whose format its suffix, or `settings` as in `guess`, tell.

    Raises:
        Refusal: the file is missing or broken, its suffix is not known, or a `needed` column is missing.
    """
    return guess(path, member, settings).read(needed)
