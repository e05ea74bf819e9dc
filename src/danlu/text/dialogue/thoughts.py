"""What an answer thinks before it is given, as models write it that reason (DeepSeek-R1, 2025; Qwen3, 2025)."""

import re

from danlu.text.dialogue.messages import Message

_THOUGHT = re.compile(r"\s*<think>(.*?)</think>", re.DOTALL)


def thoughts_and_rest(message: Message) -> tuple[str, str]:
    """What an answer says between `<think>` and `</think>` before anything else, and what it says then."""
    found = _THOUGHT.match(message["content"]) if message["role"] == "assistant" else None
    return ("", message["content"]) if found is None else (found[1] or "\n", message["content"][found.end() :])


def forms_of(message: Message, text: str) -> list[str]:
    """What templates make of the text of a message: they strip it, or take the thoughts out of an answer."""
    _, rest = thoughts_and_rest({**message, "content": text})
    return list(dict.fromkeys([text, text.strip(), text.lstrip("\n"), rest.lstrip("\n"), rest.strip()]))


def answer_alone(text: str) -> str:
    """An answer without what was thought before it."""
    thought, rest = thoughts_and_rest({"role": "assistant", "content": text})
    return rest.lstrip("\n") if thought else text
