"""Calls that are written as Python calls functions: `[f(city="北京", days=2), g()]`, as LFM2, Olmo 3 and Llama write.

Some templates escape nothing within the quotes around a text. Such a text ends at the quote behind which a call goes
on as one does, so that all that can be read with the rest of the calls is read.
"""

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from danlu.data.reading.json_text import parse
from danlu.text.dialogue.calls import LONGEST, CallForm, ToolCall, Tools, behind, called, offered_in
from danlu.text.dialogue.object_calls import NAME, parameters_of, refuse_unreadable
from danlu.text.dialogue.schemas import guided, kinds_of, literal, properties_of, rebased

_KEY = re.compile(r"[^\W\d]\w{0,199}")
_OPENED = re.compile(rf"({NAME.pattern})\s*\(\s*")
_BEGUN = re.compile(rf"{NAME.pattern}\s*(?:\(|\Z)|\Z")
_CLOSED = re.compile(r"\s*\)")
_KEYED = re.compile(rf"\s*({_KEY.pattern})\s*=\s*")
_NEXT = re.compile(r"\s*(?:,|(?=\)))")
_GOES_ON = re.compile(rf"\s*(?:,\s*{_KEY.pattern}\s*=|,?\s*\))")
_QUOTED = {sign: re.compile(rf"{sign}((?:[^{sign}\\]|\\.)*){sign}", re.DOTALL) for sign in "\"'"}
_PIECE = re.compile(
    "|".join([*(each.pattern for each in _QUOTED.values()), r"[^'\"\[\](){},]+", r"[\[\](){},]"]), re.DOTALL
)

_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_SIGNS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}

_LONGEST_VALUE = 10_000
"""Characters of a value that is no text."""

_TRIES = 2_000
"""Values that are looked at for the calls of one text."""

UNESCAPED = 'danlu\'s "own"'
"""A text that stands so only where a template escapes nothing."""

_DECODER = json.JSONDecoder()


class PythonCalls(CallForm):
    """`quote` stands around texts; `escaped` says whether what is within is escaped."""

    quote: str
    escaped: bool

    def read(self, text: str, tools: Tools = ()) -> tuple[str, list[ToolCall]]:
        """See `CallForm.read`; what stands behind calls is said too, as LFM2 writes it there."""
        for start in self._starts(text) if len(text) <= LONGEST else ():
            calls, end = self._row(text, start, tools)
            if calls:
                return "\n".join(filter(None, (text[:start].rstrip(), text[end:].strip()))), calls
        return text, []

    def grammar(self, tools: Tools) -> str:
        """See `CallForm.grammar`."""
        lines = list[str]()
        for number, tool in enumerate(tools):
            function = tool.get("function", tool)
            refuse_unreadable(function["name"], NAME)
            schema = rebased(parameters_of(function), "#")
            lines += self._rules(f"call{number}", function["name"], schema)
        each = " | ".join(f"call{number}" for number in range(len(tools)))
        start = f"start: {literal(self.before)} call {literal(self.after)}"
        return "\n".join([start, f"call: {each}", *lines, "SPACE: /[ \\n]{0,2}/\n"])

    def _rules(self, name: str, function: str, schema: Mapping[str, Any]) -> list[str]:
        """The rules of a call: which argument may be the first, and which may follow behind one."""
        wanted, lines = schema.get("required"), list[str]()
        properties = properties_of(schema)
        for place, (key, inner) in enumerate(properties.items()):
            refuse_unreadable(key, _KEY)
            lines.append(f"{name}x{place}: {_written(key + '=')} {self._value(inner, schema)}")
            value, then = f"{name}x{place} {name}b{place + 1}", isinstance(wanted, list) and key in wanted
            lines.append(f"{name}a{place}: {value}" + ("" if then else f" | {name}a{place + 1}"))
            lines.append(f'{name}b{place}: ", " {value}' + ("" if then else f" | {name}b{place + 1}"))
        end = len(properties)
        opened = f"{name}: {_written(function + '(')} {name}a0 {_written(')')}"
        return [opened, *lines, f'{name}a{end}: ""', f'{name}b{end}: ""']

    def _value(self, schema: Any, root: Mapping[str, Any]) -> str:
        """The rule of a value, as Python writes texts, truth values and nothing, and as JSON writes all else."""
        told = (
            schema.get("enum", [schema["const"]] if "const" in schema else None) if isinstance(schema, Mapping) else 0
        )
        if isinstance(told, list) and told and all(isinstance(each, str) for each in told):
            return f"({' | '.join(_written(self.quote + self._escaped(each) + self.quote) for each in told)})"
        kinds = kinds_of(schema, root)
        ways = ['("True" | "False")'] if "boolean" in kinds else []
        ways += ['"None"'] if "null" in kinds else []
        if not kinds or "string" in kinds:
            inner = rf"[^\\\n{self.quote}]" + (rf"|\\[\\nrt{self.quote}]" if self.escaped else "")
            ways.append(f"/{self.quote}({inner})*{self.quote}/")
        others = sorted(kinds - {"boolean", "null", "string"})
        if others and len(ways) == 0:
            shared = {name: root[name] for name in ("$defs", "definitions") if name in root}
            ways.append(guided({**shared, **schema}))
        elif others:
            ways.append(guided({"type": others}))
        return ways[0] if len(ways) == 1 else f"({' | '.join(ways)})"

    def _escaped(self, text: str) -> str:
        if self.escaped:
            for sign, written in (("\\", "\\\\"), (self.quote, f"\\{self.quote}"), ("\n", "\\n"), ("\r", "\\r")):
                text = text.replace(sign, written)
        return text

    def _calls(self, text: str, start: int, tools: Tools) -> list[ToolCall]:
        return self._row(text, start, tools)[0]

    def _row(self, text: str, start: int, tools: Tools) -> tuple[list[ToolCall], int]:
        """The calls from a place on, and where they end; none where they are of tools that nobody offered."""
        offered = offered_in(tools)
        with suppress(RecursionError):
            for calls, end in _Reader(self, text).rows(behind(text, start, self.before)):
                names = {each["function"]["name"] for each in calls}
                if (self._marks or names <= offered) and (self.after or not text[end:].strip()):
                    return calls, end
        return [], start

    def _may_follow(self, rest: str) -> bool:
        return _BEGUN.match(rest) is not None


@dataclass
class _Reader:
    """Reads the calls of one text, in each way in which texts that are not escaped may end."""

    form: PythonCalls
    text: str
    left: int = _TRIES

    def rows(self, place: int) -> Iterator[tuple[list[ToolCall], int]]:
        """The calls that begin at a place, one after the other, and where the words behind them end."""
        for call, end in self._called(place) if place >= 0 else ():
            closed = behind(self.text, end, self.form.after)
            again = behind(self.text, closed, self.form.before) if closed >= 0 and self.form.before else -1
            then = -1 if self.form.between is None else behind(self.text, end, self.form.between)
            for others, end_of_all in (each for at in (again, then) for each in self.rows(at)):
                yield [call, *others], end_of_all
            if closed >= 0:
                yield [call], closed

    def _called(self, place: int) -> Iterator[tuple[ToolCall, int]]:
        if named := _OPENED.match(self.text, place):
            for arguments, end in self._arguments(named.end(), {}):
                yield called(named[1], arguments), end

    def _arguments(self, place: int, before: dict[str, Any]) -> Iterator[tuple[dict[str, Any], int]]:
        if closed := _CLOSED.match(self.text, place):
            yield before, closed.end()
            return
        keyed = _KEYED.match(self.text, place)
        for value, end in self._values(keyed.end()) if keyed and keyed[1] not in before else ():
            if then := _NEXT.match(self.text, end):
                yield from self._arguments(then.end(), {**before, keyed[1]: value})  # type: ignore[index]

    def _values(self, place: int) -> Iterator[tuple[Any, int]]:
        """What may stand at a place, and where it ends."""
        sign = self.text[place : place + 1]
        ways = _number_or_list if sign not in _QUOTED else self._raw if self._is_raw(sign) else _quoted
        for found in ways(self.text, place):
            self.left -= 1
            if self.left < 0:
                return
            yield found

    def _is_raw(self, sign: str) -> bool:
        return sign == self.form.quote and not self.form.escaped

    def _raw(self, text: str, place: int) -> Iterator[tuple[Any, int]]:
        """A text in which nothing is escaped; where a quote is all the same, so is all else."""
        quote = text[place]
        for found in _quoted(text, place):
            if f"\\{quote}" in text[place : found[1] - 1] and _GOES_ON.match(text, found[1]):
                yield found
        end = text.find(quote, place + 1)
        while end >= 0:
            if _GOES_ON.match(text, end + 1):
                yield text[place + 1 : end], end + 1
            end = text.find(quote, end + 1)


def shown_python(text: str, unescaped: str, names: Sequence[str], arguments: Mapping[str, str]) -> PythonCalls | None:
    """The form of calls of `names` in what a template wrote, and of one whose argument is `UNESCAPED`."""
    quoted = r"\s*,\s*".join(rf"{key}\s*=\s*(['\"]){re.escape(value)}['\"]" for key, value in arguments.items())
    found = [re.search(rf"{name}\s*\(\s*{quoted}\s*,?\s*\)", text) for name in names]
    spans = [each for each in found if each is not None]
    if len(spans) < len(names):
        return None
    return PythonCalls(
        before=text[: spans[0].start()].strip(),
        between=text[spans[0].end() : spans[1].start()].strip() if len(spans) > 1 else None,
        after=text[spans[-1].end() :].strip(),
        quote=spans[0][1],
        escaped=UNESCAPED not in unescaped,
    )


def _quoted(text: str, place: int) -> Iterator[tuple[Any, int]]:
    """A text in quotes, in which a backslash escapes."""
    if found := _QUOTED[text[place]].match(text, place):
        yield _plain(found[1]), found.end()


def _plain(text: str) -> str:
    if "\\" not in text:
        return text
    told = _ESCAPED.sub(lambda sign: chr(int(sign[1], 16)) if sign[1] else _SIGNS.get(sign[2], sign[2]), text)
    return told.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _number_or_list(text: str, place: int) -> Iterator[tuple[Any, int]]:
    """What JSON reads there, then what Python does."""
    with suppress(ValueError, RecursionError):
        _, end = _DECODER.raw_decode(text, place)
        json.dumps(value := parse(text[place:end], "call"), allow_nan=False)
        yield value, end
    depth, end = 0, place
    while end - place < _LONGEST_VALUE and (piece := _PIECE.match(text, end)):
        if depth == 0 and piece[0] in (",", ")"):
            break
        depth += (piece[0] in "[({") - (piece[0] in "])}")
        end = piece.end()
    with suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        written = json.dumps(ast.literal_eval(text[place:end].strip()), allow_nan=False)
        yield parse(written, "call"), end


def _written(words: str) -> str:
    return json.dumps(words, ensure_ascii=False)
