"""Calls in braces as Gemma writes them are read, and special tokens around calls are words of a form."""

from typing import Any

import pytest
from hypothesis import example, given
from in_proportion import BOUND, growth

from danlu.model.spelling import spelled
from danlu.text.dialogue.call_forms import form_of_calls
from danlu.text.dialogue.calls import CallForm
from danlu.text.tokenizing.tokenizer import Tokenizer, special_ids
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.extended import Extended

from .forced import drawn, forced, takes
from .made_templates import BRACED, ENDS, jinja, tools
from .test_listed_calls import FUNCTIONS, written
from .test_python_calls import OFFERED, TEXTS, VALUES, call, calls_of

QUOTES = {"functiongemma": "<escape>", "gemma4": '<|"|>'}
WORDS = {
    "lfm2": ("<|tool_call_start|>", "<|tool_call_end|>"),
    "gemma4": ("<|tool_call>", "<tool_call|>", '<|"|>'),
    "mistral": ("[TOOL_CALLS]",),
}


def keys_are_plain(value: Any) -> bool:
    """Whether keys within a value are such as a template writes without quotes so that they can be told."""
    if isinstance(value, dict):
        return all(value) and all(map(keys_are_plain, value.values()))
    return all(map(keys_are_plain, value)) if isinstance(value, list) else True


@pytest.mark.parametrize("name", BRACED)
@given(calls=calls_of(TEXTS | VALUES.filter(keys_are_plain)))
@example(calls=[call("f", city='"a", {b}: [c]} <esc', days="}")])
@example(calls=[call("f"), call("f", city=["a,b", {"k": "]"}], days={"a": {}, "b": []})])
def test_whatever_stands_in_a_text_is_read_back(
    name: str, calls: Any, others: dict[str, CallForm], bpe: Tokenizer
) -> None:
    assert others[name].read(written(name, "", calls, bpe), OFFERED) == ("", calls)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("f{city:Q北京Q}", {"city": "北京"}),
        ("f { city : QaQ , days : 3 }", {"city": "a", "days": 3}),
        ('f{"city":"a\\n",QdaysQ:null}', {"city": "a\n", "days": None}),
        ("f{city:[1,QaQ,{k:True}],days:-1.5e3}", {"city": [1, "a", {"k": True}], "days": -1500.0}),
        ("f{}", {}),
    ],
)
def test_other_ways_of_braces_are_read_too(text: str, arguments: Any, others: dict[str, CallForm]) -> None:
    for name, quote in QUOTES.items():
        form = others[name]
        whole = f"{form.before}{text.replace('Q', quote)}{form.after} Done."
        assert form.read(whole, OFFERED) == ("Done.", [call("f", **arguments)])


@pytest.mark.parametrize(
    "text",
    ["f", "f{city}", "f{city:today}", "f{city:1,city:2}", "f{city:QaQ", "f{city:Qa}", "f{city:[1}", "f{city:NaN}",
     "f{:1}", "f{city:1}}", "f{city:" + "[" * 3_000, "f{city:" + "{a:" * 3_000, "f{city:1;days:2}"],
)  # fmt: skip
def test_what_is_no_call_stays_text(text: str, others: dict[str, CallForm]) -> None:
    for name, quote in QUOTES.items():
        whole = f"{others[name].before}{text.replace('Q', quote)}{others[name].after}"
        assert others[name].read(whole, OFFERED) == (whole, [])


@pytest.fixture(scope="module", params=WORDS)
def special(request: pytest.FixtureRequest) -> tuple[Tokenizer, CallForm]:
    """A tokenizer in which the words around calls are special tokens, and the form of its template."""
    name = str(request.param)
    words = tuple(dict.fromkeys([*ENDS, *WORDS[name]]))
    tokenizer = Extended(base=Bpe(size=300), special=words).build(lambda: iter(["北京天气"]))
    form = form_of_calls(jinja(name), tokenizer)
    assert form is not None
    assert form.kept == {word: tokenizer.convert_tokens_to_ids(word) for word in WORDS[name]}
    return tokenizer, form


def test_special_tokens_around_calls_are_written_where_one_is_forced(special: tuple[Tokenizer, CallForm]) -> None:
    tokenizer, form = special
    words = set(form.kept.values())
    silent, seen = special_ids(tokenizer) - words, set[str]()
    constraint = forced(form, FUNCTIONS, tokenizer)
    for seed in range(6):
        ids = drawn(constraint, tokenizer, seed, words, 300)
        if len(ids) == 300:  # a text of which no end was drawn
            continue
        said, calls = form.read(spelled(ids, tokenizer, (), silent), FUNCTIONS)
        assert said == ""
        assert next(token for token in ids if str(tokenizer.decode([token])).strip()) in words
        seen.add(calls[0]["function"]["name"])
    assert len(seen) > 1


def test_a_special_token_that_is_text_is_told_as_such(special: tuple[Tokenizer, CallForm]) -> None:
    tokenizer, form = special
    end = int(tokenizer.convert_tokens_to_ids("<|im_end|>"))
    word, number = next(iter(form.kept.items()))
    ids = [*tokenizer("a")["input_ids"], number, *tokenizer("b")["input_ids"], end]
    assert spelled(ids, tokenizer, (), special_ids(tokenizer) - {number}) == f"a{word}b"
    assert spelled(ids, tokenizer) == "ab"


NO_END = "{{ '<|im_end|>' if m.role == 'user' }}"
NO_LAST_END = "{{ '<|im_end|>' if not loop.last or m.role == 'user' }}"


@pytest.mark.parametrize("end", [NO_END, NO_LAST_END, "<|im_end|>"])
@pytest.mark.parametrize("name", ["hermes", "gemma4", "glm"])
def test_what_closes_each_call_is_no_end_of_the_answer(name: str, end: str) -> None:
    words = {
        "hermes": ("<tool_call>", "</tool_call>"),
        "glm": ("<tool_call>", "</tool_call>"),
        "gemma4": WORDS["gemma4"],
    }
    tokenizer = Extended(base=Bpe(size=300), special=(*ENDS, *words[name])).build(lambda: iter(["北京天气"]))
    own = jinja(name).replace("<|im_end|>\n{% endfor %}", f"{end}{{% endfor %}}")
    form = form_of_calls(own, tokenizer)
    assert form is not None
    assert form.after.endswith(words[name][1])
    calls = [call("f", city="a"), call("g", days=2)]
    text = written(own, "", calls, tokenizer)
    assert form.read(text, tools("f", "g")) == ("", calls)
    without = text.strip().removesuffix(words[name][1])
    assert form.read(without, tools("f", "g")) == ("", calls)


def test_special_tokens_that_a_small_model_leaves_out_are_not_missed() -> None:
    tokenizer = Extended(base=Bpe(size=300), special=ENDS).build(lambda: iter(["北京天气"]))
    form = form_of_calls(jinja("mistral"), tokenizer)
    assert form is not None
    text = '[{"name": "f", "arguments": {"a": 1}}]'
    for whole in (f"[TOOL_CALLS] {text}", text):
        assert form.read(whole, tools("f")) == ("", [call("f", a=1)])
        assert form.begin(whole[:-1], tools("f")) == 0
    for whole, told in ((text, tools("g")), (text, ()), (f"Look: {text}", tools("f"))):
        assert form.read(whole, told) == (whole, [])
    assert form.begin("[1] says", tools("f")) == len("[1] says")


@pytest.mark.parametrize("end", [NO_END, "<|im_end|>"])
@pytest.mark.parametrize("name", ["lfm2", "fenced", "gemma4"])
def test_what_closes_all_calls_is_no_end_of_the_answer(name: str, end: str) -> None:
    marks = (
        "<｜tool▁calls▁begin｜>",
        "<｜tool▁call▁begin｜>",
        "<｜tool▁sep｜>",
        "<｜tool▁call▁end｜>",
        "<｜tool▁calls▁end｜>",
    )
    words = WORDS.get(name, marks)
    tokenizer = Extended(base=Bpe(size=300), special=(*ENDS, *words)).build(lambda: iter(["北京天气"]))
    own = jinja(name).replace("<|im_end|>\n{% endfor %}", f"{end}{{% endfor %}}")
    form = form_of_calls(own, tokenizer)
    assert form is not None
    calls = [call("f", city="a"), call("g", days=2)]
    text = written(own, "", calls, tokenizer).strip()
    assert form.read(text, tools("f", "g")) == ("", calls)
    for word in (words[-1 - (name == "gemma4")],):
        assert form.read(text.removesuffix(word), tools("f", "g")) == ("", calls)
    again = type(form).model_validate(form.model_dump())
    assert again.read(text.removesuffix(words[-1]), tools("f", "g")) == form.read(
        text.removesuffix(words[-1]), tools("f", "g")
    )


def test_an_end_of_calls_alone_is_no_word_whether_or_not_it_is_a_special_token() -> None:
    response = "<start_function_response>"
    own = jinja("functiongemma").replace(
        "{% endfor %}<|im_end|>", "{% endfor %}{{ END if m.tool_calls else '<|im_end|>' }}"
    )
    own = own.replace("END", repr(response))
    for special in (ENDS, (*ENDS, response)):
        tokenizer = Extended(base=Bpe(size=300), special=special).build(lambda: iter(["北京天气"]))
        tokenizer.add_tokens([response])
        form = form_of_calls(own, tokenizer)
        assert form is not None
        assert (form.after, form.kept) == ("<end_function_call>", {})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gemma4", "To ask, you would write call:f{a:1} and wait."),
        ("gemma4", "Do you recall:f{a:1}?"),
        ("fenced", "Here are the arguments of the function f\n```json\n{}\n```"),
        ("mistral", 'Look: [{"name": "f", "arguments": {}}]'),
        ("mistral", '[{"name": "f", "arguments": {}}] is a call'),
        ("lfm2", "[f()]"),
        ("glm", "今天北京的天气非常好"),
    ],
)
def test_words_without_their_special_tokens_are_text(name: str, text: str) -> None:
    words = {**WORDS, "fenced": ("<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>"), "glm": ("<tool_call>",)}[name]
    special = tuple(dict.fromkeys([*ENDS, *words]))
    form = form_of_calls(jinja(name), Extended(base=Bpe(size=300), special=special).build(lambda: iter(["北京"])))
    assert form is not None
    assert form.read(text, tools("f")) == (text, [])
    if not text.startswith("["):
        assert form.begin(text, tools("f")) == len(text)


NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}, "k": {"type": "integer"}}}
MAYBE = {"anyOf": [{"$ref": "#/$defs/N"}, {"type": "null"}]}


@pytest.mark.parametrize(
    ("schema", "node", "text", "may"),
    [
        ({"type": ["array", "object"], "properties": {"x": {}}, "items": {"type": "integer"}}, NODE, "{x:1}", True),
        ({"type": ["array", "object"], "properties": {"x": {}}, "items": {"type": "integer"}}, NODE, "[1]", True),
        ({"$ref": "#/$defs/N"}, {**NODE, "required": ["next"]}, "{k:1,next:{next:{}}}", True),
        ({"$ref": "#/$defs/N"}, {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/N"}}, "[[[1]]]", True),
        ({"$ref": "#/$defs/N"}, {"properties": {"next": MAYBE}, "required": ["next"]}, "{next:{next:null}}", True),
        ({"$ref": "#/$defs/N"}, {"properties": {"next": MAYBE}, "required": ["next"]}, "{next:{next:1}}", False),
        ({"properties": {"k": {}}, "anyOf": [{"properties": {"x": {}}, "required": ["x"]}]}, NODE, "{x:1}", True),
        ({"type": "integer", "allOf": [{"$ref": "#/$defs/N"}]}, {"minimum": 1}, "3", True),
    ],
)
def test_what_is_forced_in_braces_is_what_the_schema_says(
    schema: Any, node: Any, text: str, may: bool, others: dict[str, CallForm], bpe: Tokenizer
) -> None:
    parameters = {"type": "object", "properties": {"v": schema}, "required": ["v"], "$defs": {"N": node}}
    told = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
    whole = f"<start_function_call>call:f{{v:{text}}}<end_function_call>"
    assert takes(others["functiongemma"], whole, told, bpe) == may


def test_a_schema_that_leads_to_itself_is_one_rule(others: dict[str, CallForm], bpe: Tokenizer) -> None:
    node = {
        "type": "object",
        "properties": {"name": {"type": "string"}} | {f"k{n}": {"$ref": "#/$defs/N"} for n in range(40)},
    }
    node["properties"] |= {"all": {"type": "array", "items": {"$ref": "#/$defs/N"}}}
    told = [{"type": "function", "function": {"name": "f", "parameters": {**node, "$defs": {"N": node}}}}]
    assert len(others["functiongemma"].grammar(told)) < 40_000
    for inner, may in (("{all:[{name:<escape>a<escape>},{}],k1:{k2:{}}}", True), ("{k1:{name:1}}", False)):
        text = f"<start_function_call>call:f{inner}<end_function_call>"
        assert takes(others["functiongemma"], text, told, bpe) == may


@pytest.mark.parametrize("name", [*BRACED, "lfm2"])
def test_rows_that_are_broken_at_their_end_are_read_in_time_that_grows_with_them(
    name: str, others: dict[str, CallForm]
) -> None:
    form = others[name]
    value = "f(a=[1, 1, 1])" if name == "lfm2" else "f{a:[1,1,1]}"

    def run(count: int) -> None:
        text = f"{form.before}{value}{form.after}" * count + f"{form.before}{value[:-3]}"
        form.read(text, OFFERED)

    assert growth(lambda: run(150), lambda: run(600)) < BOUND


def test_of_no_template_an_end_is_a_word(bpe: Tokenizer) -> None:
    for name in ("lfm2", "gemma4", "functiongemma"):
        form = form_of_calls(jinja(name), bpe)
        assert form is not None
        assert "<|im_end|>" not in form.after
        assert form.kept == {}
        assert form.read(f"{form.before}", tools("f")) == (form.before, [])
