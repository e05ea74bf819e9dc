"""Calls of tools from a file to a client: learnt, measured, told by `predict` and by a server, whole and in pieces."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import yaml
from servers import Live, serving, shelved

import danlu
from danlu.serve.shelf import Place

TOOL = {"name": "sky", "parameters": {"type": "object"}}
CALLED = {"type": "function", "function": TOOL}


def conversations() -> list[dict[str, Any]]:
    """In ShareGPT's form: one ends with the call, one goes on, one calls nothing."""
    call = {"from": "function_call", "value": json.dumps({"name": "sky", "arguments": {"city": "北京"}})}
    turns = [{"from": "human", "value": "北京?"}, call]
    answered = [{"from": "observation", "value": "晴"}, {"from": "gpt", "value": "北京晴"}]
    greeted = [{"from": "human", "value": "你好"}, {"from": "gpt", "value": "你好！"}]
    return [{"conversations": each, "tools": json.dumps([TOOL])} for each in (turns, [*turns, *answered], greeted)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tools")
    lines = [json.dumps(each, ensure_ascii=False) for each in conversations()]
    (folder / "calls.jsonl").write_text("\n".join(lines), "utf-8")
    data = {"kind": "chat", "path": "calls.jsonl", "calls": "kept"}
    special = {"kind": "extended", "base": {"kind": "bpe", "size": 600}, "special": ["<|im_start|>", "<|im_end|>"]}
    size = {"layers": 2, "width": 64, "heads": 4, "dropout": 0.0, "positions": 384}
    train = {"epochs": 80, "rate": 3e-3, "batch_examples": 3, "precision": "float32", "threads": 1}
    stages = {
        "vocab": {"kind": "tokenizer", "data": data, "tokenizer": special},
        "model": {"kind": "train", "data": data, "tokenizer": "@vocab", "train": train}
        | {
            "model": {"kind": "scratch", "architecture": "llama", **size},
            "task": {"kind": "chat", "template": "chatml"},
        },
        "test": {"kind": "evaluate", "bundle": "@model", "data": data, "metrics": ["tool_calls"], "baseline": "none"},
    }
    (folder / "tools.yaml").write_text(yaml.safe_dump({"name": "tools", "stages": stages}, sort_keys=False), "utf-8")
    with contextlib.chdir(folder):
        danlu.run("tools.yaml", say=lambda line: None)
    return folder / "runs" / "tools"


@pytest.fixture(scope="module")
def live(run: Path) -> Iterator[Live]:
    with shelved([Place("tools", str(run / "model" / "bundle"), threads=1)]) as shelf, serving(shelf) as found:
        yield found


@pytest.fixture(scope="module")
def client(live: Live) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{live.address}/v1", api_key="none")


def test_what_a_model_calls_is_learnt_and_measured(run: Path) -> None:
    scores = json.loads((run / "test" / "scores.json").read_text("utf-8"))
    assert scores["metrics"]["tool_calls"]["value"] == 1.0
    answers = [json.loads(line) for line in (run / "test" / "answers.jsonl").read_text("utf-8").splitlines()]
    assert {"gold": ["你好！"], "answer": ["你好！"]}.items() <= answers[-1].items()
    assert answers[0]["answer"] == ['{"name": "sky", "arguments": {"city": "北京"}}']


def test_a_prediction_tells_of_calls_and_may_be_gone_on_with(run: Path) -> None:
    with danlu.load(run / "model" / "bundle", "float32") as bundle:
        asked = [{"role": "user", "content": "北京?"}]
        (found,) = bundle.predict([{"messages": asked, "tools": [CALLED]}])
        assert found["text"] == ""
        assert found["tool_calls"] == [{"type": "function", "function": {"name": "sky", "arguments": {"city": "北京"}}}]
        answered = {"role": "assistant", "content": found["text"], "tool_calls": found["tool_calls"]}
        asked += [answered, {"role": "tool", "content": "晴"}]
        (found,) = bundle.predict([{"messages": asked, "tools": [CALLED]}])
        assert found["text"] == "北京晴"
        assert found["tool_calls"] == []


def test_a_client_of_openai_calls_and_goes_on(client: openai.OpenAI) -> None:
    asked: list[Any] = [{"role": "user", "content": "北京?"}]
    told: dict[str, Any] = {"model": "tools", "tools": [CALLED]}
    (choice,) = client.chat.completions.create(messages=asked, **told).choices
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    (call,) = choice.message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("sky", {"city": "北京"})
    asked += [choice.message, {"role": "tool", "tool_call_id": call.id, "content": "晴"}]
    (choice,) = client.chat.completions.create(messages=asked, **told).choices
    assert (choice.finish_reason, choice.message.content) == ("stop", "北京晴")


def test_calls_that_are_streamed_are_those_of_the_whole_answer(client: openai.OpenAI) -> None:
    told: dict[str, Any] = {"model": "tools", "messages": [{"role": "user", "content": "北京?"}], "tools": [CALLED]}
    (whole,) = client.chat.completions.create(**told).choices
    with client.chat.completions.stream(**told) as stream:
        deltas = [each.chunk.choices[0].delta for each in stream if each.type == "chunk"]
        (streamed,) = stream.get_final_completion().choices
    assert not any(delta.content for delta in deltas)
    assert streamed.finish_reason == whole.finish_reason == "tool_calls"
    assert [call.function.arguments for call in streamed.message.tool_calls or []] == ['{"city": "北京"}']
    assert [call.function.model_dump() for call in whole.message.tool_calls or []] == [
        {"name": call.function.name, "arguments": call.function.arguments} for call in streamed.message.tool_calls or []
    ]


def test_a_model_that_must_not_call_hears_of_no_tools(live: Live) -> None:
    body = {"model": "tools", "messages": [{"role": "user", "content": "北京?"}], "tools": [CALLED], "max_tokens": 30}
    found = live.post("/v1/chat/completions", body | {"tool_choice": "none"}).json()
    without = live.post("/v1/chat/completions", {**body, "tools": []}).json()
    assert found["usage"]["prompt_tokens"] == without["usage"]["prompt_tokens"]
    assert "tool_calls" not in found["choices"][0]["message"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "rain"}}])
def test_a_call_may_be_forced_whatever_the_model_would_say(client: openai.OpenAI, choice: Any, stream: bool) -> None:
    day = {
        "type": "object",
        "properties": {"day": {"enum": ["今天"]}},
        "required": ["day"],
        "additionalProperties": False,
    }
    told: dict[str, Any] = {"model": "tools", "messages": [{"role": "user", "content": "你好"}], "tool_choice": choice}
    told |= {"tools": [{"type": "function", "function": {"name": "rain", "parameters": day}}], "max_tokens": 100}
    if stream:
        with client.chat.completions.stream(**told) as streamed:
            (answer,) = streamed.get_final_completion().choices
    else:
        (answer,) = client.chat.completions.create(**told).choices
    calls = answer.message.tool_calls or []
    assert [(call.function.name, call.function.arguments) for call in calls] == [("rain", '{"day": "今天"}')]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"tool_choice": 3}, "expected 'auto', 'none', 'required' or the name of a function"),
        ({"tool_choice": {"type": "function", "function": {}}}, "expected 'auto'"),
        ({"tool_choice": {"type": "function", "function": {"name": "rain"}}}, "there is no such tool among 'tools'"),
        ({"tool_choice": "required", "tools": []}, "there is no such tool among 'tools'"),
        ({"tool_choice": "required", "tools": [{"function": "f"}, {"name": 3}]}, "there is no such tool"),
        ({"tool_choice": "required", "regex": "a+"}, "both say of what form the text is"),
        ({"tool_choice": "required", "tools": [{"name": "f", "parameters": {"type": "nothing"}}]}, "are no object"),
    ],
)
def test_a_call_that_cannot_be_forced_is_refused(live: Live, changed: dict[str, Any], sentence: str) -> None:
    body = {"model": "tools", "messages": [{"role": "user", "content": "北京?"}], "tools": [CALLED], "max_tokens": 30}
    refused = live.post("/v1/chat/completions", body | changed)
    assert refused.status_code == 400, refused.text
    assert sentence in refused.json()["error"]["message"]
