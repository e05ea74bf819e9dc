"""Values in JSON, checked to be text that can be written again."""

import json
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import orjson

from danlu.data.record import DEPTH
from danlu.refusal import Refusal


def parse(text: str | bytes, where: str) -> Any:
    """The value of a JSON text (RFC 8259, 2017); whole numbers beyond 64 bits become texts, with all their digits.

    Raises:
        Refusal: it is no JSON, or holds half of a character pair; names `where` and the column.
    """
    try:
        value = None if holds_long_numbers(_encoded(text)) else orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        value = None
    if value is None:
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


_LONG_NUMBER = re.compile(rb"[\[:,]\s*+(?:-\d{19}|\d{20})")
_SHORT = 2**14  # bytes that the expression alone searches sooner


def depth_of(blocks: Iterable[bytes]) -> int:
    """How many lists and objects lie within each other at most in JSON of UTF-8, which need not be sound.

    200 MB/s (2026-11): brackets are counted where an even number of quotes stands before them.
    """
    deepest = depth = 0
    quoted, kept = False, b""
    for block in blocks:
        whole = kept + block
        cut = len(whole) - (len(whole) - len(whole.rstrip(b"\\"))) % 2  # what a backslash means, the next block tells
        kept = whole[cut:]
        signs = np.frombuffer(whole[:cut].replace(rb"\\", b"").replace(rb"\"", b""), np.uint8)
        inside = (np.cumsum(signs == ord('"')) + quoted) % 2 == 1
        steps = ((signs == ord("{")) | (signs == ord("["))).astype(np.int64)
        steps -= (signs == ord("}")) | (signs == ord("]"))
        depths = depth + np.cumsum(np.where(inside, 0, steps))
        if len(signs):
            deepest, depth, quoted = max(deepest, int(depths.max())), int(depths[-1]), bool(inside[-1])
    return deepest


def holds_long_numbers(block: bytes) -> bool:
    """Whether there may be a whole number beyond 64 bits, of which orjson would keep 17 digits.

    A tenth of a millisecond a megabyte: runs of digits are found by doubling. Those in texts seldom count.
    """
    return (len(block) < _SHORT or _has_long_run(block)) and _LONG_NUMBER.search(block) is not None


def _has_long_run(block: bytes) -> bool:
    signs = np.frombuffer(block, np.uint8)
    run = (signs - np.uint8(ord("0"))) < 10
    for step in (1, 2, 4, 8, 3):  # runs of 2, 4, 8, 16, 19
        run = run[:-step] & run[step:]
    return bool((run[:-1] & run[1:]).any() or (run[1:] & (signs[: len(run) - 1] == ord("-"))).any())


def _encoded(text: str | bytes) -> bytes:
    return text.encode("utf-8") if isinstance(text, str) else text


def _parse_slowly(text: str, where: str) -> Any:
    """The same by the standard library, which takes NaN as well and says better what is wrong."""
    try:
        value = json.loads(text, parse_int=_whole)
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


def _whole(digits: str) -> int | str:
    """A whole number, or its text where 64 bits do not hold it (Python itself refuses 4,300 digits)."""
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
        return digits
    return int(digits)
