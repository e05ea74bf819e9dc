"""`danlu init`: what it writes for data of many kinds runs without an edit."""

import contextlib
import csv
import io
import json
import tempfile
import zipfile
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import danlu
from danlu.apps.init import init
from danlu.cli.main import main
from danlu.refusal import Refusal
from danlu.stages.recipe import read

SHARED = Path(__file__).parents[3] / "shared" / "data"

SPLITS_OF_WNUT = ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated")

GOOD = ["物流很快", "包装完好", "味道不错", "客服耐心", "质量很好", "下次再来", "值得购买", "颜色漂亮"]
BAD = ["物流太慢", "包装破了", "味道很差", "客服冷漠", "质量糟糕", "不会再来", "浪费了钱", "颜色难看"]
REVIEWS = [
    (f"{first}，{second}，{number} 号", label)
    for label, words in (("好", GOOD), ("差", BAD))
    for number, (first, second) in enumerate((a, b) for a in words for b in words if a < b)
]
NAMES, PLACES = ("李雷", "韩梅梅", "王小明", "赵四"), ("北京", "上海", "碎叶城", "广州", "成都")
TRAVEL = [
    (f"{name}在{year}年去了{place}。", name, place) for year in (1998, 2005) for name in NAMES for place in PLACES
]


def table(rows: list[list[str]], delimiter: str = ",") -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter).writerows(rows)
    return file.getvalue()


def semicolons_in_gb18030(place: Path) -> tuple[str, str]:
    rows = [["编号", "评论内容", "情感"], *([str(n), *pair] for n, pair in enumerate(REVIEWS))]
    (place / "评 论.csv").write_bytes(table(rows, ";").encode("gb18030"))
    return "classify", "评 论.csv"


def label_first_without_header_and_a_class_list(place: Path) -> tuple[str, str]:
    rows = [["1" if label == "差" else "2", text] for text, label in REVIEWS]
    (place / "train.csv").write_text(table(rows), "utf-8")
    (place / "classes.txt").write_text("bad: 'worse'\ngood, or so\n", "utf-8")
    return "classify", "train.csv"


def label_last_between_tabs(place: Path) -> tuple[str, str]:
    (place / "reviews.txt").write_text("".join(f"{text}\t{label}\n" for text, label in REVIEWS), "utf-8")
    return "classify", "reviews.txt"


def folder_with_train_dev_and_test(place: Path) -> tuple[str, str]:
    folder = place / "my data"
    folder.mkdir()
    for name, rows in (("train", REVIEWS[::2]), ("dev", REVIEWS[1::4]), ("test", REVIEWS[3::4])):
        lines = [json.dumps({"content": text, "category": label}, ensure_ascii=False) for text, label in rows]
        (folder / f"{name}.json").write_text("\n".join(lines), "utf-8")
    (folder / "README.md").write_text("what this is")
    return "classify", "my data"


def folder_of_classes(place: Path) -> tuple[str, str]:
    for label, name in (("好", "pos"), ("差", "neg")):
        (place / "corpus" / name).mkdir(parents=True)
        for number, (text, _) in enumerate(row for row in REVIEWS if row[1] == label):
            (place / "corpus" / name / f"{number}.txt").write_text(text, "utf-8")
    return "classify", "corpus"


def label_studio(place: Path) -> tuple[str, str]:
    tasks = []
    for number, (text, name, _) in enumerate(TRAVEL):
        value = {"start": 0, "end": len(name), "text": name, "labels": ["person"]}
        result = [{"from_name": "label", "to_name": "text", "type": "labels", "value": value}]
        tasks.append({"id": number, "data": {"content": text}, "annotations": [{"result": result}]})
    (place / "project-1.json").write_text(json.dumps(tasks), "utf-8")
    return "tag", "project-1.json"


def doccano(place: Path) -> tuple[str, str]:
    lines = [{"id": n, "text": t, "label": [[0, len(name), "person"]]} for n, (t, name, _) in enumerate(TRAVEL)]
    (place / "admin.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    return "tag", "admin.jsonl"


def brat(place: Path) -> tuple[str, str]:
    (place / "brat").mkdir()
    for number, (text, name, where) in enumerate(TRAVEL):
        (place / "brat" / f"{number}.txt").write_text(text, "utf-8")
        start = text.index(where)
        marks = f"T1\tperson 0 {len(name)}\t{name}\nT2\tplace {start} {start + len(where)}\t{where}\n"
        (place / "brat" / f"{number}.ann").write_text(marks, "utf-8")
    return "tag", "brat"


def lines_of(path: str, count: int) -> str:
    with (SHARED / path).open(encoding="utf-8") as file:
        return "".join(islice(file, count))


def conll(place: Path) -> tuple[str, str]:
    (place / "wnut").mkdir()
    for name in SPLITS_OF_WNUT:
        (place / "wnut" / name).write_text(lines_of(f"wnut17/{name}", 1500), "utf-8")
    return "tag", "wnut"


def spans_with_inclusive_ends(place: Path) -> tuple[str, str]:
    (place / "train.json").write_text(lines_of("cluener2020/train.json", 80), "utf-8")
    return "tag", "train.json"


def zip_of_tables(place: Path) -> tuple[str, str]:
    with (
        zipfile.ZipFile(SHARED / "chnsenticorp/chnsenticorp.zip") as given,
        zipfile.ZipFile(place / "a.zip", "w") as new,
    ):
        for name in given.namelist():
            new.writestr(name, b"".join(given.read(name).splitlines(keepends=True)[:80]))
    return "classify", "a.zip"


def poems(place: Path) -> tuple[str, str]:
    given = json.loads((SHARED / "songci/ci.song.0.json").read_text(encoding="utf-8"))
    (place / "ci.json").write_text(json.dumps(given[:60], ensure_ascii=False), "utf-8")
    return "causal_lm", "ci.json"


TABS = {"kind": "tsv", "path": "reviews.txt", "header": ["text", "label"]}
PACKED = {"kind": "tsv", "path": "a.zip", "member": "train.tsv", "columns": {"text": "text_a"}}
NAMED = {"text": "content", "label": "category"}

KINDS = {
    semicolons_in_gb18030: {
        "kind": "csv",
        "path": "评 论.csv",
        "delimiter": ";",
        "columns": {"text": "评论内容", "label": "情感"},
    },
    label_first_without_header_and_a_class_list: {
        "kind": "csv",
        "path": "train.csv",
        "header": ["label", "text"],
        "names": {"1": "bad: 'worse'", "2": "good, or so"},
    },
    label_last_between_tabs: TABS,
    folder_with_train_dev_and_test: {"kind": "jsonl", "path": "my data/train.json", "columns": NAMED},
    folder_of_classes: {"kind": "folder", "path": "corpus/neg", "constants": {"label": "neg"}},
    label_studio: {"kind": "label_studio", "path": "project-1.json", "text": "content"},
    doccano: {"kind": "doccano", "path": "admin.jsonl"},
    brat: {"kind": "brat", "path": "brat"},
    conll: {"kind": "conll", "path": "wnut/wnut17train.conll"},
    spans_with_inclusive_ends: {"kind": "spans", "path": "train.json"},
    zip_of_tables: PACKED,
    poems: {"kind": "json", "path": "ci.json", "join": {"text": "\n"}, "columns": {"text": "paragraphs"}},
}
FROM_SHARED = {conll, spans_with_inclusive_ends, zip_of_tables, poems}
TINY = {
    "model.train": {"steps": 2, "batch_tokens": 128},
    "model.model.layers": 1,
    "model.model.width": 32,
    "test.resamples": 100,
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_init_then_run_without_an_edit(kind, tmp_path):
    if kind in FROM_SHARED and not SHARED.is_dir():
        pytest.skip("the real data of ../shared/data is not here")
    with contextlib.chdir(tmp_path):
        task, data = kind(tmp_path)
        written = init(task, data, output=Path("mine.yaml"), places=[])
        run = danlu.run("mine.yaml", say=lambda line: None, **TINY)
        scores = json.loads((run["test"] / "scores.json").read_text(encoding="utf-8"))
    stages = yaml.safe_load((tmp_path / "mine.yaml").read_text(encoding="utf-8"))["stages"]
    section = stages["clean"]["data"]
    assert (section[0] if isinstance(section, list) else section) == KINDS[kind]
    assert stages["model"]["task"]["kind"] == task
    assert scores["records"] > 0
    assert all(what.strip() for what, _ in written.guesses)


def start(place: Path, task: str, data: str, *settings: str, **options: Any) -> dict[str, Any]:
    """The stages of the recipe that is written."""
    with contextlib.chdir(place):
        path = init(task, data, settings, places=[], **{"force": True, **options}).path
        return yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]


def test_given_splits_stay_as_they_are(tmp_path):
    folder_with_train_dev_and_test(tmp_path)
    clean = start(tmp_path, "classify", "my data")["clean"]
    assert [clean[name]["path"] for name in ("data", "validation", "test")] == [
        f"my data/{name}.json" for name in ("train", "dev", "test")
    ]
    assert "split" not in clean
    assert start(tmp_path, "classify", "my data/train.json")["clean"] == clean
    clean = start(tmp_path, "classify", "my data", "validation=none", "test=my data/dev.json")["clean"]
    assert clean["test"]["path"] == "my data/dev.json"
    assert set(clean["split"]) == {"validation"}


def test_what_is_said_is_not_guessed(tmp_path):
    rows = [["id", "a", "b", "c"], *([str(n), text, label, label] for n, (text, label) in enumerate(REVIEWS))]
    (tmp_path / "r.csv").write_text(table(rows), "utf-8")
    assert start(tmp_path, "classify", "r.csv", "label=3")["clean"]["data"]["columns"] == {"text": "a", "label": "c"}
    assert start(tmp_path, "classify", "r.csv", "text=a", "label=b")["clean"]["data"]["columns"]["label"] == "b"
    assert start(tmp_path, "classify", "r.csv", "encoding=utf-8")["clean"]["data"]["encoding"] == "utf-8"
    with pytest.raises(Refusal, match=r"there is no column 'd' for 'label'; .* the columns are, from 0: id, a, b, c"):
        start(tmp_path, "classify", "r.csv", "label=d")
    with pytest.raises(Refusal, match="unknown key 'delimter'; did you mean 'delimiter'"):
        start(tmp_path, "classify", "r.csv", "delimter=;")


def test_encodings_that_reading_would_ask_for_are_stated(tmp_path):
    words = ["品質非常好服務也很好", "這個東西太貴了", "我會再來", "不會再來了", "價格便宜", "態度很差", "送貨很快"]
    pairs = [(f"{a}，{b}", "正面" if n % 2 else "負面") for n, a in enumerate(words) for b in words if a != b]
    (tmp_path / "big5.csv").write_bytes(table([["評論", "標籤"], *map(list, pairs)]).encode("big5"))
    assert start(tmp_path, "classify", "big5.csv")["clean"]["data"]["encoding"].startswith("big5")
    (tmp_path / "utf16.csv").write_bytes(table([["t", "l"], *map(list, pairs)], "\t").encode("utf-16"))
    assert start(tmp_path, "classify", "utf16.csv")["clean"]["data"]["delimiter"] == "\t"


def test_rows_that_cannot_be_read_are_left_out_and_told(tmp_path):
    rows = [f"{text},{label}" + (',x,"y' if n % 9 == 0 else "") for n, (text, label) in enumerate(REVIEWS)]
    (tmp_path / "r.csv").write_text("text,label\n" + "\n".join(rows) + "\n", "utf-8")
    with contextlib.chdir(tmp_path):
        told = init("classify", "r.csv", places=[]).guesses
    assert start(tmp_path, "classify", "r.csv")["clean"]["data"]["on_bad_row"] == "skip"
    assert any("7 rows cannot be read and are left out, the first: r.csv, line 2" in what for what, _ in told)


def test_a_label_without_enough_texts_is_left_out_and_told(tmp_path):
    rows = [["text", "label"], *map(list, REVIEWS), ["从来没有这样的", "唯一"], *([["又来一次", "重复"]] * 9)]
    (tmp_path / "r.csv").write_text(table(rows), "utf-8")
    assert start(tmp_path, "classify", "r.csv")["clean"]["minimum_label_count"] == 3


REFUSED = [
    ("classify", "notes.jsonl", [], r"'entities' .* such data suit the task tag: danlu init tag notes\.jsonl"),
    ("tag", "reviews.csv", [], r"such data suit the task classify: danlu init classify reviews\.csv"),
    ("classify", "lines.txt", [], r"data without labels suit the task causal_lm: danlu init causal_lm lines\.txt"),
    ("classify", "ids.csv", [], r"which is which.*: danlu init classify ids\.csv text=1 label=2"),
    ("classify", "reviews.csv", ["label=same"], r"'same' holds only the label 'x'.*: danlu init .* label=opinion"),
    ("classify", "few.csv", [], r"few\.csv: of 3 records none can be held out to test a model; give 10 at least"),
    ("classify", "at.csv", [], "the name '@text' begins with @, which means a stage in recipes; rename it"),
    ("classify", "unseen", [], r"unseen/test\.csv: has the label '新'.*: danlu init classify unseen test=none"),
    ("classify", "kinds", [], r"kinds: holds files of several kinds \(a\.csv, b\.json\); name one of them"),
    ("classify", "nothing.csv", [], "there is no such file"),
    ("classify", "empty.csv", [], "the file is empty"),
    ("clasify", "reviews.csv", [], "there is no task 'clasify'; did you mean 'classify'"),
    ("causal_lm", "novel.txt", [], "of 1 records none can be held out"),
    ("tag", "strange.xyz", ["kind=spans"], r"strange\.xyz"),
]


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    place = tmp_path_factory.mktemp("odd")
    marks = [{"start": 0, "end": 2, "label": "person"}]
    lines = "\n".join(json.dumps({"text": text, "entities": marks}) for text, *_ in TRAVEL)
    (place / "unseen").mkdir()
    (place / "kinds").mkdir()
    files = {
        "notes.jsonl": lines,
        "reviews.csv": table([["review", "opinion", "same"], *([*pair, "x"] for pair in REVIEWS)]),
        "lines.txt": "".join(f"{text}\n" for text, _ in REVIEWS),
        "ids.csv": table(
            [["id", "said", "seen"], *([str(n), t, f"2024-{n % 9 + 1}"] for n, (t, _) in enumerate(REVIEWS))]
        ),
        "few.csv": table([["text", "label"], ["好书", "a"], ["坏了", "b"], ["贵了", "b"]]),
        "at.csv": table([["@text", "label"], *map(list, REVIEWS)]),
        "unseen/train.csv": table([["text", "label"], *map(list, REVIEWS)]),
        "unseen/test.csv": table([["text", "label"], ["没见过", "新"], ["很好的", "好"], ["很差的", "差"]]),
        "kinds/a.csv": "a,b\n1,2\n",
        "kinds/b.json": "[]",
        "empty.csv": "",
        "novel.txt": "没有换行。" * 500,
        "strange.xyz": "nothing of this is json",
    }
    for name, text in files.items():
        (place / name).write_text(text, "utf-8")
    return place


@pytest.mark.parametrize(("task", "data", "settings", "sentence"), REFUSED, ids=[f"{r[0]}-{r[1]}" for r in REFUSED])
def test_a_guess_that_cannot_be_made_is_one_sentence_with_the_way_on(odd, task, data, settings, sentence):
    with pytest.raises(Refusal, match=sentence) as refused:
        start(odd, task, data, *settings)
    assert "\n" not in str(refused.value)
    assert not list(odd.glob("*.yaml"))


def test_the_commands_that_refusals_name_do_what_they_say(odd):
    assert start(odd, "tag", "notes.jsonl", output=Path("x/notes.yaml"))["model"]["task"]["kind"] == "tag"
    clean = start(odd, "classify", "unseen", "test=none", output=Path("x/unseen.yaml"))["clean"]
    assert set(clean["split"]) == {"test", "validation"}


def test_a_recipe_is_written_over_only_if_asked(tmp_path):
    label_last_between_tabs(tmp_path)
    start(tmp_path, "classify", "reviews.txt")
    with pytest.raises(Refusal, match=r"reviews\.yaml: is there already; .* --output, or replace it with --force"):
        start(tmp_path, "classify", "reviews.txt", force=False)
    assert start(tmp_path, "classify", "reviews.txt", "encoding=utf-8")["clean"]["data"]["encoding"] == "utf-8"


def test_recipe_and_command_speak_chinese(tmp_path, capsys):
    label_last_between_tabs(tmp_path)
    with contextlib.chdir(tmp_path):
        for language in ("zh", "en"):
            with pytest.raises(SystemExit) as ended:
                main(["init", "classify", "reviews.txt", "--language", language, "--force", "--model", "scratch"])
            assert ended.value.code == 0
            out, text = capsys.readouterr().out, Path("reviews.yaml").read_text(encoding="utf-8")
            chinese = language == "zh"
            assert ("没有表头" in text, "没有表头" in out) == (chinese, chinese)
            assert ("without a header" in text) != chinese
            assert f"language: {language}" in text
            assert "danlu init classify reviews.txt --model scratch --force" in out


HOSTILE = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs"]), min_size=1, max_size=12).filter(
    lambda name: (
        not name.startswith("@") and not name.isdigit() and name.strip("\u200b\u200c\u200d\u2060\ufeff") == name
    )
)
NAMES_IN_YAML = st.sampled_from(
    [
        "no",
        "1e-4",
        "~",
        "null",
        "12:30",
        "a: b",
        "- x",
        "#x",
        "{a}",
        "[b]",
        "it's",
        '"q"',
        "a,b",
        "标签：一",
        "<<",
        "=",
        "&a",
    ]
)


@settings(max_examples=40)
@given(st.lists(HOSTILE | NAMES_IN_YAML, min_size=2, max_size=2, unique=True), HOSTILE | NAMES_IN_YAML)
def test_hostile_names_come_back_as_they_were(names, file):
    rows = [names, *map(list, REVIEWS)]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        path = "".join(sign for sign in file if sign not in "/*?[") + " 的.csv"
        (place / path).write_text(table(rows), "utf-8")
        with contextlib.chdir(place):
            init("classify", path, ["text=0", "label=1"], output=Path("r.yaml"), places=[])
            written = read("r.yaml").stages["clean"].to_plain()["data"]
        assert written["path"] == path
        if written["header"] is None:  # of some of these nobody would say that they are names
            assert {"text": "text", "label": "label"} | written["columns"] == {"text": names[0], "label": names[1]}
        else:
            assert written["header"] == ["text", "label"]
