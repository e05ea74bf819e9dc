"""What is served: answers as on the command line, nothing that breaks it, and a folder that is followed by itself."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from servers import serving

from danlu.apps.grounded.bar import Bar
from danlu.apps.knowledge import site
from danlu.apps.knowledge.knowledge import Knowledge
from danlu.apps.knowledge.site import AROUND, site_of, stamp
from danlu.cli.main import main

QUESTIONS = [
    "听雨茶馆是谁创办的？",
    "它几点关门？",
    "图书馆呢？",
    "Who is the lifeguard?",
    "Who won the cup?",
    "金库归谁管理？",
]


def client(address: str) -> httpx2.Client:
    return httpx2.Client(base_url=address, timeout=60, trust_env=False, verify=False)


def post(address: str, path: str, body: Any) -> httpx2.Response:
    with client(address) as asked:
        return asked.post(path, json=body)


def test_the_server_answers_as_the_command_line_does(place: Path, knowledge: Knowledge, capsys: Any) -> None:
    knowledge.refresh()
    served_answers, before = [], None
    with serving(site=site_of(knowledge, 0)) as live:
        for question in QUESTIONS:
            told = post(
                live.address, "/v1/ask", {"question": question, **({"before": before} if before else {})}
            ).json()
            served_answers.append(told)
            if told["answered"]:
                before = {"question": told["read_as"], "subject": told["subject"]}
    words = [
        "app",
        "knowledge",
        "ask",
        *QUESTIONS,
        "--folder",
        str(place / "documents"),
        "--index",
        str(place / "index"),
    ]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--json"])
    assert not ended.value.code
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert printed == served_answers
    assert [each["answered"] for each in printed] == [True, True, True, True, False, True]
    with pytest.raises(SystemExit):
        main(words)
    out = capsys.readouterr().out
    assert "沈怀远" in out
    assert "No answer" in out
    assert "(听雨茶馆几点关门？)" in out


def test_pieces_that_are_served_stand_in_what_is_served_of_the_document(address: str) -> None:
    told = post(address, "/v1/ask", {"question": "How is the vault of Morrow opened?"}).json()
    (piece,) = told["cited"]
    with client(address) as asked:
        query = {"document": piece["document"], "start": piece["start"], "end": piece["end"]}
        around = asked.get("/v1/text", params=query).json()
        start = piece["start"] - around["start"]
        assert around["text"][start : start + piece["end"] - piece["start"]] == piece["text"] == told["text"]
        assert "<b onclick" in told["text"]
        whole = asked.get("/v1/text", params=query | {"start": 0, "end": 10**9}).json()
        assert len(whole["text"]) == whole["characters"] < AROUND


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"question": ""}, 400, "refused"),
        ({"question": "x" * 2001}, 400, "refused"),
        ({"question": "a\0b"}, 400, "refused"),
        ({"question": "\ud800x"}, 400, "not_json"),
        ({"question": 3}, 400, "invalid_value"),
        ({}, 400, "invalid_value"),
        ({"question": "谁？", "befor": {}}, 400, "unknown_parameter"),
        ({"question": "谁？", "before": {"question": "x" * 2001}}, 400, "invalid_value"),
        ({"question": "谁？", "before": {"question": "\0", "subject": "("}}, 200, None),
        ({"question": "它？", "before": {"question": "[a-z]+(", "subject": "\\1"}}, 200, None),
        ({"question": "x" * 9_000_000}, 413, "too_large"),
        ([], 400, "not_an_object"),
    ],
)
def test_what_cannot_be_answered_is_refused_and_nothing_breaks(
    body: Any, status: int, code: str | None, address: str
) -> None:
    with client(address) as asked:  # as ASCII, which may spell half a character
        answer = asked.post("/v1/ask", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert (answer.json()["error"]["code"] if code else None) == code


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"document": "茶馆.md"}, 200),
        ({"document": "../茶馆.md"}, 404),
        ({"document": "/etc/passwd"}, 404),
        ({}, 404),
        ({"document": "茶馆.md", "start": "-1"}, 400),
        ({"document": "茶馆.md", "start": "٣"}, 400),
        ({"document": "茶馆.md", "start": "9" * 30}, 400),
        ({"document": "茶馆.md", "start": "99999", "end": "5"}, 200),
    ],
)
def test_only_documents_are_told(query: dict[str, str], status: int, address: str) -> None:
    with client(address) as asked:
        assert asked.get("/v1/text", params=query).status_code == status


def test_a_folder_is_followed_by_itself_and_when_asked(place: Path, knowledge: Knowledge) -> None:
    knowledge.refresh()
    documents = place / "documents"
    with serving(site=site_of(knowledge, 0.1)) as live:
        (documents / "mill.txt").write_text("The windmill of Alderwick grinds rye.", encoding="utf-8")
        ends = time.monotonic() + 30
        while not (told := post(live.address, "/v1/ask", {"question": "What does the windmill grind?"}).json())[
            "answered"
        ]:
            assert time.monotonic() < ends
            time.sleep(0.05)
        assert told["text"] == "The windmill of Alderwick grinds rye."
    with serving(site=site_of(knowledge, 0)) as live:
        (documents / "mill.txt").unlink()
        (documents / "odd.xyz").write_text("?", encoding="utf-8")
        done = post(live.address, "/v1/refresh", {}).json()
        assert (done["added"], done["changed"], done["removed"]) == (0, 0, 1)
        assert [each["file"] for each in done["unread"]] == ["odd.xyz"]
        assert not post(live.address, "/v1/ask", {"question": "What does the windmill grind?"}).json()["answered"]
        with client(live.address) as asked:
            told = asked.get("/v1/documents").json()
            in_chinese = asked.get("/v1/documents", headers={"Accept-Language": "zh-CN"}).json()["unread"]
        (english,), (chinese,) = ([each["reason"] for each in found] for found in (told["unread"], in_chinese))
        assert english.startswith("'.xyz' is none of ")
        assert chinese.startswith("'.xyz' 不属于")
        assert told["count"] == len(told["documents"]) == 13
        assert (told["models"], told["threshold"], told["notes"]) == ({}, None, [])


def test_files_are_read_where_something_moved_and_now_and_then_all_the_same(
    place: Path,
    knowledge: Knowledge,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked, read, refresh = [0], [], knowledge.refresh
    monkeypatch.setattr(site, "ANYWAY", 10**9)
    monkeypatch.setattr(site, "stamp", lambda folder: (looked.append(1), stamp(folder))[1])
    monkeypatch.setattr(knowledge, "refresh", lambda: (read.append(len(looked)), refresh())[1])
    path = place / "documents" / "pool.md"
    with serving(site=site_of(knowledge, 0.01)):
        until(lambda: len(looked) > 10)
        assert len(read) == 1  # for the first time
        path.write_text(path.read_text(encoding="utf-8").replace("Petra", "Paula"), encoding="utf-8")
        until(lambda: len(read) == 2)
        before = len(looked)
        until(lambda: len(looked) > before + 5)
        assert len(read) == 2
        monkeypatch.setattr(site, "ANYWAY", 3)
        until(lambda: len(read) > 4)
    assert "Paula" in knowledge.ask("Who is the lifeguard?").grounded.text


def until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_a_folder_that_goes_away_is_told_and_the_rest_goes_on(place: Path, knowledge: Knowledge, capfd: Any) -> None:
    with serving(site=site_of(knowledge, 0.05)) as live:
        (place / "documents").rename(place / "away")
        answer = post(live.address, "/v1/refresh", {})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "refused")
        assert post(live.address, "/v1/ask", {"question": "Who is the lifeguard?"}).json()["answered"]
        said = ""
        ends = time.monotonic() + 30
        while '"event": "refresh", "refused":' not in said and time.monotonic() < ends:
            said += capfd.readouterr().err
            time.sleep(0.01)
    assert '"event": "refresh", "refused":' in said


def test_a_threshold_is_taken_at_the_next_look_though_no_file_moved(
    place: Path,
    knowledge: Knowledge,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[int] = []
    monkeypatch.setattr(site, "ANYWAY", 10**9)
    monkeypatch.setattr(site, "stamp", lambda folder: (looked.append(1), stamp(folder))[1])
    bar = Bar({"piece": 1.0}, 0.0, 0.5)
    with serving(site=site_of(knowledge, 0.01)):
        until(lambda: len(looked) > 5)
        with Knowledge.open(place / "documents", str(place / "index")) as other:
            other.keep_threshold(bar)
        until(lambda: knowledge.grounder.bar == bar)
