"""Calls that are written as objects in JSON, or as a name with such an object behind it.

Hermes and Qwen put an object between `<tool_call>` and `</tool_call>`, Mistral into a list, Llama 3.1 writes it alone;
DeepSeek-V3 writes the name before the object of the arguments.
"""

import json
import re
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, Self

from pydantic import Field

from danlu.data.reading.call_lines import values_of
from danlu.data.reading.json_text import parse
from danlu.refusal import Refusal
from danlu.text.dialogue.calls import CallForm, ToolCall, Tools, behind, called, offered_in, spaced
from danlu.text.dialogue.schemas import guided, literal, rebased

FENCE = "```"
_BARE = re.compile(r"`{0,2}$|(?:```(?:j|js|jso|json)?\s*)?(?:\{|$)")
"""How a text begins that may be nothing but calls."""

NAME = re.compile(r"[\w.\-]+")
"""Names that are read where no quotes are around them."""

_DECODER = json.JSONDecoder()


class _WithObjects(CallForm):
    """Calls that hold an object in JSON, one after the other."""

    def _calls(self, text: str, start: int, tools: Tools) -> list[ToolCall]:
        calls: list[ToolCall] = []
        place = behind(text, start, self.before)
        while place >= 0 and (found := self._call(text, place)) is not None:
            call, end = found
            calls.append(call)
            closed = self._closed(text, end)
            if closed >= 0 and not text[closed:].strip():
                return calls
            place = self._next(text, end, closed)
        return []

    def _call(self, text: str, place: int) -> tuple[ToolCall, int] | None:
        """The call that stands at a place, and where it ends."""
        raise AssertionError("each form has its own")

    def _next(self, text: str, end: int, closed: int) -> int:
        """Where another call begins behind one, as the template joins them or opens the first; -1 for nowhere."""
        if self.between is None:
            return -1
        place = behind(text, end, self.between)
        return behind(text, closed, self.before) if place < 0 <= closed else place


class ObjectCalls(_WithObjects):
    """A call is an object, with its name and its arguments under these keys."""

    name: tuple[str, ...]
    arguments: tuple[str, ...]
    within: bool = Field(default=False, description="whether arguments are JSON within JSON")

    def grammar(self, tools: Tools) -> str:
        """See `CallForm.grammar`."""
        if self.within:
            raise Refusal("the template writes arguments as JSON within JSON, so a call cannot be forced; leave it out")
        schemas, shared = [], dict[str, Any]()
        for number, tool in enumerate(tools):
            function = tool.get("function", tool)
            shared[str(number)] = rebased(parameters_of(function), f"#/$defs/{number}")
            schemas.append(self._schema(function["name"], {"$ref": f"#/$defs/{number}"}))
        schema = guided({"anyOf": schemas, "$defs": shared})
        start = f"{literal(self.before, self.kept)} call {literal(self.after, self.kept)}"
        return f"start: {start}\ncall: {schema}\nSPACE: /[ \\n]{{0,2}}/\n"

    def _schema(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The object that calls a function."""
        found: dict[str, Any] = {}
        for path, inner in ((self.name, {"const": name}), (self.arguments, arguments)):
            here = found
            for key in path[:-1]:
                here = here.setdefault(key, {})
            here[path[-1]] = inner
        return _object_of(found, {self.name, self.arguments})

    def _may_follow(self, rest: str) -> bool:
        return rest[:1] in ("", "{")

    def _may_be_bare(self, text: str) -> bool:
        text = text.lstrip()
        if _BARE.match(text) is not None:
            return True
        words = self._unmarked.before if self.kept else ""
        rest = text[len(words) :].lstrip() if words and text.startswith(words) else None
        return bool(words) and (words.startswith(text) if rest is None else rest[:1] in ("", "{"))

    @cached_property
    def _unmarked(self) -> Self:
        """The same form without the special tokens around calls."""
        parts = {name: getattr(self, name) for name in ("before", "between", "after")}
        for word in self.kept:
            parts = {name: words and words.replace(word, "").strip() for name, words in parts.items()}
        return type(self).model_validate({**self.model_dump(), **parts, "kept": {}})

    def _bare(self, text: str, tools: Tools) -> list[ToolCall]:
        """The calls of a text that holds nothing else, maybe fenced as code; none where one is of another tool.

        Where special tokens stand around calls, these may be lacking.
        """
        if self.kept and self._unmarked.before:
            calls = self._unmarked._calls(text, 0, tools)
            if calls and {each["function"]["name"] for each in calls} <= offered_in(tools):
                return calls
        text = text.strip()
        if text.startswith(FENCE) and text.endswith(FENCE):
            text = text[len(FENCE) : -len(FENCE)].removeprefix("json").strip()
        calls, offered = list[ToolCall](), offered_in(tools)
        place = 0
        while place < len(text):
            found = self._call(text, place)
            if found is None or found[0]["function"]["name"] not in offered:
                return []
            calls.append(found[0])
            place = behind(text, found[1], "")
        return calls

    def _call(self, text: str, place: int) -> tuple[ToolCall, int] | None:
        try:
            _, end = _DECODER.raw_decode(text, place)
            value = parse(text[place:end], "call")
            name, arguments = (_at(value, path) for path in (self.name, self.arguments))
            json.dumps(arguments := values_of(arguments), allow_nan=False)
        except (ValueError, KeyError, RecursionError):
            return None
        return (called(name, arguments), end) if isinstance(name, str) and isinstance(arguments, dict) else None


class NamedCalls(_WithObjects):
    """A call is a name, words, and the object of its arguments."""

    middle: str

    def grammar(self, tools: Tools) -> str:
        """See `CallForm.grammar`."""
        lines = list[str]()
        for number, tool in enumerate(tools):
            function = tool.get("function", tool)
            refuse_unreadable(function["name"], NAME)
            name = json.dumps(function["name"], ensure_ascii=False)
            schema = guided(rebased(parameters_of(function), "#"))
            lines.append(
                f"call{number}: {name} {literal(self.middle, self.kept)} object{number}\nobject{number}: {schema}"
            )
        each = " | ".join(f"call{number}" for number in range(len(tools)))
        start = f"{literal(self.before, self.kept)} call {literal(self.after, self.kept)}"
        return "\n".join([f"start: {start}", f"call: {each}", *lines, "SPACE: /[ \\n]{0,2}/\n"])

    def _calls(self, text: str, start: int, tools: Tools) -> list[ToolCall]:
        calls = super()._calls(text, start, tools)
        known = self._marks or {each["function"]["name"] for each in calls} <= offered_in(tools)
        return calls if known else []  # a word and an object alone might say anything

    def _may_follow(self, rest: str) -> bool:
        then = "".join(re.sub(r"^[\w.\-]+", "", rest).split())
        words = "".join(self.middle.split()) + "{"
        return rest == "" or (then != rest and (words.startswith(then) or then.startswith(words)))

    def _call(self, text: str, place: int) -> tuple[ToolCall, int] | None:
        found = re.compile(rf"({NAME.pattern})\s*{spaced(self.middle)}\s*").match(text, place)
        if found is None:
            return None
        try:
            _, end = _DECODER.raw_decode(text, found.end())
            arguments = parse(text[found.end() : end], "call")
            json.dumps(arguments, allow_nan=False)
        except (ValueError, RecursionError):
            return None
        return (called(found[1], arguments), end) if isinstance(arguments, dict) else None


def parameters_of(function: Any) -> dict[str, Any]:
    """The schema of what a function takes. Raises `Refusal` where that is no object."""
    parameters = function.get("parameters") or {}
    if not isinstance(parameters, dict) or parameters.get("type", "object") != "object":
        raise Refusal(f"the parameters of the tool '{function['name']:.40}' are no object; mend its schema")
    return {"type": "object", **parameters}


def refuse_unreadable(name: str, pattern: re.Pattern[str]) -> None:
    """Raises `Refusal` for a name that would not be read in a call as a form writes it."""
    if not pattern.fullmatch(name) or name != name.strip():
        raise Refusal(f"'{name:.40}' could not be read again in a call that is written so; give it a plain name")


def shown_objects(text: str, names: Sequence[str], arguments: Any) -> CallForm | None:
    """The form of calls of the functions `names`, all with the same arguments, in what a template wrote."""
    found = [_object(text, name, arguments) for name in names]
    if any(each is None for each in found):
        return _shown_names(text, names, arguments)
    (start, end, name, given), *second = [each for each in found if each is not None]
    last = second[-1] if second else (start, end, name, given)
    return ObjectCalls(
        before=text[:start].strip(),
        between=text[end : second[0][0]].strip() if second else None,
        after=text[last[1] :].strip(),
        name=name,
        arguments=given,
        within=isinstance(_at(_DECODER.raw_decode(text, start)[0], given), str),
    )


def _shown_names(text: str, names: Sequence[str], arguments: Any) -> NamedCalls | None:
    """As `shown_objects`, where each name stands before an object."""
    spans: list[tuple[int, str, int]] = []
    for name in names:
        start = text.find(name, spans[-1][2] if spans else 0)
        opened = text.find("{", start)
        if start < 0 or opened < 0:
            return None
        with suppress(ValueError):
            value, end = _DECODER.raw_decode(text, opened)
            if value == arguments:
                spans.append((start, text[start + len(name) : opened].strip(), end))
    if len(spans) < len(names) or len({middle for _, middle, _ in spans}) > 1:
        return None
    between = text[spans[0][2] : spans[1][0]].strip() if len(spans) > 1 else None
    before, after = text[: spans[0][0]].strip(), text[spans[-1][2] :].strip()
    return NamedCalls(before=before, between=between, after=after, middle=spans[0][1])


def _object(text: str, name: str, arguments: Any) -> tuple[int, int, tuple[str, ...], tuple[str, ...]] | None:
    """Where the object of a call stands in a text, and the keys to its name and its arguments."""
    for found in re.finditer(r"\{", text):
        with suppress(ValueError):
            value, end = _DECODER.raw_decode(text, found.start())
            named = _path(value, lambda each: each == name)
            given = _path(value, lambda each: values_of(each) == arguments)
            if named is not None and given is not None:
                return found.start(), end, named, given
    return None


def _object_of(keys: dict[str, Any], ends: Collection[tuple[str, ...]], path: tuple[str, ...] = ()) -> dict[str, Any]:
    """The schema of an object with these keys and no others."""
    inner = {
        key: value if (*path, key) in ends else _object_of(value, ends, (*path, key)) for key, value in keys.items()
    }
    return {"type": "object", "properties": inner, "required": list(inner), "additionalProperties": False}


def _at(value: Any, path: Sequence[str]) -> Any:
    """What stands there. Raises `KeyError` where nothing does."""
    for key in path:
        if not isinstance(value, dict):
            raise KeyError(key)
        value = value[key]
    return value


def _path(value: Any, wanted: Callable[[Any], bool]) -> tuple[str, ...] | None:
    """The keys to a wanted value within objects; None where there is none."""
    if wanted(value):
        return ()
    for key, inner in value.items() if isinstance(value, dict) else ():
        if (path := _path(inner, wanted)) is not None:
            return (key, *path)
    return None
