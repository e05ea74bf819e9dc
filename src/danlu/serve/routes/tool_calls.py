"""Calls of tools as the clients of OpenAI read them, in an answer that is told whole or piece by piece."""

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from danlu.refusal import Refusal
from danlu.serve.problem import Problem
from danlu.task.conversing import Conversing
from danlu.task.task import Task
from danlu.text.dialogue.calls import CallForm, Tools, offered_in

Delta = dict[str, Any]


def forced(tools: list[Any] | None, choice: Any, form: CallForm | None) -> str | None:
    """The grammar of what must be written where a tool must be called; None where nothing must be.

    Raises:
        Problem: there is no such tool, or the model writes no calls that are known.
    """
    if choice in (None, "auto", "none"):
        return None
    named = choice.get("function") if isinstance(choice, dict) and choice.get("type") == "function" else None
    if choice != "required" and not (isinstance(named, dict) and isinstance(named.get("name"), str)):
        raise Problem(
            400, "invalid_value", "expected 'auto', 'none', 'required' or the name of a function", "tool_choice"
        )
    names = offered_in(tools) if named is None else {named["name"]}
    wanted = [each for each in tools or () if names.intersection(offered_in([each]))]
    if not wanted:
        raise Problem(400, "invalid_value", "there is no such tool among 'tools'; name one of them", "tool_choice")
    if form is None:
        told = "the template of this model writes no calls that could be forced; leave it out"
        raise Problem(400, "unsupported_parameter", told, "tool_choice")
    try:
        return form.grammar(wanted)
    except Refusal as refusal:
        raise Problem(400, "unsupported_parameter", str(refusal), "tool_choice") from None


def form_of(task: Task) -> CallForm | None:
    """How a model writes calls, where it writes any."""
    return task.calls if isinstance(task, Conversing) else None


class ToolCalls:
    """What of each text of an answer is said and what calls tools, of a request that tells of tools.

    - `form`: how the model's template writes calls; None: nothing is a call.
    - `tools`: those that it is told of.
    - `drawn`: what the ids of calls are made of; another of each answer, as a conversation holds those of many.
    - `several`: whether a text may make more than one; of others the first counts.
    """

    def __init__(self, form: CallForm | None, tools: Tools, drawn: str, *, several: bool) -> None:
        self.form, self.tools, self.drawn, self.several = form, tools, drawn, several
        self._known: dict[int, tuple[str, tuple[str, list[dict[str, Any]]]]] = {}
        self._said: dict[int, str] = {}
        self._sent: dict[int, int] = {}

    def message(self, text: str, number: int) -> dict[str, Any]:
        """A whole text as a message."""
        said, calls = self._read(text, number)
        told = {"content": said or None, "tool_calls": calls} if calls else {"content": text}
        return {"role": "assistant", "refusal": None, **told}

    def piece(self, number: int, piece: str) -> str:
        """What may be sent of a text when a piece of it has come: nothing that may be the beginning of a call."""
        if self.form is None:
            return piece
        text = self._said[number] = self._said.get(number, "") + piece
        sent, known = self._sent.get(number, 0), len(text[: self.form.begin(text, self.tools)].rstrip())
        self._sent[number] = max(sent, known)
        return text[sent:known]

    def rest(self, text: str, number: int) -> Iterator[Delta]:
        """What is still to be sent of a text at its end: the rest of what it says, and its calls."""
        if self.form is None:
            return
        said, calls = self._read(text, number)
        if left := said[self._sent.get(number, 0) :]:
            yield {"content": left}
        if calls:
            yield {"tool_calls": [{"index": place, **call} for place, call in enumerate(calls)]}

    def reason(self, text: str, number: int, reason: str) -> str:
        """Why a text ended, where a call is a reason of its own."""
        return "tool_calls" if reason == "stop" and self._read(text, number)[1] else reason

    def _read(self, text: str, number: int) -> tuple[str, list[dict[str, Any]]]:
        """What is said and the calls of text `number`, read once: `rest` or `message`, and `reason` ask for them."""
        known = self._known.get(number)
        if known is None or known[0] != text:
            known = self._known[number] = text, self._found(text, number)
        return known[1]

    def _found(self, text: str, number: int) -> tuple[str, list[dict[str, Any]]]:
        said, calls = (text, []) if self.form is None else self.form.read(text, self.tools)
        told = [
            {
                "id": sha256(f"{self.drawn} {number} {place}".encode()).hexdigest()[:9],  # as Mistral wants them
                "type": "function",
                "function": {
                    "name": call["function"]["name"],
                    "arguments": json.dumps(call["function"]["arguments"], ensure_ascii=False),
                },
            }
            for place, call in enumerate(calls if self.several else calls[:1])
        ]
        return said, told
