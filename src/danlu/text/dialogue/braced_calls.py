"""Calls in braces without quotes around keys, as Gemma writes them: `call:f{city:<escape>北京<escape>,days:2}`.

A word of the template's own stands around texts, in which nothing is escaped.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from danlu.data.reading.json_text import parse
from danlu.text.dialogue.calls import CallForm, ToolCall, Tools, behind, called
from danlu.text.dialogue.object_calls import NAME, parameters_of, refuse_unreadable
from danlu.text.dialogue.schemas import exactly, guided, literal, members_of, properties_of, rebased, ways_of

_KEY = re.compile(r"[^\s:{}\[\],\"'<>][^:{}\[\],\"'<>]{0,199}")
_SPACES = re.compile(r"\s*")
_BARE = re.compile(r"[^\s,{}\[\]]+")
_CONSTANTS = {"true": True, "false": False, "null": None, "None": None, "none": None, "True": True, "False": False}
_DEEPEST = 40
"""Lists and objects within each other."""

_TYPED = 6
"""Of these, those that are forced by their schema; what is deeper may hold anything."""

_COUNTED = 1_000
"""Values of a list that are counted."""

_PLAIN = {"string": "text", "boolean": '"true" | "false"', "null": '"null" | "None"', "any": "any"}
_NAMED = r"/[A-Za-z_][A-Za-z0-9_]{0,40}/"
_ANYTHING = [
    'any: text | number | "true" | "false" | "null" | "None" | list | object',
    f"number: {guided({'type': 'number'})}",
    'list: "[" (any ("," any)*)? "]"',
    f'object: "{{" ({_NAMED} ":" any ("," {_NAMED} ":" any)*)? "}}"',
    "SPACE: /[ \\n]{0,2}/\n",
]


class BracedCalls(CallForm):
    """`quote` is the word around texts."""

    quote: str

    def grammar(self, tools: Tools) -> str:
        """See `CallForm.grammar`."""
        lines = list[str]()
        for number, tool in enumerate(tools):
            function = tool.get("function", tool)
            refuse_unreadable(function["name"], NAME)
            schema = rebased(parameters_of(function), "#")
            lines.append(f"call{number}: {json.dumps(function['name'], ensure_ascii=False)} call{number}o")
            lines += self._object(f"call{number}o", schema, schema, 0)
        each = " | ".join(f"call{number}" for number in range(len(tools)))
        start = f"start: {literal(self.before, self.kept)} call {literal(self.after, self.kept)}"
        return "\n".join([start, f"call: {each}", *lines, f"text: {self._text()}", *_ANYTHING])

    def _object(self, name: str, schema: Any, root: Mapping[str, Any], depth: int) -> list[str]:
        """The rules of an object: which key may be the first, and which may follow behind one; in their order."""
        lines, members = list[str](), sorted(members_of(schema, root), key=lambda member: member[0].lower())
        for place, (key, inner, needed) in enumerate(members):
            refuse_unreadable(key, _KEY)
            value, more = self._value(f"{name}v{place}", inner, root, depth + 1)
            lines += [f"{name}x{place}: {json.dumps(f'{key}:', ensure_ascii=False)} {value}", *more]
            then = f"{name}x{place} {name}b{place + 1}"
            lines.append(f"{name}a{place}: {then}" + ("" if needed else f" | {name}a{place + 1}"))
            lines.append(f'{name}b{place}: "," {then}' + ("" if needed else f" | {name}b{place + 1}"))
        end = len(members)
        return [f'{name}: "{{" {name}a0 "}}"', *lines, f'{name}a{end}: ""', f'{name}b{end}: ""']

    def _value(self, name: str, schema: Any, root: Mapping[str, Any], depth: int) -> tuple[str, list[str]]:
        """What a value may be, and the rules that this rests on."""
        found, rules = list[str](), list[str]()
        for place, (kind, told) in enumerate(ways_of(schema, root) if depth <= _TYPED else [("any", {})]):
            inner, more = f"{name}w{place}", list[str]()
            if kind == "const":
                found.append(self._constant(told))
            elif kind in _PLAIN:
                found.append(_PLAIN[kind])
            elif kind in ("integer", "number"):
                found.append(guided({**told, "type": kind}))
            elif kind == "array":
                value, more = self._value(inner, told.get("items"), root, depth + 1)
                found.append(_listed(value, told.get("minItems"), told.get("maxItems")))
            else:
                more = self._object(inner, told, root, depth + 1) if properties_of(told) else []
                found.append(inner if more else "object")
            rules += more
        return f"({' | '.join(dict.fromkeys(found))})", rules

    def _constant(self, value: Any) -> str:
        if isinstance(value, str):
            return exactly(self.quote + value + self.quote, self.kept)
        if value is None:
            return _PLAIN["null"]
        return "any" if isinstance(value, list | dict) else json.dumps(json.dumps(value))

    def _text(self) -> str:
        if self.quote in self.kept:  # no text is written as such a token
            return f"<[{self.kept[self.quote]}]> /[^\\x00]*/ <[{self.kept[self.quote]}]>"
        one, two, *_ = (re.escape(sign).replace("/", r"\/") for sign in self.quote)
        ends = re.escape(self.quote).replace("/", r"\/")
        return f"{json.dumps(self.quote, ensure_ascii=False)} /([^{one}]|{one}+[^{one}{two}])*{ends}/"

    def _calls(self, text: str, start: int, tools: Tools) -> list[ToolCall]:
        return self._row(text, start)[0]

    def _row(self, text: str, start: int) -> tuple[list[ToolCall], int]:
        """The calls from a place on, and where they end."""
        calls, place, reader = list[ToolCall](), behind(text, start, self.before), _Reader(text, self.quote)
        while place >= 0 and (named := NAME.match(text, place)):
            try:
                arguments, end = reader.entries(_SPACES.match(text, named.end()).end(), 0)  # type: ignore[union-attr]
                json.dumps(arguments, allow_nan=False)
            except (ValueError, RecursionError):
                break
            calls.append(called(named[0], arguments))
            place = -1 if self.between is None else behind(text, end, self.between)
            closed = behind(text, end, self.after)
            if place < 0:
                return (calls, closed) if closed >= 0 else ([], start)
        return [], start

    def read(self, text: str, tools: Tools = ()) -> tuple[str, list[ToolCall]]:
        """See `CallForm.read`; what stands behind calls is said too, as Gemma's templates write it there."""
        return self.read_within(text, lambda start: self._row(text, start))

    def _may_follow(self, rest: str) -> bool:
        return re.match(rf"{NAME.pattern}\s*(?:\{{|\Z)|\Z", rest) is not None


class _Reader:
    """Reads objects, lists and values. Raises `ValueError` where something else stands."""

    def __init__(self, text: str, quote: str) -> None:
        self.text, self.quote = text, quote

    def entries(self, place: int, depth: int) -> tuple[dict[str, Any], int]:
        """The object at a place, and where it ends."""
        place, found = self._after(place, "{"), dict[str, Any]()
        while not self._is_at(place, "}"):
            key, place = self._key(place)
            if key in found:
                raise ValueError(key)
            found[key], place = self._value(self._after(place, ":"), depth)
            place = self._on(place, "}")
        return found, place + 1

    def _value(self, place: int, depth: int) -> tuple[Any, int]:
        if depth > _DEEPEST:
            raise ValueError(place)
        if self.text.startswith(self.quote, place):
            return self._between(place, self.quote)
        if self._is_at(place, "{"):
            return self.entries(place, depth + 1)
        if self._is_at(place, "["):
            return self._listed(place, depth)
        if self._is_at(place, '"'):
            value, end = json.JSONDecoder(strict=False).raw_decode(self.text, place)
            return value, self._space(end)
        bare = _BARE.match(self.text, place)
        if bare is None:
            raise ValueError(place)
        value = _CONSTANTS[bare[0]] if bare[0] in _CONSTANTS else parse(bare[0], "call")
        return value, self._space(bare.end())

    def _listed(self, place: int, depth: int) -> tuple[list[Any], int]:
        place, found = self._after(place, "["), list[Any]()
        while not self._is_at(place, "]"):
            value, place = self._value(place, depth + 1)
            found.append(value)
            place = self._on(place, "]")
        return found, self._space(place + 1)

    def _key(self, place: int) -> tuple[str, int]:
        if self.text.startswith(self.quote, place):
            return self._between(place, self.quote)
        if self._is_at(place, '"'):
            return self._between(place, '"')
        key = _KEY.match(self.text, place)
        if key is None:
            raise ValueError(place)
        return key[0].rstrip(), key.end()

    def _between(self, place: int, quote: str) -> tuple[str, int]:
        end = self.text.find(quote, place + len(quote))
        if end < 0:
            raise ValueError(place)
        return self.text[place + len(quote) : end], self._space(end + len(quote))

    def _on(self, place: int, end: str) -> int:
        """Behind the comma, or at what ends all."""
        return place if self._is_at(place, end) else self._after(place, ",")

    def _after(self, place: int, sign: str) -> int:
        if not self._is_at(place, sign):
            raise ValueError(place)
        return self._space(place + 1)

    def _is_at(self, place: int, sign: str) -> bool:
        return self.text.startswith(sign, place)

    def _space(self, place: int) -> int:
        return _SPACES.match(self.text, place).end()  # type: ignore[union-attr]


def _listed(value: str, fewest: Any, most: Any) -> str:
    """A list of so many values, as far as that is told in numbers that a grammar takes."""
    fewest, most = (each if isinstance(each, int) and 0 <= each <= _COUNTED else None for each in (fewest, most))
    if most == 0:
        return '"[]"'
    low = max(0, (fewest or 1) - 1)
    others = "" if most == 1 else f' ("," {value}){{{low},{"" if most is None else max(low, most - 1)}}}'
    return f'"[" ({value}{others}){"" if fewest else "?"} "]"'


def shown_braces(text: str, names: Sequence[str], arguments: Mapping[str, str]) -> BracedCalls | None:
    """The form of calls of `names`, all with these arguments, in what a template wrote."""
    (first, value), *others = arguments.items()
    inner = "".join(rf"\s*,\s*{key}\s*:\s*(?P=quote){re.escape(word)}(?P=quote)" for key, word in others)
    pattern = rf"\s*\{{\s*{first}\s*:\s*(?P<quote>[^\s{{}}]{{2,40}}?){re.escape(value)}(?P=quote){inner}\s*\}}"
    found = [re.search(re.escape(name) + pattern, text) for name in names]
    spans = [each for each in found if each is not None]
    if len(spans) < len(names):
        return None
    return BracedCalls(
        before=text[: spans[0].start()].strip(),
        between=text[spans[0].end() : spans[1].start()].strip() if len(spans) > 1 else None,
        after=text[spans[-1].end() :].strip(),
        quote=spans[0]["quote"],
    )
