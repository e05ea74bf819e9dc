"""What an answer thinks before it is given, as models write it that reason (DeepSeek-R1, 2025; Qwen3, 2025)."""

from danlu.text.dialogue.messages import Message

OPENED, CLOSED = "<think>", "</think>"
"""What models write around their thoughts."""


def thoughts_and_rest(message: Message) -> tuple[str, str]:
    """What an answer says before `</think>`, and what it says then; `<think>` may have stood in what was asked."""
    thought, closed, rest = message["content"].partition(CLOSED)
    begun = thought.lstrip().startswith(OPENED)
    if message["role"] != "assistant" or not closed or (OPENED in thought and not begun):
        return "", message["content"]
    return (thought.lstrip().removeprefix(OPENED) if begun else thought) or "\n", rest


def forms_of(message: Message, text: str) -> list[str]:
    """What templates make of the text of a message: they strip it, or take the thoughts out of an answer."""
    _, rest = thoughts_and_rest({**message, "content": text})
    return list(dict.fromkeys([text, text.strip(), text.lstrip("\n"), rest.lstrip("\n"), rest.strip()]))


def answer_alone(text: str) -> str:
    """An answer without what was thought before it."""
    thought, rest = thoughts_and_rest({"role": "assistant", "content": text})
    return rest.lstrip("\n") if thought else text
