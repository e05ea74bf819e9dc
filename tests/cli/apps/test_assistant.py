"""`danlu app assistant` in the terminal: what it says, and that nothing of a ticket or a name steers the terminal."""

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import started

from danlu.cli.main import main

EVIL = "\x1b]52;c;aGk=\x07\x1b[2J\u202e[/x][red]:smile:"


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["app", "assistant", *words])
    out, err = capsys.readouterr()
    assert not set("\x1b\x07\u202e") & set(out + err)
    return int(ended.value.code or 0), out, err


def test_tickets_are_added_asked_for_learnt_from_and_gone_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        {"question": f"how to {verb} a lamp {EVIL}", "answer": f"{verb} it {EVIL}"} for verb in ("buy", "mend", "sell")
    ]
    text = "".join(f"{json.dumps(row)}\n" for row in [*rows, {"question": "why", "answer": None}])
    Path("tickets.jsonl").write_text(text, encoding="utf-8")
    code, _, err = said(capsys, "add", "tickets.jsonl")
    assert code == 0
    assert "3 tickets (question: question, answer: answer) fold into 3 answers" in err
    assert "1 tickets have no answer and were left out (records 4)" in err
    Path("states.csv").write_text("summary,resolution\nthe lamp is broken,Done\n", encoding="utf-8")
    _, _, err = said(capsys, "add", "states.csv")
    assert "'resolution' was taken for the answer, and holds 1 different ones, such as 'Done'" in err
    code, out, _ = said(capsys, "ask", "how to mend a lamp")
    assert code == 0
    assert "mend it" in out
    code, _, err = said(capsys, "forget", f"buy it {EVIL}")
    assert (code, "1 answers and 1 questions are forgotten" in err) == (0, True)
    code, _, err = said(capsys, "forget", "tickets.jsonl", "states.csv")
    assert (code, "3 answers and 3 questions are forgotten" in err) == (0, True)
    assert said(capsys, "add", "tickets.jsonl")[0] == 0
    code, _, err = said(capsys, "retrain")
    assert code == 0
    assert "the one before goes on answering" in err  # three tickets teach nothing
    code, _, err = said(capsys, "back")
    assert (code, "there is no version before 0" in err) == (2, True)
    code, _, err = said(capsys, "rows", "rows.jsonl")
    assert code == 0
    written = [json.loads(line) for line in Path("rows.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {row["text_pair"][:3] for row in written} == {"buy", "men", "sel"}
    assert said(capsys, "send-again")[0] == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("ask", "hello"), "assistant: there is no assistant; start one with: danlu app assistant --sample"),
        (("retrain",), "there is no assistant"),
        (("rows", "x.jsonl"), "there is no assistant"),
        (("forget", EVIL), "there is no assistant"),
        (("ask", "hello", "--generator", "nowhere"), "there is no assistant"),
        (("retrain", "--tune"), "--tune trains the bundle of --embedder further"),
        (("add", "none.csv"), "none.csv"),
        ((), "no tickets are known yet; give some with --tickets FILE"),
        (("--database", "mysql://a/b"), "--database: 'mysql' is no database"),
        (("--webhook", "ftp://a/b"), "--webhook: expected an address"),
        (("--origin", EVIL), "expected a website without a path"),
        (("--tickets", EVIL), "no file matches"),
        (("--embedder", "nowhere", "--sample"), "nowhere: there is no such folder"),
        (("ask", EVIL, "--folder", EVIL), "there is no assistant"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = said(capsys, *words)
    assert code == 2, err
    assert sentence in err
    assert "Traceback" not in err


def test_it_starts_from_an_empty_folder_and_ends_with_a_signal(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "danlu", "app", "assistant", "--sample", "--port", "0"]
    process = started.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if found := re.search(r"serving at (\S+);", line):
            break
    assert found, "".join(lines)
    assert "sample: 61 tickets" in "".join(lines)
    body = json.dumps({"question": "怎样退货"}).encode()
    request = urllib.request.Request(f"{found[1]}/v1/ask", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert "7 天内可以退货" in json.loads(answer.read())["text"]
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0
