"""Calls that are no object of their own: listed one by one, behind a name, as Python or Gemma write them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from in_proportion import BOUND, growth

from danlu.serve.routes.tool_calls import ToolCalls
from danlu.text.dialogue.call_forms import form_of_calls
from danlu.text.dialogue.calls import CallForm
from danlu.text.dialogue.messages import checked
from danlu.text.dialogue.writer import Writer
from danlu.text.tokenizing.tokenizer import Tokenizer

from .forced import drawn, forced, takes
from .made_templates import BRACED, LISTED, NAMED, PYTHON, jinja, tools

VALUES: dict[str, some.SearchStrategy[Any]] = {
    "string": some.text(some.characters(codec="utf-8", exclude_characters="<|[\r"), max_size=12)
    | some.sampled_from(["2", "true", "null", '{"a": 1}', "a\nb\n", "\n", "", "x < y", "</b>", "北京"]),
    "integer": some.integers(-(2**53), 2**53),
    "number": some.floats(-1e6, 1e6, width=32),
    "boolean": some.booleans(),
    "array": some.lists(some.integers(-(2**53), 2**53) | some.text("abc北", max_size=3), max_size=3),
    "object": some.dictionaries(some.text("abc", max_size=3), some.booleans() | some.none(), max_size=2),
}
KEYS = ["city", "days", "_x", "a-b", "日期"]


@some.composite
def known_calls(draw: some.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Tools, and calls of them."""
    told, calls = tools("f", "get_weather", "a.b-c"), list[dict[str, Any]]()
    for tool in told:
        kinds = draw(some.dictionaries(some.sampled_from(KEYS), some.sampled_from(sorted(VALUES)), max_size=3))
        properties = {key: {"type": kind} for key, kind in kinds.items()}
        tool["function"]["parameters"] = {"type": "object", "properties": properties}
        arguments = {key: draw(VALUES[kind]) for key, kind in kinds.items()}
        calls.append({"type": "function", "function": {"name": tool["function"]["name"], "arguments": arguments}})
    order = draw(some.lists(some.sampled_from(range(3)), min_size=1, max_size=3))
    return told, [calls[place] for place in order]


def written(name: str, said: str, calls: list[dict[str, Any]], bpe: Tokenizer) -> str:
    """What a template, by its name or its text, writes of an answer, without special tokens."""
    question = {"role": "user", "content": "a"}
    message = {"role": "assistant", "content": said} | ({"tool_calls": calls} if calls else {})
    writer = Writer(jinja(name) if name.isidentifier() else name, bpe, 0, tools("f"))
    asked, whole = writer.written([question], asks=True), writer.written(checked([question, message], 0), asks=False)
    return whole.removeprefix(asked).replace("<|im_end|>", "")


@pytest.mark.parametrize("name", [*LISTED, *NAMED])
@given(known=known_calls(), said=some.sampled_from(["", "看看。", "I look."]))
def test_what_a_template_writes_is_read_back_by_the_schemas(
    name: str, known: Any, said: str, others: dict[str, CallForm], bpe: Tokenizer
) -> None:
    told, calls = known
    assert others[name].read(written(name, said, calls, bpe), told) == (said, calls)


@pytest.mark.parametrize("name", LISTED)
def test_without_a_schema_numbers_and_lists_are_such_and_all_else_is_text(
    name: str, others: dict[str, CallForm], bpe: Tokenizer
) -> None:
    arguments = {"a": 2, "b": "two words", "c": [1], "d": True, "e": None, "f": {"g": "h"}, "h": "日"}
    calls = [{"type": "function", "function": {"name": "f", "arguments": arguments}}]
    assert others[name].read(written(name, "", calls, bpe)) == ("", calls)


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": ["string", "null"]}, "null", None),
        ({"type": ["integer", "string"]}, "3", 3),
        ({"type": "integer"}, "three", "three"),
        ({"type": "number"}, "3", 3),
        ({"type": "boolean"}, "True", True),
        ({"type": "boolean"}, "false", False),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "3", "3"),
        ({"$ref": "#/$defs/Day"}, "3", "3"),
        ({"$ref": "#/$defs/Itself"}, "3", 3),
        ({"enum": ["1", "2"]}, "1", "1"),
        ({"enum": [1, 2]}, "1", 1),
        ({"const": "1"}, "1", "1"),
        (True, "1", 1),
        ({"type": "integer"}, '"7"', '"7"'),
    ],
)
def test_a_value_is_what_its_schema_says(schema: Any, text: str, value: Any, others: dict[str, CallForm]) -> None:
    defs = {"Day": {"type": "string"}, "Itself": {"$ref": "#/$defs/Itself"}}
    parameters = {"type": "object", "properties": {"k": schema}, "$defs": defs}
    told = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
    call = f"<tool_call>f\n<arg_key>k</arg_key>\n<arg_value>{text}</arg_value>\n</tool_call>"
    (found,) = others["glm"].read(call, told)[1]
    assert found["function"]["arguments"] == {"k": value}


@pytest.mark.parametrize("name", [*LISTED, *NAMED, *PYTHON, *BRACED])
def test_what_is_no_whole_call_stays_text(name: str, others: dict[str, CallForm], bpe: Tokenizer) -> None:
    calls = [{"type": "function", "function": {"name": "f", "arguments": {"a": "b", "c": 2}}}]
    text, form = written(name, "", calls, bpe).strip(), others[name]
    for odd in (
        "",
        "晴天。",
        form.before,
        f"{form.before}f",
        form.before * 3,
        *([] if name in PYTHON | BRACED else [f"{text} and more", f"{text}{text[:-4]}"]),
    ):
        assert form.read(odd, tools("f")) == (odd, [])
    for end in range(len(text)):
        assert form.read(text[:end], tools("f")) == (text[:end], [])
        assert form.begin(text[:end], tools("f")) == 0


def test_white_space_between_the_words_does_not_matter(others: dict[str, CallForm]) -> None:
    told = [{"type": "function", "function": {"name": "f"}}]
    for text in (
        "<tool_call><function=f><parameter=a>b</parameter></function></tool_call>",
        "<tool_call>\n\n<function=f>\n<parameter=a>\nb\n</parameter>\n\n</function>\n</tool_call>\n\n",
        "<function=f>\n<parameter=a>\nb\n</parameter>\n</function>\n</tool_call>",
    ):
        said, (call,) = others["qwen3_coder"].read(text, told)
        assert (said, call["function"]) == ("", {"name": "f", "arguments": {"a": "b"}})
    unknown = "<function=g>\n</function>\n</tool_call>"
    assert others["qwen3_coder"].read(unknown, told) == (unknown, [])


@given(data=some.data())
def test_an_answer_in_pieces_is_the_whole_answer(
    data: some.DataObject, others: dict[str, CallForm], bpe: Tokenizer
) -> None:
    name = data.draw(some.sampled_from(sorted(others)))
    told, calls = data.draw(known_calls())
    said = data.draw(some.sampled_from(["", "看看。\n", "a <tool", "<function", "<b>", "<think>x</think>y"]))
    text = written(name, said, data.draw(some.sampled_from([calls, []])), bpe)
    text = text[: data.draw(some.integers(0, len(text)))] if data.draw(some.booleans()) else text
    cuts = sorted(data.draw(some.lists(some.integers(0, len(text)), max_size=6)))
    streamed, whole = (ToolCalls(others[name], told, "x", several=True) for _ in range(2))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    content = "".join(streamed.piece(0, piece) for piece in pieces)
    rest, message = list(streamed.rest(text, 0)), whole.message(text, 0)
    content += "".join(delta.get("content", "") for delta in rest)
    found = [call["function"] for delta in rest for call in delta.get("tool_calls", ())]
    assert content == (message["content"] or "")
    assert found == [call["function"] for call in message.get("tool_calls", [])]


@pytest.mark.parametrize("unit", ["<tool_call>", "<function=f>\n", "<parameter=a>\n", "<arg_key>", "</parameter>", "f"])
@pytest.mark.parametrize("name", [*LISTED, *NAMED, *PYTHON, *BRACED])
def test_the_time_for_a_text_grows_with_its_length(unit: str, name: str, others: dict[str, CallForm]) -> None:
    form = others[name]

    def run(count: int) -> None:
        assert form.read(form.before + unit * count + "x", tools("f"))[1] == []
        form.begin(form.before + unit * count + "x", tools("f"))
        form.read(f"{form.before}f{getattr(form, 'name_end', '')}x" + " " * 10 * count, tools("f"))

    assert growth(lambda: run(500), lambda: run(2000)) < BOUND


@pytest.mark.parametrize("told", ["", " + ''"], ids=["as it comes", "as a text"])
@pytest.mark.parametrize("name", NAMED)
def test_templates_that_want_arguments_as_json_have_them_so(told: str, name: str, bpe: Tokenizer) -> None:
    own = jinja(name).replace("call.function.arguments | tojson", f"call.function.arguments{told}")
    form = form_of_calls(own, bpe)
    calls = [{"type": "function", "function": {"name": "f", "arguments": {"城": "北京", "a": True}}}]
    assert form == form_of_calls(jinja(name), bpe)
    messages = checked([{"role": "user", "content": "a"}, {"role": "assistant", "tool_calls": calls}], 0)
    text = Writer(own, bpe, 0, tools("f")).written(messages, asks=False)
    assert '{"城": "北京", "a": true}' in text
    assert form is not None
    assert form.read(text.split("a<|im_end|>\n<|im_start|>assistant\n")[1].replace("<|im_end|>", ""))[1] == calls


def tool(name: str, wanted: list[str], **properties: Any) -> dict[str, Any]:
    """A tool with these arguments, of which some are wanted."""
    schema = {"type": "object", "properties": properties, "required": wanted, "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


FUNCTIONS = [
    tool("f", ["on"], on={"type": "boolean"}),
    tool("g", ["mode"], mode={"enum": ["快", "slow"]}, days={"type": "integer", "minimum": 1, "maximum": 7}),
    tool("h", []),
    tool("say", ["text"], text={"type": "string"}, to={"$ref": "#/$defs/Who"}),
]
FUNCTIONS[-1]["function"]["parameters"]["$defs"] = {"Who": {"type": "array", "items": {"const": 1}, "maxItems": 1}}


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "integer", "allOf": [{"minimum": 0}]}, 3, "many"),
        ({"type": "integer", "oneOf": [{"minimum": 0}, {"maximum": -10}]}, 3, "many"),
        ({"type": "object", "properties": {"x": {}}, "anyOf": [{"required": ["x"]}]}, {"x": 1}, "many"),
        ({"allOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/A"}]}, {"x": 1}, "many"),
        ({"anyOf": [{"enum": ["a", "b"]}, {"type": "null"}], "type": "string"}, "a", "many"),
        ({"properties": {"x": {"type": "integer"}}, "required": ["x"]}, {"x": 1}, "hello"),
        ({"anyOf": [{}, {"type": "null"}]}, "Beijing", None),
    ],
)
def test_what_is_forced_between_words_is_what_the_schema_says(
    schema: Any, good: Any, bad: Any, others: dict[str, CallForm], bpe: Tokenizer
) -> None:
    defs = {"A": {"type": "object", "properties": {"x": {"type": "integer"}}}}
    parameters = {"type": "object", "properties": {"k": schema}, "required": ["k"], "$defs": defs}
    told = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
    for value, may in ((good, True), (bad, False)) if bad is not None else ((good, True),):
        calls = [{"type": "function", "function": {"name": "f", "arguments": {"k": value}}}]
        assert takes(others["glm"], written("glm", "", calls, bpe).strip(), told, bpe) == may


def test_what_parts_of_a_schema_say_is_read_so(others: dict[str, CallForm], bpe: Tokenizer) -> None:
    parameters = {"allOf": [{"properties": {"zip": {"type": "string"}}, "required": ["zip"]}]}
    told = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
    calls = [{"type": "function", "function": {"name": "f", "arguments": {"zip": "1001"}}}]
    assert others["glm"].read(written("glm", "", calls, bpe), told)[1] == calls


@pytest.mark.parametrize("name", [*LISTED, *NAMED, *PYTHON, *BRACED])
def test_whatever_is_written_where_a_call_is_forced_is_one(
    name: str, others: dict[str, CallForm], bpe: Tokenizer
) -> None:
    constraint, seen = forced(others[name], FUNCTIONS, bpe), set[str]()
    marks = {token for token in range(len(bpe)) if "<" in str(bpe.decode([token]))}
    for seed in range(16):
        ids = drawn(constraint, bpe, seed, marks, 500)
        text = str(bpe.decode(ids))
        said, calls = others[name].read(text, FUNCTIONS)
        if len(ids) == 500:  # a text of which no end was drawn
            continue
        assert said == "", text
        (call,) = calls
        named, arguments = call["function"]["name"], call["function"]["arguments"]
        seen.add(named)
        assert {
            "f": lambda given: given.keys() == {"on"} and isinstance(given["on"], bool),
            "g": lambda given: given["mode"] in ("快", "slow") and given.get("days", 1) in range(1, 8),
            "h": lambda given: given == {},
            "say": lambda given: isinstance(given["text"], str) and given.get("to", []) in ([], [1]),
        }[named](arguments), json.dumps(call)
    assert len(seen) > 2
