"""`danlu init`: what is said, what is refused, and what comes back of it."""

import contextlib
import csv
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.apps.init import _KNOWN_AS, init
from danlu.cli.main import main
from danlu.recipe.part import kinds
from danlu.refusal import Refusal
from danlu.stages.recipe import read
from danlu.task.task import Task

PARTS = ("物流", "包装", "味道", "客服", "质量", "价格", "颜色")
REVIEWS = [
    (f"{first}和{second}都{said}，{number} 号", label)
    for said, label in (("很好", "好"), ("太差了", "差"))
    for number, (first, second) in enumerate((a, b) for a in PARTS for b in PARTS if a != b)
]
DATED = [[str(n), text, f"2024-{n % 9 + 1}"] for n, (text, _) in enumerate(REVIEWS)]


def rows_of(*rows: list[str], delimiter: str = ",") -> str:
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter).writerows(rows)
    return written.getvalue()


def splits_in_a_folder(place: Path) -> None:
    (place / "my data").mkdir()
    for name, rows in (("train", REVIEWS[::2]), ("dev", REVIEWS[1::4]), ("test", REVIEWS[3::4])):
        (place / "my data" / f"{name}.json").write_text(
            "\n".join(json.dumps({"content": text, "category": label}) for text, label in rows), "utf-8"
        )


def between_tabs(place: Path) -> None:
    (place / "reviews.txt").write_text("".join(f"{text}\t{label}\n" for text, label in REVIEWS), "utf-8")


def start(place: Path, task: str, data: str, *settings: str, **options: Any) -> dict[str, Any]:
    """The stages of the recipe that is written."""
    with contextlib.chdir(place):
        path = init(task, data, settings, places=[], **{"force": True, **options}).path
        return yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]


def test_given_splits_stay_as_they_are(tmp_path):
    splits_in_a_folder(tmp_path)
    clean = start(tmp_path, "classify", "my data")["clean"]
    assert [clean[name]["path"] for name in ("data", "validation", "test")] == [
        f"my data/{name}.json" for name in ("train", "dev", "test")
    ]
    assert "split" not in clean
    assert start(tmp_path, "classify", "my data/train.json")["clean"] == clean
    clean = start(tmp_path, "classify", "my data", "validation=none", "test=my data/dev.json")["clean"]
    assert clean["test"]["path"] == "my data/dev.json"
    assert set(clean["split"]) == {"validation"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "there is no such file"),
        ("word\n好\n", "there is no column 'text'"),
        ("text,label\n好,\n坏,\n", "there is no column 'label'"),
    ],
)
def test_a_split_that_was_named_is_not_dropped(content, reason, tmp_path):
    (tmp_path / "r.csv").write_text(rows_of(["text", "label"], *map(list, REVIEWS)), "utf-8")
    if content:
        (tmp_path / "held.csv").write_text(content, "utf-8")
    with pytest.raises(Refusal, match=f"the setting test=: held.csv: {reason}"):
        start(tmp_path, "classify", "r.csv", "test=held.csv")
    between_tabs(tmp_path)
    (tmp_path / "held.txt").write_text("好\n坏\n", "utf-8")
    with pytest.raises(Refusal, match=r"the setting test=: held.txt: lacks what the task classify learns from"):
        start(tmp_path, "classify", "reviews.txt", "test=held.txt")


def test_texts_of_files_of_which_few_are_alike_are_all_learnt_as_a_language(tmp_path):
    for place, name in enumerate(("news", "books", "notes")):
        (tmp_path / "texts").mkdir(exist_ok=True)
        lines = [text for text, _ in REVIEWS[place * 20 : place * 20 + (1 if name == "notes" else 20)]]
        (tmp_path / "texts" / f"{name}.txt").write_text("\n".join(lines), "utf-8")
    clean = start(tmp_path, "causal_lm", "texts")["clean"]
    assert "minimum_label_count" not in clean
    assert len(clean["data"]) == 3


def test_what_is_said_is_not_guessed(tmp_path):
    rows = [["id", "a", "b", "c"], *([str(n), text, label, label] for n, (text, label) in enumerate(REVIEWS))]
    (tmp_path / "r.csv").write_text(rows_of(*rows), "utf-8")
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
    (tmp_path / "big5.csv").write_bytes(rows_of(["評論", "標籤"], *map(list, pairs)).encode("big5"))
    assert start(tmp_path, "classify", "big5.csv")["clean"]["data"]["encoding"].startswith("big5")
    (tmp_path / "utf16.csv").write_bytes(rows_of(["t", "l"], *map(list, pairs), delimiter="\t").encode("utf-16"))
    assert start(tmp_path, "classify", "utf16.csv")["clean"]["data"]["delimiter"] == "\t"


def test_rows_that_cannot_be_read_are_left_out_and_told(tmp_path):
    rows = [f"{text},{label}" + (',x,"y' if n % 9 == 0 else "") for n, (text, label) in enumerate(REVIEWS)]
    (tmp_path / "r.csv").write_text("text,label\n" + "\n".join(rows) + "\n", "utf-8")
    with contextlib.chdir(tmp_path):
        told = init("classify", "r.csv", places=[]).guesses
    assert start(tmp_path, "classify", "r.csv")["clean"]["data"]["on_bad_row"] == "skip"
    assert any("10 rows cannot be read and are left out, the first: r.csv, line 2" in what for what, _ in told)


def test_a_label_without_enough_texts_is_left_out_and_told(tmp_path):
    rows = [["text", "label"], *map(list, REVIEWS), ["从来没有这样的", "唯一"], *([["又来一次", "重复"]] * 9)]
    (tmp_path / "r.csv").write_text(rows_of(*rows), "utf-8")
    assert start(tmp_path, "classify", "r.csv")["clean"]["minimum_label_count"] == 3


REFUSED = [
    ("classify", "notes.jsonl", [], r"'entities' .* such data suit the task tag: danlu init tag notes\.jsonl"),
    ("tag", "reviews.csv", [], r"such data suit the task classify: danlu init classify reviews\.csv"),
    ("classify", "lines.txt", [], r"data without labels suit the task causal_lm: danlu init causal_lm lines\.txt"),
    ("classify", "ids.csv", [], r"which is which.*: danlu init classify ids\.csv text=1 label=2"),
    ("classify", "reviews.csv", ["label=same"], r"'same' holds only the label 'x'.*: danlu init .* label=opinion"),
    ("classify", "few.csv", [], r"few\.csv: of 3 records none can be held out to test a model; give 10 at least"),
    ("multilabel", "at.csv", [], "the name '@text' begins with @, which means a stage in recipes; rename it"),
    ("classify", "unseen", [], r"unseen/test\.csv: has the label '新'.*: danlu init classify unseen test=none"),
    ("multilabel", "named", [], r"such data suit the task classify: danlu init classify named"),
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
    lines = "\n".join(json.dumps({"text": text, "entities": marks}) for text, _ in REVIEWS)
    (place / "unseen").mkdir()
    (place / "kinds").mkdir()
    (place / "named").mkdir()
    files = {
        "notes.jsonl": lines,
        "reviews.csv": rows_of(["review", "opinion", "same"], *([*pair, "x"] for pair in REVIEWS)),
        "lines.txt": "".join(f"{text}\n" for text, _ in REVIEWS),
        "ids.csv": rows_of(["id", "said", "seen"], *DATED),
        "few.csv": rows_of(["text", "label"], ["好书", "a"], ["坏了", "b"], ["贵了", "b"]),
        "at.csv": rows_of(["@text", "label"], *([text, label] for text, _ in REVIEWS for label in ("快", "稳"))),
        "unseen/train.csv": rows_of(["text", "label"], *map(list, REVIEWS)),
        "unseen/test.csv": rows_of(["text", "label"], ["没见过", "新"], ["很好的", "好"], ["很差的", "差"]),
        "named/good.txt": "".join(f"{text}\n" for text, label in REVIEWS),
        "named/bad.txt": "".join(f"{text}。\n" for text, label in REVIEWS),
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
    between_tabs(tmp_path)
    start(tmp_path, "classify", "reviews.txt")
    with pytest.raises(Refusal, match=r"reviews\.yaml: is there already; .* --output, or replace it with --force"):
        start(tmp_path, "classify", "reviews.txt", force=False)
    assert start(tmp_path, "classify", "reviews.txt", "encoding=utf-8")["clean"]["data"]["encoding"] == "utf-8"


@pytest.mark.parametrize("split", ["train", "训练", "训练集"])
def test_what_is_made_of_a_file_that_is_named_by_its_split_alone_has_the_name_of_its_folder(tmp_path, split):
    (tmp_path / "评论").mkdir()
    (tmp_path / "评论" / f"{split}.csv").write_text(rows_of(["text", "label"], *map(list, REVIEWS)), "utf-8")
    with contextlib.chdir(tmp_path):
        assert init("classify", f"评论/{split}.csv", places=[]).path == Path("评论.yaml")


def test_recipe_and_command_speak_chinese(tmp_path, capsys):
    between_tabs(tmp_path)
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
    lambda name: not name.isdigit() and name.strip("\u200b\u200c\u200d\u2060\ufeff") == name
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
        "@标签",
        "<<",
        "=",
        "&a",
    ]
)


@settings(max_examples=25)
@given(st.lists(HOSTILE | NAMES_IN_YAML, min_size=2, max_size=2, unique=True), HOSTILE | NAMES_IN_YAML)
def test_hostile_names_come_back_as_they_were(names, file):
    rows = [names, *map(list, REVIEWS)]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        path = "".join(sign for sign in file if sign not in "/*?[") + " 的.csv"
        (place / path).write_text(rows_of(*rows), "utf-8")
        with contextlib.chdir(place):
            init("classify", path, ["text=0", "label=1"], output=Path("r.yaml"), places=[])
            written = read("r.yaml").stages["clean"].to_plain()["data"]
        assert written["path"].removeprefix("./") == path
        if written["header"] is None:  # of some of these nobody would say that they are names
            assert {"text": "text", "label": "label"} | written["columns"] == {"text": names[0], "label": names[1]}
        else:
            assert written["header"] == ["text", "label"]


def test_texts_without_marks_are_not_taken_for_relations(tmp_path):
    between_tabs(tmp_path)
    with pytest.raises(Refusal, match=r"does not say which two entities are meant.*danlu init classify reviews\.txt"):
        start(tmp_path, "relate", "reviews.txt")


@pytest.mark.parametrize(("known", "called"), [*_KNOWN_AS.items()])
def test_what_other_tools_call_a_task_leads_to_it(known: str, called: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\na,b\n")
    assert called in kinds(Task)
    assert known not in kinds(Task)
    with pytest.raises(Refusal, match=f"here it is called '{called}': danlu init {called}"):
        init(known.upper(), [str(tmp_path / "a.csv")])
