"""How a template writes calls of tools, read off the template itself, and the calls in what a model has written so.

Most models write a call as an object in JSON between words of their own: `<tool_call>` and `</tool_call>` (Hermes,
Qwen), in a list (Mistral), or alone (Llama 3.1). A template that is shown two made calls shows its form.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from danlu.data.reading.call_lines import values_of
from danlu.data.reading.json_text import parse
from danlu.refusal import Refusal
from danlu.text.dialogue.schemas import rebased
from danlu.text.dialogue.thoughts import CLOSED, OPENED
from danlu.text.dialogue.writer import Writer
from danlu.text.tokenizing.tokenizer import Tokenizer, special_tokens

ToolCall = dict[str, Any]
"""A call in the form of OpenAI: `{"type": "function", "function": {"name", "arguments"}}`, with arguments as values."""

LONGEST = 100_000
"""Characters of a text that calls are looked for in."""

MOST_STARTS = 100
"""Places of a text where calls are looked for."""

FENCE = "```"
_BARE = re.compile(r"`{0,2}$|(?:```(?:j|js|jso|json)?\s*)?(?:\{|$)")
"""How a text begins that may be nothing but calls."""

_DECODER = json.JSONDecoder()
_NAMES = ("danlu_first", "danlu_second")
_ARGUMENTS: Mapping[str, Any] = {"danlu_key": "danlu value"}
_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": "d",
            "parameters": {"type": "object", "properties": {"danlu_key": {"type": "string", "description": "k"}}},
        },
    }
    for name in _NAMES
]


class CallForm(BaseModel):
    """What stands before, between and behind calls, without white space, and where a call has its name and arguments.

    `between` is None where a template writes one call alone in a message.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    before: str
    between: str | None
    after: str
    name: tuple[str, ...]
    arguments: tuple[str, ...]
    within: bool = Field(default=False, description="whether arguments are JSON within JSON")

    def read(self, text: str, offered: Collection[str] = ()) -> tuple[str, list[ToolCall]]:
        """What is said before the calls, and these; all of the text and none where it holds none, or half of one.

        A small model may write the objects alone, or fenced as code: a text that is nothing but such is read as calls
        where they are of tools that were `offered`.
        """
        if len(text) > LONGEST:
            return text, []
        for start in self._starts(text):
            if calls := self._calls(text, start):
                return text[:start].rstrip(), calls
        thought = _behind_thoughts(text)
        bare = self._bare(text[thought:], offered) if offered and thought is not None else []
        return (text[:thought].rstrip(), bare) if bare else (text, [])

    def begin(self, text: str, offered: Collection[str] = ()) -> int:
        """Where calls begin, or may begin with what is still to be written; the text's length where none does."""
        if offered and (thought := _behind_thoughts(text)) is not None and _BARE.match(text[thought:].lstrip()):
            return thought
        for start in self._starts(text):
            rest = text[start:].lstrip()
            if (opened := _behind(rest, 0, self.before)) >= 0:
                if rest[opened : opened + 1] in ("", "{"):
                    return start
            elif self._squeezed.startswith("".join(rest.split())):
                return start
        if _behind_thoughts(text) is None:
            return len(text)
        first = max(0, len(text) - 2 * len(self.before)) if self._marks else len(text)
        halves = (place for place in range(first, len(text)) if not text[place].isspace())
        return next((at for at in halves if self._squeezed.startswith("".join(text[at:].split()))), len(text))

    @property
    def _squeezed(self) -> str:
        """What stands before calls without any white space."""
        return "".join(self.before.split())

    def grammar(self, tools: Sequence[Mapping[str, Any]]) -> str:
        """What may be written where one of some tools must be called, once, as a grammar in Lark's form.

        White space, which templates write around calls, may be left out.

        Raises:
            Refusal: arguments are written as JSON within JSON, of which a grammar cannot say what it holds; or those
                of a tool are no object.
        """
        if self.within:
            raise Refusal("the template writes arguments as JSON within JSON, so a call cannot be forced; leave it out")
        schemas, shared = [], dict[str, Any]()
        for number, tool in enumerate(tools):
            function = tool.get("function", tool)
            parameters = function.get("parameters") or {}
            if not isinstance(parameters, dict) or parameters.get("type", "object") != "object":
                raise Refusal(f"the parameters of the tool '{function['name']:.40}' are no object; mend its schema")
            shared[str(number)] = rebased({"type": "object", **parameters}, f"#/$defs/{number}")
            schemas.append(self._schema(function["name"], {"$ref": f"#/$defs/{number}"}))
        own = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": ", "lenient": True}
        schema = json.dumps({"x-guidance": own, "anyOf": schemas, "$defs": shared})
        start = f"{_literal(self.before)} call {_literal(self.after)}"
        return f"start: {start}\ncall: %json {schema}\nSPACE: /[ \\n]{{0,2}}/\n"

    def _schema(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The object that calls a function."""
        found: dict[str, Any] = {}
        for path, inner in ((self.name, {"const": name}), (self.arguments, arguments)):
            here = found
            for key in path[:-1]:
                here = here.setdefault(key, {})
            here[path[-1]] = inner
        return _object_of(found, {self.name, self.arguments})

    @property
    def _marks(self) -> bool:
        """Whether calls stand behind a word of their own; a bracket, or nothing, opens them at the beginning alone."""
        return len(self.before) > 1

    def _starts(self, text: str) -> Iterator[int]:
        """Where calls may stand, behind what a model thinks before."""
        thought = _behind_thoughts(text)
        if thought is None:
            return
        opened = text.lstrip().startswith(OPENED)
        if not self._marks:
            yield from ([] if opened else [0]) + ([thought] if thought else [])
            return
        words = re.compile(r"\s*".join(map(re.escape, self.before.split())))
        for found in islice(words.finditer(text, thought if opened else 0), MOST_STARTS):
            yield found.start()

    def _calls(self, text: str, start: int) -> list[ToolCall]:
        """The calls from a place to the end of the text; none where something else stands there."""
        calls: list[ToolCall] = []
        place = _behind(text, start, self.before)
        while place >= 0 and (found := self._call(text, place)) is not None:
            call, end = found
            calls.append(call)
            behind = _behind(text, end, self.after)
            if behind >= 0 and not text[behind:].strip():
                return calls
            place = self._next(text, end, behind)
        return []

    def _bare(self, text: str, offered: Collection[str]) -> list[ToolCall]:
        """The calls of a text that holds nothing else; none where it holds something else, or calls another tool."""
        text = text.strip()
        if text.startswith(FENCE) and text.endswith(FENCE):
            text = text[len(FENCE) : -len(FENCE)].removeprefix("json").strip()
        calls: list[ToolCall] = []
        place = 0
        while place < len(text):
            found = self._call(text, place)
            if found is None or found[0]["function"]["name"] not in offered:
                return []
            calls.append(found[0])
            place = _behind(text, found[1], "")
        return calls

    def _next(self, text: str, end: int, behind: int) -> int:
        """Where another call begins behind one, as the template joins them or opens the first; -1 for nowhere."""
        if self.between is None:
            return -1
        place = _behind(text, end, self.between)
        return _behind(text, behind, self.before) if place < 0 <= behind else place

    def _call(self, text: str, place: int) -> tuple[ToolCall, int] | None:
        """The call that stands at a place, and where it ends."""
        try:
            _, end = _DECODER.raw_decode(text, place)
            value = parse(text[place:end], "call")
            name, arguments = (_at(value, path) for path in (self.name, self.arguments))
            json.dumps(arguments := values_of(arguments), allow_nan=False)
        except (ValueError, KeyError, RecursionError):
            return None
        if not isinstance(name, str) or not isinstance(arguments, dict):
            return None
        return {"type": "function", "function": {"name": name, "arguments": arguments}}, end


def _object_of(keys: dict[str, Any], ends: Collection[tuple[str, ...]], path: tuple[str, ...] = ()) -> dict[str, Any]:
    """The schema of an object with these keys and no others."""
    inner = {
        key: value if (*path, key) in ends else _object_of(value, ends, (*path, key)) for key, value in keys.items()
    }
    return {"type": "object", "properties": inner, "required": list(inner), "additionalProperties": False}


def _literal(words: str) -> str:
    """Words, and the white space around and between them, in Lark's form."""
    return " ".join(["SPACE", *(f"{json.dumps(word, ensure_ascii=False)} SPACE" for word in words.split())])


def form_of_calls(jinja: str, tokenizer: Tokenizer) -> CallForm | None:
    """How a template writes calls; None where it writes none, or not as objects in JSON."""
    writer = Writer(jinja, tokenizer, 0, _TOOLS)
    for count in (2, 1):
        with suppress(Refusal):
            return _form(writer, count)
    return None


def _form(writer: Writer, count: int) -> CallForm | None:
    calls = [
        {"id": f"danlu000{place}", "type": "function", "function": {"name": name, "arguments": dict(_ARGUMENTS)}}
        for place, name in enumerate(_NAMES[:count], 1)
    ]
    question = {"role": "user", "content": "a"}
    asked = re.sub(rf"{OPENED}\s*$", "", writer.written([question], asks=True))
    whole = writer.written([question, {"role": "assistant", "content": "", "tool_calls": calls}], asks=False)
    if not whole.startswith(asked):
        return None
    special = "|".join(map(re.escape, sorted(special_tokens(writer.tokenizer), key=len, reverse=True)))
    text = re.sub(special, "", whole[len(asked) :]) if special else whole[len(asked) :]
    text = re.sub(rf"^\s*(?:{OPENED})?[^{{]*?{CLOSED}", "", text)
    found = [_object(text, name) for name in _NAMES[:count]]
    if any(each is None for each in found):
        return None
    (start, end, name, arguments), *second = [each for each in found if each is not None]
    last = second[-1] if second else (start, end, name, arguments)
    return CallForm(
        before=text[:start].strip(),
        between=text[end : second[0][0]].strip() if second else None,
        after=text[last[1] :].strip(),
        name=name,
        arguments=arguments,
        within=isinstance(_at(_DECODER.raw_decode(text, start)[0], arguments), str),
    )


def _object(text: str, name: str) -> tuple[int, int, tuple[str, ...], tuple[str, ...]] | None:
    """Where the object of a call stands in a text, and the keys to its name and its arguments."""
    for found in re.finditer(r"\{", text):
        with suppress(ValueError):
            value, end = _DECODER.raw_decode(text, found.start())
            named = _path(value, lambda each: each == name)
            given = _path(value, lambda each: values_of(each) == _ARGUMENTS)
            if named is not None and given is not None:
                return found.start(), end, named, given
    return None


def offered_in(tools: Sequence[Mapping[str, Any]] | None) -> frozenset[str]:
    """The names of the tools that a model is told of."""
    told = [tool.get("function", tool) for tool in tools or ()]
    return frozenset(each["name"] for each in told if isinstance(each, dict) and isinstance(each.get("name"), str))


def _behind_thoughts(text: str) -> int | None:
    """The place behind what a model thinks before it answers; None where it has not come to the end of that."""
    if (closed := text.find(CLOSED)) >= 0:
        return closed + len(CLOSED)
    return None if text.lstrip().startswith(OPENED) else 0


def _behind(text: str, place: int, words: str) -> int:
    """The place behind some words, whatever white space is between them; -1 where they do not stand there."""
    found = re.compile(r"\s*".join(["", *map(re.escape, words.split()), ""])).match(text, place)
    return -1 if found is None else found.end()


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
