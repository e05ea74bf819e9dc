"""`danlu app monitor`: started from an empty folder, and history run through once more."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import started
from monitor_streams import BEGIN, stream
from monitor_web import Web

from danlu.cli.main import main


def said(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["app", "monitor", *map(str, words)])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "monitor"
    found.mkdir()
    text = "alarm: {step: 21600, learn: 60}\ntopics: {delay: [delay]}\n"
    (found / "monitor.yaml").write_text(text, encoding="utf-8")
    return found


def history(file: Path, shares: list[tuple[float, float]]) -> None:
    rows: list[dict[str, Any]] = [
        {"text": item.text, "date": item.date, "topics": list(item.topics or ()), "negative": item.negative}
        for item in stream(16, 4, shares, 2)
    ]
    rows += [{"text": "without a time", "sentiment": "mixed"}, {"text": "from the future", "date": "2999-01-01"}]
    rows.append({"title": ""})
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_a_replay_tells_alerts_and_what_was_left_out(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "news.jsonl"
    history(file, [(0.0, 0.15), (9.0, 0.6)])
    code, out, err = said(capsys, "replay", file, "--folder", folder)
    assert code == 0
    assert "and 2 without a time that can be are left out" in out
    assert re.search(r"  a: \d+ texts, 1 alerts$", out, re.MULTILINE)
    assert re.search(
        r"^2025-06-2\d \d\d:\d\d\S+  alert, a: negative texts rise from 1\d% to [56]\d%", out, re.MULTILINE
    )
    assert "1 rows hold no text" in err
    assert "1 texts tell a sentiment that is not understood" in err
    assert "by a list of words and a rule, which is rough" in err


def test_a_replay_plants_surges_and_tells_how_late_they_are_told(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "news.jsonl"
    history(file, [(0.0, 0.15)])
    words = ["replay", file, "--folder", folder, "--plant", 2, "--times", 8, "--hours", 72]
    code, out, _ = said(capsys, *words)
    assert code == 0
    assert "planted surges: 2, of which 2 raised an alert while they lasted" in out
    delays = [float(each) for each in re.findall(r"alert after ([\d.]+) hours", out)]
    assert len(delays) == 2
    assert all(0 < delay <= 72 for delay in delays)
    assert said(capsys, *words)[1] == out
    monkeypatch.setenv("DANLU_LANGUAGE", "zh")
    chinese = said(capsys, *words)[1]
    assert "植入的变化：2 处，其中 2 处在持续期间触发了预警" in chinese
    assert re.findall(r"([\d.]+) 小时后预警", chinese) == [f"{each:g}" for each in delays]
    assert not re.search("[a-z]{3,} [a-z]{3,}", chinese)
    monkeypatch.delenv("DANLU_LANGUAGE")
    code, _, err = said(capsys, *words[:-1], 5000)
    assert (code, "surges cannot be planted" in err) == (2, True)


@pytest.mark.parametrize(
    ("content", "reason"),
    [("name\nx\n", "no row has a text"), ("", "the file is empty"), ("text\nx\n", "")],
)
def test_a_replay_of_nothing_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, reason: str
) -> None:
    file = tmp_path / "x.csv"
    file.write_text(content, encoding="utf-8")
    code, out, err = said(capsys, "replay", file, "--folder", tmp_path / "none")
    assert code == (2 if reason else 0)
    assert reason in err if reason else "of which 0 repeat another, and 1 without a time" in out


def test_channels_are_tried(folder: Path, web: Web, capsys: pytest.CaptureFixture[str]) -> None:
    assert "names no channels" in said(capsys, "trial", folder)[2]
    assert "holds no monitor.db" in said(capsys, "again", folder)[2]
    with (folder / "monitor.yaml").open("a", encoding="utf-8") as file:
        file.write(f"channels: {{good: {{kind: webhook, url: '{web.url}'}}, bad: {{kind: wecom, url: '{web.url}'}}}}\n")
    code, out, _ = said(capsys, "trial", folder)
    assert code == 1
    assert "good: sent\n" in out
    assert "bad: not sent: WeCom refuses the message (no errcode: )" in out


def test_the_sample_starts_from_an_empty_folder_and_raises_an_alert(tmp_path: Path) -> None:
    soon = "monitor.Worker = partial(monitor.Worker, settled=2.0)"  # it waits 10 s for more of a history
    code = f"from functools import partial; from danlu.apps.monitor import monitor; {soon}; "
    code += "from danlu.cli.main import main; main()"
    command = [sys.executable, "-c", code, "app", "monitor", "--sample", "--port", "0"]
    with started.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        address = ""
        while not address:
            line = process.stderr.readline()
            assert line, "it ended"
            address = "".join(re.findall(r"serving at (\S+);", line))
        ends = time.monotonic() + 90
        alerts: list[Any] = []
        while len(alerts) < 2 and time.monotonic() < ends:
            time.sleep(0.05)
            with urllib.request.urlopen(f"{address}/v1/alerts") as answer:
                alerts = json.load(answer)["alerts"]
        process.send_signal(signal.SIGINT)
        process.stderr.read()
    assert process.returncode == 0
    assert {(alert["topic"], alert["told"]["direction"]) for alert in alerts} == {("all", "up"), ("delivery", "up")}
    assert sorted(path.name for path in (tmp_path / "monitor").iterdir()) == ["inbox", "monitor.db", "monitor.yaml"]


def test_the_sample_is_alike_however_late_it_is_written(tmp_path: Path) -> None:
    from danlu.apps.monitor.opening import put_sample

    lines: list[str] = []
    put_sample(tmp_path, lines.append, BEGIN)
    rows = [json.loads(line) for line in (tmp_path / "inbox/sample.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) > 400
    assert max(row["date"] for row in rows) < "2025-06-16"
    assert len(lines) == 2
    put_sample(tmp_path, lines.append, BEGIN + 1000)
    assert len(lines) == 2
