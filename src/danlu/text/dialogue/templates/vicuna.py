"""A conversation on one line, as Vicuna was trained with (Chiang et al., 2023)."""

from danlu.text.dialogue.template import Template
from danlu.text.tokenizing.tokenizer import Tokenizer

_OPENING = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the user\\'s questions."
)


class Vicuna(Template):
    """`USER: ... ASSISTANT: ...</s>`; a system message takes the place of the sentences before them."""

    def jinja(self, tokenizer: Tokenizer) -> str:
        """See `Template.jinja`."""
        begin, end = self.ends(tokenizer)
        return (
            self.opened(begin, _OPENING)
            + "{% for message in messages %}"
            + "{% if message['role'] == 'user' %}{{ ' USER: ' + message['content'] }}"
            + "{% elif message['role'] == 'tool' %}{{ ' TOOL: ' + message['content'] }}"
            + "{% elif message['role'] == 'assistant' %}{{ ' ASSISTANT: ' + message['content'] + "
            + end
            + " }}"
            + "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ ' ASSISTANT:' }}{% endif %}"
        )
