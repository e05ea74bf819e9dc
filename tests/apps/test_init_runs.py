"""`danlu init`, then `danlu run` without an edit, on data of many kinds."""

import contextlib
import csv
import io
import json
import zipfile
from itertools import islice
from pathlib import Path

import pytest
import yaml

import danlu
from danlu.apps.init import init

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


def questions(place: Path) -> tuple[str, str]:
    (place / "stories.jsonl").write_bytes((EXAMPLES / "answer" / "stories.jsonl").read_bytes())
    return "answer", "stories.jsonl"


def preferences(place: Path) -> tuple[str, str]:
    rows = [
        {
            "conversations": [{"from": "human", "value": text}],
            "chosen": f"谢谢{name}。",
            "rejected": {"from": "gpt", "value": "嗯"},
        }
        for text, name, _ in TRAVEL
    ]
    (place / "dpo.json").write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    return "prefer", "dpo.json"


def choices(place: Path) -> tuple[str, str]:
    (place / "lost.jsonl").write_bytes((EXAMPLES / "choose" / "lost.jsonl").read_bytes())
    return "choose", "lost.jsonl"


def queries(place: Path) -> tuple[str, str]:
    (place / "queries.jsonl").write_bytes((EXAMPLES / "rank" / "queries.jsonl").read_bytes())
    return "rank", "queries.jsonl"


def fitting_pairs(place: Path) -> tuple[str, str]:
    (place / "pairs.csv").write_bytes((EXAMPLES / "embed" / "pairs.csv").read_bytes())
    return "embed", "pairs.csv"


def relations(place: Path) -> tuple[str, str]:
    (place / "poets.tsv").write_bytes((EXAMPLES / "relate" / "poets.tsv").read_bytes())
    return "relate", "poets.tsv"


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
    questions: {"kind": "squad", "path": "stories.jsonl"},
    preferences: {"kind": "chat", "path": "dpo.json"},
    choices: {"kind": "jsonl", "path": "lost.jsonl"},
    queries: {"kind": "jsonl", "path": "queries.jsonl"},
    fitting_pairs: {"kind": "csv", "path": "pairs.csv"},
    relations: {"kind": "marked", "path": "poets.tsv"},
    poems: {"kind": "json", "path": "ci.json", "join": {"text": "\n"}, "columns": {"text": "paragraphs"}},
}
EXAMPLES = Path(__file__).parents[2] / "examples"
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
