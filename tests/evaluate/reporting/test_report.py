"""The report: whole, self-contained, right in its numbers, and safe whatever the data holds."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from danlu.answer.shown import Cell, marked
from danlu.data.corpus.prepared import save_split
from danlu.data.corpus.survey import survey
from danlu.data.duplicates.dedup import find_clusters
from danlu.evaluate.pages.charts import Line, histogram, line_chart, short_number, smoothed, thinned, ticks
from danlu.evaluate.pages.markup import element, escaped
from danlu.evaluate.reporting.report import write_report
from danlu.evaluate.reporting.sections.errors import drawn
from danlu.evaluate.reporting.sections.results import results
from danlu.evaluate.reporting.wording import in_columns, number, scores_in_words, signed
from danlu.evaluate.scoring.examine import examine, write
from danlu.evaluate.scoring.worst_errors import worst
from danlu.language import translator
from danlu.recipe import lock
from danlu.refusal import Refusal
from danlu.stages.kinds.prepare import Prepare
from danlu.task.task import Task

EVIL = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'&\x00\ud800"
VOID = {"meta", "br"}


class Page(HTMLParser):
    """Elements, attributes and text of a page; fails where an element is not closed."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.text, self.attributes = [], [], [], []
        self.feed(text)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.elements.append(tag)
        self.attributes += attributes
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def stage(run, name, builds_on=()):
    section = Prepare.model_validate({"data": {"kind": "text", "path": f"{name}.txt"}})
    found = lock.lock(name, section, 0, {other: lock.load(run / other).fingerprint for other in builds_on})
    (run / name).mkdir(parents=True, exist_ok=True)
    lock.save(run / name, found.done(60.0, run / name))
    return run / name


def classify(folder, records, labels, answers):
    task = Task.model_validate({"kind": "classify", "labels": labels})
    predictions = [{"label": label, "scores": {label: 0.75}} for label in answers]
    write(folder, examine(task, lambda _: predictions, records, resamples=100))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "books"
    records = [{"text": f"第{place}本书很好", "label": "好"} for place in range(20)]
    records += [{"text": "重复的书", "label": "坏"}] * 4
    found = survey(
        records, find_clusters([row["text"] for row in records], 0.8), np.random.default_rng(2), test_share=0.5
    )
    clean = stage(folder, "a_clean")
    for split, part in (("train", records[:20]), ("test", records[20:])):
        save_split(clean, split, part)
    (clean / "survey.json").write_text(json.dumps(found.to_plain()), encoding="utf-8")
    training = stage(folder, "z_train", ["a_clean"])
    lines = [
        {"step": step, "epoch": step / 10, "loss": 3 / step, "rate": 1e-4, "seconds": 7.0} for step in range(1, 21)
    ]
    for line in lines:  # the quietest measurement comes after the first lines
        limit = 3e11 if line["step"] < 5 else 4e11
        line |= {"share_of_limit": 1.5e11 / limit, "limit": limit, "limit_in_the_middle": 3.4e11}
        line |= {"attention": 0.125, "padding": 0.07, "data_wait": 0.03, "optimizer": 0.11}
    lines.insert(10, {"step": 10, "epoch": 1.0, "validation": {"macro_f1": 0.8125}})
    lines.insert(10, {"step": 10, "epoch": 1.0, "event": "rollback", "from": 14, "left_out_batches": 5})
    lines.insert(12, {"step": 12, "epoch": 1.2, "event": "left_out", "loss": "nan", "gradient_norm": "nan"})
    text = "".join(json.dumps(line) + "\n" for line in lines) + '{"step": 21, "lo'
    (training / "log.jsonl").write_text(text, encoding="utf-8")
    classify(stage(folder, "test", ["z_train"]), records, ["坏", "好"], ["好"] * 24)
    return folder


def test_the_report_holds_results_curves_data_and_recipe(run):
    path = write_report(run, "en")
    assert path == run / "report.html"
    page = Page(path.read_text(encoding="utf-8"))
    text = " ".join(page.text)
    assert "a_clean → z_train → test" in text
    assert "3.0 minutes" not in text
    assert "time: 3 min" in text
    assert "2 min" in page.text  # 20 lines of 7 s
    assert "38% of 400 GFLOP/s, the best that was measured beside it; the median is 340" in text
    shares = "of the time waiting for data 3.0% of the time in the optimizer 11.0% of the arithmetic in attention 12.5%"
    assert f"{shares} of the tokens padding 7.0%" in text
    assert "steps left out, not finite 1 times it went back 1" in text
    assert "0.833" in text  # accuracy, 20 of 24
    assert "0.812" in text  # best on the validation records
    assert "第0本书很好" not in text  # was right
    assert "重复的书" in text
    assert "75%" in text
    assert "A naive random split would have put" in text
    assert "kind: prepare" in text
    assert "F1 (macro)" in page.text
    assert "F1" in page.text  # of each label by itself
    assert "half have 6 or fewer" in text
    assert "the last bar holds" not in text  # none is longer
    assert page.elements.count("details") == 3
    assert page.elements.count("svg") >= 4
    assert [dict([pair]) for pair in page.attributes if pair == ("lang", "en")]


def test_the_report_speaks_chinese(run):
    text = write_report(run, "zh").read_text(encoding="utf-8")
    assert '<html lang="zh-CN">' in text
    words = Page(text).text
    for word in ("准确率", "混淆矩阵：数目，底色深浅为占该行的比例", "损失", "学习率", "配方"):
        assert word in words
    assert "数据：a_clean" in words
    assert "PingFang SC" in text
    assert "Noto Sans CJK SC" in text


def test_the_report_needs_no_network_and_runs_no_script(run):
    text = write_report(run, "en").read_text(encoding="utf-8")
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & set(page.elements)
    assert not re.search(r"https?://|url\(|@import", text)
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in {"src", "srcset"}]
    assert all(value.startswith("#") for name, value in page.attributes if name == "href")
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes


def test_malicious_text_stays_text(tmp_path):
    folder = tmp_path / "<b>evil"
    records = [{"text": EVIL, "label": EVIL}, {"text": "fine", "label": "fine"}] * 3
    classify(stage(folder, "test"), records, [EVIL, "fine"], ["fine", EVIL] * 3)
    tag = Task.model_validate({"kind": "tag", "labels": [EVIL]})
    marked = [{"text": EVIL, "entities": [{"start": 0, "end": 8, "label": EVIL}]}]
    wrong = [{"entities": [{"start": 8, "end": 9, "label": EVIL, "text": "a", "score": 0.5}]}]
    write(stage(folder, "tags"), examine(tag, lambda _: wrong, marked, resamples=100))
    text = write_report(folder, "en").read_text(encoding="utf-8")
    page = Page(text)
    assert not {"script", "img"} & set(page.elements)
    assert "<script" not in text
    assert "<img" not in text
    assert "<b>evil" not in text
    assert "\x00" not in text
    assert "<script>alert('x')</script><img src=x onerror=alert(1)>\"'&\ufffd\ufffd" in "".join(page.text)


def test_spans_are_marked_where_they_are_and_stand_out_where_they_differ():
    spans = [(0, 2, "PER"), (3, 5, "LOC")]
    marks = drawn(Cell("text", (marked("李白在长安", spans, spans[:1]),)))
    assert marks == (
        '<td class="text" dir="auto"><mark class="shared">李白<small>PER</small></mark>在'
        '<mark class="apart">长安<small>LOC</small></mark></td>'
    )
    long = drawn(Cell("text", (marked("字" * 500, [], []),) * 2))
    line = f'<p dir="auto">{"字" * 400} …</p>'
    assert long == f'<td class="text">{line}{line}</td>'


@given(some.text(alphabet=some.characters(), max_size=60))
def test_any_text_comes_back_from_the_page_as_it_was(text):
    page = Page(element("p", text, title=text))
    clean = re.sub("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]", "\ufffd", text)
    assert "".join(page.text) == clean
    assert dict(page.attributes)["title"] == clean
    escaped(text).encode("utf-8")


def test_worst_errors_come_first():
    task = Task.model_validate({"kind": "classify", "labels": ["a", "b"]})
    records = [{"text": str(place), "label": "a"} for place in range(4)]
    answers = [("b", 0.6), ("a", 0.99), ("b", 0.9), ("b", 0.7)]
    predictions = [{"label": label, "scores": {label: share}} for label, share in answers]
    gold = [record["label"] for record in records]
    found = worst(task.form, records, gold, predictions)
    assert [error["record"]["text"] for error in found] == ["2", "3", "0"]
    assert worst(task.form, records, gold, predictions, 1) == found[:1]
    taken = iter(predictions)
    assert worst(task.form, records, gold, taken, 0) == []
    assert next(taken, None) is None  # all were looked at
    tag = Task.model_validate({"kind": "tag", "labels": ["X"]})
    texts = [{"text": "abc", "entities": [{"start": 0, "end": 1, "label": "X"}]}, {"text": "abc", "entities": []}]
    entity = {"start": 1, "end": 2, "label": "X", "text": "b", "score": 0.5}
    found = worst(tag.form, texts, [tag.gold(text) for text in texts], [{"entities": [entity]}, {"entities": [entity]}])
    assert [(error["wrong"], error["confidence"]) for error in found] == [(2, 0.5), (1, 0.5)]
    assert found[0]["gold"] == [{"start": 0, "end": 1, "label": "X"}]


def test_a_run_under_way_has_a_report(tmp_path):
    training = stage(tmp_path, "train")
    (training / "log.jsonl").write_text('{"step": 1, "loss": NaN}\n{"step": 2, "loss": 1.5}\n{"st', encoding="utf-8")
    assert "1.5" in write_report(tmp_path, "en").read_text(encoding="utf-8")
    (training / "log.jsonl").write_text("", encoding="utf-8")
    Page(write_report(tmp_path, "en").read_text(encoding="utf-8"))


def test_language_models_and_many_labels_have_a_report(tmp_path):
    names = [f"label {place}" for place in range(50)]
    records = [{"text": name, "label": name} for name in names]
    classify(stage(tmp_path, "many"), records, names, names)
    task = Task.model_validate({"kind": "masked_lm"})
    predictions = [{"negative_log_likelihood": 1e9, "tokens": 1}, {"negative_log_likelihood": 2.0, "tokens": 4}]
    write(stage(tmp_path, "lm"), examine(task, lambda _: predictions, [{"text": "a"}, {"text": "b"}], resamples=100))
    text = " ".join(Page(write_report(tmp_path, "en").read_text(encoding="utf-8")).text)
    assert "10 labels more" in text
    assert "the 20 most frequent labels" in text
    assert "Perplexity" in text


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda run: None, "there is no such folder"),
        (lambda run: run.mkdir(), "holds no stage of a run"),
        (lambda run: (stage(run, "test") / "scores.json").write_text("{"), "scores.json: this is no whole"),
        (lambda run: (stage(run, "clean") / "survey.json").write_text("{"), "survey.json: this is no whole"),
    ],
)
def test_what_cannot_be_reported_is_refused_in_a_sentence(tmp_path, prepare, words):
    prepare(tmp_path / "run")
    with pytest.raises(Refusal, match=words):
        write_report(tmp_path / "run", "en")
    assert not (tmp_path / "run" / "report.html").exists()


def test_a_broken_line_of_errors_is_refused_with_its_number(run):
    (run / "test" / "errors.jsonl").write_text("{}\n{\n", encoding="utf-8")
    with pytest.raises(Refusal, match=r"errors\.jsonl, line 2"):
        write_report(run, "en")


@given(some.floats(-1e6, 1e6), some.floats(-1e6, 1e6))
def test_ticks_are_few_rising_and_enclose_what_is_drawn(one, other):
    low, high = sorted((one, other))
    found = ticks(low, high)
    assert 2 <= len(found) <= 8
    assert found == sorted(set(found))
    width = max(high - low, 1e-300)
    assert found[0] <= low + 1e-6 * width
    assert found[-1] >= high - 1e-6 * width


def test_charts_draw_what_is_finite_and_nothing_of_nothing():
    assert line_chart([Line([(1, float("nan"))], "ours")], "step", "loss") is None
    assert histogram([0, 1], [], "x", "y") is None
    drawn = line_chart([Line([(1, 2.0), (2, float("inf")), (3, 4.0)], "ours")], "step", "loss")
    assert len(re.search(r'points="([^"]*)"', drawn)[1].split()) == 2
    single = line_chart([Line([(10, 0.5)], "ours")], "step", "loss")
    assert single.count(">10</text>") == 1
    assert len(re.findall(r'<circle cx="250.0"', single)) == 1  # the middle of the axis
    steps = line_chart([Line([(1, 0.0), (3, 8.0)], "ours")], "step", "loss")
    assert re.findall(r'middle">([^<]*)<', steps) == ["1", "2", "3"]  # no half steps
    bars = histogram([0, 10, 20], [3, 1], "characters", "lengths")
    assert "<title>0–10: 3</title>" in bars
    counted = histogram([0, 10, 20], [12, 1], "characters", "lengths")
    assert re.findall(r'end">([0-9.]+)<', counted) == ["0", "5", "10"]  # texts are whole


def test_long_lines_are_thinned_to_means_and_smoothing_does_not_lag():
    line = [(float(x), float(x)) for x in range(1000)]
    thin = thinned(line)
    assert len(thin) == 300
    assert sum(y for _, y in thin) / 300 == pytest.approx(499.5, abs=1)
    assert np.array(smoothed(line)) == pytest.approx(np.array(line))


def test_numbers_are_written_short():
    assert [short_number(value) for value in (0, 0.25, 1500, 25_000, 3e6, 2e-4)] == [
        "0",
        "0.25",
        "1,500",
        "25k",
        "3M",
        "2e-4",
    ]
    assert [short_number(value) for value in (1.05e-4, 1.025e-4, 5e-7)] == ["1.05e-4", "1.025e-4", "5e-7"]
    assert [number(value) for value in (0.8125, 1234.56, None)] == ["0.812", "1,234.6", "–"]
    assert [number(value) for value in (0.000512, -3e-5, 0.0123, 0.0, 1e-16)] == [
        "0.000512", "-3e-05", "0.012", "0.000", "0.000",
    ]  # fmt: skip
    assert [signed(value) for value in (0.01, -0.01)] == ["+0.010", "−0.010"]
    assert in_columns([["指标", "a"], ["x", "bb"]]) == ["指标   a", "x     bb"]


def test_what_a_table_of_scores_does_not_tell_is_said_below():
    known, lacking = {"value": 1.0, "low": 1.0, "high": 1.0}, {"value": None, "low": None, "high": None}
    wide = {"records": 1, "metrics": {"accuracy": known | {"low": 0.2}, "mrr": lacking}}
    assert not any("resampled" in line for line in scores_in_words(wide, "en"))
    scores = {"records": 1, "metrics": {"accuracy": known, "mrr": lacking}}
    told = scores_in_words(scores, "en")
    assert all(line in results(scores, translator("en")) for line in told[-2:])
    assert told[-2:] == [
        "– : these records do not tell mrr",
        "of one record nothing can be resampled, so the intervals have no width",
    ]
    assert len(scores_in_words({"records": 2, "metrics": {"accuracy": known}}, "en")) == 3
