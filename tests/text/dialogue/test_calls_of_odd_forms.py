"""Templates, schemas and answers that are odd: nothing breaks, and nothing is read that was not written."""

from contextlib import suppress
from typing import Any

import pytest

from danlu.refusal import Refusal
from danlu.text.dialogue.call_forms import form_of_calls
from danlu.text.dialogue.calls import CallForm
from danlu.text.dialogue.messages import checked
from danlu.text.dialogue.rendered import conversation
from danlu.text.dialogue.writer import Writer
from danlu.text.tokenizing.tokenizer import Tokenizer

from .made_templates import ASK, CALL, LISTED, NAMED, TEMPLATES, TOOLS, TURN, jinja, tools


def call_of(arguments: dict[str, Any]) -> dict[str, Any]:
    call = {"id": "abcdefgh1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    return {"role": "assistant", "content": "", "tool_calls": [call]}


def test_a_call_that_the_next_turn_ends_is_learnt_with_what_ends_it(bpe: Tokenizer) -> None:
    turn = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content }}"
    own = TOOLS + turn + LISTED["glm"] + "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    talk = [{"role": "user", "content": "a"}, call_of({"a": "b"})]
    answered = [*talk, {"role": "tool", "content": "c"}, {"role": "assistant", "content": "d"}]
    written = "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>b</arg_value>\n</tool_call>"
    for messages, told in ((talk, f"{written}{bpe.eos_token}"), (answered, f"{written}<|im_start|>d{bpe.eos_token}")):
        spans = conversation(checked(messages, 0), own, bpe, 0)
        assert "".join(span.text for span in spans if span.learnt).strip() == told


@pytest.mark.parametrize(("said", "arguments"), [("{'a': 'b'}", {"a": "b"}), ('{"it\'s": 1}', {"it's": 1})])
@pytest.mark.parametrize("name", [*LISTED, *NAMED, *TEMPLATES])
def test_what_somebody_says_of_arguments_does_not_change_how_they_are_written(
    said: str, arguments: dict[str, Any], name: str, bpe: Tokenizer
) -> None:
    question = [{"role": "user", "content": "?"}]
    plain = Writer(jinja(name), bpe, 0, tools("f"))
    call = plain.written(checked([*question, call_of(arguments)], 0), asks=False)
    call = call.removeprefix(plain.written(question, asks=True))
    told = [{"type": "function", "function": {"name": "f", "description": said}}]
    result = {"role": "tool", "content": said, "tool_call_id": "abcdefgh1"}
    messages = checked([{"role": "user", "content": said}, call_of(arguments), result], 0)
    assert call in Writer(jinja(name), bpe, 0, told).written(messages, asks=True)


@pytest.mark.parametrize(
    "before",
    [
        "{% if m.role == 'assistant' and not m.tool_calls %}{{ raise_exception('an answer') }}{% endif %}",
        "{% if m.role == 'tool' and not messages[loop.index0 - 1].tool_calls %}"
        "{{ raise_exception('no call') }}{% endif %}",
    ],
)
def test_a_template_that_takes_no_talk_without_calls_takes_one_with_them(before: str, bpe: Tokenizer) -> None:
    messages = [{"role": "user", "content": "a"}, call_of({}), {"role": "tool", "content": "c"}]
    own = TOOLS + TURN + before + TEMPLATES["hermes"] + ASK
    text = Writer(own, bpe, 0, tools("f")).written(checked(messages, 0), asks=True)
    assert '{"name": "f", "arguments": {}}' in text


@pytest.mark.parametrize("mark", ["{{ loop.index }}", "{{ call.id }}", "{{ call.function.arguments | length }}"])
def test_a_form_that_would_not_read_every_call_is_none(mark: str, bpe: Tokenizer) -> None:
    before = "<｜tool▁call▁begin｜>"
    form = form_of_calls(jinja("deepseek").replace(before, f"{before}{mark}|"), bpe)
    assert form is None or form.between is None
    listed = form_of_calls(jinja("glm").replace("{{ '<arg_key>'", f"<!-- {mark} -->{{{{ '<arg_key>'"), bpe)
    assert listed is None or listed.between is None


@pytest.mark.parametrize(
    "arguments",
    [
        '{% if call.function.arguments %}, "arguments": {{ call.function.arguments | tojson }}{% endif %}',
        ', "arguments": { {%- for k, v in call.function.arguments.items() %}"{{ k }}": "{{ v }}"'
        "{{ ', ' if not loop.last }}{% endfor %} }",
    ],
)
def test_an_object_is_a_form_though_a_template_writes_it_oddly(arguments: str, bpe: Tokenizer) -> None:
    call = '<tool_call>{ "name": "{{ call.function.name }}"' + arguments + "}</tool_call>{% endfor %}"
    form = form_of_calls(TOOLS + TURN + CALL + call + ASK, bpe)
    assert form is not None
    _, (found,) = form.read('<tool_call>{"name": "f", "arguments": {"a": "b"}}</tool_call>')
    assert found["function"] == {"name": "f", "arguments": {"a": "b"}}


HOSTILE: list[dict[str, Any]] = [
    {"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"anyOf": [{"$ref": "#/$defs/A"}] * 3_000}}},
    {"properties": {"a": {"anyOf": [{"anyOf": [{"type": ["string", 3]}] * 90}] * 90}}},
    {"properties": ["a"]}, {"properties": "ab"}, {"required": True}, {"required": 5, "properties": {"a": 3}},
    {"properties": {"a": {"type": {"b": 1}}}}, {"properties": {"a": {"$ref": 5}}}, {"properties": {"a": {"enum": {}}}},
    {"properties": {"<x>": {}}}, {"properties": {'a"b': {"type": "integer"}}}, {"properties": {" a": {}, "a\nb": {}}},
]  # fmt: skip


@pytest.mark.parametrize("schema", HOSTILE, ids=range(len(HOSTILE)))
def test_no_schema_breaks_reading_or_a_grammar(schema: dict[str, Any], others: dict[str, CallForm]) -> None:
    told = [{"type": "function", "function": {"name": "f", "parameters": schema}}]
    for name, form in others.items():
        with suppress(Refusal):
            assert "start:" in form.grammar(told)
        if name in LISTED:
            text = f"{form.before}f{form.name_end}a{form.value_begin}2{form.after}"
            _, (call,) = form.read(text, told)
            assert call["function"]["arguments"]["a"] in (2, "2")


@pytest.mark.parametrize("wrong", ["a/b", "ns::f", "get weather", 'a"b', "<f>"])
def test_names_that_could_not_be_read_again_are_not_forced(wrong: str, others: dict[str, CallForm]) -> None:
    for name in others:
        with pytest.raises(Refusal, match="could not be read again"):
            others[name].grammar([{"function": {"name": wrong}}])


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "[NaN]", "-Infinity"])
def test_numbers_that_json_has_not_stay_text(value: str, others: dict[str, CallForm]) -> None:
    call = f"<tool_call>f\n<arg_key>k</arg_key>\n<arg_value>{value}</arg_value>\n</tool_call>"
    _, (found,) = others["glm"].read(call)
    assert found["function"]["arguments"] == {"k": value}


def test_a_list_as_python_writes_it_is_a_list_where_one_is_wanted(others: dict[str, CallForm]) -> None:
    text = "[1, 'x', None, True]"
    for kind, value in (("array", [1, "x", None, True]), ("string", text)):
        parameters = {"type": "object", "properties": {"k": {"type": kind}}}
        told = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
        call = f"<tool_call>f\n<arg_key>k</arg_key>\n<arg_value>{text}</arg_value>\n</tool_call>"
        _, (found,) = others["glm"].read(call, told)
        assert found["function"]["arguments"] == {"k": value}


def test_a_call_whose_end_was_forgotten_does_not_swallow_the_next(others: dict[str, CallForm]) -> None:
    one = "<tool_call>\n<function=f>\n<parameter=s>\nb\n</function>\n</tool_call>\n"
    two = "<tool_call>\n<function=g>\n<parameter=s>\nd\n</parameter>\n</function>\n</tool_call>"
    said, calls = others["qwen3_coder"].read(one + two, tools("f", "g"))
    assert [call["function"]["name"] for call in calls] == ["g"]
    assert said == one.rstrip()


@pytest.mark.parametrize("text", ["Write <tool_call> and then more", "Use <function=x> to call", 'name="x" says'])
def test_what_cannot_become_a_call_is_not_held_back(text: str, others: dict[str, CallForm]) -> None:
    said = f"{text} and more of it."
    for name in LISTED:
        assert others[name].begin(said, tools("f")) == len(said)


def test_a_thought_that_ends_within_a_value_shows_nothing_of_a_call(others: dict[str, CallForm]) -> None:
    text = "<tool_call>\n<function=f>\n<parameter=s>\nthe </think>"
    assert others["qwen3_coder"].begin(text, tools("f")) == 0


def test_a_name_and_an_object_alone_are_a_call_of_an_offered_tool_only(bpe: Tokenizer) -> None:
    call = "{{ call.function.name }}{{ call.function.arguments | tojson }}{% endfor %}"
    form = form_of_calls(TOOLS + TURN + CALL + call + ASK, bpe)
    assert form is not None
    assert form.read('f{"a": 1}', tools("f"))[1][0]["function"] == {"name": "f", "arguments": {"a": 1}}
    plain = [('f{"a": 1}', tools("g")), ('f{"a": 1}', []), ('f {"a": 1} is', tools("f")), ("Hello", tools("f"))]
    for text, told in plain:
        assert form.read(text, told) == (text, [])
    assert form.begin("Hello, you", tools("f")) == len("Hello, you")
