"""`danlu init` of conversations with calls of tools, in the forms of others."""

import json
from pathlib import Path
from typing import Any

import pytest

import danlu
from danlu.apps.init import init
from danlu.stages.recipe import read

CALL = {"name": "sky", "arguments": {"city": "北京"}}
TOOL = {"name": "sky", "parameters": {"type": "object"}}


def asked_of(number: int) -> str:
    """Questions of which no two are alike."""
    return "".join(chr(0x4E00 + (37 * number + 101 * place * (number + 3)) % 2000) for place in range(12)) + "？"


def sharegpt(number: int) -> dict[str, Any]:
    turns = [{"from": "human", "value": asked_of(number)}, {"from": "function_call", "value": json.dumps(CALL)}]
    return {"conversations": turns, "tools": json.dumps([TOOL])}


def openai(number: int) -> dict[str, Any]:
    call = {"id": "1", "type": "function", "function": {"name": "sky", "arguments": json.dumps(CALL["arguments"])}}
    asked = {"role": "user", "content": asked_of(number)}
    return {"messages": [asked, {"role": "assistant", "content": None, "tool_calls": [call]}]}


def legacy(number: int) -> dict[str, Any]:
    asked = {"role": "user", "content": asked_of(number)}
    called = {"role": "assistant", "content": None, "function_call": CALL}
    return {"messages": [asked, called], "functions": [TOOL]}


def plain(number: int) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": asked_of(number)}, {"role": "assistant", "content": "晴"}]}


def without_calls(number: int) -> dict[str, Any]:
    return legacy(number) | {"messages": [legacy(number)["messages"][0], {"role": "assistant", "content": "晴"}]}


@pytest.mark.parametrize("form", [sharegpt, openai, legacy, without_calls])
def test_calls_are_kept_written_and_measured(form: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [json.dumps(form(number), ensure_ascii=False) for number in range(60)]
    (tmp_path / "data.jsonl").write_text("\n".join(rows), "utf-8")
    monkeypatch.chdir(tmp_path)
    init("chat", "data.jsonl", model="scratch")
    stages = read("data.yaml").stages
    assert (stages["clean"].data.kind, stages["clean"].data.calls) == ("chat", "kept")  # type: ignore[attr-defined]
    assert stages["model"].task.template.kind == "chatml"  # type: ignore[attr-defined]
    assert stages["test"].metrics == ("tool_calls",)  # type: ignore[attr-defined]
    told: list[str] = []
    few = {
        "model.train.steps": 1,
        "model.train.epochs": None,
        "model.task.policy": {"kind": "greedy", "max_new_tokens": 2},
    }
    run = danlu.run("data.yaml", say=told.append, **few)
    scores = json.loads((Path(run["test"]) / "scores.json").read_text("utf-8"))
    assert scores["metrics"]["tool_calls"]["value"] == (form is without_calls)
    assert not any("lose" in line for line in told)  # the tools fit into a row


def test_conversations_without_calls_are_read_and_written_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data.jsonl").write_text("\n".join(json.dumps(plain(number)) for number in range(60)), "utf-8")
    monkeypatch.chdir(tmp_path)
    init("chat", "data.jsonl", model="scratch")
    stages = read("data.yaml").stages
    assert stages["model"].task.template is None  # type: ignore[attr-defined]
    assert stages["test"].metrics == ()  # type: ignore[attr-defined]
