"""Values in JSON, checked to be text that can be written again."""

import json
from typing import Any

import orjson

from danlu.data.record import DEPTH
from danlu.refusal import Refusal


def parse(text: str | bytes, where: str) -> Any:
    """The value of a JSON text (RFC 8259, 2017); whole numbers beyond 64 bits become floats.

    Raises:
        Refusal: it is no JSON, or holds half of a character pair; names `where` and the column.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = _parse_slowly(text if isinstance(text, str) else text.decode("utf-8"), where)
    refuse_deep(value, where)
    return value


def refuse_deep(value: Any, where: str) -> None:
    """Raises `Refusal` for lists and objects within each other to no end, of which Arrow makes gigabytes."""
    level = [value] if type(value) in (dict, list) else []
    for _ in range(DEPTH + 4):  # a list of records under a key or two
        inside = [each.values() if isinstance(each, dict) else each for each in level]
        level = [item for items in inside for item in items if type(item) in (dict, list)]
        if not level:
            return
    raise Refusal(f"{where}: is nested too deeply, more than {DEPTH} lists or objects within each other; write it flat")


def _parse_slowly(text: str, where: str) -> Any:
    """The same by the standard library, which takes NaN as well and says better what is wrong."""
    try:
        value = json.loads(text)
        if "\\u" in text:  # the only way to half of a pair, which no encoding can write
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        place = f"{where}, column {error.colno}" if error.lineno == 1 else f"{where}, its line {error.lineno}"
        raise Refusal(f"{place}: is no JSON ({error.msg}); mend it, or write it anew with a JSON library") from error
    except UnicodeEncodeError as error:
        raise Refusal(f"{where}: holds half of a surrogate pair, which is no text; remove it") from error
    except RecursionError as error:
        raise Refusal(f"{where}: is nested too deeply; give one flat object a record") from error
    except ValueError as error:  # Python refuses to read numbers of more than 4,300 digits
        raise Refusal(f"{where}: holds a number of thousands of digits; write it as text, or leave it out") from error
    return value
