"""ChatML, with two special tokens around each message (OpenAI, 2023; Qwen, 2023), and calls of tools as Hermes does."""

from danlu.refusal import Refusal
from danlu.text.dialogue.template import Template
from danlu.text.tokenizing.tokenizer import Tokenizer, special_tokens

_MARKS = ("<|im_start|>", "<|im_end|>")

_JINJA = (
    "{% set opened = messages[0]['role'] == 'system' %}"
    "{% if tools %}{{ '<|im_start|>system\\n' + ((messages[0]['content'] or '') + '\\n\\n' if opened else '') + "
    "'You may call these tools:\\n<tools>\\n' }}{% for tool in tools %}{{ tool | tojson + '\\n' }}{% endfor %}"
    '{{ \'</tools>\\nEach call is an object in JSON:\\n<tool_call>\\n{"name": ..., "arguments": {...}}\\n</tool_call>'
    "<|im_end|>\\n' }}{% endif %}"
    "{% for message in (messages[1:] if tools and opened else messages) %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + (message['content'] or '') }}"
    "{% for call in message['tool_calls'] or [] %}"
    "{{ ('\\n' if message['content'] or not loop.first else '') + '<tool_call>\\n' }}"
    "{% set called = call['function'] %}{{ {'name': called['name'], 'arguments': called['arguments']} | tojson }}"
    "{{ '\\n</tool_call>' }}"
    "{% endfor %}{{ '<|im_end|>\\n' }}"
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
