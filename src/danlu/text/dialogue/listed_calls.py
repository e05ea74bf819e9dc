"""Calls that list their arguments one by one between words, as Qwen3-Coder, Qwen3.5, GLM-4.5 and MiniMax write them.

A text is written as it is, everything else as JSON; which of the two a value is, the schema of the tool says.
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from danlu.refusal import Refusal
from danlu.text.dialogue.calls import CallForm, ToolCall, Tools, behind, called, last, offered_in, parameters_in, spaced
from danlu.text.dialogue.object_calls import NAME, parameters_of, refuse_unreadable
from danlu.text.dialogue.schemas import exactly, guided, members_of, rebased, shared_in, valued, ways_of

_KEY = re.compile(r"[^\n<>\"]{1,200}")
_SPACES = re.compile(r"\s*")


class ListedCalls(CallForm):
    """`between` and `after` stand behind the last argument, the `empty_` ones behind a name without arguments."""

    name_end: str
    """Between a name and the first key."""
    value_begin: str
    """Between a key and its value."""
    next_key: str
    """Between a value and the next key."""
    empty_between: str | None
    empty_after: str

    def grammar(self, tools: Tools) -> str:
        """See `CallForm.grammar`; texts that hold the signs by which they end cannot be written so."""
        opens, value_end, closes = self._parts()
        if any(word in f"{opens}{value_end}{self.value_begin}{self.name_end}" for word in self.kept):
            raise Refusal(
                "the template writes special tokens around arguments, so a call cannot be forced; leave it out"
            )
        begin = self.name_end[: len(self.name_end) - len(opens)]
        lines, names = list[str](), list[str]()
        for number, tool in enumerate(tools):
            function = tool.get("function", tool)
            schema = rebased(parameters_of(function), "#")
            rules = list[str]()
            for place, (key, inner, needed) in enumerate(members_of(schema, schema)):
                refuse_unreadable(key, _KEY)
                name = f"value{number}x{place}"
                rules.append(f"{name}{'' if needed else '?'}")
                lines.append(f"{name}: {_quoted(opens + key + self.value_begin)} {_value(inner, schema, value_end)}")
            refuse_unreadable(function["name"], NAME)
            names.append(f"call{number}")
            lines.append(f"call{number}: {' '.join([_quoted(function['name'] + begin), *rules])}")
        start = f"start: SPACE {exactly(self.before, self.kept)} call {exactly(closes, self.kept)} SPACE"
        return "\n".join([start, f"call: {' | '.join(names)}", *lines, "SPACE: /[ \\n]{0,2}/\n"])

    def _parts(self) -> tuple[str, str, str]:
        """What opens each argument, closes each value, and closes a call whether or not it has arguments."""
        shared = 0
        while shared < min(len(self.name_end), len(self.next_key)) and (
            self.name_end[-1 - shared] == self.next_key[-1 - shared]
        ):
            shared += 1
        opens, value_end = self.name_end[len(self.name_end) - shared :], self.next_key[: len(self.next_key) - shared]
        begin, closes = self.name_end[: len(self.name_end) - shared], self.after.removeprefix(value_end)
        if not self.after.startswith(value_end) or begin + closes != self.empty_after or len(value_end.strip()) < 2:
            raise Refusal(
                "the template writes calls with and without arguments unlike, so none can be forced; leave it out"
            )
        return opens, value_end, closes

    def _may_follow(self, rest: str) -> bool:
        if not (named := NAME.match(rest)):
            return rest == ""
        then = "".join(rest[named.end() :].split())
        words = ["".join(word.split()) for word in (self.name_end, self.empty_between, self.empty_after) if word]
        return any(word.startswith(then) or then.startswith(word) for word in words)

    @cached_property
    def _behind_name(self) -> re.Pattern[str]:
        return _which(self.name_end, self.empty_between, last(self.empty_after, self.kept))

    @cached_property
    def _behind_value(self) -> re.Pattern[str]:
        return _which(self.next_key, self.between, last(self.after, self.kept))

    def _calls(self, text: str, start: int, tools: Tools) -> list[ToolCall]:
        calls: list[ToolCall] = []
        place, then = behind(text, start, self.before), "call"
        while then == "call":
            named = NAME.match(text, place)
            found = named and self._behind_name.match(text, _SPACES.match(text, named.end()).end())  # type: ignore[union-attr]
            if named is None or found is None:
                return []
            schema, arguments = parameters_in(named[0], tools), dict[str, Any]()
            told = {key: inner for key, inner, _ in members_of(schema, schema)}
            while found.lastgroup == "key":
                key = self._key.match(text, found.end())
                ended = key and self._behind_value.search(text, key.end())
                if key is None or ended is None:
                    return []
                value = self._bare_value(text[key.end() : ended.start()])
                if self._squeezed in "".join(value.split()):  # the words that end it were forgotten
                    return []
                other = schema.get("additionalProperties")
                arguments[key[1].strip()] = valued(value, told.get(key[1].strip(), other), schema)
                found = ended
            calls.append(called(named[0], arguments))
            place, then = found.end(), str(found.lastgroup)
        return calls

    @cached_property
    def _key(self) -> re.Pattern[str]:
        return re.compile(rf"({_KEY.pattern}){spaced(self.value_begin)}")

    @property
    def _bare_before(self) -> str:
        """What stands before calls, without the first word, which Qwen3-Coder leaves out at times."""
        return self.before.partition("\n")[2].strip()

    def _bare(self, text: str, tools: Tools) -> list[ToolCall]:
        """The calls of tools in a text without that word."""
        first, text = self.before.partition("\n")[0], text.lstrip()
        if not self._bare_before or not text.startswith(self._bare_before):
            return []
        calls, offered = self._calls(f"{first}\n{text}", 0, tools), offered_in(tools)
        return calls if all(each["function"]["name"] in offered for each in calls) else []

    def _may_be_bare(self, text: str) -> bool:
        words, text = self._bare_before, text.lstrip()
        if not words or not text.startswith(words):
            return words.startswith(text)
        return self._may_follow(text[len(words) :].lstrip())

    def _bare_value(self, text: str) -> str:
        """A value without the white space that the template writes around it."""
        before = self.value_begin[len(self.value_begin.rstrip()) :]
        after = self.next_key[: len(self.next_key) - len(self.next_key.lstrip())]
        return text.removeprefix(before).removesuffix(after)


def shown_lists(
    text: str, empty: str, names: Sequence[str], arguments: Sequence[Mapping[str, str]]
) -> ListedCalls | None:
    """The form of calls in what a template wrote of functions with these arguments, and of the same without any."""
    words = [word for name, given in zip(names, arguments, strict=True) for word in (name, *sum(given.items(), ()))]
    parts, bare = _between(text, words), _between(empty, names)
    if parts is None or bare is None or len({len(given) for given in arguments}) > 1:
        return None
    each = 1 + 2 * len(arguments[0])
    first, others = parts[1:each], [parts[each * number + 1 : each * (number + 1)] for number in range(len(names))]
    unlike = any(one != first for one in others) or len(set(first[2::2])) > 1
    if unlike or not parts[0].strip() or not all(map(str.strip, first)) or "{" in "".join(parts):
        return None
    return ListedCalls(
        before=parts[0].strip(),
        between=parts[each] if len(names) > 1 else None,
        after=parts[-1].rstrip(),
        name_end=first[0],
        value_begin=first[1],
        next_key=first[2],
        empty_between=bare[1] if len(names) > 1 else None,
        empty_after=bare[-1].rstrip(),
    )


def _between(text: str, words: Sequence[str]) -> list[str] | None:
    """What stands before, between and behind some words that follow each other in a text."""
    found, place = list[str](), 0
    for word in words:
        at = text.find(word, place)
        if at < 0:
            return None
        found.append(text[place:at])
        place = at + len(word)
    return [*found, text[place:]]


def _which(key: str, call: str | None, end: str) -> re.Pattern[str]:
    """A pattern that tells what follows: a key, another call, or `end`, a pattern."""
    ways = [rf"(?P<key>{spaced(key)}\s*)"]
    ways += [] if call is None else [rf"(?P<call>{spaced(call)}\s*)"]
    return re.compile("|".join([*ways, rf"(?P<end>{end})"]))


def _value(schema: Any, root: Mapping[str, Any], ends: str) -> str:
    """The rule of a value and what ends it."""
    ways = ways_of(schema, root)
    if all(kind in ("const", "null") for kind, _ in ways):
        values = [each if kind == "const" else None for kind, each in ways]
        told = [each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in values]
        return f"({' | '.join(_quoted(each + ends) for each in told)})"
    if any(kind in ("string", "any") or (kind == "const" and isinstance(each, str)) for kind, each in ways):
        one, two, *_ = (re.escape(sign).replace("/", r"\/") for sign in ends.strip())
        return rf"/([^{one}]|{one}+[^{one}{two}])*{re.escape(ends.strip()).replace('/', chr(92) + '/')}/"
    return f"{guided({**shared_in(root), **schema})} {_quoted(ends)}"


def _quoted(words: str) -> str:
    return json.dumps(words, ensure_ascii=False)
