"""How a request is written: as the bundle was evaluated, but for what the request says; and what tokens it tells of."""

import json
from types import SimpleNamespace
from typing import Any, cast

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers import Live

from danlu.model.policy import Policy
from danlu.serve.body import checked
from danlu.serve.problem import Problem
from danlu.serve.routes.chat import Chat
from danlu.serve.routes.completions import Completions, _starts
from danlu.serve.routes.tokens import bytes_of, spelled
from danlu.serve.routes.writing import policy_of
from danlu.serve.shelf import Model
from danlu.serve.streamed import event, line
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.unigram import Unigram

TEXTS = ["这本书写得很好，值得一读", "good food and a good book"]
TOKENIZERS = {
    "bpe": Bpe(size=300).build(lambda: iter(TEXTS)),
    "unigram": Unigram(size=300).build(lambda: iter(TEXTS)),
}


def model_with(policy: Policy | None = None, tokenizer: Tokenizer | None = None) -> Model:
    return cast(Model, SimpleNamespace(predictor=SimpleNamespace(policy=policy, tokenizer=tokenizer)))


def policy(asked: dict[str, Any], **own: Any) -> Policy:
    return policy_of(checked(Completions, {"prompt": "x", **asked}), model_with(Policy.model_validate(own)))


BEAM = {"kind": "beam", "beams": 4, "returned": 3}


@pytest.mark.parametrize(
    ("own", "asked", "kind", "texts"),
    [
        (BEAM, {}, "beam", 3),
        (BEAM, {"n": 1}, "beam", 1),
        (BEAM, {"n": 2, "seed": 3, "top_p": 1}, "beam", 2),
        (BEAM, {"n": 2, "temperature": 0.5}, "sample", 2),
        (BEAM, {"temperature": 0}, "greedy", 1),
        ({"kind": "greedy"}, {"seed": 1, "top_p": 1, "min_p": 0}, "greedy", 1),
        ({"kind": "greedy"}, {"n": 2}, "sample", 2),
        ({"kind": "greedy"}, {"top_p": 0.9}, "sample", 1),
        ({"kind": "sample", "samples": 2}, {"seed": 1}, "sample", 2),
    ],
)
def test_what_a_request_does_not_say_is_as_the_bundle_has_it(
    own: dict[str, Any], asked: dict[str, Any], kind: str, texts: int
) -> None:
    found = policy(asked, **own)
    assert (found.kind, found.texts) == (kind, texts)


def test_who_asks_for_chance_gets_another_text_each_time_and_who_gives_a_seed_the_same() -> None:
    def seed(asked: dict[str, Any], **own: Any) -> int:
        return int(policy(asked, **own).seed)  # type: ignore[attr-defined]

    for asked in ({"temperature": 1}, {"top_p": 0.9}, {"n": 2}):
        assert seed(asked, kind="greedy") != seed(asked, kind="greedy")
        assert seed(asked, kind="sample", seed=3) != seed(asked, kind="sample", seed=3)
        assert seed(asked | {"seed": 5}, kind="greedy") == 5
    for nothing in ({}, {"top_p": 1}, {"min_p": 0}, {"n": 1}, {"max_tokens": 5}):
        assert seed(nothing, kind="sample", seed=3) == 3, "as it was evaluated"


@pytest.mark.parametrize("asked", [{"temperature": 1e-8}, {"top_p": 0}, {"top_p": 0, "temperature": 0.7, "seed": 1}])
def test_next_to_no_chance_is_none(asked: dict[str, Any]) -> None:
    assert policy(asked, kind="sample", temperature=0.8).kind == "greedy"


def test_a_limit_of_the_request_lowers_the_least_only_where_it_must() -> None:
    own = {"kind": "greedy", "min_new_tokens": 20}
    assert [policy({"max_tokens": most}, **own).min_new_tokens for most in (200, 21, 20, 1)] == [20, 20, 19, 0]


def test_more_beams_than_there_are_cannot_be_told() -> None:
    with pytest.raises(Problem, match="keeps 4 beams and tells no more texts"):
        policy({"n": 5}, **BEAM)


@pytest.mark.parametrize(
    "own", [{"no_repeat_ngram": 3}, {"regex": "a+"}, {"json_schema": {"type": "array"}}, {"choices": ["a", "b"]}]
)
@pytest.mark.parametrize(
    ("asked", "form"),
    [
        ({"response_format": {"type": "json_object"}}, {"json_schema": {"type": "object"}}),
        ({"regex": "b+"}, {"regex": "b+"}),
        ({"choices": ["c"]}, {"choices": ("c",)}),
    ],
)
def test_the_form_of_a_request_takes_the_place_of_the_bundles_own(
    own: dict[str, Any], asked: dict[str, Any], form: dict[str, Any]
) -> None:
    assert policy(asked, kind="greedy", **own).form == form
    with pytest.raises(Problem, match="give one of them"):
        policy({"regex": "a", "choices": ["a"]}, kind="greedy", **own)


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        (Completions, {"prompt": "x", "max_tokens": True}),
        (Completions, {"prompt": "x", "n": True}),
        (Completions, {"prompt": "x", "logprobs": True}),
        (Completions, {"prompt": "x", "temperature": False}),
        (Chat, {"messages": [{"role": "user", "content": "x"}], "top_logprobs": False}),
    ],
)
def test_true_and_false_are_no_numbers(kind: Any, asked: dict[str, Any]) -> None:
    with pytest.raises(Problem, match="true and false are not taken here"):
        checked(kind, asked)


def test_no_log_probabilities_may_be_said_by_false() -> None:
    assert checked(Completions, {"prompt": "x", "logprobs": False, "stream": True}).likeliest is None


@pytest.mark.parametrize("kind", TOKENIZERS)
@given(text=st.text(st.sampled_from("书好 good🙂é魃"), min_size=1, max_size=20))
def test_the_bytes_of_tokens_are_those_of_the_text(kind: str, text: str) -> None:
    tokenizer = TOKENIZERS[kind]
    model = model_with(tokenizer=tokenizer)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    pieces = [bytes_of(model, token) for token in ids]
    joined = b"".join(pieces).decode()
    assert joined.lstrip(" ") == tokenizer.decode(ids, clean_up_tokenization_spaces=False).lstrip(" ")
    starts = _starts(pieces)
    for piece, start in zip(pieces, starts, strict=True):
        told = spelled(piece)
        assert joined[start:].startswith(told) or told.startswith("bytes:\\x")


def test_parts_of_a_character_are_told_apart() -> None:
    tokenizer = TOKENIZERS["bpe"]
    ids = tokenizer("魃", add_special_tokens=False)["input_ids"]
    assert [spelled(bytes_of(model_with(tokenizer=tokenizer), token)) for token in ids] == [
        "bytes:\\xe9",
        "bytes:\\xad",
        "bytes:\\x83",
    ]


def test_a_served_text_is_the_tokens_that_it_tells_of(live: Live) -> None:
    client = openai.OpenAI(base_url=f"{live.address}/v1", api_key="none", max_retries=0)
    asked: dict[str, Any] = {"temperature": 1.5, "seed": 5}
    told = client.chat.completions.create(
        model="chat", messages=[{"role": "user", "content": "书"}], max_tokens=12, logprobs=True, **asked
    ).choices[0]
    assert told.logprobs is not None
    data = b"".join(bytes(each.bytes or ()) for each in told.logprobs.content or ())
    assert data.decode("utf-8", "replace").startswith((told.message.content or "").removesuffix("\ufffd"))


def test_a_conversation_that_ends_with_an_answer_is_refused_by_name(live: Live) -> None:
    talk = [{"role": "user", "content": "书"}, {"role": "assistant", "content": "好"}]
    for messages in (talk, [*talk, {"role": "system", "content": "now in French"}]):
        found = live.post("/v1/chat/completions", {"model": "chat", "messages": messages, "max_tokens": 4})
        assert found.status_code == 400
        assert "end with an answer" in found.json()["error"]["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_that_fills_the_model_is_refused_before_anything_is_written(live: Live, stream: bool) -> None:
    found = live.post("/v1/completions", {"model": "causal_lm", "prompt": "书" * 300, "stream": stream})
    assert found.status_code == 400
    assert found.json()["error"]["code"] == "context_length_exceeded"


def test_clients_may_leave_values_out_by_null_and_ask_for_one_model(live: Live) -> None:
    client = openai.OpenAI(base_url=f"{live.address}/v1", api_key="none", max_retries=0)
    names = [each.id for each in client.models.list()]
    assert [client.models.retrieve(name).id for name in names] == names
    with pytest.raises(openai.NotFoundError, match="a/b"):
        client.models.retrieve("a/b")
    body = {"model": "causal_lm", "prompt": "书", "max_tokens": 2, "suffix": "", "temperature": 1e-8}
    assert live.post("/v1/completions", body).status_code == 200


@given(st.text('a书\x85\u2028\u2029\n\r\t"', max_size=9))
def test_no_text_parts_a_line_of_a_stream(text: str) -> None:
    for told in (event({"x": text}).decode(), line({"x": text}).decode()):
        (only,) = [each for each in told.splitlines() if each]
        assert json.loads(only.removeprefix("data: ")) == {"x": text}


def test_an_answer_that_a_client_echoes_without_calls_is_read(live: Live) -> None:
    talk = [
        {"role": "user", "content": "书"},
        {"role": "assistant", "content": "好", "tool_calls": [], "refusal": None},
        {"role": "user", "content": "书"},
    ]
    found = live.post("/v1/chat/completions", {"model": "chat", "messages": talk, "max_tokens": 4})
    assert found.status_code == 200, found.text
