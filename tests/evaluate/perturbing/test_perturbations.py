"""Records asked otherwise: every kind keeps its promise, and each changes what it says."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.data.record import Record
from danlu.evaluate.perturbing.perturbation import Perturbation
from danlu.evaluate.perturbing.read import read_changes
from danlu.machine.seed import generator
from danlu.recipe.part import find, kinds
from danlu.refusal import Refusal

BY = {"augmented": {"by": "lookalike"}}
KINDS = kinds(Perturbation)
TEXTS = [
    "Ada Lovelace wrote the first program in London, don't you know?",
    "李白生于碎叶城，后来住在长安。他写的诗很好！",
    "The price was 3.14（三点一四），really; it's true.",
    "",
    "！！！",
]


def of(kind: str, **settings: object) -> Perturbation:
    return find(Perturbation, kind).model_validate(BY.get(kind, {}) | settings)


def perturbed(perturbation: Perturbation, records: list[Record], column: str = "text", seed: int = 0) -> list[Record]:
    return perturbation.perturbed(records, column, generator(seed, "test"))


def text_under(kind: str, text: str, **settings: object) -> str:
    return str(perturbed(of(kind, **settings), [{"text": text}])[0]["text"])


def test_there_are_the_kinds_that_are_tested() -> None:
    assert KINDS == ["augmented", "case", "homophones", "punctuation", "script", "typos", "width"]


@pytest.mark.parametrize("kind", KINDS)
def test_records_stay_in_order_and_what_cannot_be_changed_is_given_back_itself(kind: str) -> None:
    records = [{"text": text, "label": "x"} for text in TEXTS]
    found = perturbed(of(kind), records)
    assert len(found) == len(records)
    assert all(record["text"] == text for record, text in zip(records, TEXTS, strict=True))
    for before, after in zip(records, found, strict=True):
        assert after is before or after["text"] != before["text"]
        assert after.keys() == before.keys()
    assert any(after is not before for before, after in zip(records, found, strict=True))
    assert found[3] is records[3]
    assert perturbed(of(kind), records) == found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_marks_of_characters_move_with_their_text(kind: str, seed: int) -> None:
    names = (("Ada Lovelace", "London"), ("李白", "碎叶城", "长安"), ("3.14", "三点一四"))
    records = []
    for text, marked in zip(TEXTS, names, strict=False):
        starts = [(text.index(name), name) for name in marked]
        entities = [{"start": at, "end": at + len(name), "label": name, "text": name} for at, name in starts]
        records.append({"text": text, "entities": entities})
    for record, marked in zip(perturbed(of(kind), records, seed=seed), names, strict=True):
        for entity, name in zip(record["entities"], marked, strict=True):
            text = record["text"][entity["start"] : entity["end"]]
            assert entity["text"] == text
            assert text == text_under(kind, name) if kind in ("case", "width", "script") else text == name


@pytest.mark.parametrize("kind", KINDS)
def test_answers_move_with_their_context_and_tags_stay_with_their_tokens(kind: str) -> None:
    context = "后来他住在长安。He moved to Boston, MA."
    answers = [{"text": "Boston", "start": context.index("Boston")}]
    (record,) = perturbed(of(kind), [{"context": context, "question": "where?", "answers": answers}], "context")
    assert record["context"] != context
    start, text = record["answers"][0]["start"], record["answers"][0]["text"]
    assert record["context"][start : start + len(text)] == text
    tokens = ["Ada", "，", "her", "诗歌", "wrote", "London", "。"]
    tags = ["B-person", "O", "O", "O", "O", "B-place", "O"]
    (tagged,) = perturbed(of(kind), [{"tokens": tokens, "tags": tags}])
    assert len(tagged["tokens"]) == len(tagged["tags"])
    assert [tag for tag in tagged["tags"] if tag != "O"] == ["B-person", "B-place"]


@given(text=st.text("abcXYZ 你好，。", min_size=3, max_size=30), share=st.floats(0.05, 1))
def test_each_slip_is_one_in_its_word(text: str, share: float) -> None:
    for slip, apart in (("neighbour", 0), ("swap", 0), ("drop", -1)):
        found = text_under("typos", text, slips=[slip], share=share, words="character")
        changed = len(found) - len(text)
        assert (changed == 0) if apart == 0 else (-len(text) < changed <= 0)
        if slip == "swap":
            assert sorted(found) == sorted(text)
        if slip == "neighbour":
            differing = [(old, new) for old, new in zip(text, found, strict=True) if old != new]
            assert all(old.isascii() and new.isascii() and old.isupper() == new.isupper() for old, new in differing)


def test_severity_is_the_share_of_words_that_get_a_slip() -> None:
    text = " ".join(["letters"] * 50)
    for share in (0.1, 0.5, 1.0):
        found = text_under("typos", text, share=share).split(" ")
        assert sum(word != "letters" for word in found) == round(50 * share)


@given(text=st.text(max_size=40))
def test_full_width_is_undone_by_half_and_case_is_pythons(text: str) -> None:
    ascii_text = "".join(letter for letter in text if letter.isascii())
    assert text_under("width", text_under("width", ascii_text), to="half") == ascii_text
    assert text_under("case", ascii_text, to="upper") == ascii_text.upper()
    assert text_under("case", text) == "".join(map(str.lower, text))


def test_marks_within_words_and_numbers_stay() -> None:
    assert text_under("punctuation", TEXTS[2]) == "The price was 3.14三点一四really it's true"
    assert text_under("punctuation", '好，真的！"Yes", she said.') == "好真的Yes she said"
    assert text_under("punctuation", "Good, it cost 3.14.", to="chinese") == "Good， it cost 3.14。"
    assert text_under("punctuation", "好，真的！", to="english") == "好,真的!"


def test_homophones_sound_the_same() -> None:
    pinyin = pytest.importorskip("pypinyin")
    found = text_under("homophones", "这本书写得很好，物流太慢", share=1.0)
    assert found != "这本书写得很好，物流太慢"
    assert len(found) == 12
    changed = [(a, b) for a, b in zip("这本书写得很好，物流太慢", found, strict=True) if a != b]
    assert all(set(pinyin.pinyin(a, heteronym=True)[0]) & set(pinyin.pinyin(b, heteronym=True)[0]) for a, b in changed)


def test_changes_are_read_as_they_are_typed() -> None:
    plain, told = read_changes(["typos", "{kind: typos, share: 0.3}"])
    assert (plain, told) == (of("typos"), of("typos", share=0.3))
    with pytest.raises(Refusal, match=r"there is no perturbation 'typo'; did you mean 'typos'\?"):
        read_changes(["typo"])
    with pytest.raises(Refusal, match="unknown key 'severity'"):
        read_changes(["{kind: typos, severity: 0.3}"])
    with pytest.raises(Refusal, match="greater than 0"):
        read_changes(["{kind: typos, share: 0}"])
    assert np.isclose(told.share, 0.3)


def test_texts_are_said_otherwise_by_a_bundle(tiny_bundle: Callable[[str], Path]) -> None:
    by = {"kind": "masked_lm", "path": str(tiny_bundle("masked_lm")), "share": 1.0, "words": "character"}
    record = {"text": "这本书写得很好", "entities": [{"start": 2, "end": 3, "label": "thing", "text": "书"}]}
    (found,) = perturbed(find(Perturbation, "augmented").model_validate({"by": by}), [record])
    assert found["text"] != record["text"]
    assert found["text"][found["entities"][0]["start"]] == "书"
