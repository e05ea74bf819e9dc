"""One rule for dialogues, in whatever form they come."""

import json
from pathlib import Path
from typing import Any

import pytest

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.format import Format
from danlu.data.record import Record
from danlu.refusal import Refusal


def read(folder: Path, given: Any, bad_rows: BadRows | None = None, **keys: Any) -> list[Record]:
    (folder / "a.json").write_text(json.dumps([given], ensure_ascii=False), encoding="utf-8")
    source = Format.model_validate({"kind": "chat", "path": str(folder / "a.json")} | keys)
    return list(source.read(bad_rows=bad_rows))


def openai(answer: Any, *rest: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "问"}, {"role": "assistant", "content": answer}, *rest]}


def sharegpt(answer: Any) -> dict[str, Any]:
    return {"conversations": [{"from": "human", "value": "问"}, {"from": "gpt", "value": answer}]}


# ruff: noqa: E501  (one form a line)
FORMS: dict[str, Any] = {
    "openai": openai,
    "sharegpt": sharegpt,
    "alpaca": lambda answer: {"instruction": "问", "output": answer},
    "openai_parts": lambda answer: openai([{"type": "text", "text": answer}] if isinstance(answer, str) else answer),
    "preference": lambda answer: {"instruction": "问", "chosen": answer, "rejected": "坏"},
    "preference_messages": lambda answer: {
        "messages": [{"role": "user", "content": "问"}],
        "chosen": [{"role": "assistant", "content": answer}],
        "rejected": [{"role": "assistant", "content": "坏"}],
    },
    "in_the_middle": lambda answer: openai(answer, {"role": "user", "content": "又"}, {"role": "assistant", "content": "好"}),
}  # fmt: skip


@pytest.mark.parametrize("answer", ["", " \n", "　"])
@pytest.mark.parametrize("form", FORMS)
def test_an_empty_answer_is_refused_in_every_form(form: str, answer: str, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"record 1: .* is empty, so there is nothing to learn"):
        read(tmp_path, FORMS[form](answer))
    assert read(tmp_path, FORMS[form]("答"))


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_that_is_null_is_refused_in_every_form(form: str, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="record 1: "):
        read(tmp_path, FORMS[form](None))


def test_a_dialogue_that_ends_with_the_user_keeps_what_was_answered(tmp_path: Path) -> None:
    bad_rows = BadRows()
    asked = [{"role": "user", "content": "又"}, {"role": "tool", "content": "x"}]
    (record,) = read(tmp_path, openai("答", *asked), bad_rows)
    assert [message["content"] for message in record["messages"]] == ["问", "答"]
    assert bad_rows.mended == {"dialogues without the messages behind their last answer": 1}


CALL = {"name": "weather", "arguments": {"city": "北京"}}
AS_TEXT = json.dumps(CALL, ensure_ascii=False)
CALLS: dict[str, tuple[dict[str, Any], str]] = {
    "openai": (
        {"content": None, "tool_calls": [{"id": "1", "type": "function", "function": CALL | {"arguments": '{"city": "北京"}'}}]},
        AS_TEXT,
    ),
    "no_content": ({"tool_calls": [{"function": CALL}]}, AS_TEXT),
    "beside_a_text": ({"content": "看看", "tool_calls": [{"function": CALL}, {"function": CALL}]}, f"看看\n{AS_TEXT}\n{AS_TEXT}"),
    "legacy": ({"content": None, "function_call": CALL}, AS_TEXT),
    "bare": ({"content": "", "tool_calls": [CALL]}, AS_TEXT),
    "no_json": ({"content": None, "tool_calls": [{"function": {"name": "f", "arguments": "x("}}]}, '{"name": "f", "arguments": "x("}'),
    "none": ({"content": "好", "tool_calls": None}, "好"),
    "no_calls": ({"content": "好", "tool_calls": []}, "好"),
}  # fmt: skip


@pytest.mark.parametrize(("message", "content"), CALLS.values(), ids=CALLS.keys())
def test_tool_calls_are_what_the_assistant_says(message: dict[str, Any], content: str, tmp_path: Path) -> None:
    given = {"messages": [{"role": "user", "content": "问"}, {"role": "assistant"} | message]}
    assert read(tmp_path, given)[0]["messages"][1]["content"] == content


@pytest.mark.parametrize("calls", [3, ["x"], [{"function": 1}], [{"function": {"arguments": "{}"}}], {"name": "f"}])
def test_tool_calls_of_another_form_are_refused(calls: Any, tmp_path: Path) -> None:
    given = {
        "messages": [{"role": "user", "content": "问"}, {"role": "assistant", "content": None, "tool_calls": calls}]
    }
    with pytest.raises(Refusal, match=r"message 2 of .*tool.call"):
        read(tmp_path, given)


KEPT = {"type": "function", "function": CALL}


@pytest.mark.parametrize(
    "name", [name for name in CALLS if name not in ("no_json", "none", "no_calls", "beside_a_text")]
)
def test_calls_that_are_kept_come_in_one_form(name: str, tmp_path: Path) -> None:
    given = {"messages": [{"role": "user", "content": "问"}, {"role": "assistant"} | CALLS[name][0]]}
    (found,) = read(tmp_path, given, calls="kept")
    called = found["messages"][1]
    assert (called["role"], called["content"]) == ("assistant", "")
    assert [{key: call[key] for key in KEPT} for call in called["tool_calls"]] == [KEPT]
    assert [call.get("id") for call in called["tool_calls"]] == ["1" if name == "openai" else None]


@pytest.mark.parametrize("called", [CALL, [CALL], [CALL, CALL]])
def test_sharegpt_calls_and_tools_are_kept_as_openai_has_them(called: Any, tmp_path: Path) -> None:
    tool = {"name": "weather", "description": "天气", "parameters": {"type": "object"}}
    given = {
        "conversations": [
            {"from": "human", "value": "问"},
            {"from": "function_call", "value": json.dumps(called)},
            {"from": "observation", "value": "晴"},
            {"from": "gpt", "value": "晴天。"},
        ],
        "tools": json.dumps([tool]),
        "source": "a",
    }
    (found,) = read(tmp_path, given, calls="kept")
    assert [message["role"] for message in found["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert found["messages"][1]["tool_calls"] == [KEPT] * (len(called) if isinstance(called, list) else 1)
    assert found["tools"] == [{"type": "function", "function": tool}]
    assert found["source"] == "a"
    (as_text,) = read(tmp_path, given)
    assert as_text["tools"] == given["tools"]
    assert as_text["messages"][1] == {"role": "assistant", "content": json.dumps(called)}


def test_what_is_beside_a_call_stays_with_it_and_so_does_whose_answer_it_is(tmp_path: Path) -> None:
    message, _ = CALLS["beside_a_text"]
    answer = {"role": "tool", "tool_call_id": "1", "name": "weather", "content": "晴"}
    talk = [
        {"role": "user", "content": "问"},
        {"role": "assistant"} | message,
        answer,
        {"role": "assistant", "content": "晴"},
    ]
    (found,) = read(tmp_path, {"messages": talk, "functions": [{"name": "weather"}]}, calls="kept")
    assert found["messages"][1]["content"] == "看看"
    assert found["messages"][2] == answer
    assert found["tools"] == [{"type": "function", "function": {"name": "weather"}}]
    assert "functions" not in found


@pytest.mark.parametrize("value", ["看看", '{"arguments": {}}', "[]", "3", '["f"]'])
def test_a_call_of_sharegpt_that_says_none_is_refused_where_it_is_kept(value: str, tmp_path: Path) -> None:
    given = {"conversations": [{"from": "human", "value": "问"}, {"from": "function_call", "value": value}]}
    with pytest.raises(Refusal, match="message 2"):
        read(tmp_path, given, calls="kept")
    assert read(tmp_path, given)[0]["messages"][1]["content"] == value


@pytest.mark.parametrize("tools", ["x", 3, [3], {"name": "f"}])
def test_tools_that_are_no_list_of_objects_are_refused_where_calls_are_kept(tools: Any, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="'tools' is no list of objects"):
        read(tmp_path, openai("答") | {"tools": tools}, calls="kept")


def dialogue(*texts: str) -> list[dict[str, Any]]:
    return [{"role": role, "content": text} for role, text in zip(("user", "assistant") * 9, texts, strict=False)]


def test_a_preference_whose_dialogues_are_whole_is_read_with_or_without_its_messages(tmp_path: Path) -> None:
    """As UltraFeedback has it: `messages` is the chosen dialogue, answer included."""
    chosen, rejected = dialogue("问", "好"), dialogue("问", "坏")
    expected = [{"messages": dialogue("问"), "chosen": "好", "rejected": "坏"}]
    for messages in (None, dialogue("问"), chosen, rejected):
        given = {"chosen": chosen, "rejected": rejected} | ({} if messages is None else {"messages": messages})
        assert read(tmp_path, given) == expected
        assert read(tmp_path, given | {"rejected": "坏"}) == expected
    for told, sentence in (
        ({"messages": dialogue("问", "另")}, "an answer that is neither 'chosen' nor 'rejected'"),
        ({"messages": dialogue("别")}, "are not those before 'chosen' and 'rejected'"),
        ({"rejected": dialogue("别", "坏")}, "before 'chosen' are not those before 'rejected'"),
    ):
        with pytest.raises(Refusal, match=sentence):
            read(tmp_path, {"chosen": chosen, "rejected": rejected, **told})


def test_an_answer_of_no_weight_keeps_it(tmp_path: Path) -> None:
    given = openai("坏", {"role": "user", "content": "又"}, {"role": "assistant", "content": "好", "weight": 1})
    given["messages"][1]["weight"] = 0
    [record] = read(tmp_path, given)
    assert [message.get("weight") for message in record["messages"]] == [None, 0, None, None]
    given["messages"][1]["weight"] = 0.5
    with pytest.raises(
        Refusal, match=r"message 2 of 'messages': the 'weight' is 0\.5; write 0 for an answer that is not learnt, or 1"
    ):
        read(tmp_path, given)


@pytest.mark.parametrize("key", ["arguments", "parameters", "args"])
@pytest.mark.parametrize("calls", ["text", "kept"])
def test_arguments_are_found_under_the_names_that_others_give_them(key: str, calls: str, tmp_path: Path) -> None:
    said = {"content": "", "tool_calls": [{"name": "weather", key: {"city": "北京"}}]}
    given = {"messages": [{"role": "user", "content": "问"}, {"role": "assistant"} | said]}
    (found,) = read(tmp_path, given, calls=calls)
    message = found["messages"][1]
    assert (message["content"] == AS_TEXT) if calls == "text" else (message["tool_calls"] == [KEPT])


def test_arguments_under_a_name_that_nobody_knows_are_no_empty_ones(tmp_path: Path) -> None:
    said = {"content": "", "tool_calls": [{"name": "weather", "input": {"city": "北京"}}]}
    given = {"messages": [{"role": "user", "content": "问"}, {"role": "assistant"} | said]}
    with pytest.raises(Refusal, match="a tool call has no 'arguments', and a 'input'"):
        read(tmp_path, given)


def test_calls_before_two_answers_are_text_or_refused(tmp_path: Path) -> None:
    called = [{"role": "user", "content": "问"}, {"role": "assistant", "content": None, "tool_calls": [CALL]}]
    given = {"messages": [*called, {"role": "tool", "content": "晴"}], "chosen": "晴", "rejected": "雨"}
    (found,) = read(tmp_path, given)
    assert found["messages"][1] == {"role": "assistant", "content": AS_TEXT}
    for side in ("before", "chosen", "rejected"):
        told = given if side == "before" else {"messages": called[:1], "chosen": "晴", "rejected": "雨", side: called}
        with pytest.raises(Refusal, match="calls of tools are kept in conversations, not in preferences"):
            read(tmp_path, told, calls="kept")
