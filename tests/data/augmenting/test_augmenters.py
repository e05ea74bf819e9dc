"""Augmenters: labels and spans stay true, every row names its source, and what is random follows from the seed."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.data.augmenting.augment import new_rows, without_augmented
from danlu.data.augmenting.augmenter import Augmenter
from danlu.data.augmenting.augmenters.keyboard import NEIGHBOURS
from danlu.data.augmenting.hanzi import common_characters, lookalikes
from danlu.data.record import Record
from danlu.refusal import Refusal

REVIEWS: list[Record] = [
    {"text": "酒店房间很干净，服务员态度特别好，下次还会来。", "label": "pos"},
    {"text": "质量太差了，用了两天就坏，客服也不理人。", "label": "neg"},
    {"text": "The movie was really good, and I've seen it twice.", "label": "pos"},
]
LEXICON = "干净\t整洁|清洁\n质量\t品质\nGood\tgreat\tfine\n好\t棒\n"
EVERY = ("swap", "delete", "insert", "synonym", "keyboard", "homophone", "lookalike")


@pytest.fixture(scope="module")
def lexicon(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("lexicon") / "synonyms.tsv"
    path.write_text(LEXICON, encoding="utf-8")
    return str(path)


def part(kind: str, lexicon: str = "", **fields: Any) -> Augmenter:
    return Augmenter.model_validate({"kind": kind, **({"path": lexicon} if kind == "synonym" else {}), **fields})


def new(records: list[Record], augmenter: Augmenter, seed: int = 0) -> list[Record]:
    (found,) = new_rows(records, [augmenter], seed)
    return found


def augmented(records: list[Record], augmenter: Augmenter) -> list[Record]:
    return [*records, *new(records, augmenter)]


@pytest.mark.parametrize("kind", EVERY)
def test_rows_name_their_source_keep_its_label_and_follow_from_the_seed(kind: str, lexicon: str) -> None:
    augmenter = part(kind, lexicon, copies=4, share=0.3)
    rows = new(REVIEWS, augmenter)
    assert rows
    for row in rows:
        source = REVIEWS[row["source_row"]]
        assert row["label"] == source["label"]
        assert row["text"] != source["text"]
    assert len({(row["source_row"], row["text"]) for row in rows}) == len(rows)
    assert new(REVIEWS, augmenter) == rows
    assert any(new(REVIEWS, augmenter, seed) != rows for seed in (1, 2, 3))


def test_swapping_keeps_the_words() -> None:
    for row in new(REVIEWS, part("swap", words="character", copies=5)):
        assert Counter(row["text"]) == Counter(REVIEWS[row["source_row"]]["text"])
    for row in new([{"text": "a b c d e f g h"}], part("swap", within=1, copies=20)):
        words = row["text"].split()
        assert all(abs("abcdefgh".index(word) - place) <= 1 for place, word in enumerate(words))


def test_deleting_takes_words_and_one_space_with_each_and_leaves_one_word() -> None:
    for row in new([{"text": "one two three four"}], part("delete", share=0.5, copies=10)):
        assert re.fullmatch(r"(one )?(two )?(three )?(four)?", row["text"])
        assert len(row["text"].split()) == 2
    assert new([{"text": "alone"}, {"text": "？！"}, {"text": ""}], part("delete")) == []
    assert len(new([{"text": "two words"}], part("delete", share=1.0))[0]["text"].split()) == 1


def test_insertion_puts_marks_of_the_right_width_where_none_stands() -> None:
    for row in new(REVIEWS, part("insert", copies=10)):
        added = Counter(row["text"]) - Counter(REVIEWS[row["source_row"]]["text"])
        assert set(added) <= set(".;?:!," if row["source_row"] == 2 else "。；？：！，")
        assert sum(added.values()) == 1
        assert not re.search(r"[，。,.?!;:；？：！]{2}", row["text"])
    repeated = new([{"text": "red blue"}], part("insert", what="words", copies=60, share=0.5))
    assert {row["text"] for row in repeated} == {"red red blue", "red blue blue", "red blue red"}


def test_synonyms_come_from_the_lexicon_in_the_case_of_the_word(lexicon: str) -> None:
    texts = {
        row["text"] for row in new([{"text": "Good GOOD 房间干净"}], part("synonym", lexicon, share=1.0, copies=100))
    }
    assert texts == {f"{a} {b} 房间{c}" for a in ("Great", "Fine") for b in ("GREAT", "FINE") for c in ("整洁", "清洁")}
    assert new([{"text": "nothing known"}], part("synonym", lexicon)) == []


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.tsv", "good\tgreat\nbad\n", "line 2: expected a word and, after a tab"),
        ("a.csv", "good,great\nbad,bad\n", "line 2: expected a word and, after a comma"),
        ("a.tsv", "\n", "holds no words"),
    ],
)
def test_a_broken_lexicon_is_refused_with_its_line(tmp_path: Path, name: str, content: str, words: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(Refusal, match=words):
        new(REVIEWS, part("synonym", str(tmp_path / name)))


def test_a_lexicon_with_commas_is_read_with_its_quotes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('good,"very good, indeed"\n', encoding="utf-8")
    assert new([{"text": "good"}], part("synonym", str(tmp_path / "a.csv")))[0]["text"] == "very good, indeed"


def test_neighbours_on_the_keyboard_touch() -> None:
    assert set(NEIGHBOURS["g"]) == set("tyfhvb")
    assert set(NEIGHBOURS["a"]) == set("qwsz")
    assert all(key in NEIGHBOURS[other] for key in NEIGHBOURS for other in NEIGHBOURS[key] if key.isalpha())
    for row in new([{"text": "Hello"}], part("keyboard", copies=10)):
        wrong = [(old, typed) for old, typed in zip("Hello", row["text"], strict=True) if old != typed]
        ((old, typed),) = wrong
        assert typed.lower() in NEIGHBOURS[old.lower()]
        assert typed.isupper() == old.isupper()


def test_homophones_sound_the_same() -> None:
    pypinyin = pytest.importorskip("pypinyin")
    for tones, style in ((True, pypinyin.Style.TONE3), (False, pypinyin.Style.NORMAL)):
        for row in new([{"text": "银行行长"}], part("homophone", tones=tones, copies=20, share=1.0)):
            for old, typed in zip("银行行长", row["text"], strict=True):
                if old != typed:
                    sounds = {sound for (sound,) in ([s] for s in pypinyin.pinyin(old, style=style, heteronym=True)[0])}
                    assert pypinyin.lazy_pinyin(typed, style=style)[0] in sounds
    heard = {row["text"][1] for row in new([{"text": "银行"}], part("homophone", copies=60, share=1.0))}
    assert heard & set("航杭")  # as in 银行, not as in 行走


def test_lookalikes_hold_what_schoolbooks_warn_of() -> None:
    table = lookalikes()
    for pair in ["己已", "已巳", "未末", "土士", "人入", "千干", "戊戌", "请清", "大犬", "拔拨", "折拆", "晴睛"]:
        assert pair[1] in table[pair[0]] or pair[0] in table[pair[1]]
    assert len(common_characters()) == 3755
    assert set(table) <= set(common_characters())
    assert all(character not in others for character, others in table.items())


def test_balance_brings_every_label_to_the_commonest() -> None:
    records = [{"text": f"row number {n} of the common ones", "label": "many"} for n in range(10)]
    records += [{"text": "a rare and precious row", "label": "few"}, {"text": "单", "label": "one"}]
    found = augmented(records, part("balance", by="delete"))
    assert Counter(row["label"] for row in found) == {"many": 10, "few": 10, "one": 10}
    assert all(records[row["source_row"]]["label"] == row["label"] for row in found[len(records) :])
    assert {row["text"] for row in found if row["label"] == "one"} == {"单"}  # nothing else can be made of it
    half = augmented(records, part("balance", by={"kind": "delete", "copies": 7}, level=0.5))
    assert Counter(row["label"] for row in half) == {"many": 10, "few": 5, "one": 5}
    with pytest.raises(Refusal, match="record 1: there is no single label"):
        new([{"text": "a", "label": ["x", "y"]}], part("balance", by="delete"))


WORDS = st.sampled_from(["李白", "生于", "London", "was", " ", "，", "碎叶城", "x", "😀", "don't", "\t", "的", "。"])


@st.composite
def with_entities(draw: st.DrawFn) -> Record:
    text = "".join(draw(st.lists(WORDS, min_size=1, max_size=25)))
    borders = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8, unique=True)))
    spans = [(a, b) for a, b in zip(borders[::2], borders[1::2], strict=False)]
    return {"text": text, "entities": [{"start": a, "end": b, "label": text[a:b]} for a, b in spans]}


@pytest.mark.parametrize("kind", EVERY)
def test_entities_keep_their_text_in_their_order(kind: str, lexicon: str) -> None:
    augmenter = part(kind, lexicon, share=0.8, copies=2)

    @given(st.lists(with_entities(), max_size=3))
    def holds(records: list[Record]) -> None:
        for row in new(records, augmenter):
            source = records[row["source_row"]]
            assert [item["label"] for item in row["entities"]] == [item["label"] for item in source["entities"]]
            for item in row["entities"]:
                assert row["text"][item["start"] : item["end"]] == item["label"]

    holds()


@pytest.mark.parametrize("kind", EVERY)
def test_tags_stay_with_their_tokens(kind: str, lexicon: str) -> None:
    token = st.tuples(st.sampled_from(["Ada", "good", "李白", ",", "lived"]), st.sampled_from(["O", "O", "B-p", "I-p"]))
    augmenter = part(kind, lexicon, share=0.8)

    def spans(record: Record) -> list[str]:
        found: list[str] = []
        before = "O"
        for word, tag in zip(record["tokens"], record["tags"], strict=True):
            if tag == "B-p" or (tag == "I-p" and before == "O"):
                found.append(word)
            elif tag == "I-p":
                found[-1] += word
            before = tag
        return found

    @given(st.lists(token, min_size=1, max_size=12))
    def holds(tokens: list[tuple[str, str]]) -> None:
        record: Record = {"tokens": [word for word, _ in tokens], "tags": [tag for _, tag in tokens]}
        for row in new([record], augmenter):
            assert spans(row) == spans(record)

    holds()


def test_answers_heads_and_tails_move_with_the_text() -> None:
    record = {"context": "In May the queen met the king in London.", "answers": [{"text": "the king", "start": 21}]}
    rows = new([record], part("delete", column="context", share=0.5, copies=10))
    assert rows
    for row in rows:
        start = row["answers"][0]["start"]
        assert row["context"][start:].startswith("the king")
    relation = {"text": "Ada married William", "head": {"start": 0, "end": 3}, "tail": {"start": 12, "end": 19}}
    (row,) = new([relation], part("insert", what="words", share=0.3))
    assert row["text"] == "Ada married married William"
    assert row["tail"] == {"start": 20, "end": 27}


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"question": "?"}, "record 1: there is no text in the column 'text' to augment.*columns are: question"),
        ({"text": "ab", "entities": [{"start": 1, "end": 5, "label": "x"}]}, "record 1: in 'entities'.*does not fit"),
        ({"text": "ab", "entities": ["x"]}, "does not fit the 2 characters"),
        ({"tokens": ["a", "b"], "tags": ["O"]}, "record 1: 'tokens' must be words"),
    ],
)
def test_a_record_that_cannot_be_read_is_refused(record: Record, words: str) -> None:
    with pytest.raises(Refusal, match=words):
        new([record], part("delete"))


def test_augmented_rows_are_not_augmented_or_split_again() -> None:
    deleted, inserted = new_rows(REVIEWS, [part("delete"), part("insert")], 0)
    found = [*REVIEWS, *deleted, *inserted]
    assert Counter(row.get("source_row") for row in found) == {None: 3, 0: 2, 1: 2, 2: 2}
    with pytest.raises(Refusal, match="record 4: this row was made by an augmenter"):
        new(found, part("delete"))
    with pytest.raises(Refusal, match=r"a\.jsonl, record 1"):
        list(without_augmented(found[3:], "a.jsonl"))


def test_chinese_without_jieba_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from danlu.data.characters.jieba_cutter import jieba_cutter

    jieba_cutter.cache_clear()
    monkeypatch.setitem(sys.modules, "jieba", None)
    with pytest.raises(Refusal, match=r"pip install 'danlu\[augment\]'"):
        new(REVIEWS, part("swap"))
    assert new([{"text": "plain English words"}], part("swap"))
    assert new(REVIEWS, part("swap", words="character"))
