"""Calls as Python writes them are read, whatever stands in their texts, and so is what is said behind them."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from danlu.serve.routes.tool_calls import ToolCalls
from danlu.text.dialogue.calls import CallForm
from danlu.text.tokenizing.tokenizer import Tokenizer

from .forced import takes
from .made_templates import BRACED, PYTHON, tools
from .test_listed_calls import written

VALUES = some.recursive(
    some.none()
    | some.booleans()
    | some.integers(-(2**53), 2**53)
    | some.floats(-1e6, 1e6)
    | some.text("ab北\"'\n,)", max_size=6),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text("abc", max_size=3), inner, max_size=2),
    max_leaves=4,
)
TEXTS = some.text(some.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
OFFERED = tools("f", "get_weather", "a.b-c")


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


def calls_of(values: some.SearchStrategy[Any]) -> some.SearchStrategy[list[dict[str, Any]]]:
    given_to = some.dictionaries(some.sampled_from(["city", "days", "_x", "日期"]), values, max_size=3)
    names = some.sampled_from([each["function"]["name"] for each in OFFERED])  # type: ignore[index]
    return some.lists(some.builds(lambda name, told: call(str(name), **told), names, given_to), min_size=1, max_size=3)


@pytest.mark.parametrize("name", ["lfm2_escaped", "olmo3"])
@given(calls=calls_of(TEXTS | VALUES))
@example(calls=[call("f", city="a\\'b\\\\n\n\"')", days='"', 日期="\\")])
@example(calls=[call("f", city="[g(a=1)]"), call("f", city="😀\u2028\t")])
def test_whatever_stands_in_a_text_that_is_escaped_is_read_back(
    name: str, calls: Any, others: dict[str, CallForm], bpe: Tokenizer
) -> None:
    assert others[name].read(written(name, "", calls, bpe), OFFERED) == ("", calls)


@given(
    calls=calls_of(
        some.text("ab北' \n\\(),=[]{}", max_size=8) | VALUES.filter(lambda value: not isinstance(value, str))
    )
)
@example(calls=[call("f", city="C:\\new\\", days=1)])
@example(calls=[call("f", city='say "hi", then print("x"); x = "y"'), call("f", city='("")')])
@example(calls=[call("f", city="", days="two\nlines")])
def test_a_text_that_is_not_escaped_ends_where_the_call_goes_on(
    calls: Any, others: dict[str, CallForm], bpe: Tokenizer
) -> None:
    assert others["lfm2"].read(written("lfm2", "", calls, bpe), OFFERED) == ("", calls)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("f(city='北京')", {"city": "北京"}),
        ('f( city = "a" , days = 3, )', {"city": "a", "days": 3}),
        ('f(city="print(\\"hi\\")\\n")', {"city": 'print("hi")\n'}),
        ("f(city='it\\'s', days=true, _x=null)", {"city": "it's", "days": True, "_x": None}),
        ("f(city=[1, 'a', (2, None)], days={'k': True})", {"city": [1, "a", [2, None]], "days": {"k": True}}),
        ('f(city={"k": true}, days=-1.5e3)', {"city": {"k": True}, "days": -1500.0}),
        ("f()", {}),
        ('f(city="""a "b" c""", days=\'\'\'x\'\'\')', {"city": 'a "b" c', "days": "x"}),
        (r"f(city='\d+ \xe9 C:\Users \U0001F600 \ud83d\ude00')", {"city": "\\d+ é C:\\Users 😀 😀"}),
        ("f(start-date='a', $filter='b')", {"start-date": "a", "$filter": "b"}),
        ("f(city=" + str(["a" * 9] * 2_000) + ")", {"city": ["a" * 9] * 2_000}),
        ("f(city=1),", {"city": 1}),
    ],
)
def test_other_ways_of_python_are_read_too(text: str, arguments: Any, others: dict[str, CallForm]) -> None:
    assert others["lfm2"].read(f"<|tool_call_start|>[{text}]<|tool_call_end|>", OFFERED)[1] == [call("f", **arguments)]


@pytest.mark.parametrize(
    "text",
    ["f(1)", "f(city=today)", "f(city=1, city=2)", "f(city=__import__('os'))", "f(city={1, 2})", "f(city=b'a')",
     "f(city=1e999)", "f(city=NaN)", "f(city=1j)", "f(city='a)", "f(**{})", "f(city=" + "[" * 3_000, "f(city=1) + 2"],
)  # fmt: skip
def test_what_is_no_call_of_values_stays_text(text: str, others: dict[str, CallForm]) -> None:
    whole = f"<|tool_call_start|>[{text}]<|tool_call_end|>"
    assert others["lfm2"].read(whole, OFFERED) == (whole, [])


RUN = {"properties": {"code": {"type": "string"}, "mode": {"type": "string"}, "n": {}}}
TOLD = [{"type": "function", "function": {"name": "run", "parameters": RUN}}]


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('run(code="print("a", end="")")', {"code": 'print("a", end="")'}),
        ('run(code="<a href="x", class="y">", mode="w")', {"code": '<a href="x", class="y">', "mode": "w"}),
        ('run(code="f(x="1", y=2)", n=3)', {"code": 'f(x="1", y=2)', "n": 3}),
        ('run(code="a", made_up="b")', {"code": "a", "made_up": "b"}),
        ('run(code="plot(x="a")", n=10)', {"code": 'plot(x="a")', "n": 10}),
        ('run(code="C:\\", mode="("quoted")")', {"code": "C:\\", "mode": '("quoted")'}),
    ],
)
def test_the_keys_of_a_tool_tell_where_a_text_with_quotes_ends(
    text: str, arguments: Any, others: dict[str, CallForm]
) -> None:
    for more, calls in (("", [call("run", **arguments)]), (", run(n=1)", [call("run", **arguments), call("run", n=1)])):
        whole = f"<|tool_call_start|>[{text}{more}]<|tool_call_end|>"
        assert others["lfm2"].read(whole, TOLD) == ("", calls)


@pytest.mark.parametrize(
    "text",
    ['f(city="a"), get_weather(city=today, days="b")', 'f(city="a", unit=celsius, b="y")', 'f(city="a", city="b")',
     'f(city="a"), get_weather(1, city="b")'],
)  # fmt: skip
def test_what_cannot_be_read_is_not_taken_into_a_text_before_it(text: str, others: dict[str, CallForm]) -> None:
    whole = f"<|tool_call_start|>[{text}]<|tool_call_end|>"
    assert others["lfm2"].read(whole, OFFERED) == (whole, [])


def test_without_a_word_of_its_own_a_call_is_one_of_what_was_offered(others: dict[str, CallForm]) -> None:
    form, text = others["lfm2_escaped"], "[f(city='a')]"
    assert form.read(text, OFFERED) == ("", [call("f", city="a")])
    assert form.read(text, tools("g")) == (text, [])
    assert form.read(f"Look: {text}", OFFERED) == (f"Look: {text}", [])
    assert form.begin("[Note that", OFFERED) == len("[Note that")
    assert form.read(f"<think>x</think>{text}", OFFERED)[1] == [call("f", city="a")]


def test_words_between_rows_are_said(others: dict[str, CallForm]) -> None:
    text = "Hi <|tool_call_start|>[f()]<|tool_call_end|> mid <|tool_call_start|>[f(city=2)]<|tool_call_end|> end"
    assert others["lfm2"].read(text, OFFERED) == ("Hi\nmid\nend", [call("f"), call("f", city=2)])


def schema_of(**properties: Any) -> list[dict[str, Any]]:
    defs = {"Unit": {"enum": ["c", "f"]}, "Place": {"type": "object", "properties": {"x": {"type": "integer"}}}}
    parameters = {"type": "object", "properties": properties, "required": [*properties], "$defs": defs}
    return [{"type": "function", "function": {"name": "f", "parameters": parameters}}]


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"$ref": "#/$defs/Unit"}, ["c", "f"], ["x", 1]),
        ({"anyOf": [{"enum": ["c", 2]}, {"type": "null"}]}, ["c", 2, None], ["x", 1, True]),
        ({"type": ["string", "null"], "enum": ["c", None]}, ["c", None], ["x", 1]),
        (
            {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]},
            [[1], [], None],
            [["a"], "a", 1],
        ),
        ({"const": True}, [True], [False, "a"]),
        ({}, ["a", 5, True, None, [1, 2]], []),
        ({"$ref": "#/$defs/Place"}, [{"x": 1}], [{"x": "a"}, 1]),
        ({"oneOf": [{"type": "boolean"}, {"type": "string"}]}, [True, "a"], [None, 1]),
    ],
)
@pytest.mark.parametrize("name", [*PYTHON, *BRACED])
def test_what_is_forced_is_what_the_schema_says(
    name: str, schema: Any, good: Any, bad: Any, others: dict[str, CallForm], bpe: Tokenizer
) -> None:
    told = schema_of(k=schema)
    for value, may in [*((each, True) for each in good), *((each, False) for each in bad)]:
        text = written(name, "", [call("f", k=value)], bpe).strip()
        assert takes(others[name], text, told, bpe) == may, text
        assert others[name].read(text, told)[1] == [call("f", k=value)]


@pytest.mark.parametrize("name", [*PYTHON, *BRACED, "glm"])
def test_what_is_required_is_forced_wherever_it_is_told(name: str, others: dict[str, CallForm]) -> None:
    whole = {"$ref": "#/$defs/A", "$defs": {"A": {"properties": {"zip": {"type": "string"}}, "required": ["zip"]}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": whole}}
    assert "zip" in others[name].grammar([tool])
    tool["function"] = {"name": "f", "parameters": {"required": ["zip"]}}
    assert "zip" in others[name].grammar([tool])
    part = {"properties": {"zip": {"type": "string"}}, "required": ["zip"]}
    tool["function"] = {"name": "f", "parameters": {"allOf": [part, {"properties": {"a": {"type": "integer"}}}]}}
    grammar = others[name].grammar([tool])
    assert "zip" in grammar
    if name in PYTHON:
        assert grammar.index('"zip=') < grammar.index('"a=')


def test_calls_in_rows_of_their_own_are_all_read(others: dict[str, CallForm]) -> None:
    text = "<|tool_call_start|>[f(city=1)]<|tool_call_end|>\n<|tool_call_start|>[f(), f(city=2)]<|tool_call_end|>"
    assert others["lfm2"].read(text, OFFERED) == ("", [call("f", city=1), call("f"), call("f", city=2)])


def test_what_is_said_behind_calls_is_said(others: dict[str, CallForm]) -> None:
    form = others["lfm2"]
    text = 'Wait. <|tool_call_start|>[f(city="a")]<|tool_call_end|> I look it up.'
    assert form.read(text, OFFERED) == ("Wait.\nI look it up.", [call("f", city="a")])
    told = ToolCalls(form, OFFERED, "x", several=True)
    content = "".join(told.piece(0, sign) for sign in text)
    content += "".join(delta.get("content", "") for delta in told.rest(text, 0))
    assert content == "Wait.\nI look it up."


UNITS = [
    'a", ',
    '"',
    '", x=',
    '")',
    "f(",
    "[",
    "x=1,",
    "f(x=1), ",
    " ",
    '" ',
    '", b=[',
    "1,",
    '<|tool_call_start|>[f(a="',
]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("name", PYTHON)
def test_no_text_is_looked_at_for_long(unit: str, name: str, others: dict[str, CallForm]) -> None:
    form = others[name]
    for begin in ("", 'f(x="', "f("):
        text = f"{form.before}{begin}{unit * 3_000}"
        assert form.read(text, OFFERED) == (text, [])
        form.begin(text, OFFERED)
