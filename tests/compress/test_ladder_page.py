"""A ladder in words and as a page, in both languages."""

from dataclasses import replace
from pathlib import Path

import pytest

from danlu.compress.climbing import Row
from danlu.compress.confirming import Confirmed
from danlu.compress.floor import Floor
from danlu.compress.ladder import Ladder
from danlu.compress.ladder_page import ladder_in_words, write_page


def row(name, value, *, fast=1.0, small=1.0, width=0.005, refused=None):
    grid = {"1x16": [0.004, 0.004 / fast], "8x64": [0.09, 0.09 / fast]}
    shown = {"bytes": int(90e6 / small), "bytes_before": int(90e6), "latency": 0.01 / fast, "latency_before": 0.01}
    shown |= {"throughput": 200 * fast, "throughput_before": 200, "grid": grid}
    return Row(name, value, value - 0.9 - width, value - 0.9 + width, refused=refused, **shown)


@pytest.fixture
def ladder(tmp_path):
    rows = (
        row("bfloat16", 0.9, fast=1.05),
        row("neurons:0.5", 0.898, fast=1.8, small=1.4, width=0.001),
        row("layers:0.5", 0.6, fast=2.5, small=1.6),
        row("heads:0.5", 0, refused="heads <cannot> be taken out"),
    )
    floor = Floor("accuracy", change=-0.005)
    original = Row("original", value=0.9, bytes=int(90e6))
    return Ladder(Path("sst2/bundle"), tmp_path, "classify", 872, floor, "throughput", original, rows, "neurons:0.5")


def test_what_is_not_clearly_faster_is_not_called_faster(ladder):
    lines = ladder_in_words(ladder, "en")
    same, fast, under = (next(line for line in lines if line.startswith(name)) for name in ("bf", "neurons", "layers"))
    assert "faster" not in same
    assert "nothing" in same
    assert "faster for one, faster for many, smaller" in fast
    assert fast.endswith("kept")
    assert under.endswith("under the floor: refused")
    assert lines[-2] == "heads:0.5: heads <cannot> be taken out"
    assert "1.80 times as many records a second" in lines[-1]
    assert "may lie" not in lines[-1]


def test_what_may_be_chance_is_said(ladder):
    rows = (ladder.rows[0], replace(ladder.rows[1], low=-0.02), *ladder.rows[2:])
    lines = ladder_in_words(replace(ladder, rows=rows), "en")
    assert lines[-1].endswith("the true difference may lie under the floor")
    assert any(line.endswith("kept, may be chance") for line in lines)


def test_where_nothing_is_kept_the_reason_is_said(ladder):
    nothing = replace(ladder, kept=None)
    assert "gains 1.1 times in throughput, so nothing is kept" in ladder_in_words(nothing, "en")[-1]
    under = replace(nothing, rows=ladder.rows[2:])
    assert ladder_in_words(under, "en")[-1].startswith("no rung holds the floor")


def test_what_other_records_say_stands_beside_what_is_kept(ladder):
    others = Confirmed("neurons:0.5", 400, 0.88, 0.884, -0.012, 0.004)
    told = ladder_in_words(replace(ladder, confirmed=others), "en")[-1]
    assert "400 records that chose nothing: Accuracy −0.004 (−0.012 – +0.004)" in told
    assert told.endswith("the true difference may lie under the floor")
    sure = replace(others, low=-0.0045)
    assert "may lie" not in ladder_in_words(replace(ladder, confirmed=sure), "en")[-1]


def test_what_holds_by_chance_alone_is_not_kept_and_the_reason_is_said(ladder, tmp_path):
    others = Confirmed("neurons:0.5", 400, 0.85, 0.884, -0.05, -0.01)
    missed = replace(ladder, kept=None, confirmed=others)
    lines = ladder_in_words(missed, "en")
    assert lines[-1].endswith(
        "(−0.050 – −0.010), so it is not kept; choose by more records, or try others with --rungs"
    )
    assert any(line.endswith("chosen, and misses the floor on other records") for line in lines)
    write_page(tmp_path / "page.html", missed, "zh")
    assert "因此不保留" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("language", "words"), [("en", "under the floor"), ("zh", "低于下限")])
def test_the_page_stands_alone_and_shows_every_rung(ladder, tmp_path, language, words):
    write_page(tmp_path / "page.html", ladder, language)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "http" not in text.replace("http-equiv", "")
    assert words in text
    assert text.count("<circle") == 3 * 4  # three rungs and the original in each of three pictures
    assert text.count("<polyline") == 3
    assert "heads &lt;cannot&gt; be taken out" in text
    assert "8 × 64" in text
    assert "1.80 ×" in text
