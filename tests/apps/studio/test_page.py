"""The page: a run from its start to its end, and no text that becomes markup."""

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser, Page, expect
from servers import Live, serving
from studio_runs import log_line, write_lock, write_log, write_run, write_scores

import danlu.apps.studio
import danlu.serve
from danlu.apps.studio import processes
from danlu.apps.studio.site import site_of
from danlu.apps.studio.studio import Studio
from danlu.serve.shelf import Shelf

FOLDER = Path(danlu.apps.studio.__file__).parent / "page"
expect.set_options(timeout=60_000)


@pytest.fixture
def live(tmp_path: Path, at_once: None) -> Iterator[Live]:
    with serving(Shelf([]), site=site_of(Studio(tmp_path / "runs", tmp_path))) as found:
        yield found


@pytest.fixture
def opened(browser: Browser, live: Live) -> Iterator[Callable[..., Page]]:
    """A function that opens an address of the page; in the end no error was raised and nothing else was asked."""
    wrong: list[str] = []
    contexts = []

    def open_(place: str, locale: str = "en-GB") -> Page:
        context = browser.new_context(locale=locale, reduced_motion="reduce", viewport={"width": 1000, "height": 800})
        contexts.append(context)
        context.set_default_timeout(60_000)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        page.on("request", lambda sent: None if sent.url.startswith(live.address) else wrong.append(sent.url))
        page.goto(f"{live.address}/#{place}")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert wrong == []


ROWS = {"kind": "csv", "path": "rows.csv"}
TINY = {
    "name": "tiny",
    "stages": {
        "vocab": {"kind": "tokenizer", "data": ROWS, "tokenizer": {"kind": "char", "min_frequency": 1}},
        "model": {
            "kind": "train",
            "data": ROWS,
            "validation": ROWS,
            "tokenizer": "@vocab",
            "model": {"kind": "scratch", "layers": 1, "width": 16, "heads": 2, "positions": 16},
            "task": "classify",
            "train": {"steps": 200, "batch_examples": 4, "evaluate": 100, "precision": "float32"},
        },
    },
}


def until(true: Callable[[], Any], what: str) -> Any:
    """What a function gives once it gives something; a run is a process of its own, which nothing here can wait for."""
    ends = time.monotonic() + 120
    while not (found := true()):
        assert time.monotonic() < ends, what
        threading.Event().wait(0.01)
    return found


def lines_of(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.is_file() else 0


def started(page: Page, folder: Path) -> Path:
    """Start the tiny recipe by the page; gives the folder of the run."""
    rows = [f"{text}{number},{label}" for text, label in (("好看", "good"), ("难看", "bad")) for number in range(12)]
    (folder / "rows.csv").write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY, sort_keys=False))
    page.get_by_text("Start a run").click()
    page.get_by_label("Recipe", exact=True).select_option("tiny.yaml")
    page.get_by_label("Values that replace").fill("model.train.rate=0.001")
    page.get_by_role("button", name="Start").click()
    page.get_by_role("heading", name="tiny").wait_for()
    return folder / "runs" / "tiny"


def test_a_run_is_started_watched_stopped_gone_on_with_and_compared(
    opened: Callable[..., Page], tmp_path: Path
) -> None:
    page = opened("runs")
    run = started(page, tmp_path)
    log, state = run / "model" / "log.jsonl", page.locator("h2 .run-state")
    number = int(until(lambda: processes.read_started(run), "it was not started").process.split(" ")[0])
    until(lambda: os.getsid(number) == number, "a terminal that is closed would take it along")

    def held_at(lines: int) -> None:
        """Let it go on until its log has so many lines, and hold it there."""
        os.kill(number, signal.SIGCONT)
        until(lambda: lines_of(log) >= lines, f"{lines} lines of the log\n{processes.output(run)}")
        os.kill(number, signal.SIGSTOP)

    try:
        held_at(2)
        mean = page.locator("figure", has_text="Loss").locator("path.mean")
        expect(mean).to_have_attribute("d", re.compile("^M.+L"))
        before = str(mean.get_attribute("d"))
        held_at(6)
        expect(mean).not_to_have_attribute("d", before)
        expect(state).to_have_text("running")
        expect(page.locator(".output pre")).to_contain_text("model: train")
        page.get_by_role("button", name="Stop").click()
        page.get_by_text("leaves a checkpoint").wait_for()
    finally:
        os.kill(number, signal.SIGCONT)
    expect(state).to_have_text("stopped")
    assert processes.read_ended(run).status == 130
    assert lines_of(log) < 40

    page.get_by_role("button", name="中文").click()
    expect(state).to_have_text("已停止")
    page.get_by_role("button", name="继续").click()
    expect(state).to_have_text("完成", timeout=120_000)
    assert "goes on where it was interrupted" in processes.output(run)
    assert json.loads(log.read_bytes().splitlines()[-1])["step"] == 200
    expect(page.locator("figure", has_text="accuracy").locator("circle")).to_have_count(2)

    write_run(tmp_path / "runs", "other")
    page.get_by_role("link", name="全部训练").click()
    for name in ("tiny", "other"):
        page.get_by_label(f"选择 {name}").check()
    page.get_by_role("link", name="对比所选 2 个").click()
    expect(page.locator("figure", has_text="损失").first.locator("path.mean")).to_have_count(2)
    differing = page.locator("section.card", has_text="不同的设置")
    expect(differing.locator("tr", has_text="model.train.rate").locator("td")).to_have_text(["0.001", "0.0002"])
    page.get_by_role("button", name="English").click()
    expect(page.locator("section.card", has_text="Scores").locator("td").nth(1)).to_contain_text("0.88 – 0.915")


EVIL = "<script>wrong()</script><img src=x onerror=wrong()>\"'`${wrong()}&lt;</pre></td><svg onload=wrong()>\u202e"


def test_no_text_becomes_markup(opened: Callable[..., Page], tmp_path: Path) -> None:
    name, stage = EVIL.replace("/", "∕"), EVIL.replace("/", "∕").replace(".", "")
    root = tmp_path / "runs"
    run = root / name
    write_lock(run / stage, kind=EVIL, data={EVIL: EVIL}, danlu=EVIL, train={"steps": 9})
    lines = [log_line(1), log_line(2, **{EVIL: 1.0}), {"step": 2, "validation": {EVIL: 0.5}}]
    write_log(run / stage / "log.jsonl", [*lines, {"step": 2, "event": EVIL, EVIL: EVIL}, log_line(3, note=EVIL)])
    sample = {"input": EVIL, "written": EVIL, "truth": EVIL}
    write_log(run / stage / "samples.jsonl", [{"step": 2, "samples": [sample]}])
    write_scores(run / stage, {EVIL: {"value": 0.5, "low": 0.4, "high": 0.6}})
    (run / f"damaged{EVIL}".replace("/", "").replace(".", "")).mkdir()
    (run / f"damaged{EVIL}".replace("/", "").replace(".", "") / "recipe.lock.yaml").write_text(EVIL)
    write_run(root, "other")
    note = {"recipe": EVIL, "overrides": [EVIL], "begun": time.time(), "process": "1 1.00 x"}
    (run / processes.FOLDER).mkdir()
    (run / processes.FOLDER / processes.STARTED).write_text(json.dumps(note))
    (run / processes.FOLDER / processes.ENDED).write_text(json.dumps({"status": 2, "ended": time.time() + 5}))
    (run / processes.FOLDER / processes.OUTPUT).write_text(f"danlu: {EVIL}\n")
    (run / ".running").write_text(f"1 {EVIL.replace(' ', '')}")
    (root / f"empty{name}").mkdir()
    (tmp_path / f"{name}.yaml").write_text(f"{{{EVIL}")
    (tmp_path / f"good{name}.yaml").write_text(yaml.safe_dump({"name": EVIL, "stages": {EVIL: {"kind": EVIL}}}))
    for locale in ("en-GB", "zh-CN"):
        page = opened("runs", locale)
        page.locator("table.runs tr", has_text="wrong()").wait_for()
        page.locator(".start summary").click()
        page.locator(".notes summary").click()
        assert page.locator(".start .problem, .notes li").count() == 2
        page.locator("table.runs a", has_text="wrong()").click()
        page.locator(".sample").wait_for()
        page.locator(".notices li").wait_for()
        assert page.locator("h2 bdi").inner_text() == name
        assert page.locator(".sample .wrote").inner_text() == EVIL
        page.get_by_role("button", name=re.compile("more curve|另外")).click()
        closed = page.locator("#view-runs details:not([open]) > summary")
        closed.evaluate_all("all => all.forEach((each) => each.click())")
        page.goto(f"{page.url.split('#')[0]}#compare_runs/{page.evaluate('encodeURIComponent', name)}/other")
        page.locator("#view-compare_runs section.card td", has_text="wrong()").first.wait_for()
        assert (
            page.evaluate("document.querySelectorAll('main script, main img, main svg[onload], main [onerror]').length")
            == 0
        )
