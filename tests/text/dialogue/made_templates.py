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
ITEMS = "{% for k, v in call.function.arguments.items() %}"
VALUE = "{{ v if v is string else (v | tojson if v is mapping or v is sequence else v | string) }}"
LISTED = {
    "qwen3_coder": CALL
    + "{{ '\n<tool_call>\n<function=' + call.function.name + '>\n' }}"
    + ITEMS
    + "{{ '<parameter=' + k + '>\n' }}"
    + VALUE
    + "{{ '\n</parameter>\n' }}{% endfor %}"
    "{{ '</function>\n</tool_call>' }}{% endfor %}",
    "glm": CALL
    + "{{ '\n<tool_call>' + call.function.name + '\n' }}"
    + ITEMS
    + "{{ '<arg_key>' + k + '</arg_key>\n<arg_value>' }}{{ v if v is string else v | tojson }}{{ '</arg_value>\n' }}"
    "{% endfor %}</tool_call>{% endfor %}",
    "minimax": "{% if m.tool_calls %}{{ '\n<minimax:tool_call>\n' }}"
    + CALL
    + "{{ '<invoke name=\"' + call.function.name + '\">\n' }}"
    + ITEMS
    + "{{ '<parameter name=\"' + k + '\">' }}"
    "{{ v if v is string else v | tojson }}{{ '</parameter>\n' }}{% endfor %}{{ '</invoke>\n' }}{% endfor %}"
    "</minimax:tool_call>{% endif %}",
}
NAMED = {
    "deepseek": "{% if m.tool_calls %}<｜tool▁calls▁begin｜>" + CALL
    + "<｜tool▁call▁begin｜>{{ call.function.name }}<｜tool▁sep｜>"
    "{{ call.function.arguments | tojson }}<｜tool▁call▁end｜>{% endfor %}<｜tool▁calls▁end｜>{% endif %}",
    "fenced": "{% if m.tool_calls %}<｜tool▁calls▁begin｜>" + CALL + "<｜tool▁call▁begin｜>function<｜tool▁sep｜>"
    "{{ call.function.name + '\n```json\n' }}{{ call.function.arguments | tojson }}{{ '\n```' }}<｜tool▁call▁end｜>"
    "{% endfor %}<｜tool▁calls▁end｜>{% endif %}",
}  # fmt: skip
PYTHON_CALLS = (
    "{% if m.tool_calls %}BEFORE{% for call in m.tool_calls %}{{ call.function.name }}(" + ITEMS
    + "{{ k }}={% if v is string %}TEXT{% else %}OTHER{% endif %}{{ ', ' if not loop.last }}{% endfor %})"
    "{{ BETWEEN if not loop.last }}{% endfor %}AFTER{% endif %}"
)  # fmt: skip


def _python(before: str, between: str, after: str, text: str, other: str) -> str:
    told = {"BEFORE": before, "BETWEEN": between, "AFTER": after, "TEXT": text, "OTHER": other}
    found = PYTHON_CALLS
    for name, words in told.items():
        found = found.replace(name, words)
    return found


JSON = "{{ v | tojson }}"
ESCAPED = r"""{{ "'" + v.replace('\\', '\\\\').replace("'", "\\'").replace('\n', '\\n').replace('\r', '\\r') + "'" }}"""
AS_PYTHON = "{{ v | tojson if v is mapping else v | string }}"
PYTHON = {
    "lfm2": _python("<|tool_call_start|>[", "', '", "]<|tool_call_end|>", '"{{ v }}"', AS_PYTHON),
    "lfm2_escaped": _python("[", "', '", "]", ESCAPED, "{{ v | tojson if v is iterable else v | string }}"),
    "olmo3": _python("<function_calls>\n", r"'\n'", "\n</function_calls>", JSON, JSON),
}
GEMMA = """{%- macro told(v) -%}
{%- if v is string -%}QUOTE{{ v }}QUOTE
{%- elif v is boolean -%}{{ 'true' if v else 'false' }}
{%- elif v is mapping -%}{ {%- for k, w in v | dictsort %}{{ k }}:{{ told(w) }}{{ ',' if not loop.last }}{% endfor -%} }
{%- elif v is sequence -%}[{%- for w in v %}{{ told(w) }}{{ ',' if not loop.last }}{% endfor -%}]
{%- else -%}{{ v }}{%- endif -%}
{%- endmacro -%}"""
BRACED = {
    "functiongemma": GEMMA.replace("QUOTE", "<escape>")
    + CALL
    + "<start_function_call>call:{{ call.function.name }}{{ told(call.function.arguments) }}<end_function_call>"
    + "{% endfor %}",
    "gemma4": GEMMA.replace("QUOTE", '<|"|>')
    + CALL
    + "<|tool_call>call:{{ call.function.name }}{{ told(call.function.arguments) }}<tool_call|>{% endfor %}",
}
OTHERS = {
    "xml": CALL + "<function={{ call.function.name }}>{% endfor %}",
    "none": "",
}


def jinja(name: str) -> str:
    return TOOLS + TURN + (TEMPLATES | LISTED | NAMED | PYTHON | BRACED | OTHERS)[name] + ASK


EMPTY = '{"name": "f", "arguments": {}}'


def tools(*names: str) -> list[dict[str, object]]:
    """Tools of which nothing is known but their names."""
    return [{"type": "function", "function": {"name": name}} for name in names]
