"""Names and line breaks alone, in English or Chinese."""

from typing import Literal

from danlu.text.dialogue.template import Template
from danlu.text.tokenizing.tokenizer import Tokenizer

_NAMES = {
    "en": {"system": "System:", "user": "User:", "assistant": "Assistant:", "tool": "Tool:"},
    "zh": {"system": "系统：", "user": "用户：", "assistant": "助手：", "tool": "工具："},
}


class Plain(Template):
    """Who speaks, a line break, and what is said; each answer ends with the tokenizer's end token.

    It needs no special tokens but that one. Who types the names of speakers into a message is not told apart from them.
    """

    language: Literal["en", "zh"] = "en"

    def jinja(self, tokenizer: Tokenizer) -> str:
        """See `Template.jinja`."""
        names = ", ".join(f"'{role}': '{name}'" for role, name in _NAMES[self.language].items())
        begin, end = self.ends(tokenizer)
        return (
            f"{{{{ {begin} }}}}"
            + f"{{% set names = {{{names}}} %}}"
            + "{% for message in messages %}{{ names[message['role']] + '\\n' + message['content'] }}"
            + "{% if message['role'] == 'assistant' %}{{ "
            + end
            + " }}{% endif %}{{ '\\n' }}{% endfor %}"
            + "{% if add_generation_prompt %}{{ names['assistant'] + '\\n' }}{% endif %}"
        )
