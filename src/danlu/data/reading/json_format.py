"""Formats whose records are JSON objects: one list, at the top or under a key, or one object a line."""

from collections.abc import Iterator
from typing import Any

import orjson

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.guess import holds_json_lines
from danlu.data.reading.json_text import holds_long_numbers, parse, refuse_deep
from danlu.data.reading.lines import Block
from danlu.data.reading.source_file import SourceFile
from danlu.data.reading.text_format import TextFormat
from danlu.data.record import DEPTH, Record
from danlu.refusal import Refusal

_MARK = 7305471909113517
_BETWEEN = b",%d,\n" % _MARK


class JsonFormat(TextFormat):
    """A format of JSON objects."""

    def objects(self, source: SourceFile, bad_rows: BadRows, under: str = "") -> Iterator[tuple[str, int, Record]]:
        """Yield the objects of a list, or of the lines, with "record" or "line" and their numbers.

        Raises:
            Refusal: the file is neither; or a bad row, unless `bad_rows` takes it.
        """
        if not under and holds_json_lines(source, self.encoding):
            yield from (("line", number, row) for number, row in self.lines_of_json(source, bad_rows))
        else:
            yield from (("record", number, row) for number, row in self.list_of_json(source, bad_rows, under))

    def lines_of_json(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the objects of a file with one a line; blank lines are skipped."""
        for block in self.blocks(source, bad_rows):
            objects = _objects(block.utf8)
            if objects is None or not _shallow(block.utf8, objects):
                yield from self._one_by_one(block, source.name, bad_rows)
            else:
                yield from enumerate(objects, block.number)

    def _one_by_one(self, block: Block, name: str, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """The objects of a block in which there are blank or bad lines."""
        for number, line in block.lines():
            if line.isspace():
                continue
            try:
                value = parse(line.rstrip("\r\n"), f"{name}, line {number}")
            except Refusal as refusal:
                if bad_rows.stop:
                    raise
                reason = str(refusal).removeprefix(f"{name}, line {number}").lstrip(",: ")
                bad_rows.reject(name, f"line {number}", reason, line)
                continue
            if isinstance(value, dict):
                yield number, value
            else:
                reason = f'expected an object such as {{"text": ...}}, not {_named(value)}'
                bad_rows.reject(name, f"line {number}", f"{reason}; use kind json for one list of objects", line)

    def list_of_json(self, source: SourceFile, bad_rows: BadRows, under: str = "") -> Iterator[tuple[int, Record]]:
        """Yield the objects of one list, at the top or `under` a key, with dots between nested keys."""
        for number, given in enumerate(self._list(source, under), 1):
            record = self.shaped(given)
            if isinstance(record, dict):
                yield number, record
            else:
                reason = f'expected an object such as {{"text": ...}}, not {_named(record)}'
                bad_rows.reject(source.name, f"record {number}", f"{reason}; write every record as an object", record)

    def shaped(self, value: Any) -> Any:
        """An entry of the list as an object, where a format has entries that are none."""
        return value

    def listed(self, value: Any) -> Any:
        """What a whole file holds as a list, where a format has files that are none."""
        return value

    def _list(self, source: SourceFile, under: str) -> list[Any]:
        value = self.listed(parse(self.whole_text(source), source.name))
        for key in under.split(".") if under else ():
            if not isinstance(value, dict) or key not in value:
                raise Refusal(f"{source.name}: there is no key '{key}' of '{under}'{_hint(value)}")
            value = value[key]
        if not isinstance(value, list):
            at = f" under '{under}'" if under else ""
            raise Refusal(f"{source.name}: expected a list of objects{at}, not {_named(value)}{_hint(value)}")
        return value


def _objects(block: bytes) -> list[Record] | None:
    """The objects of a block of lines, parsed at one go: twice as fast as a line at a time.

    None if there is a blank line, one that is no object of its own, or a number beyond 64 bits. A number between the
    lines shows where each ends, so that half an object is not joined to the half on the next line.
    """
    if holds_long_numbers(block):
        return None
    try:
        values = orjson.loads(b"[" + block.rstrip().replace(b"\n", _BETWEEN) + b"]")
    except orjson.JSONDecodeError:
        return None
    objects = values[::2]
    count = block.count(b"\n") + (not block.endswith(b"\n"))
    whole = len(values) == 2 * count - 1 and values[1::2].count(_MARK) == count - 1
    return objects if whole and all(type(value) is dict for value in objects) else None


def _shallow(block: bytes, objects: list[Record]) -> bool:
    """Whether no object of a block is nested without an end; flat ones are known by the count of their brackets."""
    if block.count(b"{") + block.count(b"[") <= len(objects) + DEPTH:
        return True
    try:
        refuse_deep(objects, "")
    except Refusal:
        return False
    return True


def _named(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "a text", type(None): "null"}.get(type(value), "a number")


def _hint(value: Any) -> str:
    lists = [key for key, item in value.items() if isinstance(item, list)] if isinstance(value, dict) else []
    if lists == ["data"] and any("paragraphs" in item for item in value["data"][:1] if isinstance(item, dict)):
        return "; use kind squad for questions on texts"
    if lists:
        return f"; the lists are under: {', '.join(lists)}; name one in 'under'"
    return "; name the key of the list in 'under', or use kind jsonl for one object a line"
