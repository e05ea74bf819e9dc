"""Calls of tools, and answers that are not to be learnt, in all templates and tasks."""

import json
from typing import Any

import pytest

from danlu.data.record import text_of
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.stages.kinds.tokenizer import texts_of
from danlu.task.tasks.chat import Chat
from danlu.task.tasks.prefer import Prefer
from danlu.text.dialogue.messages import checked
from danlu.text.dialogue.rendered import conversation, question
from danlu.text.dialogue.template import Template
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.extended import Extended

ARGUMENTS = {"city": "北京", "days": 2}
JINJA = (
    "{% if tools %}TOOLS:{{ tools | tojson }}\n{% endif %}{% for m in messages %}{{ m.role }}:{{ m.content }}"
    "{% for call in m.tool_calls or [] %}<call>{{ call.function | tojson }}</call>{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


@pytest.fixture(scope="module")
def bpe() -> Tokenizer:
    found = Extended(base=Bpe(size=300), special=("<|im_start|>", "<|im_end|>")).build(lambda: iter(["北京天气"]))
    found.chat_template = JINJA
    return found


def called(arguments: Any = ARGUMENTS, **more: Any) -> list[dict[str, Any]]:
    call = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    return [
        {"role": "user", "content": "天气？"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "晴", "tool_call_id": "1"},
        {"role": "assistant", "content": "晴天。", **more},
    ]


def read(task: Any, record: dict[str, Any], bpe: Tokenizer, *, labelled: bool) -> str:
    [row] = task.encode([record], bpe, 500, labelled=labelled)
    return str(bpe.decode(row.rows[0].input_ids))


def test_a_conversation_with_calls_is_learnt_measured_and_asked_alike(bpe: Tokenizer) -> None:
    task, record = Chat(template=find(Template, "own")()), {"messages": called(), "tools": [WEATHER]}
    learnt, asked = (read(task, record, bpe, labelled=labelled) for labelled in (True, False))
    assert learnt == f"{asked}晴天。<|im_end|>\n"
    [row] = task.encode([record], bpe, 500, labelled=True)
    tokens = row.targets["tokens"]
    told = str(bpe.decode(tokens[tokens >= 0]))
    call = '<call>{"name": "weather", "arguments": {"city": "北京", "days": 2}}</call><|im_end|>'
    assert told == f"{call}晴天。<|im_end|>"
    assert task.gold(record) == ("晴天。",)


def test_a_conversation_may_end_with_a_call_which_is_learnt(bpe: Tokenizer) -> None:
    task, record = Chat(template=find(Template, "own")(), learn="last"), {"messages": called()[:2], "tools": [WEATHER]}
    learnt, asked = (read(task, record, bpe, labelled=labelled) for labelled in (True, False))
    call = '<call>{"name": "weather", "arguments": {"city": "北京", "days": 2}}</call><|im_end|>'
    assert learnt == f"{asked}{call}\n"
    assert task.gold(record) == ('{"name": "weather", "arguments": {"city": "北京", "days": 2}}',)
    bpe.chat_template = JINJA.replace("{% for m in messages %}", "{{ messages | length }}{% for m in messages %}")
    try:
        with pytest.raises(Refusal, match="record 1: the chat template writes the call at the end otherwise than"):
            read(task, record, bpe, labelled=True)
    finally:
        bpe.chat_template = JINJA


def test_arguments_are_written_as_values_however_they_came(bpe: Tokenizer) -> None:
    as_text = json.dumps(ARGUMENTS, ensure_ascii=False)
    texts = [
        "".join(span.text for span in question(checked(called(arguments)[:3], 0), JINJA, bpe, 0))
        for arguments in (ARGUMENTS, as_text)
    ]
    assert texts[0] == texts[1]
    assert '"days": 2' in texts[0]
    odd = "".join(span.text for span in question(checked(called("no json")[:3], 0), JINJA, bpe, 0))
    assert '"arguments": "no json"' in odd


@pytest.mark.parametrize("calls", [5, "f", [3], [{}], *([{"function": each}] for each in (None, "f", {"name": 3}))])
def test_calls_of_another_form_are_refused_by_all_who_read_them(calls: Any, bpe: Tokenizer) -> None:
    messages = [{"role": "user", "content": "天气？"}, {"role": "assistant", "content": "", "tool_calls": calls}]
    task, record = Chat(template=find(Template, "own")()), {"messages": messages}
    for reads in (task.gold, lambda each: task.encode([each], bpe, 500, labelled=True)):
        with pytest.raises(Refusal, match="record 1: column 'messages', message 2: 'tool_calls' must be a list of"):
            reads(record)
    assert texts_of(record)
    assert text_of(record, "messages")


def test_a_call_without_content_is_read_by_all(bpe: Tokenizer) -> None:
    messages = called()[:2]
    del messages[1]["content"]
    record = {"messages": messages, "tools": [WEATHER]}
    call = json.dumps({"name": "weather", "arguments": ARGUMENTS}, ensure_ascii=False)
    assert texts_of(record) == ["天气？", call, json.dumps([WEATHER], ensure_ascii=False)]
    assert text_of(record, "messages").splitlines()[0] == "天气？"
    assert "北京" in text_of(record, "messages")
    assert Chat(template=find(Template, "own")()).encode([record], bpe, 500, labelled=True)


@pytest.mark.parametrize("content", [None, "让我看看。"])
@pytest.mark.parametrize("weight", [None, 0])
def test_a_call_is_learnt_with_what_is_said_beside_it_unless_it_has_no_weight(
    content: str | None, weight: int | None, bpe: Tokenizer
) -> None:
    messages = called()
    messages[1] |= {"content": content} | ({} if weight is None else {"weight": weight})
    spans = conversation(checked(messages, 0), JINJA, bpe, 0)
    learnt = "".join(span.text for span in spans if span.learnt)
    written = '<call>{"name": "weather", "arguments": {"city": "北京", "days": 2}}</call><|im_end|>'
    assert learnt == ("" if weight == 0 else f"{content or ''}{written}") + "晴天。<|im_end|>"
    said = [span for span in spans if span.text == content]
    assert all(not span.ours for span in said)
    assert len(said) == (content is not None)


def test_a_call_that_a_template_writes_otherwise_once_the_talk_goes_on_is_read_alone(bpe: Tokenizer) -> None:
    jinja = JINJA.replace("{% for m in messages %}", "{{ messages | length }}{% for m in messages %}")
    spans = conversation(checked(called(), 0), jinja, bpe, 0)
    assert "".join(span.text for span in spans if span.learnt) == "晴天。<|im_end|>"
    assert "<call>" in "".join(span.text for span in spans)


@pytest.mark.parametrize("kind", ["plain", "vicuna", "alpaca"])
def test_a_template_that_would_drop_calls_is_refused(kind: str, bpe: Tokenizer) -> None:
    jinja = find(Template, kind)().jinja(bpe)
    with pytest.raises(Refusal, match=r"record 3: the chat template (drops the calls of tools|does not take)"):
        question(checked(called()[:3], 2), jinja, bpe, 2)
    without = [message for message in called() if message["role"] == "user"]
    assert question(checked(without, 2), jinja, bpe, 2)


def test_an_answer_of_no_weight_is_read_and_not_learnt(bpe: Tokenizer) -> None:
    messages = [
        {"role": "user", "content": "a"}, {"role": "assistant", "content": "bad", "weight": 0},
        {"role": "user", "content": "b"}, {"role": "assistant", "content": "good", "weight": 1},
    ]  # fmt: skip
    spans = conversation(checked(messages, 0), JINJA, bpe, 0)
    assert [span.text for span in spans if span.learnt] == ["good", "<|im_end|>"]
    assert "bad" in "".join(span.text for span in spans)
    for weight in (0.5, "0", [0]):
        with pytest.raises(Refusal, match=r"record 1: .*, message 2: 'weight' is .* write 0 for an answer that is not"):
            checked([messages[0], {**messages[1], "weight": weight}], 0)


def test_what_is_preferred_is_learnt_with_the_tools_that_are_asked_with(bpe: Tokenizer) -> None:
    task = Prefer(template=find(Template, "own")())
    record = {"messages": called()[:1], "tools": [WEATHER], "chosen": "晴", "rejected": "雨"}
    [prompt] = task.prompts([record], bpe, 500)
    learnt = read(task, record, bpe, labelled=True)
    assert learnt.startswith(str(bpe.decode(prompt.row.input_ids)))
    assert learnt.startswith("TOOLS:")
    assert task.kept(record) == record


def test_equal_calls_are_compared_as_equal_in_whatever_form_they_come() -> None:
    told = [called(arguments)[:2] for arguments in ({"a": 1, "b": "x"}, '{"b":"x",  "a": 1}', {"b": "x", "a": 1})]
    assert len({text_of({"messages": messages}, "messages") for messages in told}) == 1
    other = text_of({"messages": called({"a": 2, "b": "x"})[:2]}, "messages")
    assert other != text_of({"messages": told[0]}, "messages")
