"""The views of data, recipes and bundles in a real browser: no text becomes markup, form and text follow each other."""

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import torch
from playwright.sync_api import Browser, Locator, Page
from playwright.sync_api import expect as soon
from servers import Live, serving
from transformers import BertConfig, BertForSequenceClassification

from danlu.apps.studio.site import site_of
from danlu.apps.studio.studio import Studio
from danlu.bundle.bundle import save
from danlu.serve.shelf import Shelf
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizers.char import Char

HOSTILE = "<img src=x onerror='window.ran=1'>\"`${window.ran=1}&amp;<script>window.ran=1<"
NAME = f"rows{HOSTILE}.csv"
SCRIPT = f"{HOSTILE}/script>"


def expect(locator: Locator) -> Any:
    """What is to be seen of a part of the page; on a busy machine a look at data takes its time."""
    locator.first.wait_for(state="attached", timeout=90_000)
    return soon(locator)


def save_bundle(folder: Path) -> None:
    """Of a classifier that answers with a hostile label, or with `a`."""
    records = [{"text": SCRIPT, "label": SCRIPT}, {"text": "a", "label": "a"}]
    task = Task.model_validate("classify").fitted(records)
    tokenizer = Char(min_frequency=1).build(lambda: iter([SCRIPT]))
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    sizes["max_position_embeddings"] = 120  # each longer length takes seconds to be measured when it is compressed
    torch.manual_seed(2)
    network = BertForSequenceClassification(BertConfig(vocab_size=len(tokenizer), **sizes, **task.config()))
    save(folder, network, tokenizer, task, examples=records, precision="float32", provenance={"data": SCRIPT})


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, at_once: None) -> Iterator[Live]:
    """A folder with hostile names, texts and labels; a bundle, and a broken one."""
    working = tmp_path_factory.mktemp("studio")
    rows = [(f"{SCRIPT} {number}", ("a", SCRIPT)[number % 2], "x") for number in range(120)]
    with (working / NAME).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label", SCRIPT), *rows, (rows[0][0], "a", "x")])
    (working / "bad.jsonl").write_text('{"text": "good"}\n' + json.dumps({"text": [[SCRIPT]]})[:-2] + "\n")
    save_bundle(working / "models" / HOSTILE)
    (working / "models" / f"broken{HOSTILE}").mkdir()
    (working / "models" / f"broken{HOSTILE}" / "danlu.json").write_text(json.dumps({"format": SCRIPT}))
    with serving(Shelf([]), site=site_of(Studio(working / "runs", working))) as found:
        yield found


@pytest.fixture
def opened(browser: Browser, live: Live) -> Iterator[Callable[..., Page]]:
    """A function that opens a view; in the end no script of a text was run, and nothing broke or was asked outside."""
    wrong: list[str] = []
    pages: list[Page] = []

    def open_(place: str, **settings: Any) -> Page:
        context = browser.new_context(**{"locale": "en-GB", "reduced_motion": "reduce", **settings})
        context.set_default_timeout(60_000)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        page.on("console", lambda said: wrong.append(said.text) if "Security Policy" in said.text else None)
        page.on("request", lambda sent: None if sent.url.startswith(live.address) else wrong.append(sent.url))
        page.goto(f"{live.address}/#{place}")
        pages.append(page)
        return page

    yield open_
    for page in pages:
        wrong += [each.url for each in page.frames if each == page.main_frame and each.evaluate("window.ran")]
        assert page.locator("main img, main script").count() == 0
        page.context.close()
    assert wrong == []


def test_texts_of_data_are_texts_in_every_view(opened: Callable[..., Page]) -> None:
    page = opened("data")
    view = page.locator("#view-data")
    view.get_by_role("link", name=NAME).click()
    expect(view.get_by_role("heading", level=2)).to_have_text(NAME)
    expect(view.locator("thead")).to_contain_text(SCRIPT)
    expect(view.locator("tbody tr").nth(49))
    soon(view.locator("tbody tr")).to_have_count(50)
    view.get_by_role("button", name="Next").click()
    view.get_by_role("button", name="Look at record 100", exact=True).click()
    expect(view.get_by_role("region", name="Record 100")).to_contain_text(f"{SCRIPT} 99")
    view.get_by_label("Text that is sought").fill("SCRIPT> 11")
    view.get_by_role("button", name="Search").click()
    view.get_by_text("11 records found.").wait_for()
    view.get_by_role("link", name="Duplicates").click()
    view.get_by_role("button", name="Find them").click()
    expect(view.locator(".group").first).to_contain_text(SCRIPT)
    view.get_by_role("link", name="Splits").click()
    view.get_by_role("button", name="Count").click()
    expect(view.locator("tbody th").filter(has_text=SCRIPT))
    view.get_by_role("link", name="Suspects").click()
    view.get_by_role("button", name="Look for them").click()
    row = view.locator("tbody tr").first.locator("td")
    expect(row.nth(4)).to_contain_text(SCRIPT)
    assert {row.nth(1).inner_text(), row.nth(2).inner_text()} == {"a", SCRIPT}
    view.get_by_role("link", name="Survey").click()
    view.get_by_role("button", name="Survey").click()
    frame = view.frame_locator("iframe")
    view.locator("iframe").wait_for()
    expect(frame.get_by_role("heading", level=1)).to_contain_text("onerror")
    assert frame.locator("img, script").count() == 0
    sandbox = view.locator("iframe")
    assert sandbox.get_attribute("sandbox") == ""
    told = page.request.get(sandbox.evaluate("node => node.src")).headers["content-security-policy"]
    assert told.startswith("sandbox; default-src 'none'")
    page.goto(page.url.split("#")[0] + "#data/working%3Abad.jsonl")
    expect(view.get_by_role("status").filter(has_text="line 2")).to_contain_text("1 bad rows left out")
    expect(view.locator("tbody tr")).to_have_count(1)
    page.goto(page.url.split("#")[0] + "#data/working%3A..%2Fsecret.csv")
    expect(view.get_by_role("alert")).to_have_text("These data are not there any more.")


def test_form_and_text_follow_each_other_and_a_recipe_is_saved_and_looked_over(opened: Callable[..., Page]) -> None:
    page = opened("recipe", locale="zh-CN")
    view = page.locator("#view-recipe")
    view.get_by_role("button", name="从空白开始").click()
    text = view.locator("textarea.code").last
    text.fill(f"# {SCRIPT}\nname: mine # 名\nstages:\n  {json.dumps(SCRIPT)}: {{kind: {json.dumps(SCRIPT)}}}\n")
    expect(view.get_by_role("status").filter(has_text="待修正")).to_contain_text(SCRIPT)
    text.fill(f"# {SCRIPT}\nname: mine # 名\nstages:\n  t: {{kind: train, data: '@x'}}\n")
    stage = view.locator("details.stage")
    stage.get_by_label("model 的类型").select_option("scratch")
    expect(text).to_have_value(re.compile(r"  t: \{kind: train, data: '@x', model: \{kind: scratch\}\}"))
    expect(stage).to_contain_text("从零开始的网络。")
    stage.get_by_label("task 的类型").select_option("classify")
    expect(stage.locator(".problem")).to_contain_text("没有阶段 'x'")
    more = stage.locator(".part details").filter(has_text="max_length")
    more.locator("summary").click()
    more.get_by_label(re.compile("^max_length")).fill("many")
    more.get_by_label(re.compile("^max_length")).press("Tab")
    expect(text).to_have_value(re.compile("task: {kind: classify, max_length: many}"))
    wrong = stage.locator(".key.wrong").filter(has_text="max_length").last
    expect(wrong.locator(".problem")).to_contain_text("'many'")
    text.fill(text.input_value().replace("many", "64"))
    soon(wrong).to_have_count(0)
    expect(stage.get_by_label(re.compile("^max_length"))).to_have_value("64")
    assert text.input_value().startswith(f"# {SCRIPT}\nname: mine # 名\n")
    name = view.get_by_label("名称", exact=True)
    for told, given in (("不能作为配方的名称", SCRIPT[:60]), (None, "mine"), ("已存在", "mine")):
        name.fill(given)
        if told == "已存在":
            text.fill(f"{text.input_value()}seed: 5\n")
            page.reload()
            view.get_by_role("button", name="从空白开始").click()
            name.fill(given)
        view.get_by_role("button", name="保存", exact=True).click()
        if told:
            expect(view.locator(".finish").get_by_role("alert")).to_contain_text(told)
        else:
            view.get_by_text("已保存。").wait_for()
    view.get_by_role("button", name="替换 mine.yaml").click()
    view.get_by_text("已保存。").wait_for()


def test_a_bundle_is_tried_and_what_it_answers_is_text(opened: Callable[..., Page]) -> None:
    page = opened("bundles", viewport={"width": 360, "height": 700})
    view = page.locator("#view-bundles")
    expect(view.locator("td.bad")).to_contain_text("broken<img")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    view.get_by_role("link", name=f"models:{HOSTILE}", exact=True).click()
    view.get_by_role("button", name="Try it").click()
    answer = {"predictions": [{"label": SCRIPT, "scores": {SCRIPT: 0.9, "a": 0.1}}], "usage": {"tokens": 1}}
    view.get_by_label("text", exact=True).fill(SCRIPT)
    view.get_by_role("button", name="Ask").click()
    view.locator(".result .bars li").first.wait_for()  # the model itself
    page.route("**/v1/predict", lambda route: route.fulfill(json=answer))
    view.get_by_role("button", name="Ask").click()
    expect(view.locator(".result .large")).to_have_text(SCRIPT)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_texts_are_texts_where_a_bundle_is_explained_compressed_and_verified(opened: Callable[..., Page]) -> None:
    page = opened(f"bundles/{quote(f'working:models/{HOSTILE}', safe='')}")
    view = page.locator("#view-bundles")
    expect(view.locator(".facts-of")).to_contain_text(SCRIPT)
    explaining, compressing, verifying = (
        view.locator("section.card").filter(has=page.get_by_role("heading", name=name, exact=True))
        for name in ("Explain", "Compress", "Verify")
    )
    for method in ("occlusion", "attention"):
        explaining.get_by_label("A text, or a record").fill(SCRIPT)
        explaining.get_by_label("Method").select_option(method)
        explaining.get_by_role("button", name="Explain").click()
        made = view.frame_locator("iframe[title=Explain]")
        expect(made.get_by_role("heading").first)
        shown = made.locator("body").inner_text()
        assert "".join(SCRIPT.split()) in "".join(shown.split()), method
        assert made.locator("img, script, [onerror]").count() == 0
    explaining.get_by_label("A text, or a record").fill(f'{{"{SCRIPT}')
    explaining.get_by_role("button", name="Explain").click()
    expect(explaining.get_by_role("alert"))
    compressing.get_by_label("Floor").fill("accuracy -90")
    compressing.get_by_label("What to try").fill("bfloat16")
    compressing.get_by_label("Data with the truth").select_option(label=NAME)
    compressing.get_by_role("button", name="Compress").click()
    made = view.frame_locator("iframe[title=Compress]")
    expect(made.get_by_role("heading", level=1)).to_contain_text("onerror")
    assert made.locator("img, script, [onerror]").count() == 0
    verifying.get_by_role("button", name="Verify").click()
    expect(verifying.locator(".good"))


def test_nothing_is_read_or_begun_outside_of_the_folders(live: Live) -> None:
    for path, body in (
        ("/v1/look", {"what": "read", "data": "working:../secret.csv"}),
        ("/v1/look", {"what": "read", "data": f"working:{NAME}", "settings": ["path=/etc/passwd"]}),
        ("/v1/begin", {"task": "classify", "data": "/etc/passwd"}),
        ("/v1/begin", {"task": "classify", "data": f"working:{NAME}", "settings": ["test=/etc/passwd"]}),
        ("/v1/open", {"bundle": "working:../models"}),
        ("/v1/explain", {"bundle": "/", "record": {"text": "x"}}),
        ("/v1/verify", {"bundle": "runs:.."}),
        (
            "/v1/compress",
            {"bundle": f"working:models/{HOSTILE}", "data": "working:..", "floor": "accuracy -1", "out": "x"},
        ),
        ("/v1/compress", {"bundle": "working:x", "data": "working:x", "floor": "accuracy -1", "out": "../x"}),
        ("/v1/recipe", {"name": "../x", "text": "name: x"}),
        ("/v1/check", {"text": "name: ../x\nstages: {}"}),
    ):
        answer = live.post(path, body)
        assert (path, body, answer.status_code) == (path, body, 400)
    with live.client() as client:
        for address in (
            "/v1/recipe/text?file=../secret.yaml",
            "/made/..%2f..%2fetc%2fpasswd",
            "/made/0",
            "/v1/job?id=..",
        ):
            assert client.get(address).status_code in (400, 404)
        assert client.get("/v1/jobs").json()["jobs"] == [] or not any(
            "passwd" in json.dumps(job) for job in client.get("/v1/jobs").json()["jobs"]
        )
