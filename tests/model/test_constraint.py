"""Output of a given form."""

import json
import re
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer as Backend

from danlu.model.constraint import Constraint
from danlu.model.ends import Ends
from danlu.model.hypothesis import Hypotheses
from danlu.model.policy import Policy, changed
from danlu.refusal import Refusal
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource

pytest.importorskip("llguidance", reason="the extra 'constrain' is not installed")
TEXT = '床前明月光，疑是地上霜。All that glisters is not gold. {"name": 12, "list": [true]}'
SIZE, END = 320, 0


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    kind = {"kind": "bpe", "size": 300, "min_frequency": 1, "begin": "<s>", "end": "</s>"}
    made = TokenizerSource.model_validate(kind).build(lambda: iter([TEXT]))
    assert made.eos_token_id == END
    return made


def random_text(tokenizer: Tokenizer, policy: Policy, seed: int) -> tuple[str, str]:
    """What a model writes that knows nothing, and how that ended."""
    end = tokenizer.eos_token_id
    constraint = Constraint(tokenizer, SIZE, [end], policy.form)
    ends = Ends(tokenizer, frozenset({end}), policy.max_new_tokens, constraint=constraint)
    found: Hypotheses = policy.begin([0], seed, ends)
    generator = torch.Generator().manual_seed(seed)
    while found.parents:
        policy.advance([found], torch.randn(len(found.parents), SIZE, generator=generator) * 2)
    return found.written()[0].text, found.written()[0].ended


SCHEMA = {
    "type": "object",
    "properties": {
        "名": {"enum": ["光", "gold"]},
        "list": {"type": "array", "items": {"type": "boolean"}, "maxItems": 3},
    },
    "required": ["名", "list"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("kind", ["greedy", "sample", "beam"])
def test_whatever_the_model_says_the_text_has_the_form(tokenizer: Tokenizer, kind: str) -> None:
    def policy(**form: Any) -> Policy:
        return Policy.model_validate({"kind": kind, "max_new_tokens": 120} | form)

    choices = ["明月", "明月光", 'a "b"\n', "gold"]
    texts = [random_text(tokenizer, policy(choices=choices), seed) for seed in range(6)]
    assert all(text in choices and ended == "end" for text, ended in texts)
    assert len({text for text, _ in texts}) > 1
    for seed in range(3):
        text, _ = random_text(tokenizer, policy(regex="[明月光]{2,4}|[0-9]{3}"), seed)
        assert re.fullmatch("[明月光]{2,4}|[0-9]{3}", text)
        value = json.loads(random_text(tokenizer, policy(json_schema=SCHEMA), seed)[0])
        assert value["名"] in ("光", "gold")
        assert all(isinstance(item, bool) for item in value["list"])
        assert len(value["list"]) <= 3


def test_a_form_that_no_text_can_have_is_one_sentence(tokenizer: Tokenizer) -> None:
    forms: dict[str, dict[str, Any]] = {
        "policy.json_schema: no text can be of this form .Unsatisfiable schema": {
            "json_schema": {"type": "string", "minLength": 5, "maxLength": 2}
        },
        "policy.json_schema: no text can be of this form .Invalid type": {"json_schema": {"type": "nonsense"}},
        "policy.json_schema: no text can be of this form .nothing can follow": {"json_schema": {"$ref": "#"}},
        "policy.regex: no text can be of this form .*unclosed group": {"regex": "(a"},
        "policy.regex: no text can be of this form .nothing can follow": {"regex": r"a[^\s\S]"},
    }
    for sentence, form in forms.items():
        with pytest.raises(Refusal, match=sentence):
            Constraint(tokenizer, SIZE, [END], form)
    with pytest.raises(Refusal, match="has no end token"):
        Constraint(tokenizer, SIZE, [], {"regex": "a"})
    words = TokenizerSource.model_validate({"kind": "char", "size": 60}).build(lambda: iter([TEXT]))
    with pytest.raises(Refusal, match="use a model whose tokenizer is of kind bpe or unigram"):
        Constraint(words, 60, [2], {"regex": "a"})


def test_a_form_that_cannot_be_completed_is_one_sentence(tokenizer: Tokenizer) -> None:
    plain = json.loads(tokenizer.backend_tokenizer.to_str())
    plain["model"]["vocab"]["unused"] = plain["model"]["vocab"].pop("Ã")  # the first byte of é
    poorer = Tokenizer(tokenizer_object=Backend.from_str(json.dumps(plain)), eos_token="</s>")
    for regex in ("abé", "ab[éò]", "ab(é|ò)"):
        policy = changed(Policy.model_validate("greedy"), None, {"regex": regex})
        with pytest.raises(Refusal, match=r"policy.regex: no text can be of this form, or none in the model's tokens"):
            random_text(poorer, policy, 0)


SIGNS = [
    chr(number) for number in (*range(1, 0x20), 0x22, 0x5C, 0x7F, 0x85, 0xA0, 0xAD, 0x2028, 0x2029, 0xFEFF, 0x1F600)
]


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_any_text_can_be_a_choice(tokenizer: Tokenizer, kind: str) -> None:
    if kind == "unigram":
        source = TokenizerSource.model_validate({"kind": "unigram", "size": 300, "style": "decoder"})
        tokenizer = source.build(lambda: iter([TEXT] * 4))
    choices = [f"a{sign}b" for sign in SIGNS] + tokenizer.all_special_tokens + ["<|endoftext|>", "x</s>.*"]
    greedy = Policy.model_validate("greedy")
    for choice in choices:
        policy = changed(greedy, None, {"choices": [choice]})
        assert random_text(tokenizer, policy, 0) == (choice, "end")
    policy = changed(greedy, None, {"choices": [f"{number}{number % 7}" for number in range(3000)]})
    assert random_text(tokenizer, policy, 0)[0] in (policy.choices or ())


def test_forms_that_contradict_are_refused() -> None:
    greedy = Policy.model_validate("greedy")
    with pytest.raises(Refusal, match="'choices' and 'regex' both say"):
        changed(greedy, None, {"choices": ["a"], "regex": "b"})
    with pytest.raises(Refusal, match="'min_new_tokens' would forbid"):
        changed(greedy, None, {"choices": ["a"], "min_new_tokens": 3})
    for half in ({"logit_bias": {"\ud800": 1}}, {"stop": ["\ud800"]}, {"json_schema": {"const": "\ud800"}}):
        with pytest.raises(Refusal, match=rf"^policy: {next(iter(half))}.* holds a zero or half a character"):
            changed(greedy, None, half)
    with pytest.raises(Refusal, match=r"policy: choices"):
        changed(greedy, None, {"choices": []})


def test_schemas_in_another_order_are_others_and_a_seed_makes_no_other_choice() -> None:
    def told(*names: str) -> Policy:
        properties = {name: {"type": "string"} for name in names}
        return Policy.model_validate({"kind": "greedy", "json_schema": {"type": "object", "properties": properties}})

    assert told("reason", "answer").chooses_as(told("reason", "answer"))
    assert not told("reason", "answer").chooses_as(told("answer", "reason"))
    drawn = [Policy.model_validate({"kind": "sample", "seed": seed, "top_k": 3}) for seed in (1, 2)]
    assert drawn[0].chooses_as(drawn[1])
    assert not drawn[0].chooses_as(drawn[1].model_copy(update={"top_k": 4}))
