"""Instruction and response, under headings (Taori et al., 2023)."""

from danlu.text.dialogue.template import Template
from danlu.text.tokenizing.tokenizer import Tokenizer

_OPENING = "Below is an instruction that describes a task. Write a response that appropriately completes the request."


class Alpaca(Template):
    """`### Instruction:` and `### Response:`; a system message takes the place of the sentence above them."""

    def jinja(self, tokenizer: Tokenizer) -> str:
        """See `Template.jinja`."""
        begin, end = self.ends(tokenizer)
        return (
            self.opened(begin, _OPENING)
            + "{{ '\\n\\n' }}{% for message in messages %}"
            + "{% if message['role'] == 'user' %}{{ '### Instruction:\\n' + message['content'] + '\\n\\n' }}"
            + "{% elif message['role'] == 'tool' %}{{ '### Input:\\n' + message['content'] + '\\n\\n' }}"
            + "{% elif message['role'] == 'assistant' %}"
            + "{{ '### Response:\\n' + message['content'] + "
            + end
            + " + '\\n\\n' }}{% endif %}{% endfor %}"
            + "{% if add_generation_prompt %}{{ '### Response:\\n' }}{% endif %}"
        )
