"""Messages as clients of OpenAI send them, in an order that a conversation which something is learnt from has.

Clients say two things one after the other, greet first, and add instructions later; few templates take any of that.
"""

from collections.abc import Sequence
from typing import Any

from danlu.serve.problem import Problem

SAID = "\n\n"
"""Between what one role has said in two messages."""


def arranged(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the system says first, in one message; neighbours of one role as one; an empty question before a greeting.

    Raises:
        Problem: a content holds what is no text.
    """
    plain = [_plain(message) for message in messages]
    told = [message for message in plain if message["role"] == "system"]
    runs = [told] if told else []
    for message in plain:
        before = runs[-1][-1] if runs else None
        if message["role"] == "system":
            continue
        if message["role"] == "assistant" and (before is None or before["role"] == "system"):
            runs.append([{"role": "user", "content": ""}])
        if before is not None and _goes_on(before, message):
            runs[-1].append(message)
        else:
            runs.append([message])
    return [_joined(run) for run in runs]


def _goes_on(before: dict[str, Any], message: dict[str, Any]) -> bool:
    """Whether a message and the next are one: texts of a role that speaks, and neither calls tools."""
    if message["role"] not in ("user", "assistant") or before["role"] != message["role"]:
        return False
    return not any(_calls(each) or not isinstance(each["content"], str) for each in (before, message))


def _calls(message: dict[str, Any]) -> bool:
    return bool(message.get("tool_calls"))


def _joined(messages: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One message for several; one whose content is no text, where there is one, which is refused by who reads it."""
    odd = next((message for message in messages if not isinstance(message["content"], str)), None)
    return odd or {**messages[0], "content": SAID.join(filter(None, (message["content"] for message in messages)))}


def _plain(message: dict[str, Any]) -> dict[str, Any]:
    """A message whose content is one text, where it came in parts; 'developer' is what 'system' is called now."""
    content = message.get("content")
    role = "system" if message.get("role") == "developer" else message.get("role")
    if isinstance(content, list):
        parts = [
            part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None for part in content
        ]
        if not all(isinstance(part, str) for part in parts):
            raise Problem(400, "invalid_value", "only parts of the type 'text' can be read here", "messages")
        content = "".join(part for part in parts if part is not None)
    if content is None and role == "assistant":  # such as an answer that was broken off
        content = ""
    return {**message, "role": role, "content": content}
