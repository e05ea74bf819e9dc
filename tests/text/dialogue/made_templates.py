"""Templates that write calls of tools as those of others do."""

ENDS = "<|im_start|>", "<|im_end|>", "[TOOL_CALLS]"
TURN = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content }}"
ASK = "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
TOOLS = "{% if tools %}{{ tools | tojson }}{% endif %}"
CALL = "{% for call in m.tool_calls or [] %}"
TEMPLATES = {
    "hermes": CALL + "{{ '\n<tool_call>\n' }}{{ call.function | tojson }}{{ '\n</tool_call>' }}{% endfor %}",
    "mistral": "{% if m.tool_calls %}[TOOL_CALLS] [{% for call in m.tool_calls %}{% if call.id | length != 9 %}"
    "{{ raise_exception('nine letters') }}{% endif %}{{ (call.function | tojson)[:-1] + ', \"id\": \"' + call.id + "
    "'\"}' }}{% if not loop.last %}, {% endif %}{% endfor %}]{% endif %}",
    "llama": "{% if m.tool_calls %}{% if m.tool_calls | length > 1 %}{{ raise_exception('one') }}{% endif %}"
    '{% set f = m.tool_calls[0].function %}{{ {"name": f.name, "parameters": f.arguments} | tojson }}{% endif %}',
    "within": CALL + "<call>{{ call | tojson }}</call>{% endfor %}",
    "text": CALL + '<call>{{ {"tool": call.function.name, "input": call.function.arguments | tojson} | tojson }}</call>'
    "{% endfor %}",
}
OTHERS = {
    "xml": CALL + "<function={{ call.function.name }}>{% endfor %}",
    "none": "",
}


def jinja(name: str) -> str:
    return TOOLS + TURN + (TEMPLATES | OTHERS)[name] + ASK


EMPTY = '{"name": "f", "arguments": {}}'
