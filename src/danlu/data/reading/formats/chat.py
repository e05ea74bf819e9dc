"""Dialogues and instructions in the forms of Alpaca (Taori et al., 2023), ShareGPT and OpenAI, and preferences."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, ClassVar, Literal

from pydantic import Field

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.call_lines import values_of, with_calls
from danlu.data.reading.json_format import JsonFormat
from danlu.data.reading.json_text import parse
from danlu.data.reading.source_file import SourceFile
from danlu.data.record import Record
from danlu.data.turns import out_of_turn
from danlu.refusal import Refusal

Message = dict[str, Any]

_ROLES = {
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bing", "bard", "model", "function_call"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("tool", "function", "observation", "function_response"), "tool"),
}

_ARGUMENTS = ("arguments", "parameters", "args")
_BESIDE = ("name", "type", "id", "index", "description")
"""Keys of a call: that of its arguments, as others call it, and those that tell nothing of them."""

_SLOT = re.compile(r"\{\{(\w+)\}\}")


class Unfit(ValueError):
    """What is wrong with an object, for the sentence that tells it."""


class Chat(JsonFormat):
    """One record a dialogue, `{"messages": [{"role", "content"}]}`; of preferences also `chosen` and `rejected`.

    The form is told object by object: `messages` with role and content (OpenAI), `conversations` with from and
    value (ShareGPT), or an instruction with input and output (Alpaca). `chosen` and `rejected` are two answers to
    the messages before them. What an assistant calls is a line of JSON a call, `{"name", "arguments"}`, behind what it
    says, or kept as `tool_calls` for a template that writes them in its own way. An answer that is empty is refused,
    and what stands behind the last answer left out. Other keys stay.
    """

    counted_in: ClassVar[str] = "record"

    instruction: str = Field(default="instruction", description="key of an instruction, such as prompt or question")
    input: str = Field(default="input", description="key of what the instruction is about; a line of its own after it")
    output: str = Field(default="output", description="key of the answer to an instruction")
    slots: dict[str, str] = Field(default={}, description="texts that take the place of {{name}} slots in messages")
    calls: Literal["text", "kept"] = Field(
        default="text", description="calls of tools as lines of JSON in the answers, or kept in the form of OpenAI"
    )
    under: str = Field(default="", description="key of the list, with dots between nested keys; empty: the top")

    def rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the dialogues; see `FileFormat.rows`."""
        for unit, number, given in self.objects(source, bad_rows, self.under):
            try:
                yield number, self._record(given, bad_rows)
            except Unfit as error:
                bad_rows.reject(source.name, f"{unit} {number}", str(error), given)

    def _record(self, given: Record, bad_rows: BadRows) -> Record:
        others = dict(given)
        preferred = {key: others.pop(key) for key in ("chosen", "rejected") if given.get(key) is not None}
        if len(preferred) == 1:
            raise Unfit(f"there is '{next(iter(preferred))}' alone; give both 'chosen' and 'rejected'")
        messages = self._messages(others, answered=bool(preferred))
        _refuse_calls(messages if preferred else [])
        sides = {key: _answer(value, key, self.calls) for key, value in preferred.items()}
        if preferred:
            messages = _before(messages, sides)
            preferred = {key: self._filled(answer) for key, (_, answer) in sides.items()}
            if len({str(answer).strip() for answer in preferred.values()}) == 1:
                raise Unfit("'chosen' and 'rejected' are the same; mend one, or leave it out with 'on_bad_row: skip'")
        if not messages:
            raise Unfit(
                f"there is no 'messages', 'conversations' or '{self.instruction}'; the keys are: "
                f"{', '.join(map(str, given)) or 'none'}; name the keys in 'instruction', 'input' and 'output'"
            )
        if not preferred:
            messages = _up_to_the_last_answer(messages, bad_rows)
        for place, message in enumerate(messages):
            if wrong := out_of_turn(message["role"], messages[place - 1]["role"] if place else None):
                raise Unfit(f"message {place + 1}: {wrong}")
        filled = [{**message, "content": self._filled(message["content"])} for message in messages]
        return {"messages": filled, **preferred, **(_with_tools(others) if self.calls == "kept" else others)}

    def _messages(self, others: Record, *, answered: bool) -> list[Message]:
        """The messages of one of the forms, whose keys are taken out of `others`; none if it is none of them."""
        system = others.pop("system", None)
        opening = [{"role": "system", "content": _text(system, "system")}] if system else []
        if "messages" in others:
            return [*opening, *_turns(others.pop("messages"), "messages", "role", "content", self.calls)]
        if "conversations" in others:
            given = others.pop("conversations")
            first = given[0] if isinstance(given, list) and given and isinstance(given[0], dict) else {}
            keys = ("from", "value") if "from" in first else ("role", "content")
            return [*opening, *_turns(given, "conversations", *keys, self.calls)]
        if self.instruction not in others:
            return []
        history = others.pop("history", None) or []
        for pair in history if isinstance(history, list) else [history]:
            if not isinstance(pair, list) or len(pair) != 2:
                raise Unfit("'history' holds something else than [question, answer]; mend it")
            opening += _pair(_text(pair[0], "history"), _text(pair[1], "history"))
        asked = _text(others.pop(self.instruction), self.instruction)
        about = others.pop(self.input, None)
        asked += f"\n{_text(about, self.input)}" if about else ""
        if not asked.strip():
            raise Unfit(f"'{self.instruction}' is empty; write what is asked")
        if answered:
            return [*opening, {"role": "user", "content": asked}]
        answer = _text(others.pop(self.output, None), self.output)
        _refuse_empty(answer, f"'{self.output}'")
        return [*opening, *_pair(asked, answer)]

    def _filled(self, text: str) -> str:
        if not self.slots:
            return text
        return _SLOT.sub(lambda slot: self.slots.get(slot[1], slot[0]), text)


def _pair(asked: str, answer: str) -> list[Message]:
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]


def _turns(given: Any, key: str, role_key: str, content_key: str, calls: Literal["text", "kept"]) -> list[Message]:
    if not isinstance(given, list) or not given:
        raise Unfit(f"'{key}' is no list of messages; expected {{'{role_key}': ..., '{content_key}': ...}}")
    found = []
    for place, message in enumerate(given, 1):
        try:
            found.append(_turn(message, role_key, content_key, calls))
        except Unfit as error:
            raise Unfit(f"message {place} of '{key}': {error}") from None
    return found


def _turn(message: Any, role_key: str, content_key: str, calls: Literal["text", "kept"]) -> Message:
    called = _called(message) if isinstance(message, dict) else []
    if not isinstance(message, dict) or role_key not in message or not (called or content_key in message):
        raise Unfit(f"there is no '{role_key}' or no '{content_key}'; mend it")
    said_by = str(message[role_key]).lower()
    role = _ROLES.get(said_by)
    if role is None:
        raise Unfit(f"there is no role '{message[role_key]}'; the roles are: {', '.join(_ROLES)}")
    content = message.get(content_key)
    text = "" if called and content is None else _text(content, content_key)
    told: dict[str, Any] = {}
    if calls == "text":
        text = with_calls(text, called)
    elif role == "tool":
        told = {name: message[name] for name in ("tool_call_id", "name") if message.get(name)}
    else:
        if said_by == "function_call":
            called, text = _called({"tool_calls": _spoken(text)}), ""
        told = {"tool_calls": called} if called else {}
    if role == "assistant" and not told:
        _refuse_empty(text, f"'{content_key}'")
    return {"role": role, "content": text, **told, **_weight(message, role)}


def _weight(message: dict[str, Any], role: str) -> dict[str, int]:
    """That an answer is not to be learnt, where its `weight` says so, as for OpenAI."""
    weight = message.get("weight")
    if weight not in (None, 0, 1):
        raise Unfit(f"the 'weight' is {weight!s:.40}; write 0 for an answer that is not learnt, or 1")
    return {"weight": 0} if weight == 0 and role == "assistant" else {}


def _text(value: Any, what: str) -> str:
    """A text, or the texts of the parts that newer forms split a message into."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, dict) and part.get("type") == "text" for part in value):
        return "".join(str(part.get("text", "")) for part in value)
    kind = {dict: "an object", list: "a list", type(None): "nothing"}.get(type(value), "no text")
    raise Unfit(f"'{what}' is {kind} where a text is expected; mend it")


def _refuse_calls(messages: list[Message]) -> None:
    if any("tool_calls" in message for message in messages):
        raise Unfit("calls of tools are kept in conversations, not in preferences; set 'calls' to text")


def _answer(value: Any, key: str, calls: Literal["text", "kept"]) -> tuple[list[Message], str]:
    """The messages before an answer, where the whole dialogue is given, and the answer."""
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        answer = _text(value, key)
        before: list[Message] = []
    else:
        keys = ("from", "value") if value and isinstance(value[0], dict) and "from" in value[0] else ("role", "content")
        *before, last = _turns(value, key, *keys, calls)
        _refuse_calls([*before, last])
        answer = last["content"]
        if last["role"] != "assistant":
            raise Unfit(f"the last message of '{key}' is not the assistant's; mend it")
    _refuse_empty(answer, f"'{key}'")
    return before, answer


def _before(messages: list[Message], sides: dict[str, tuple[list[Message], str]]) -> list[Message]:
    """The messages before two answers, as they stand alone, before either answer, or in both ways."""
    told = [before for before, _ in sides.values() if before]
    if len(told) == 2 and told[0] != told[1]:
        raise Unfit("the messages before 'chosen' are not those before 'rejected'; mend them")
    if messages and messages[-1]["role"] == "assistant":  # the whole of one of the two, as UltraFeedback has it
        if messages[-1]["content"] not in [answer for _, answer in sides.values()]:
            raise Unfit("the messages end with an answer that is neither 'chosen' nor 'rejected'; leave it out")
        messages = messages[:-1]
    if told and messages and messages != told[0]:
        raise Unfit("the messages are not those before 'chosen' and 'rejected'; mend them")
    return messages or [*told, []][0]


def _refuse_empty(answer: str, what: str) -> None:
    """The one rule for answers, whatever form they come in."""
    if not answer.strip():
        raise Unfit(f"{what} is empty, so there is nothing to learn; write the answer")


def _up_to_the_last_answer(messages: list[Message], bad_rows: BadRows) -> list[Message]:
    """The messages without those that nobody has answered."""
    answers = [place for place, message in enumerate(messages, 1) if message["role"] == "assistant"]
    if not answers:
        raise Unfit("the last message is not the assistant's, so there is nothing to learn; add its answer")
    if answers[-1] < len(messages):
        bad_rows.mend("dialogues without the messages behind their last answer")
    return messages[: answers[-1]]


def _called(message: dict[str, Any]) -> list[dict[str, Any]]:
    """What an assistant calls instead of an answer, or beside it, in the form of OpenAI, with arguments as values."""
    calls = message.get("tool_calls") or ([message["function_call"]] if message.get("function_call") else [])
    if not isinstance(calls, list):
        raise Unfit("'tool_calls' is no list; mend it")
    found = []
    for call in calls:
        called = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(called, dict) or not isinstance(called.get("name"), str):
            raise Unfit("a tool call has no 'name'; mend it")
        known = {"id": call["id"]} if call.get("id") else {}
        given: Any = next((called[key] for key in _ARGUMENTS if key in called), {})
        if given == {} and (unread := called.keys() - {*_BESIDE, *_ARGUMENTS}):
            raise Unfit(f"a tool call has no 'arguments', and a '{min(unread)}'; mend it")
        function = {"name": called["name"], "arguments": values_of(given)}
        found.append({**known, "type": "function", "function": function})
    return found


def _spoken(text: str) -> list[Any]:
    """The calls that a message of ShareGPT's role `function_call` says: an object in JSON, or a list of such."""
    try:
        value = parse(text, "call")
    except Refusal:
        raise Unfit("a 'function_call' says no JSON; mend it, or set 'calls' to text") from None
    return value if isinstance(value, list) and value else [value]


def _with_tools(others: Record) -> Record:
    """The other keys, with what tools there are in the form of OpenAI, whichever they came in."""
    tools = others.get("tools") or others.get("functions")
    if isinstance(tools, str):
        with suppress(Refusal):
            tools = parse(tools, "tools") if tools.strip() else None
    rest = {name: value for name, value in others.items() if name not in ("tools", "functions")}
    if not tools:
        return rest
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise Unfit("'tools' is no list of objects, each of which tells of a tool; mend it")
    return rest | {"tools": [{"type": "function", "function": tool} if "name" in tool else tool for tool in tools]}
