"""Damage for inputs: bytes, plain values (json), YAML and CSV, each changed a few times by a random generator.

Everything here takes a `random.Random`, so a seed names an input for ever. `mutated(data, form, rng)` is the way in;
the rest may be called alone.
"""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

SIGNS = [
    b"\x00", b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc0\x80", b"\x80",
    b"\x81\x30\x81",
    b"\x1b]52;c;aGk=\x07", b"\x1b[2J", b"\x9b31m", "\u202e".encode(), "\u2028".encode(), b"\x85", b"\r",
    b"\r\n", b"\n\n",
    b"\t", b'"', b"'", b"\\", b"\\u", b"\\ud800", b"{", b"}", b"[", b"]", b",", b":", b"&", b"*", b"<", b">",
    b"%", b"@",
    b"[/x]", b"[bold]", b"{0}", b"%s", b"../", b"/dev/zero", b"file:///etc/passwd", b"nan", b"-1", b"1e999",
    b"null",
    b"9223372036854775808", b"\xf0\x9f\x98\x80", "e\u0301\u0316".encode() * 20, b"0" * 5000, b"9" * 5000,
]  # fmt: skip
"""Bytes that some reader somewhere takes for more than they are."""

NUMBERS = [0, 1, -1, 2, 127, 255, 256, 65535, 2**31 - 1, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, -(2**63), 2**64, 10**30]

VALUES: list[Any] = [
    None, True, False, *NUMBERS, 10**400, 0.5, -0.0, 1e-320, 1e308, float("nan"), float("inf"), "", " ",
    "\u3000", "x" * 5000,
    "\ud800", "\x00", "\x1b]0;title\x07", "[/x]", "\u202eabc", "../../x", "/dev/zero", "NaN", "null", "1",
    "-1", "1e999", "@x",
    "@x:test", "😀", "e\u0301", [], {}, [[]], [None], {"": None}, {"kind": "x"}, ["a", 1, None], [[1, 2], [3]],
    {"a": {"b": {}}},
]  # fmt: skip
"""Plain values that a reader of another type, or of the right type, may stumble over."""


def mutated(data: bytes, form: str, rng: random.Random) -> bytes:
    """An input of a form ('bytes', 'json', 'jsonl', 'yaml', 'csv', 'text'), damaged one to four times.

    What is no longer of its form is damaged as bytes; one in five of the others are, too.
    """
    ways: dict[str, Callable[[bytes, random.Random], bytes]] = {
        "json": _json, "jsonl": _jsonl, "yaml": _yaml, "csv": _csv, "text": _text, "bytes": mutated_bytes
    }  # fmt: skip
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        way = mutated_bytes if rng.random() < 0.2 else ways[form]
        try:
            data = way(data, rng)
        except (ValueError, RecursionError):  # no json, no UTF-8 any more
            data = mutated_bytes(data, rng)
    return data


def mutated_bytes(data: bytes, rng: random.Random) -> bytes:  # noqa: PLR0911
    """Bytes with one damage: a bit, a byte, a number, a span that is cut, doubled or moved, or a hostile sign."""
    if not data:
        return rng.choice(SIGNS)
    at = rng.randrange(len(data))
    end = min(len(data), at + rng.choice((1, 2, 4, 8, 16, 64, 256, 4096)))
    way = rng.randrange(11)
    if way == 0:
        return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
    if way == 1:
        return data[:at] + rng.randbytes(end - at) + data[end:]
    if way == 2:
        return data[:at]
    if way == 3:
        return data[:at] + data[end:]
    if way == 4:
        return data[:end] + data[at:end] * rng.choice((1, 2, 100)) + data[end:]
    if way in (5, 6):  # in place of what is there, or between
        sign = rng.choice(SIGNS)
        return data[:at] + sign + data[at + len(sign) * (way == 5) :]
    if way in (7, 8):  # lengths and offsets of binary formats
        size = rng.choice((1, 2, 4, 8))
        number = rng.choice(NUMBERS) % 2 ** (8 * size)
        return data[:at] + number.to_bytes(size, "little" if way == 7 else "big") + data[at + size :]
    if way == 9:
        other = rng.randrange(len(data))
        return data[:at] + data[other : other + end - at] + data[end:]
    return rng.choice((b"", data[:1], data[at:], data + data, rng.randbytes(64), data[::-1], b"\x00" * len(data)))


def mutated_value(value: Any, rng: random.Random) -> Any:
    """A plain value with one damage somewhere in it; the given one stays as it is."""
    places = _places(value)
    return _with(value, rng.choice(places), lambda found: _damaged(found, rng))


def mutated_text(text: str, rng: random.Random) -> str:
    """A text with one sign, span or line damaged."""
    return mutated_bytes(text.encode("utf-8", "surrogatepass"), rng).decode("utf-8", "replace")


def dumped(value: Any) -> bytes:
    """Plain values as json, lone surrogates and NaN included."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _json(data: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.1:  # what json.dumps cannot write
        return rng.choice(
            (b"[" * 100_000, b'{"a":' * 50_000 + b"1" + b"}" * 50_000, data[:-1] + b"," + data[1:], data + data)
        )
    return dumped(mutated_value(json.loads(data), rng))


def _jsonl(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True) or [b"{}"]
    at = rng.randrange(len(lines))
    lines[at] = _json(lines[at], rng) + b"\n"
    return b"".join(lines)


def _text(data: bytes, rng: random.Random) -> bytes:
    lines = data.splitlines(keepends=True) or [b"\n"]
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    way = rng.randrange(6)
    if way == 0:
        del lines[at]
    elif way == 1:
        lines.insert(at, lines[other])
    elif way == 2:
        lines[at], lines[other] = lines[other], lines[at]
    elif way == 3:
        lines[at] = lines[at].rstrip(b"\r\n")
    elif way == 4:
        lines[at] = rng.choice((b" ", b"\t", b"\r", b"\x00", b"#")) + lines[at]
    else:
        lines[at] = mutated_bytes(lines[at], rng)
    return b"".join(lines)


_SCALARS = [
    "!!bool foo", "!!timestamp foo", '!!int ""', "!!float x", "!!binary x", "!!set {a, b}", "!!omap [a]",
    "!!python/name:os.system ''",
    "!x y", "&a [*a]", "&a {a: *a}", "*nowhere", "<<", "@", "`", "|", ">", "%", "? a", "- -", "{", "[", "[a, b",
    "{a: b", "'", '"',
    '"\\ud800"', '"\\x1b]0;t\\x07"', "0x", "0xFFFFFFFFFFFFFFFFFFFF", "1_000", "1e999", ".inf", ".nan", "-.inf",
    "9223372036854775808",
    "1" * 5000, "~", "null", "true", "yes", "2024-01-01", "12:30", "[]", "{}", "[[[[]]]]", "{kind: x}",
    "@prepare", '"@prepare"',
    '"@prepare:x"', "/dev/zero", "..", ".", "''", "-1", "0", "1.5", "\u202e", "[" * 2000, "{a: " * 500, "- " * 1000,
]  # fmt: skip


def _yaml(data: bytes, rng: random.Random) -> bytes:
    lines = data.decode().splitlines() or [""]
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    head, sign, _ = lines[at].partition(":")
    way = rng.randrange(8)
    if way in (0, 1, 2) and sign:
        lines[at] = f"{head}: {rng.choice(_SCALARS)}"
    elif way == 3:
        lines[at] = rng.choice((" ", "  ", "\t", "- ", "? ", "#", "    ")) + lines[at]
    elif way == 4:
        lines[at] = lines[at].removeprefix("  ")
    elif way == 5:
        lines.insert(at, _bomb(rng))
    elif way == 6:
        lines.insert(other, lines[at])
    else:
        return _text(data, rng)
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _bomb(rng: random.Random) -> str:
    """Anchors that hold anchors: small to write, endless to walk."""
    depth, width = rng.choice(((4, 3), (12, 9), (30, 2), (200, 2)))
    first, rest = rng.choice((("[x]", "[{}]"), ("{{k: v}}", "{{{}}}"), ("{{k: v}}", "{{<<: [{}]}}")))
    lines = [f"a0: &a0 {first.format()}"]
    for level in range(1, depth):
        used = [f"*a{level - 1}"] * width
        inner = ", ".join(used if rest != "{{{}}}" else [f"k{n}: {name}" for n, name in enumerate(used)])
        lines.append(f"a{level}: &a{level} {rest.format(inner)}")
    return "\n".join(lines)


_CELLS = [
    "", '"', '""', '"x","y"', '"a\nb"', "x\ry", "\x00", "x" * 10_000, "=1+1", "sep=;", ";", "\t", "1,5",
    "null", "NaN", "\ufeff", "\u202e",
    "9" * 5000, "2024/5/31", "[/x]", "\x1b[31m", " ", "'", "\\", "\\N", "1e999", "True", "-0",
]  # fmt: skip


def _csv(data: bytes, rng: random.Random) -> bytes:
    text = data.decode()
    lines = text.split("\n")
    at = rng.randrange(len(lines))
    cells = lines[at].split(",")
    way = rng.randrange(9)
    if way in (0, 1):
        cells[rng.randrange(len(cells))] = rng.choice(_CELLS)
        lines[at] = ",".join(cells)
    elif way == 2:
        lines[at] = lines[at] + rng.choice((",", ",,,", ",x", '"', "\r"))
    elif way == 3:
        lines[at] = ",".join(cells[:-1])
    elif way == 4:
        lines.insert(at, rng.choice(("", ",", "sep=;", '"', ",".join(_CELLS[:9]), lines[0])))
    elif way == 5:
        return text.replace(",", rng.choice((";", "\t", "|", ", ", '","'))).encode()
    elif way == 6:
        return text.replace("\n", rng.choice(("\r", "\r\n", "\n\n", "\x85"))).encode()
    elif way == 7:
        return text.encode(rng.choice(("utf-16", "utf-8-sig", "gb18030", "utf-32", "big5")), "replace")
    else:
        return _text(data, rng)
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _places(value: Any, keys: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The keys to every value within, the whole first."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [keys, *(place for key, item in inner for place in _places(item, (*keys, key)))]


def _with(value: Any, keys: Sequence[Any], change: Callable[[Any], Any]) -> Any:
    if not keys:
        return change(value)
    if isinstance(value, dict):
        return {key: _with(item, keys[1:], change) if key == keys[0] else item for key, item in value.items()}
    return [_with(item, keys[1:], change) if at == keys[0] else item for at, item in enumerate(value)]


def _damaged(value: Any, rng: random.Random) -> Any:  # noqa: PLR0911
    way = rng.randrange(8)
    if isinstance(value, dict) and value and way < 5:
        key = rng.choice(list(value))
        if way == 0:
            return {other: item for other, item in value.items() if other != key}
        if way == 1:
            return {(f"{key}x" if other == key else other): item for other, item in value.items()}
        return value | {rng.choice((key, "", "kind", "x", "\u202e", "[/x]")): rng.choice(VALUES)}
    if isinstance(value, list) and value and way < 5:
        at = rng.randrange(len(value))
        return rng.choice(
            (value[:at] + value[at + 1 :], value + value[at:], value[::-1], [*value, rng.choice(VALUES)], value * 50)
        )
    if isinstance(value, str) and way < 3:
        return mutated_text(value, rng)
    if isinstance(value, int | float) and way < 3:
        return rng.choice((str(value), -value, value + 1, value * 2, [value], int(value == 0)))
    return rng.choice(([value], {"x": value}, *[rng.choice(VALUES)] * 6))
