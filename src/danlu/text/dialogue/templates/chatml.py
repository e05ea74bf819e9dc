"""ChatML, with two special tokens around each message (OpenAI, 2023; Qwen, 2023)."""

from danlu.refusal import Refusal
from danlu.text.dialogue.template import Template
from danlu.text.tokenizing.tokenizer import Tokenizer, special_tokens

_MARKS = ("<|im_start|>", "<|im_end|>")

_JINJA = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


class Chatml(Template):
    """`<|im_start|>user`, a line break, the message, `<|im_end|>`; for tokenizers that have these two tokens."""

    def jinja(self, tokenizer: Tokenizer) -> str:
        """See `Template.jinja`."""
        lacking = [mark for mark in _MARKS if mark not in special_tokens(tokenizer)]
        if lacking:
            raise Refusal(
                f"template chatml: the tokenizer has no special token {' and no '.join(lacking)}; choose the template "
                "plain, which needs none"
            )
        return _JINJA
