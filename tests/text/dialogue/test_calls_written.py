"""Calls in what a model has written: the form of each template, and what is read back from it."""

import copy
import json
import random
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from in_proportion import BOUND, growth

from danlu.model.constraint import Constraint
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.serve.routes.tool_calls import ToolCalls
from danlu.task.tasks.chat import Chat
from danlu.text.dialogue.calls import CallForm, form_of_calls
from danlu.text.dialogue.messages import checked
from danlu.text.dialogue.rendered import conversation, question
from danlu.text.dialogue.template import Template
from danlu.text.dialogue.writer import Writer
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.extended import Extended

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


@pytest.fixture(scope="module")
def bpe() -> Tokenizer:
    return Extended(base=Bpe(size=300), special=ENDS).build(lambda: iter(["北京天气"]))


@pytest.fixture(scope="module")
def forms(bpe: Tokenizer) -> dict[str, CallForm]:
    found = {name: form_of_calls(jinja(name), bpe) for name in TEMPLATES}
    found["chatml"] = form_of_calls(find(Template, "chatml")().jinja(bpe), bpe)  # type: ignore[type-abstract]
    return {name: form for name, form in found.items() if form is not None}


def test_the_form_is_read_off_the_template(forms: dict[str, CallForm], bpe: Tokenizer) -> None:
    hermes = forms["hermes"]
    assert (hermes.before, hermes.between, hermes.after) == ("<tool_call>", "</tool_call>\n<tool_call>", "</tool_call>")
    assert forms["chatml"] == hermes
    assert (forms["mistral"].before, forms["mistral"].between, forms["mistral"].after) == ("[", ",", "]")
    assert forms["llama"] == CallForm(before="", between=None, after="", name=("name",), arguments=("parameters",))
    assert forms["within"].name == ("function", "name")
    assert forms["text"].arguments == ("input",)
    for kind in ("plain", "vicuna", "alpaca"):
        assert form_of_calls(find(Template, kind)().jinja(bpe), bpe) is None  # type: ignore[type-abstract]
    assert [form_of_calls(jinja(name), bpe) for name in OTHERS] == [None, None]


json_values = some.recursive(
    some.none() | some.booleans() | some.integers(-(2**53), 2**53) | some.text(max_size=8),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
arguments = some.dictionaries(some.text(max_size=5), json_values, max_size=3)


def calls_of(given_arguments: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"id": f"abcdefgh{place}", "type": "function", "function": {"name": f"f{place}", "arguments": each}}
        for place, each in enumerate(given_arguments)
    ]


def written(name: str, said: str, calls: list[dict[str, Any]], bpe: Tokenizer) -> str:
    """What a template writes of an answer, as a model would be read: without special tokens."""
    own = find(Template, "chatml")().jinja(bpe) if name == "chatml" else jinja(name)  # type: ignore[type-abstract]
    question = {"role": "user", "content": "a"}
    message = {"role": "assistant", "content": said} | ({"tool_calls": calls} if calls else {})
    writer = Writer(own, bpe, 0, [{"name": "f0"}])
    asked, whole = writer.written([question], asks=True), writer.written(checked([question, message], 0), asks=False)
    text = whole.removeprefix(asked)
    for token in ENDS:
        text = text.replace(token, "")
    return text


@pytest.mark.parametrize("name", [*TEMPLATES, "chatml"])
@given(given_arguments=some.lists(arguments, min_size=1, max_size=3), said=some.sampled_from(["", "看看。", "I look."]))
def test_what_a_template_writes_is_read_back(
    name: str, given_arguments: list[dict[str, Any]], said: str, forms: dict[str, CallForm], bpe: Tokenizer
) -> None:
    alone = forms[name].before in ("", "[")
    calls = calls_of(given_arguments[: 1 if name == "llama" else 3])
    if any(token in json.dumps(given_arguments, ensure_ascii=False) for token in ENDS):
        return
    text = written(name, "" if alone else said, calls, bpe)
    told, found = forms[name].read(text)
    assert told == ("" if alone else said)
    assert [each["function"] for each in found] == [each["function"] for each in calls]


EMPTY = '{"name": "f", "arguments": {}}'
TEXTS = [
    "", "晴天。", " two words ", "<tool", "<tool_call>", '<tool_call>{"name": "f"', "[1, 2]", "[" * 5000, "a [",
    '<tool_call>{"name": 3, "arguments": {}}</tool_call>', '{"name": "f", "arguments": [1]}', '{"name": "f"}',
    f"<tool_call>{EMPTY}</tool_call> and more", '{"a": ' * 3000, f"[{EMPTY}", f"{EMPTY} x", f"{EMPTY}{EMPTY[:-1]}",
    '<tool_call>{"name": "f", "arguments": NaN}</tool_call>',
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_what_is_no_whole_call_stays_text(text: str, forms: dict[str, CallForm]) -> None:
    for form in forms.values():
        assert form.read(text) == (text, [])


BARE = [
    EMPTY, f" {EMPTY}\n{EMPTY}", f"```json\n{EMPTY}\n```", f"```\n{EMPTY}```", f"x</think>{EMPTY}",
    f"<think>x</think>\n{EMPTY}",
]  # fmt: skip


@pytest.mark.parametrize("text", BARE)
def test_a_text_of_nothing_but_calls_of_tools_that_were_offered_calls_them(
    text: str, forms: dict[str, CallForm]
) -> None:
    form = forms["hermes"]
    said, found = form.read(text, {"f", "g"})
    assert {each["function"]["name"] for each in found} == {"f"}
    assert said in ("", "<think>x</think>", "x</think>")
    assert form.read(text, {"g"}) == (text, [])
    assert form.read(text) == (text, [])


OTHERWISE = [f"{EMPTY} or so", f"Call {EMPTY}", f"```python\n{EMPTY}\n```", f"```json\n{EMPTY}", "{}", "```", ""]


@pytest.mark.parametrize("text", [*OTHERWISE, f"[{EMPTY}]"])
def test_a_text_that_says_anything_beside_is_no_bare_call(text: str, forms: dict[str, CallForm]) -> None:
    assert forms["hermes"].read(text, {"f"}) == (text, [])


@given(some.data())
def test_an_answer_in_pieces_is_the_whole_answer(
    forms: dict[str, CallForm], bpe: Tokenizer, data: some.DataObject
) -> None:
    name = data.draw(some.sampled_from(sorted(forms)))
    calls = data.draw(some.sampled_from([[], [{}], [{"城": "北京"}, {"a": 1}]]))
    said = data.draw(some.sampled_from(["", "看看。\n", "<tool", *TEXTS[:10]]))
    text = written(name, said, calls_of(calls[: 1 if name == "llama" else 2]), bpe)
    several = data.draw(some.booleans())
    form, offered = data.draw(some.sampled_from([forms[name], None])), data.draw(some.sampled_from([(), ("f", "f0")]))
    text = data.draw(some.sampled_from([text, *BARE]))
    cuts = sorted(data.draw(some.lists(some.integers(0, len(text)), max_size=6)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    streamed = ToolCalls(form, offered, "x", several=several)
    whole = ToolCalls(form, offered, "x", several=several).message(text, 0)
    content = "".join(streamed.piece(0, piece) for piece in pieces)
    rest = list(streamed.rest(text, 0))
    content += "".join(delta.get("content", "") for delta in rest)
    told = [call for delta in rest for call in delta.get("tool_calls", ())]
    assert content == (whole["content"] or "")
    assert [{key: each for key, each in call.items() if key != "index"} for call in told] == whole.get("tool_calls", [])
    assert [call["index"] for call in told] == list(range(len(told)))
    assert len(told) <= (2 if several else 1)
    assert streamed.reason(text, 0, "stop") == ("tool_calls" if told else "stop")
    assert streamed.reason(text, 0, "length") == "length"


def test_calls_apart_are_read_as_those_that_a_template_joins(forms: dict[str, CallForm]) -> None:
    for seam in ("", " ", "\n\n"):
        _, found = forms["hermes"].read(seam.join([f"<tool_call>{EMPTY}</tool_call>"] * 3))
        assert [each["function"]["name"] for each in found] == ["f"] * 3


def test_a_task_keeps_the_form_of_its_template(bpe: Tokenizer, forms: dict[str, CallForm]) -> None:
    task = Chat(calls=forms["hermes"])
    assert Chat.model_validate(json.loads(json.dumps(task.to_plain()))) == task


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
            assert form.read(unit * count + "x", {"f"})[1] == []
            form.begin(unit * count + "x", {"f"})

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
    for tools in ([{"name": "f"}], None):
        messages = [{"role": "user", "content": "a"}]
        told = named.apply_chat_template(messages, tools=tools, tokenize=False, add_generation_prompt=True)
        assert Writer(own, named, 0, tools).written(messages, asks=True) == told
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
