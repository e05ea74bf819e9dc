"""A stream of lines: each is answered for itself, and one that is refused costs the others nothing."""

import json
from typing import Any

import pytest
from servers import Live, serving

from danlu.sentences import in_language
from danlu.serve.limits import Limits
from danlu.serve.shelf import Shelf

PATH = "/v1/predict/lines?model=classify"


def answered(live: Live, lines: list[str], path: str = PATH) -> list[dict[str, Any]]:
    with live.client() as client:
        return [json.loads(line) for line in client.post(path, content="\n".join(lines).encode()).text.splitlines()]


def tokens_read(live: Live) -> float:
    with live.client() as client:
        told = client.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in told if line.startswith("danlu_tokens_total") and '"read"' in line)


def test_refused_blocks_add_nothing_to_what_was_read(live: Live) -> None:
    before = tokens_read(live)
    answered(live, ['{"text": "好"}'] * 32)
    alone = tokens_read(live) - before
    assert alone > 0
    found = answered(live, [*['{"text": "好"}'] * 32, *["{}"] * 320])
    assert ["error" in each for each in found] == [False] * 32 + [True] * 320
    assert tokens_read(live) - before == 2 * alone


def test_a_bad_line_is_called_by_its_number_in_the_file(live: Live) -> None:
    found = answered(live, ['{"text": "好"}', "", "no json", "  ", '{"other": 1}'])
    assert "label" in found[0]
    for error, number in zip(found[1:], (3, 5), strict=True):
        message = error["error"]["message"]
        assert message.startswith((f"line {number}: ", f"line {number}, column 1: "))
        assert "record 1" not in message
        assert message.count("line ") == 1


def test_a_file_may_begin_with_a_mark_of_utf_8(live: Live) -> None:
    line = '{"text": "好"}'
    found = answered(live, ["\ufeff" + line, "\ufeff" + line])
    assert ["error" in each for each in found] == [False, True], "a mark is one at the beginning alone"


def test_who_reads_chinese_is_told_of_lines_in_both_languages_and_each_mistake_is_looked_up_once(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    def counted(sentence: str, language: str) -> str | None:
        looked.append(sentence)
        return in_language(sentence, language)

    monkeypatch.setattr("danlu.serve.routes.predict.in_language", counted)
    lines = ['{"text": "好"}', "no json", '{"text": 3}', "[]", '{"text": 3}', '{"text": "书"}']
    with live.client() as client:
        content = "\n".join(lines).encode()
        chinese, english = (
            [json.loads(line) for line in client.post(PATH, content=content, headers=headers).text.splitlines()]
            for headers in ({"Accept-Language": "zh-CN"}, {"Accept-Language": "en"})
        )
    told = [each["error"]["translated"] for each in chinese if "error" in each]
    assert told == [
        "第 2 行：不是 JSON（Expecting value）；请改正，或用 JSON 库重新写出",
        "第 3 行：列 'text' 须是文本，而它是 int 类型",
        "第 4 行：应为 JSON 对象",
        "第 5 行：列 'text' 须是文本，而它是 int 类型",
    ]
    assert len([each for each in looked if "'text'" in each]) == 1
    for one, other in zip(chinese, english, strict=True):
        assert one.get("error", {}).get("message") == other.get("error", {}).get("message")
        assert "translated" not in other.get("error", {})


@pytest.mark.parametrize("most", [64, 100, 200])
def test_lines_that_are_too_much_together_are_answered_in_parts(shelf: Shelf, live: Live, most: int) -> None:
    lines = [json.dumps({"text": "这本书写得很好" * (1 + number % 3)}, ensure_ascii=False) for number in range(40)]
    lines[7] = json.dumps({"text": "书" * 5_000})
    with serving(shelf, Limits(tokens=most, patience=120)) as small:
        found = answered(small, lines)
    whole = answered(live, lines)
    assert [number for number, each in enumerate(found) if "error" in each] == [7]
    assert found[7]["error"]["code"] == "too_many_tokens"
    assert found[7]["error"]["message"].startswith("line 8: ")
    assert [each["label"] for each in found if "label" in each] == [
        each["label"] for number, each in enumerate(whole) if number != 7
    ]


def test_lines_to_be_written_are_too_much_together_and_not_alone(shelf: Shelf) -> None:
    lines = [json.dumps({"text": "这本书写得很好", "source": "这本书"}, ensure_ascii=False)] * 9
    with serving(shelf, Limits(tokens=600, patience=120)) as small:
        found = answered(small, lines, "/v1/predict/lines?model=translate")
    assert not any("error" in each for each in found)
    assert len(found) == 9
