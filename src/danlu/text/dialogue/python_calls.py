"""Calls that are written as Python calls functions: `[f(city="北京", days=2), g()]`, as LFM2.5 writes them.

Some templates escape nothing within the quotes around a text. Such a text ends at the first quote behind which the
call goes on as one does: with another argument, or with its end and what stands behind calls.
"""

import ast
import json
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

from danlu.data.reading.json_text import parse
from danlu.text.dialogue.calls import CallForm, ToolCall, Tools, behind, called, last, offered_in, parameters_in, spaced
from danlu.text.dialogue.object_calls import NAME, parameters_of, refuse_unreadable
from danlu.text.dialogue.schemas import chained, guided, literal, members_of, rebased, shared_in, ways_of

_KEY = re.compile(r"[^\s\"'=(),\[\]{}]{1,200}")
_OPENED = re.compile(rf"({NAME.pattern})\s*+\(")
_BEGUN = re.compile(rf"{NAME.pattern}\s*+(?:\(|\Z)|\Z")
_CLOSED = re.compile(r"\s*+\)")
_KEYED = re.compile(rf"\s*+({_KEY.pattern})\s*+=\s*+")
_NEXT = re.compile(r"\s*+(?:,|(?=\)))")
_OTHER = re.compile(rf"\s*+,\s*+({_KEY.pattern})\s*+=")
_LAST = re.compile(r"\s*+,?+\s*+\)")
_QUOTED = {sign: re.compile(rf"{sign}((?:[^{sign}\\]++|\\.)*+){sign}", re.DOTALL) for sign in "\"'"}
_PIECE = re.compile(
    "|".join([*(each.pattern for each in _QUOTED.values()), r"[^'\"\[\](){},]++", r"[\[\](){},]"]), re.DOTALL
)

_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_SIGNS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\n": ""} | {sign: sign for sign in "\\/\"'"}

UNESCAPED = 'danlu\'s "own"'
"""A text that stands so only where a template escapes nothing."""

_DECODER = json.JSONDecoder()


class PythonCalls(CallForm):
    """`quote` stands around texts; `escaped` says whether what is within is escaped; `true`, `null` as they stand."""

    quote: str
    escaped: bool
    true: str
    null: str

    def _read(self, text: str, tools: Tools) -> tuple[str, list[ToolCall]]:
        """What stands behind calls is said too, as LFM2.5 writes it there."""
        return self.read_within(text, lambda start: self._row(text, start, tools))

    def grammar(self, tools: Tools) -> str:
        """See `CallForm.grammar`."""
        lines = list[str]()
        for number, tool in enumerate(tools):
            function = tool.get("function", tool)
            refuse_unreadable(function["name"], NAME)
            lines += self._rules(f"call{number}", function["name"], rebased(parameters_of(function), "#"))
        each = " | ".join(f"call{number}" for number in range(len(tools)))
        start = f"start: {literal(self.before, self.kept)} call {literal(self.after, self.kept)}"
        return "\n".join([start, f"call: {each}", *lines, "SPACE: /[ \\n]{0,2}/\n"])

    def _rules(self, name: str, function: str, schema: Mapping[str, Any]) -> list[str]:
        """The rules of a call."""
        lines = [f"{name}: {_written(function + '(')} {name}a0 {_written(')')}"]
        members = members_of(schema, schema)
        for place, (key, inner, _) in enumerate(members):
            refuse_unreadable(key, _KEY)
            lines.append(f"{name}x{place}: {_written(key + '=')} {self._value(inner, schema)}")
        return [*lines, *chained(name, [needed for _, _, needed in members], ", ")]

    def _value(self, schema: Any, root: Mapping[str, Any]) -> str:
        """The rule of a value; lists and objects as JSON writes them."""
        found = list[str]()
        for kind, told in ways_of(schema, root):
            if kind == "const":
                found.append(_written(self._constant(told)))
            elif kind in ("string", "any"):
                inner = rf"[^\\\n{self.quote}]" + (rf"|\\[\\nrt{self.quote}]" if self.escaped else "")
                found.append(f"/{self.quote}({inner})*{self.quote}/")
            if kind in ("boolean", "any"):
                found += [_written(self._constant(each)) for each in (True, False)]
            if kind in ("null", "any"):
                found.append(_written(self.null))
            if kind == "any":
                found.append(guided({"type": ["number", "array", "object"]}))
            elif kind in ("integer", "number", "array", "object"):
                found.append(guided({**shared_in(root), **told, "type": kind}))
        return f"({' | '.join(dict.fromkeys(found))})"

    def _constant(self, value: Any) -> str:
        if value is None:
            return self.null
        if isinstance(value, bool):
            false = "False" if self.true == "True" else "false"
            return self.true if value else false
        if not isinstance(value, str):
            return json.dumps(value, ensure_ascii=False)
        signs = (("\\", "\\\\"), (self.quote, f"\\{self.quote}"), ("\n", "\\n"), ("\r", "\\r")) if self.escaped else ()
        for sign, written in signs:
            value = value.replace(sign, written)
        return f"{self.quote}{value}{self.quote}"

    def _calls(self, text: str, start: int, tools: Tools) -> list[ToolCall]:
        return self._row(text, start, tools)[0]

    def _row(self, text: str, start: int, tools: Tools) -> tuple[list[ToolCall], int]:
        """The calls from a place on, and where they end; none where they are of tools that nobody offered."""
        calls, place, closed = list[ToolCall](), behind(text, start, self.before), -1
        while place >= 0 and (named := _OPENED.match(text, place)):
            try:
                arguments, end = _Reader(text, self, _keys_of(named[1], tools)).arguments(named.end())
            except (ValueError, RecursionError):
                return [], start
            calls.append(called(named[1], arguments))
            place = -1 if self.between is None else behind(text, end, self.between)
            closed = max(self._closed(text, end), self._closed(text, place) if place >= 0 else -1)
        known = self._marks or {each["function"]["name"] for each in calls} <= offered_in(tools)
        whole = closed >= 0 and (self.after != "" or not text[closed:].strip())
        return (calls, closed) if known and whole else ([], start)

    def _may_follow(self, rest: str) -> bool:
        return _BEGUN.match(rest) is not None

    @cached_property
    def behind_call(self) -> re.Pattern[str]:
        """What stands behind a call: another one, or what closes all."""
        closes = "|".join(([spaced(self.after)] if self.after else []) + [last(self.after, self.kept)])
        if self.between is None:
            return re.compile(rf"\s*+(?:{closes})")
        return re.compile(rf"\s*+(?:{closes}|{spaced(self.between)}\s*+(?:{NAME.pattern}\s*+\(|{closes}))")


class _Reader:
    """Reads the arguments of a call, whose keys are known or not. Raises `ValueError` where something else stands."""

    def __init__(self, text: str, form: PythonCalls, keys: Collection[str] | None) -> None:
        self.text, self.form, self.keys = text, form, keys

    def arguments(self, place: int) -> tuple[dict[str, Any], int]:
        """Those from a place on, and where the call ends."""
        found = dict[str, Any]()
        while not (closed := _CLOSED.match(self.text, place)):
            keyed = _KEYED.match(self.text, place)
            if keyed is None or keyed[1] in found:
                raise ValueError(place)
            found[keyed[1]], end = self._value(keyed.end())
            if not (then := _NEXT.match(self.text, end)):
                raise ValueError(end)
            place = then.end()
        return found, closed.end()

    def _value(self, place: int) -> tuple[Any, int]:
        sign = self.text[place : place + 1]
        if sign not in _QUOTED:
            return _number_or_list(self.text, place)
        end = self.text.find(sign * 3, place + 3) if self.text.startswith(sign * 3, place) else -1
        if end >= 0 and self._goes_on(end + 3, open_=False):
            return self.text[place + 3 : end], end + 3
        quoted = _QUOTED[sign].match(self.text, place)
        if sign != self.form.quote or self.form.escaped:
            if quoted is None:
                raise ValueError(place)
            return _plain(quoted[1]), quoted.end()
        if quoted and f"\\{sign}" in quoted[1] and self._goes_on(quoted.end(), open_=False):
            return _plain(quoted[1]), quoted.end()  # where a quote is escaped, so is all else
        return self._unescaped(place + 1, sign)

    def _unescaped(self, start: int, sign: str) -> tuple[str, int]:
        """A text in which nothing is escaped; brackets within it are counted, as code has quotes in them."""
        depth, known, end = 0, start, self.text.find(sign, start)
        while end >= 0:
            for each in self.text[known:end]:
                depth += (each in "([{<") - (each in ")]}>")
            if self._goes_on(end + 1, open_=depth > 0):
                return self.text[start:end], end + 1
            known, end = end + 1, self.text.find(sign, end + 1)
        raise ValueError(start)

    def _goes_on(self, place: int, *, open_: bool) -> bool:
        """Whether a call goes on, or ends, at a place; behind open brackets only with keys that it is known to have."""
        if other := _OTHER.match(self.text, place):
            return self.keys is None or other[1] in self.keys or not open_
        last = _LAST.match(self.text, place)
        return last is not None and self.form.behind_call.match(self.text, last.end()) is not None


def shown_python(
    text: str, others: Sequence[str], names: Sequence[str], arguments: Mapping[str, str]
) -> PythonCalls | None:
    """The form of calls of `names` in what a template wrote, and of `others`: of the first alone, with other arguments.

    These are `UNESCAPED`, and then true and nothing.
    """
    quoted = r"\s*,\s*".join(rf"{key}\s*=\s*(['\"]){re.escape(value)}['\"]" for key, value in arguments.items())
    found = [re.search(rf"{name}\s*\(\s*{quoted}\s*,?\s*\)", text) for name in names]
    spans = [each for each in found if each is not None]
    first, second = arguments
    constants = re.search(rf"\(\s*{first}\s*=\s*(\w+)\s*,\s*{second}\s*=\s*(\w+)\s*,?\s*\)", others[1])
    if len(spans) < len(names) or constants is None:
        return None
    return PythonCalls(
        before=text[: spans[0].start()].strip(),
        between=text[spans[0].end() : spans[1].start()].strip() if len(spans) > 1 else None,
        after=text[spans[-1].end() :].strip(),
        quote=spans[0][1],
        escaped=UNESCAPED not in others[0],
        true=constants[1],
        null=constants[2],
    )


def _keys_of(name: str, tools: Tools) -> frozenset[str] | None:
    """The keys that a tool takes; None where it may take any, or nothing is told of it."""
    schema = parameters_in(name, tools)
    keys = frozenset(key for key, _, _ in members_of(schema, schema))
    return keys if keys and not schema.get("additionalProperties") else None


def _plain(text: str) -> str:
    """What a text says in which a backslash escapes, as Python reads it; where that escapes nothing, it is one."""
    if "\\" not in text:
        return text
    told = _ESCAPED.sub(_sign, text)
    return told.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _sign(found: re.Match[str]) -> str:
    number = found[1] or found[2] or found[3]
    if number is None:
        return _SIGNS.get(found[4], found[0])
    return chr(int(number, 16)) if int(number, 16) <= 0x10FFFF else found[0]


def _number_or_list(text: str, place: int) -> tuple[Any, int]:
    """What JSON reads there, else what Python does."""
    with suppress(ValueError, RecursionError):
        _, end = _DECODER.raw_decode(text, place)
        if _NEXT.match(text, end):
            json.dumps(value := parse(text[place:end], "call"), allow_nan=False)
            return value, end
    depth, end = 0, place
    while (piece := _PIECE.match(text, end)) and not (depth == 0 and piece[0] in (",", ")")):
        depth += (piece[0] in "[({") - (piece[0] in "])}")
        end = piece.end()
    try:
        written = json.dumps(ast.literal_eval(text[place:end].strip()), allow_nan=False)
    except (SyntaxError, TypeError, MemoryError) as error:
        raise ValueError(place) from error
    return parse(written, "call"), end


def _written(words: str) -> str:
    return json.dumps(words, ensure_ascii=False)
