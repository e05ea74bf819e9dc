"""Calls with templates and messages of others: thoughts, ids, names, forms of arguments, and calls that are forced."""

import copy
import random
import re
from typing import Any

import pytest
from in_proportion import BOUND, growth

from danlu.model.constraint import Constraint
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.task.tasks.chat import Chat
from danlu.text.dialogue.call_forms import form_of_calls
from danlu.text.dialogue.calls import CallForm
from danlu.text.dialogue.messages import checked
from danlu.text.dialogue.rendered import conversation, question
from danlu.text.dialogue.schemas import rebased
from danlu.text.dialogue.template import Template
from danlu.text.dialogue.writer import Writer
from danlu.text.tokenizing.tokenizer import Tokenizer

from .made_templates import ASK, CALL, TEMPLATES, TOOLS, TURN, jinja, tools

THINKING = (
    "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}"
    "{% if m.role == 'assistant' and loop.last %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{{ m.content }}"
    "{% for call in m.tool_calls or [] %}{{ '<tool_call>\n' }}{{ call.function | tojson }}{{ '\n</tool_call>' }}"
    "{% endfor %}" + ASK
)
OPENED = THINKING.replace("assistant\n' }}{% endif %}", "assistant\n<think>\n' }}{% endif %}")
OPENED = OPENED.replace("{{ '<think>\n\n</think>\n\n' }}", "")
CALL_OF_F = '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>'


@pytest.mark.parametrize("own", [THINKING, OPENED], ids=["thinks", "is made to think"])
def test_thoughts_are_no_part_of_how_a_call_is_written(own: str, bpe: Tokenizer, forms: dict[str, CallForm]) -> None:
    form = form_of_calls(own, bpe)
    assert form is not None
    assert (form.before, form.after) == (forms["chatml"].before, forms["chatml"].after)
    for thought in (
        "",
        "<think>\nreal\n</think>\n\n",
        "real\n</think>\n\n",
        "<think>I write <tool_call> {now}</think>",
    ):
        said, found = form.read(thought + CALL_OF_F)
        assert (said, len(found)) == (thought.rstrip(), 1)
    for text in (f"<think>\n{CALL_OF_F}", "<think>\n<tool_call>", f"{CALL_OF_F} and so on"):
        assert form.read(text) == (text, [])
    unfinished = f"<think>{CALL_OF_F}"
    assert form.begin(unfinished) == len(unfinished)


@pytest.mark.parametrize("own", [THINKING, OPENED], ids=["thinks", "is made to think"])
def test_a_call_in_the_middle_is_learnt_where_thoughts_stand_in_the_last_answer_alone(own: str, bpe: Tokenizer) -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}
    called = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "看", "tool_calls": [call]}]
    messages = checked([*called, {"role": "tool", "content": "b"}, {"role": "assistant", "content": "c"}], 0)
    spans = conversation(messages, own, bpe, 0)
    learnt = "".join(span.text for span in spans if span.learnt)
    assert learnt.replace("<think>\n\n</think>\n\n", "") == f"看{CALL_OF_F}<|im_end|>c<|im_end|>"


def test_a_word_that_is_only_mentioned_hides_no_call_and_holds_nothing_back(forms: dict[str, CallForm]) -> None:
    form = forms["hermes"]
    text = f"The <tool_call> tag, then {CALL_OF_F}"
    assert form.read(text)[0] == "The <tool_call> tag, then"
    assert form.begin("The <tool_call> tag") == len("The <tool_call> tag")
    assert form.begin("The <tool_call> ") == 4


@pytest.mark.parametrize("unit", [" ", "<tool_call>", "<tool_call>{", "{", "[ ", "<think>", "x"])
def test_the_time_for_a_text_grows_with_its_length(unit: str, forms: dict[str, CallForm]) -> None:
    def run(count: int) -> None:
        for form in forms.values():
            assert form.read(unit * count + "x", tools("f"))[1] == []
            form.begin(unit * count + "x", tools("f"))

    assert growth(lambda: run(2000), lambda: run(8000)) < BOUND


def test_ids_are_as_a_template_wants_them_whichever_they_came_in(bpe: Tokenizer) -> None:
    answer = "{% if m.role == 'tool' %}{% if m.tool_call_id | length != 9 %}{{ raise_exception('no') }}{% endif %}"
    own = TOOLS + TURN + TEMPLATES["mistral"] + answer + "{{ m.tool_call_id }}{% endif %}" + ASK
    for told in ("call_123", None, "abcdefgh1"):
        call = {"type": "function", "function": {"name": "f", "arguments": {}}} | ({"id": told} if told else {})
        answered = {"role": "tool", "content": "b"} | ({"tool_call_id": told} if told else {})
        messages = [{"role": "user", "content": "a"}, {"role": "assistant", "tool_calls": [call, call]}, answered]
        text = "".join(span.text for span in question(checked(messages, 0), own, bpe, 0, [{"name": "f"}]))
        written = re.findall('"id": "([a-zA-Z0-9]{9})"', text)
        assert len(written) == 2
        assert f"b{written[0]}<|im_end|>" in text
        assert (written[0] == told) == (told == "abcdefgh1")


def test_of_templates_by_name_the_one_for_tools_is_used_with_tools(bpe: Tokenizer) -> None:
    named = copy.deepcopy(bpe)
    named.chat_template = {"default": TURN + ASK, "tool_use": jinja("hermes")}
    own = find(Template, "own")().jinja(named)  # type: ignore[type-abstract]
    for told_of in ([{"name": "f"}], None):
        messages = [{"role": "user", "content": "a"}]
        told = named.apply_chat_template(messages, tools=told_of, tokenize=False, add_generation_prompt=True)
        assert Writer(own, named, 0, told_of).written(messages, asks=True) == told
    assert form_of_calls(own, named) is not None


def test_other_programs_write_chatml_of_messages_without_content(bpe: Tokenizer) -> None:
    own = find(Template, "chatml")().jinja(bpe)  # type: ignore[type-abstract]
    call = {"type": "function", "function": {"name": "f", "arguments": {}}}
    for content in ({}, {"content": None}, {"content": ""}):
        talk = [{"role": "user", "content": "a"}, {"role": "assistant", **content, "tool_calls": [call]}]
        text = bpe.apply_chat_template(talk, tools=[{"name": "f"}], chat_template=own, tokenize=False)
        assert str(text).endswith('assistant\n<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call><|im_end|>\n')


@pytest.mark.parametrize("given", ['""', "null", "{}", '"{}"'])
def test_no_arguments_are_none_in_whatever_way_they_are_written(given: str, forms: dict[str, CallForm]) -> None:
    _, [call] = forms["hermes"].read(f'<tool_call>{{"name": "f", "arguments": {given}}}</tool_call>')
    assert call["function"]["arguments"] == {}


@pytest.mark.parametrize("number", ["NaN", "1e999", "-Infinity"])
def test_what_is_no_number_in_json_is_no_call(number: str, forms: dict[str, CallForm]) -> None:
    text = f'<tool_call>{{"name": "f", "arguments": {{"x": {number}}}}}</tool_call>'
    assert forms["hermes"].read(text) == (text, [])


@pytest.mark.parametrize(
    "message",
    [
        {"content": "", "tool_calls": [KEPT := {"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}]},
        {"content": "", "tool_calls": [{"function": {"name": "f", "arguments": '{"a": 1}'}}]},
        {"content": CALL_OF_F},
        {"content": f"<think>\nx\n</think>\n\n{CALL_OF_F}"},
    ],
)
@pytest.mark.parametrize(
    "answer", [{"text": "", "tool_calls": [KEPT]}, {"text": CALL_OF_F}, {"text": f"<think>y</think>\n{CALL_OF_F}"}]
)
def test_truth_and_answer_are_read_alike_whether_calls_stand_in_the_text_or_beside_it(
    message: dict[str, Any], answer: dict[str, Any], forms: dict[str, CallForm]
) -> None:
    task = Chat(calls=forms["hermes"])
    record = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", **message}]}
    [examined] = task.examined([answer], [record])
    assert task.gold(record) == (examined["text"],) == ('{"name": "f", "arguments": {"a": 1}}',)


def tool(name: str, **arguments: Any) -> dict[str, Any]:
    """A tool that wants these arguments and no others."""
    schema = {"type": "object", "properties": arguments, "required": [*arguments], "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


FUNCTIONS = [tool("f", on={"type": "boolean"}), tool("g", mode={"enum": ["快", "slow"]})["function"], tool("h")]


@pytest.mark.parametrize("name", [*TEMPLATES, "chatml"])
def test_whatever_is_written_where_a_call_is_forced_is_one(
    name: str, forms: dict[str, CallForm], bpe: Tokenizer
) -> None:
    if name == "text":
        with pytest.raises(Refusal, match="JSON within JSON, so a call cannot be forced"):
            forms[name].grammar(FUNCTIONS)
        return
    grammar = forms[name].grammar(FUNCTIONS)
    constraint = Constraint(bpe, len(bpe), [int(bpe.eos_token_id)], {"grammar": grammar})
    for seed in range(12):
        dice, ids = random.Random(seed), list[int]()
        while len(ids) < 400:
            allowed = (~constraint.forbidden(ids)).nonzero().flatten().tolist()
            token = dice.choice(allowed)
            if bpe.eos_token_id in allowed and (token == bpe.eos_token_id or dice.random() < 0.5):
                break
            ids.append(token)
        said, calls = forms[name].read(str(bpe.decode(ids)))
        assert said == ""
        (call,) = calls
        named, arguments = call["function"]["name"], call["function"]["arguments"]
        assert (named, list(arguments)) in [("f", ["on"]), ("g", ["mode"]), ("h", [])]


def forced(tools: list[dict[str, Any]], form: CallForm, bpe: Tokenizer, seed: int) -> dict[str, Any]:
    """What is called where tokens are drawn from those that a grammar allows."""
    constraint = Constraint(bpe, len(bpe), [int(bpe.eos_token_id)], {"grammar": form.grammar(tools)})
    dice, ids = random.Random(seed), list[int]()
    while bpe.eos_token_id not in (allowed := (~constraint.forbidden(ids)).nonzero().flatten().tolist()):
        ids.append(dice.choice(allowed))
    _, (call,) = form.read(str(bpe.decode(ids)))
    return dict(call["function"])


QUICK = {"const": "快"}
WORDS = {**QUICK, "description": "d", "default": {"$ref": "#"}, "uniqueItems": True, "format": "path"}
REFERENCES: list[dict[str, Any]] = [
    {"properties": {"m": {"$ref": "#/$defs/M"}}, "$defs": {"M": {"$ref": "#/$defs/R"}, "R": QUICK}},
    {"properties": {"m": {"$ref": "#/definitions/A~1B"}}, "definitions": {"A/B": QUICK}},
    {"properties": {"m": QUICK, "o": {"$ref": "#/properties/m"}}},
    {"properties": {"m": {"$ref": "#/$defs/M/properties/k"}}, "$defs": {"M": {"properties": {"k": QUICK}}}},
    {"$id": "https://a.org/b", "title": "T", "properties": {"m": {"$ref": "#/$defs/M"}}, "$defs": {"M": QUICK}},
    {"properties": {"m": WORDS}},
]


@pytest.mark.parametrize("schema", REFERENCES, ids=range(len(REFERENCES)))
def test_schemas_of_others_are_followed_beside_those_of_other_tools(
    schema: dict[str, Any], forms: dict[str, CallForm], bpe: Tokenizer
) -> None:
    own = {"type": "object", **schema, "required": [*schema["properties"]], "additionalProperties": False}
    tools = [{"type": "function", "function": {"name": name, "parameters": own}} for name in ("f", "g")]
    found = [forced(tools, forms["chatml"], bpe, seed) for seed in range(8)]
    assert {each["name"] for each in found} == {"f", "g"}
    assert all(set(each["arguments"].values()) == {"快"} for each in found)


def test_a_reference_to_all_parameters_means_those_of_the_tool(forms: dict[str, CallForm]) -> None:
    grammar = forms["chatml"].grammar([{"name": "f", "parameters": {"properties": {"b": {"$ref": "#"}}}}])
    assert '{"$ref": "#/$defs/0"}' in grammar
    assert "properties" in rebased({"properties": {"title": {"type": "string"}}}, "#")
    assert rebased({"properties": {"title": {"title": "x"}}, "title": "y"}, "#") == {"properties": {"title": {}}}
    for wrong in ({"type": "array"}, [1], "x"):
        with pytest.raises(Refusal, match="the parameters of the tool 'f' are no object"):
            forms["chatml"].grammar([{"name": "f", "parameters": wrong}])


def test_words_with_spaces_between_them_open_a_call_however_they_are_spaced(bpe: Tokenizer) -> None:
    own = CALL + "{{ 'Action: ```json\n[' }}{{ call.function | tojson }}{{ ']```' }}{% endfor %}"
    form = form_of_calls(TOOLS + TURN + own + ASK, bpe)
    assert form is not None
    called = '[{"name": "f", "arguments": {}}]```'
    for text in (f"Action: ```json\n{called}", f"Action:```json  {called}"):
        assert len(form.read(text)[1]) == 1
        for end in range(1, len(text)):
            assert form.begin(f"So. {text[:end]}") <= 4
    assert all(forced(FUNCTIONS, form, bpe, seed)["name"] in "fgh" for seed in range(10))


@pytest.mark.parametrize("thought", ["<think>\nreal\n</think>", "real\n</think>"])
def test_a_call_behind_nothing_but_a_thought_is_learnt_and_gone_on_with(thought: str, bpe: Tokenizer) -> None:
    said = "{{ m.content }}"
    apart = said + "{% if m.tool_calls and m.content.split('</think>')[-1] %}{{ '\\n' }}{% endif %}"
    empty = "{% if m.role == 'assistant' and loop.last %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}"
    own = THINKING.replace(empty.replace("\\n", "\n"), "").replace(said, apart)
    call = {"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": thought, "tool_calls": [call]}]
    spans = conversation(checked(messages, 0), own, bpe, 0)
    assert "".join(span.text for span in spans if span.learnt) == f"{thought}{CALL_OF_F}<|im_end|>"
    asked = question(checked([*messages, {"role": "tool", "content": "b"}], 0), own, bpe, 0)
    assert f"{thought}{CALL_OF_F}" in "".join(span.text for span in asked)
