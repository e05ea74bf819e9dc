"""Calls in what a model has written: the form of each template, and what is read back from it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from danlu.recipe.part import find
from danlu.serve.routes.tool_calls import ToolCalls
from danlu.task.tasks.chat import Chat
from danlu.text.dialogue.call_forms import form_of_calls
from danlu.text.dialogue.calls import CallForm
from danlu.text.dialogue.messages import checked
from danlu.text.dialogue.object_calls import ObjectCalls
from danlu.text.dialogue.template import Template
from danlu.text.dialogue.writer import Writer
from danlu.text.tokenizing.tokenizer import Tokenizer

from .made_templates import EMPTY, ENDS, OTHERS, TEMPLATES, jinja, tools


def test_the_form_is_read_off_the_template(forms: dict[str, CallForm], bpe: Tokenizer) -> None:
    hermes = forms["hermes"]
    assert (hermes.before, hermes.between, hermes.after) == ("<tool_call>", "</tool_call>\n<tool_call>", "</tool_call>")
    assert forms["chatml"] == hermes
    assert (forms["mistral"].before, forms["mistral"].between, forms["mistral"].after) == ("[TOOL_CALLS] [", ",", "]")
    assert forms["llama"] == ObjectCalls(before="", between=None, after="", name=("name",), arguments=("parameters",))
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
    """What a template writes of an answer, as a model would be read: without special tokens but those of calls."""
    own = find(Template, "chatml")().jinja(bpe) if name == "chatml" else jinja(name)  # type: ignore[type-abstract]
    question = {"role": "user", "content": "a"}
    message = {"role": "assistant", "content": said} | ({"tool_calls": calls} if calls else {})
    writer = Writer(own, bpe, 0, [{"name": "f0"}])
    asked, whole = writer.written([question], asks=True), writer.written(checked([question, message], 0), asks=False)
    text = whole.removeprefix(asked)
    for token in ENDS[:2]:
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
    said, found = form.read(text, tools("f", "g"))
    assert {each["function"]["name"] for each in found} == {"f"}
    assert said in ("", "<think>x</think>", "x</think>")
    assert form.read(text, tools("g")) == (text, [])
    assert form.read(text) == (text, [])


OTHERWISE = [f"{EMPTY} or so", f"Call {EMPTY}", f"```python\n{EMPTY}\n```", f"```json\n{EMPTY}", "{}", "```", ""]


@pytest.mark.parametrize("text", [*OTHERWISE, f"[{EMPTY}]"])
def test_a_text_that_says_anything_beside_is_no_bare_call(text: str, forms: dict[str, CallForm]) -> None:
    assert forms["hermes"].read(text, tools("f")) == (text, [])


@given(some.data())
def test_an_answer_in_pieces_is_the_whole_answer(
    forms: dict[str, CallForm], bpe: Tokenizer, data: some.DataObject
) -> None:
    name = data.draw(some.sampled_from(sorted(forms)))
    calls = data.draw(some.sampled_from([[], [{}], [{"城": "北京"}, {"a": 1}]]))
    said = data.draw(some.sampled_from(["", "看看。\n", "<tool", *TEXTS[:10]]))
    text = written(name, said, calls_of(calls[: 1 if name == "llama" else 2]), bpe)
    several = data.draw(some.booleans())
    form, offered = (
        data.draw(some.sampled_from([forms[name], None])),
        data.draw(some.sampled_from([[], tools("f", "f0")])),
    )
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
