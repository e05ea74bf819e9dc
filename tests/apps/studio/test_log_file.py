"""A log is read once, piece by piece, and its curves are what brute force makes of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from studio_runs import log_line, write_log

from danlu.apps.studio import log_file
from danlu.apps.studio.lines_of_log import LONGEST, _one_by_one, read_block
from danlu.apps.studio.log_file import LogFile


def opened(folder: Path) -> LogFile:
    return LogFile(folder / "log.jsonl", folder / "kept.json")


def expected(lines: list[dict[str, Any]], name: str, width: int) -> list[list[float]]:
    """The points of a series, from all lines at once."""
    last = max(line["step"] for line in lines)
    buckets: dict[int, list[float]] = {}
    for line in lines:
        if name in line:
            buckets.setdefault(line["step"] // width, []).append(line[name])
    return [
        [min(bucket * width + width // 2, last), min(found), max(found), sum(found) / len(found)]
        for bucket, found in sorted(buckets.items())
    ]


def test_curves_are_those_of_all_lines_however_they_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "PIECE", 5000)
    lines = [log_line(step, 1700) for step in range(1, 1701)]
    lines[900] |= {"loss": 55.0}
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    log = opened(tmp_path)
    for end in (1, 7001, 7002, 90_000, len(data) - 3, len(data)):
        log.path.write_bytes(data[:end])
        log.look(60)
    shown = log.shown()
    assert (shown["lines"], shown["bad"], shown["read"], shown["width"]) == (1700, 0, 1.0, 4)
    for name in ("loss", "rate", "tokens_per_second"):
        points = shown["series"][name]["points"]
        assert len(points) == 426
        for point, truth in zip(points, expected(lines, name, 4), strict=True):
            assert point == pytest.approx(truth, rel=1e-5, abs=1e-12)
    assert shown["series"]["loss"]["last"] == lines[-1]["loss"]
    assert json.loads(shown["newest"][-1]) == lines[-1]


def test_validations_and_notices_are_told_one_by_one_and_drawn_in_no_curve(tmp_path: Path) -> None:
    noticed = {"step": 3, "epoch": 0.1, "event": "spike", "loss": 99.0, "usual": 1.0}
    returned = {"step": 3, "epoch": 0.1, "event": "returned", "to": 1}
    looked = {"step": 4, "epoch": 0.1, "validation": {"accuracy": 0.5, "loss": float("nan")}}
    plain = [log_line(1), log_line(2), noticed, returned, {**looked, "validation": {"accuracy": 0.5}}, log_line(5)]
    for lines in (plain, [*plain, looked]):  # NaN is no JSON, so these are read line by line
        write_log(tmp_path / "log.jsonl", lines)
        shown = opened(tmp_path).shown()
        assert [each["metrics"]["accuracy"] for each in shown["validations"]] == [0.5] * (len(lines) - 5)
        assert [(each["event"], each.get("usual"), each.get("to")) for each in shown["notices"]] == [
            ("spike", 1.0, None),
            ("returned", None, 1),
        ]
        assert [point[0] for point in shown["series"]["loss"]["points"]] == [1, 2, 5]
        assert "usual" not in shown["series"]


def test_both_ways_to_read_a_block_agree() -> None:
    data = "".join(json.dumps(log_line(step, name=f"{step}", odd=step % 2 == 0)) + "\n" for step in range(50)).encode()
    one, other = read_block(data), _one_by_one(data)
    assert one.steps.tolist() == other.steps.tolist()
    assert {name: values.tolist() for name, values in one.columns.items()} == {
        name: values.tolist() for name, values in other.columns.items()
    }


def test_damage_is_counted_and_the_rest_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "PIECE", LONGEST + 100)
    good = [json.dumps(log_line(step)).encode() for step in range(1, 9)]
    odd = [b"\x00\xff\x1b[31m", b'{"step": -4, "loss": 1}', b'{"step": "x"}', b"[" * 50_000, b'{"step": 1e400}', b"[1]"]
    odd += [b'{"step": ' + b"9" * 5000 + b"}", b'{"step": true}', b'{"step": 3, "loss": "<b>"}', b""]
    huge = b'{"step": 5, "loss": "' + b"a" * 3 * LONGEST + b'"}'
    log = opened(tmp_path)
    log.path.write_bytes(b"\n".join([*good[:4], *odd, huge, *good[4:], b'{"step": 9, "lo']))
    shown = log.shown(60)
    assert [point[0] for point in shown["series"]["loss"]["points"]] == list(range(1, 9))
    assert shown["bad"] == len(odd) - 2 + 1
    assert json.loads(shown["newest"][-1])["step"] == 8
    with log.path.open("ab") as file:
        file.write(b'ss": 0.25}\n')
    assert log.shown()["series"]["loss"]["last"] == 0.25


def test_a_log_that_is_written_anew_is_read_anew(tmp_path: Path) -> None:
    log = opened(tmp_path)
    write_log(log.path, [log_line(step) for step in range(1, 41)])
    log.look(60)
    write_log(log.path, [log_line(step) for step in range(1, 21)])  # a training went back
    assert log.shown()["lines"] == 20
    write_log(log.path, [log_line(step, loss=7.0) for step in range(1, 61)])
    shown = log.shown()
    assert shown["lines"] == 60
    assert {point[3] for point in shown["series"]["loss"]["points"]} == {7.0}


def test_what_was_read_is_kept_for_the_next_studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "WORTH", 1000)
    lines = [log_line(step, 900) for step in range(1, 901)]
    lines[5:5] = [{"step": 5, "validation": {"accuracy": 0.5}}, {"step": 5, "event": "spike", "loss": 3.0}]
    write_log(tmp_path / "log.jsonl", lines)
    first = opened(tmp_path).shown(60)
    kept = (tmp_path / "kept.json").read_text()
    read = []
    monkeypatch.setattr(log_file, "read_block", lambda data: read.append(data) or read_block(data))
    assert opened(tmp_path).shown(60) == first
    assert read == []
    for damaged in (
        "",
        "{}",
        "[]",
        kept[:-9],
        kept.replace('"width": 2', '"width": "<script>"'),
        kept.replace('"at"', '"a"'),
    ):
        (tmp_path / "kept.json").write_text(damaged)
        assert opened(tmp_path).shown(60) == first
    assert read


def test_of_what_was_not_read_yet_a_line_here_and_there_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "PIECE", 10_000)
    lines = [log_line(step, 5000) for step in range(1, 5001)]
    write_log(tmp_path / "log.jsonl", lines)
    log = opened(tmp_path)
    shown = log.shown(0)
    assert shown["read"] < 0.5
    points = shown["series"]["loss"]["points"]
    assert points[-1][0] > 4900
    assert len(points) > 100
    truth = {line["step"] // shown["width"]: line["loss"] for line in lines}
    assert all(abs(point[3] - truth[point[0] // shown["width"]]) < 0.2 for point in points)
    log.look(60)
    assert log.shown()["read"] == 1
    assert log.shown()["lines"] == 5000
