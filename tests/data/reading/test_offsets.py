"""Offsets of spans, in whatever unit tools count, are those of the characters that they mean."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.format import Format
from danlu.data.reading.offsets import Unit, character_at, nearest_mention, unit_of
from danlu.data.record import Record
from danlu.refusal import Refusal

SIZES = {"characters": 4, "utf-16": 2, "utf-8": 1}
CODECS = {"characters": "utf-32-le", "utf-16": "utf-16-le", "utf-8": "utf-8"}
UNITS: tuple[Unit, ...] = ("characters", "utf-16", "utf-8")
TEXTS = st.text("😀👨\u200d👩🏽𠮷李明在家é a\u0301.", max_size=30)


def counted(text: str, unit: Unit) -> int:
    """Units of a text as the codec writes it."""
    return len(text.encode(CODECS[unit])) // SIZES[unit]


def read(folder: Path, rows: list[Record], kind: str = "spans", **fields: object) -> tuple[list[Record], BadRows]:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    bad_rows = BadRows()
    found = list(Format.model_validate({"kind": kind, "path": str(path), **fields}).read(bad_rows=bad_rows))
    return found, bad_rows


@given(TEXTS, TEXTS, st.sampled_from(UNITS))
def test_an_offset_is_found_in_every_unit(before: str, after: str, unit: Unit) -> None:
    text = before + after
    assert character_at(text, counted(before, unit), unit) == len(before)
    assert character_at(text, counted(text, unit) + 1, unit) is None
    assert character_at(text, -1, unit) is None


@given(st.lists(TEXTS, min_size=2, max_size=4), st.sampled_from(UNITS))
def test_the_unit_is_that_in_which_the_mentions_stand(pieces: list[str], unit: Unit) -> None:
    marks = ["王五", "😀李四", "Ann"][: len(pieces) - 1]
    text, stated, truth = pieces[0], [], []
    for mark, piece in zip(marks, pieces[1:], strict=False):
        stated.append((counted(text, unit), mark))
        truth.append(len(text))
        text += mark + piece
    found = unit_of(text, stated)
    assert [character_at(text, offset, found) for offset, _ in stated] == truth


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("ends", ["exclusive", "inclusive"])
def test_spans_of_texts_with_emoji_cover_their_mentions(unit: Unit, ends: str, tmp_path: Path) -> None:
    rows, truths = [], []
    for text in (
        "😀李明在家，王五说李明不在",
        "👨‍👩‍👧李明和😀😀王五，李明",
        "𠮷野家😀在台湾，李明不去",
        "李明没有表情",
        "a😀b 李明",
    ):
        spans, truth = [], []
        for mention in ("李明", "😀", "王五"):
            start = text.find(mention)
            if start >= 0:
                end = counted(text[: start + len(mention)], unit)
                end -= (ends == "inclusive") and counted(mention[-1], unit)
                spans.append({"start": counted(text[:start], unit), "end": end, "text": mention, "label": "PER"})
                truth.append((start, mention))
        rows.append({"text": text, "label": spans})
        truths.append(sorted(truth))
    for fields in ({}, {"unit": unit}):
        found, bad_rows = read(tmp_path, rows, ends=ends, **fields)
        covered = [[(e["start"], row["text"][e["start"] : e["end"]]) for e in row["entities"]] for row in found]
        assert covered == truths
        assert any(unit.upper() in what for what in bad_rows.mended) == (unit != "characters")
        assert bad_rows.mended["spans moved to where their text stands"] == 0


def test_the_pair_of_the_report_is_labelled_where_it_stands(tmp_path: Path) -> None:
    span = {"start": 2, "end": 4, "text": "李明", "label": "PER"}
    twice, once = {"text": "😀李明在家，王五说李明不在", "label": [span]}, {"text": "😀李明在家", "label": [span]}
    found, bad_rows = read(tmp_path, [twice, once])
    assert [[(e["start"], e["end"]) for e in row["entities"]] for row in found] == [[(1, 3)], [(1, 3)]]
    assert bad_rows.mended == {"offsets of spans that are counted in UTF-16, as characters now": 2}


def test_a_file_that_was_seen_to_count_in_utf_16_does_so_where_both_would_fit(tmp_path: Path) -> None:
    sure = {"text": "😀😀李明在", "label": [{"start": 4, "end": 6, "text": "李明", "label": "PER"}]}
    both = {"text": "😀哈哈啊", "label": [{"start": 2, "end": 3, "text": "哈", "label": "X"}]}
    found, _ = read(tmp_path, [both, sure, both])
    assert [row["entities"][0]["start"] for row in found] == [2, 2, 1]


def test_spans_without_their_texts_are_taken_by_the_unit_that_is_named(tmp_path: Path) -> None:
    row = {"text": "😀李明", "label": [[2, 4, "PER"]]}
    with pytest.raises(Refusal, match="unit: utf-16"):
        read(tmp_path, [row], ends="exclusive")
    found, _ = read(tmp_path, [row], ends="exclusive", unit="utf-16")
    assert found[0]["entities"] == [{"start": 1, "end": 3, "label": "PER"}]


@given(st.text("ab😀", max_size=12), st.sampled_from(["a", "ab", "b😀"]), st.integers(-2, 14))
def test_the_nearest_mention_is_found_wherever_there_is_one(text: str, mention: str, offset: int) -> None:
    places = [at for at in range(len(text)) if text.startswith(mention, at)]
    found = nearest_mention(text, mention, offset)
    if not places:
        assert found is None
        return
    before = [at for at in places if at <= max(0, offset)]
    wanted = max(before) if before and "😀" in text else min(places, key=lambda at: (abs(at - max(0, offset)), at))
    assert found == wanted


@pytest.mark.parametrize("unit", UNITS)
def test_answers_in_texts_with_emoji_stand_where_they_were_marked(unit: Unit, tmp_path: Path) -> None:
    context = "😀李明在家，王五说李明不在"
    start = counted(context[:9], unit)
    row = {"context": context, "question": "谁不在？", "answers": [{"text": "李明", "answer_start": start}]}
    found, _ = read(tmp_path, [row], "squad")
    assert found[0]["answers"] == [{"text": "李明", "start": 9}]
