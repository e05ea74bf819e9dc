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
from danlu.text.dialogue.schemas import chained, exactly, guided, literal, members_of, rebased, shared_in, ways_of

_KEY = re.compile(r"[^\s:{}\[\],\"'<>][^:{}\[\],\"'<>]{0,199}")
_SPACES = re.compile(r"\s*")
_BARE = re.compile(r"[^\s,{}\[\]]+")
_CONSTANTS = {"true": True, "false": False, "null": None, "None": None, "none": None, "True": True, "False": False}
_DEEPEST = 40
"""Lists and objects within each other."""

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
            rules = _Rules(self, rebased(parameters_of(function), "#"), f"call{number}")
            lines.append(
                f"call{number}: {json.dumps(function['name'], ensure_ascii=False)} {rules.of_object(rules.root)}"
            )
            lines += rules.lines
        each = " | ".join(f"call{number}" for number in range(len(tools)))
        start = f"start: {literal(self.before, self.kept)} call {literal(self.after, self.kept)}"
        return "\n".join([start, f"call: {each}", *lines, f"text: {self._text()}", *_ANYTHING])

    def _text(self) -> str:
        if self.quote in self.kept:  # no text is written as such a token
            return f"<[{self.kept[self.quote]}]> /[^\\x00]*/ <[{self.kept[self.quote]}]>"
        one, two, *_ = (re.escape(sign).replace("/", r"\/") for sign in self.quote)
        ends = re.escape(self.quote).replace("/", r"\/")
        return f"{json.dumps(self.quote, ensure_ascii=False)} /([^{one}]|{one}+[^{one}{two}])*{ends}/"

    def _calls(self, text: str, start: int, tools: Tools) -> list[ToolCall]:
        return self._row(_Reader(text, self.quote), start)[0]

    def _read(self, text: str, tools: Tools) -> tuple[str, list[ToolCall]]:
        """What stands behind calls is said too, as Gemma's templates write it there."""
        reader = _Reader(text, self.quote)
        return self.read_within(text, lambda start: self._row(reader, start))

    def _row(self, reader: "_Reader", start: int) -> tuple[list[ToolCall], int]:
        """The calls from a place on, and where they end."""
        text, calls = reader.text, list[ToolCall]()
        place = behind(text, start, self.before)
        while place >= 0 and (found := reader.call(place)) is not None:
            calls.append(found[0])
            place = -1 if self.between is None else behind(text, found[1], self.between)
            closed = self._closed(text, found[1])
            if place < 0:
                return (calls, closed) if closed >= 0 else ([], start)
        return [], start

    def _may_follow(self, rest: str) -> bool:
        return re.match(rf"{NAME.pattern}\s*(?:\{{|\Z)|\Z", rest) is not None


class _Rules:
    """The rules of what a tool takes; one for each schema of a list or an object, however often it is referred to."""

    def __init__(self, form: BracedCalls, root: Mapping[str, Any], name: str) -> None:
        self.form, self.root, self.name = form, root, name
        self.lines: list[str] = []
        self._names: dict[tuple[str, int], str] = {}
        self._open: list[str] = []

    def of_object(self, schema: Any) -> str:
        """The rule of an object, whose keys stand in their order."""
        name, known = self._named("object", schema)
        if known:
            return name
        self._open.append(name)
        members = sorted(members_of(schema, self.root), key=lambda member: member[0].lower())
        self.lines.append(f'{name}: "{{" {name}a0 "}}"')
        for place, (key, inner, needed) in enumerate(members):
            refuse_unreadable(key, _KEY)
            value = self._value(inner, needed=needed)
            self.lines.append(f"{name}x{place}: {json.dumps(f'{key}:', ensure_ascii=False)} {value}")
        self.lines += chained(name, [needed for _, _, needed in members], ",")
        self._open.pop()
        return name

    def _named(self, kind: str, schema: Any) -> tuple[str, bool]:
        """The name of the rule of a schema, and whether there is one already."""
        key = kind, id(schema)  # schemas live as long as the root that they are parts of
        known = key in self._names
        return self._names.setdefault(key, f"{self.name}o{len(self._names)}"), known

    def _list(self, schema: Mapping[str, Any]) -> str:
        name, known = self._named("array", schema)
        if not known:
            self._open.append(name)
            fewest = schema.get("minItems")
            value = self._value(schema.get("items"), needed=isinstance(fewest, int) and fewest > 0)
            self.lines.append(f"{name}: {_listed(value, fewest, schema.get('maxItems'))}")
            self._open.pop()
        return name

    def _value(self, schema: Any, *, needed: bool) -> str:
        """What a value may be; what is needed within itself could have no end, and may be anything of its kind."""
        found, ways = list[str](), ways_of(schema, self.root)
        for kind, told in ways:
            if kind in ("array", "object") and needed and len(ways) == 1 and self._is_open(kind, told):
                found.append("list" if kind == "array" else "object")
                continue
            if kind == "const":
                found.append(self._constant(told))
            elif kind in _PLAIN:
                found.append(_PLAIN[kind])
            elif kind == "array":
                found.append(self._list(told))
            elif kind == "object":
                plain = members_of(told, self.root) and not {"anyOf", "oneOf"} & told.keys()
                found.append(self.of_object(told) if plain else "object")
            else:
                shared = shared_in(self.root) if "$ref" in json.dumps(told) else {}
                found.append(guided({**shared, **told, "type": kind}))
        return f"({' | '.join(dict.fromkeys(found))})"

    def _is_open(self, kind: str, schema: Any) -> bool:
        return self._names.get((kind, id(schema))) in self._open

    def _constant(self, value: Any) -> str:
        if isinstance(value, str):
            return exactly(self.form.quote + value + self.form.quote, self.form.kept)
        if value is None:
            return _PLAIN["null"]
        return "any" if isinstance(value, list | dict) else json.dumps(json.dumps(value))


class _Reader:
    """Reads calls, objects, lists and values. Raises `ValueError` where something else stands."""

    def __init__(self, text: str, quote: str) -> None:
        self.text, self.quote = text, quote
        self._known: dict[int, tuple[ToolCall, int] | None] = {}

    def call(self, place: int) -> tuple[ToolCall, int] | None:
        """The call at a place, and where it ends; rows that are broken begin anew in their midst, so it is kept."""
        if place not in self._known:
            self._known[place] = self._call(place)
        return self._known[place]

    def _call(self, place: int) -> tuple[ToolCall, int] | None:
        named = NAME.match(self.text, place)
        if named is None:
            return None
        try:
            arguments, end = self.entries(self._space(named.end()), 0)
            json.dumps(arguments, allow_nan=False)
        except (ValueError, RecursionError):
            return None
        return called(named[0], arguments), end

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
