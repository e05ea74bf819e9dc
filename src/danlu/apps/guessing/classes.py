"""Names of classes in a file beside data whose labels are numbers."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from danlu.data.labels import in_order
from danlu.data.reading.json_text import parse
from danlu.data.reading.lines import decoded
from danlu.refusal import Refusal

_LARGEST = 2**20  # bytes
_NUMBERED = re.compile(r"(?P<first>\d+)\s*[,:=\t ]\s*(?P<name>\S.*)|(?P<named>\S.*?)\s*[,:=\t ]\s*(?P<last>\d+)")


def names_in(path: Path, labels: Sequence[str], *, whole: bool = True) -> dict[str, str]:
    """The name of each label that is a number; nothing where the labels are no numbers, or not all have a name.

    Lines may state the number, before or behind the name. Without it they count from 0 where a label does, or from 1
    where the last label is the last line; else it is not known, and nothing is named. Where the `labels` are not the
    whole of them, each line is named, and the least of them tells how lines count, for data lie mixed or in order.
    """
    if not labels or not all(label.isdecimal() for label in labels) or path.stat().st_size > _LARGEST:
        return {}
    try:
        text = decoded(path.read_bytes(), str(path))
        names = _of_json(parse(text, str(path))) if path.suffix.lower() == ".json" else _of_lines(text, labels, whole)
    except (Refusal, OSError):  # it may be anything else
        return {}
    found = {label: names.get(label) or names.get(str(int(label)), "") for label in in_order(labels)}
    if not whole:
        found = {**names, **found}
    return found if all(found.values()) and len(set(found.values())) == len({*map(int, found)}) else {}


def _of_lines(text: str, labels: Sequence[str], whole: bool) -> dict[str, str]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    matches = [_NUMBERED.fullmatch(line) for line in lines]
    if lines and all(matches):
        pairs = [(match["first"] or match["last"], match["name"] or match["named"]) for match in matches if match]
        return {str(int(number)): name.strip() for number, name in pairs}
    numbers = [int(label) for label in labels]
    first = min(numbers)
    if first > 1 or (first == 1 and whole and max(numbers) != len(lines)):
        return {}
    return {str(number): name for number, name in enumerate(lines, first)}


def _of_json(value: Any) -> dict[str, str]:
    """A list, `{"0": name}` or `{name: 0}`."""
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return {str(number): name for number, name in enumerate(value)}
    if not isinstance(value, Mapping):
        return {}
    if all(isinstance(name, str) for name in value.values()):
        return {str(number): name for number, name in value.items()}
    return {str(number): str(name) for name, number in value.items() if isinstance(number, int)}
