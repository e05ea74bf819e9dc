"""The template that came with the tokenizer."""

from danlu.refusal import Refusal
from danlu.text.dialogue.template import Template
from danlu.text.tokenizing.tokenizer import Tokenizer


class Own(Template):
    """The tokenizer's own: what the model has seen before, where it was trained to converse."""

    def jinja(self, tokenizer: Tokenizer) -> str:
        """The tokenizer's `chat_template`; of several by name 'default', and 'tool_use' where there are tools."""
        found = tokenizer.chat_template
        if isinstance(found, dict):
            usual, tools = found.get("default"), found.get("tool_use")
            found = f"{{% if tools %}}{tools}{{% else %}}{usual}{{% endif %}}" if usual and tools else usual
        if not found:
            raise Refusal(
                "the tokenizer has no chat template of its own; write the task's 'template': plain, chatml, alpaca or "
                "vicuna"
            )
        return str(found)
