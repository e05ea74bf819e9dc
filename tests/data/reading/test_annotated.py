"""What tools for annotation export: Label Studio, doccano, brat."""

import json
from pathlib import Path
from typing import Any

import pytest

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.format import Format, guess
from danlu.data.record import Record
from danlu.refusal import Refusal

TEXT = "😀李明在家，王五说李明不在"
ENTITIES = [{"start": 1, "end": 3, "label": "PER"}, {"start": 6, "end": 8, "label": "PER"}]
UTF16 = [(2, 4, "李明"), (7, 9, "王五")]


def read(kind: str, path: Path, bad_rows: BadRows | None = None, **fields: object) -> list[Record]:
    return list(Format.model_validate({"kind": kind, "path": str(path), **fields}).read(bad_rows=bad_rows))


def written(folder: Path, value: Any, *, as_lines: bool = False) -> Path:
    path = folder / ("a.jsonl" if as_lines else "a.json")
    rows = [json.dumps(row, ensure_ascii=False) for row in value]
    path.write_text("\n".join(rows) if as_lines else f"[{','.join(rows)}]", encoding="utf-8")
    return path


def marked(start: int, end: int, text: str | None, control: str = "label", *labels: str) -> Record:
    value = {"start": start, "end": end, "labels": list(labels) or ["PER"]} | ({"text": text} if text else {})
    return {"value": value, "id": "x", "from_name": control, "to_name": "text", "type": "labels"}


def chosen(*labels: str, control: str = "sentiment") -> Record:
    return {"value": {"choices": list(labels)}, "from_name": control, "to_name": "text", "type": "choices"}


def task(*results: Record, text: str = TEXT, **more: Any) -> Record:
    annotation = {"id": 1, "completed_by": 1, "result": list(results), "was_cancelled": False, "ground_truth": False}
    return {"id": 7, "data": {"text": text}, "annotations": [annotation], "predictions": [], **more}


def short(**more: Any) -> Record:
    return {"id": 7, "text": TEXT, "annotator": 1, "annotation_id": 3, "created_at": "2024", "lead_time": 1.5, **more}


# ruff: noqa: E501  (one form a line)
SPANS = [marked(start, end, text) for start, end, text in UTF16]
STUDIO: dict[str, tuple[Record, Record]] = {
    "full_utf16": (task(*SPANS), {"entities": ENTITIES}),
    "full_without_texts": (task(marked(1, 3, None), marked(6, 8, None)), {"entities": ENTITIES}),
    "full_moved": (task(marked(0, 2, "李明"), marked(6, 8, "王五")), {"entities": ENTITIES}),
    "min": (short(label=[item["value"] for item in SPANS]), {"entities": ENTITIES}),
    "choices": (task(chosen("pos")), {"label": "pos"}),
    "choices_of_several": (task(chosen("pos", "neg")), {"labels": ["pos", "neg"]}),
    "min_choice": (short(sentiment="pos"), {"label": "pos"}),
    "min_choices": (short(sentiment={"choices": ["pos", "neg"]}), {"labels": ["pos", "neg"]}),
    "two_controls": (task(chosen("pos"), chosen("cars", control="topic")), {"sentiment": "pos", "topic": "cars"}),
    "both": (task(*SPANS, chosen("pos")), {"entities": ENTITIES, "label": "pos"}),
    "min_both": (short(label=[item["value"] for item in SPANS], sentiment="pos"), {"entities": ENTITIES, "label": "pos"}),
    "two_labels": (task(marked(1, 3, "李明", "label", "PER", "SUBJ"), marked(6, 8, "王五")),
                   {"entities": [ENTITIES[0], ENTITIES[0] | {"label": "SUBJ"}, ENTITIES[1]]}),
    "relation_beside": (task(*SPANS, {"type": "relation", "from_id": "x", "to_id": "y"}), {"entities": ENTITIES}),
    "ground_truth_first": (task(chosen("neg")) | {"annotations": [
        {"result": [chosen("neg")]}, {"result": [chosen("pos")], "ground_truth": True}]}, {"label": "pos"}),
    "cancelled": (task() | {"annotations": [{"result": [chosen("neg")], "was_cancelled": True}, {"result": [chosen("pos")]}]},
                  {"label": "pos"}),
}  # fmt: skip


@pytest.mark.parametrize(("given", "found"), STUDIO.values(), ids=STUDIO.keys())
def test_label_studio_is_read_in_all_its_forms(given: Record, found: Record, tmp_path: Path) -> None:
    assert read("label_studio", written(tmp_path, [given])) == [{"id": 7, "text": TEXT} | found]


def test_tasks_without_spans_among_others_have_none_and_those_without_annotation_are_told(tmp_path: Path) -> None:
    path = written(tmp_path, [task(), task(*SPANS), task() | {"annotations": []}, {"id": 1}])
    bad_rows = BadRows()
    found = read("label_studio", path, bad_rows, on_bad_row="skip")
    assert [record["entities"] for record in found] == [[], ENTITIES]
    assert "record 3: is not annotated" in bad_rows.first[0]
    assert "record 4: there is no text in 'text'" in bad_rows.first[1]
    with pytest.raises(Refusal, match=r"a\.json, record 3: is not annotated; annotate it, or write 'on_bad_row: skip'"):
        read("label_studio", path)
    with pytest.raises(Refusal, match="'王五', which is not in the text"):
        read("label_studio", written(tmp_path, [task(marked(0, 2, "王五"), text="没有")]))


PLAIN = "李明在家，王五说李明不在"
PAIRS = [{"start": 0, "end": 2, "label": "PER"}, {"start": 5, "end": 7, "label": "PER"}]
OBJECTS = [
    {"id": n, "label": "PER", "start_offset": p["start"], "end_offset": p["end"], "user": 1}
    for n, p in enumerate(PAIRS)
]
DOCCANO: dict[str, tuple[Record, Record]] = {
    "label_triples": ({"label": [[0, 2, "PER"], [5, 7, "PER"]]}, {"entities": PAIRS}),
    "labels_triples": ({"labels": [[5, 7, "PER"], [0, 2, "PER"]]}, {"entities": PAIRS}),
    "entities": ({"entities": OBJECTS, "relations": [], "Comments": []}, {"entities": PAIRS, "Comments": []}),
    "annotations": ({"annotations": OBJECTS, "meta": {}}, {"entities": PAIRS, "meta": {}}),
    "annotations_classes": ({"annotations": [{"label": 3, "user": 1}]}, {"label": "好评"}),
    "class": ({"label": ["pos"]}, {"label": "pos"}),
    "classes": ({"label": ["pos", "neg"]}, {"labels": ["pos", "neg"]}),
    "text": ({"label": "pos"}, {"label": "pos"}),
    "fractions": ({"label": [[0.0, 2.0, "PER"], [5.0, 7.0, "PER"]]}, {"entities": PAIRS}),
    "nothing": ({"entities": []}, {"entities": []}),
}  # fmt: skip


@pytest.mark.parametrize("as_lines", [False, True])
@pytest.mark.parametrize(("given", "found"), DOCCANO.values(), ids=DOCCANO.keys())
def test_doccano_is_read_in_all_its_forms(given: Record, found: Record, as_lines: bool, tmp_path: Path) -> None:
    path = written(tmp_path, [{"id": 1, "text": PLAIN, **given}], as_lines=as_lines)
    assert read("doccano", path, names={"3": "好评"}) == [{"id": 1, "text": PLAIN} | found]


def test_texts_of_doccano_in_which_nothing_was_marked_have_no_entities(tmp_path: Path) -> None:
    rows = [{"text": PLAIN, "label": []}, {"text": PLAIN, "label": [[0, 2, "PER"]]}]
    assert [len(record["entities"]) for record in read("doccano", written(tmp_path, rows))] == [0, 1]
    with pytest.raises(Refusal, match="record 1: has no label"):
        read("doccano", written(tmp_path, [{"text": PLAIN, "label": []}, {"text": PLAIN, "label": ["pos"]}]))
    for wrong, message in (
        ({"label": [[0, 99, "x"]]}, "is not within the text"),
        ({"label": [[0, 2]]}, "expected"),
        ({"label": [[0, "2", "x"]]}, "no whole number"),
        ({"label": [[0, 2, None]]}, "a label is None"),
        ({"label": [[0, 2, "x"], "pos"]}, "side by side"),
        ({}, "there are no annotations"),
    ):
        with pytest.raises(Refusal, match=message):
            read("doccano", written(tmp_path, [{"text": PLAIN, **wrong}]))


def brat(folder: Path, text: str, annotations: str, name: str = "one") -> Path:
    (folder / f"{name}.txt").write_bytes(text.encode())
    (folder / f"{name}.ann").write_text(annotations, encoding="utf-8")
    return folder / f"{name}.ann"


def test_a_folder_of_brat_is_a_record_a_document(tmp_path: Path) -> None:
    notes = "T1\tPER 0 2\t李明\nT2\tPER 5 7\t王五\nR1\tknows Arg1:T1 Arg2:T2\n#1\tAnnotatorNotes T1\tx\n\n"
    first = brat(tmp_path, f"{PLAIN}\n第二行", notes)
    brat(tmp_path, "没有", "", "two")
    bad_rows = BadRows()
    expected = [
        {"text": f"{PLAIN}\n第二行", "entities": PAIRS, "file": "one"},
        {"text": "没有", "entities": [], "file": "two"},
    ]
    assert read("brat", tmp_path, bad_rows) == expected
    assert bad_rows.mended == {"relations, events, attributes and notes left out": 2}
    assert read("brat", tmp_path / "*.ann") == expected
    assert guess(str(first)).kind == "brat"
    assert guess(str(first)).inputs() == [str(first), str(first.with_suffix(".txt"))]


def test_spans_of_brat_over_line_ends_and_in_pieces(tmp_path: Path) -> None:
    assert read("brat", brat(tmp_path, "ab\ncd", "T1\tX 0 5\tab cd"))[0]["entities"] == [
        {"start": 0, "end": 5, "label": "X"}
    ]
    assert read("brat", brat(tmp_path, "😀李明", "T1\tPER 2 4\t李明"))[0]["entities"] == [
        {"start": 1, "end": 3, "label": "PER"}
    ]
    path = brat(tmp_path, "ab cd ef", "T1\tX 0 2;6 8\tab ef")
    with pytest.raises(Refusal, match=r"one\.ann: line 1: the span is in 2 pieces, .* write 'pieces: join'"):
        read("brat", path)
    assert read("brat", path, pieces="join")[0]["entities"] == [{"start": 0, "end": 8, "label": "X"}]
    for wrong, message in (("T1 X 0 2 ab", "line 1: expected 'T1"), ("T1\tX 9 12\tzz", "which is not in the text")):
        with pytest.raises(Refusal, match=message):
            read("brat", brat(tmp_path, "ab", wrong))
    path.with_suffix(".txt").unlink()
    with pytest.raises(Refusal, match=r"one\.txt: there is no such file"):
        read("brat", path)


def test_what_stands_beside_the_controls_of_json_min_is_no_choice(tmp_path: Path) -> None:
    tasks = [
        short(sentiment="pos" if number % 3 else "neg", source=f"http://x.example/{number}") for number in range(12)
    ]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(tasks), "utf-8")

    def labels(**more: Any) -> set[str]:
        found = Format.model_validate({"kind": "label_studio", "path": str(path), **more}).read()
        return {str(record.get("label")) for record in found}

    assert labels() == {"pos", "neg"}
    assert labels(choices=["sentiment"]) == {"pos", "neg"}
    assert len(labels(choices=["source"])) == 12
