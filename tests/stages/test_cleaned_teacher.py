"""A student reads records without a label in the form of those with one, and is told of a teacher that does not."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from danlu.data.cleaning.cleaner import Cleaner, Rewriter
from danlu.data.corpus.prepared import CLEANERS, save_split
from danlu.refusal import Refusal
from danlu.sentences import in_language
from danlu.stages.sources import as_rewritten
from danlu.stages.stage import Place, Stage

RAW, CLEAN = "物流  \u3000 太慢", "物流 太慢"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def place(tmp_path: Path, said: list[str]) -> Place:
    """Prepared data sets, rewritten by different cleaners or by none."""
    for name, cleaners in (("clean", ["whitespace"]), ("other", ["control"]), ("plain", [])):
        (tmp_path / name).mkdir()
        rows = [{"text": text, "label": label} for text, label in (("这本书", "positive"), ("太慢", "negative"))]
        save_split(tmp_path / name, "train", rows if name == "clean" else [{"text": RAW}])
        plain = [Cleaner.model_validate(cleaner).to_plain() for cleaner in cleaners]
        (tmp_path / name / CLEANERS).write_text(json.dumps(plain))
    folders = {name: tmp_path / name for name in ("clean", "other", "plain")}
    return Place(tmp_path / "stage", folders, "one", 0, "en", said.append)


def test_records_are_read_in_the_form_of_those_beside_them(place: Place) -> None:
    place.folder.mkdir()
    whitespace = Cleaner.model_validate("whitespace")
    assert isinstance(whitespace, Rewriter)
    assert as_rewritten("@plain", [whitespace], place) == [{"text": CLEAN}]
    assert as_rewritten("@plain", [], place) == [{"text": RAW}]
    with pytest.raises(Refusal, match="@other was rewritten by control, and the records beside it by whitespace"):
        as_rewritten("@other", [whitespace], place)
    with pytest.raises(Refusal, match="and the records beside it by no cleaner") as refused:
        as_rewritten("@other", [], place)
    assert "一起学的记录（改写：无）" in str(in_language(str(refused.value), "zh"))


def test_a_teacher_of_other_cleaners_is_told_and_texts_without_a_label_are_cleaned(
    place: Place, said: list[str], tiny_bundle: Callable[[str], Path]
) -> None:
    bundle = str(tiny_bundle("classify"))
    section = {"kind": "train", "data": "@clean", "task": "classify", "tokenizer": None, "train": {"steps": 1}}
    section |= {"model": {"kind": "student", "of": bundle, "layers": 1}}
    section |= {"teacher": {"bundle": bundle, "unlabelled": "@plain"}}
    ready = Stage.model_validate(section).ready(place)  # type: ignore[attr-defined]
    (row,) = [item.row for item in ready.encoded if item.targets.get("label", -1) < 0]
    assert row.input_ids.tolist() == ready.prepared.tokenizer(CLEAN).input_ids
    assert any("was trained on texts that other cleaners had rewritten, or none" in line for line in said)
