"""JSON: one list of objects."""

from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import Field

from danlu.data.json_text import parse
from danlu.data.record import Record
from danlu.data.source_file import SourceFile
from danlu.data.text_format import TextFormat
from danlu.refusal import Refusal


class Json(TextFormat):
    """One list of objects, at the top or under a key."""

    counted_in: ClassVar[str] = "record"

    under: str = Field(default="", description="key of the list, with dots between nested keys; empty: the top")

    def rows(self, source: SourceFile) -> Iterator[tuple[int, Record]]:
        """Yield the objects; see `Format.rows`."""
        value = parse("".join(self.lines(source)), source.name)
        for key in self.under.split(".") if self.under else ():
            if not isinstance(value, dict) or key not in value:
                raise Refusal(f"{source.name}: there is no key '{key}' of '{self.under}'{_hint(value)}")
            value = value[key]
        if not isinstance(value, list):
            at = f" under '{self.under}'" if self.under else ""
            raise Refusal(f"{source.name}: expected a list of objects{at}, not a {type(value).__name__}{_hint(value)}")
        for number, record in enumerate(value, 1):
            if not isinstance(record, dict):
                raise Refusal(
                    f'{source.name}, record {number}: expected an object such as {{"text": ...}}, '
                    f"not a {type(record).__name__}; write every record as an object"
                )
            yield number, record


def _hint(value: Any) -> str:
    lists = [key for key, item in value.items() if isinstance(item, list)] if isinstance(value, dict) else []
    if lists:
        return f"; the lists are under: {', '.join(lists)}; name one in 'under'"
    return "; name the key of the list in 'under', or use kind jsonl for one object a line"
