"""The stage that evaluates, with records that are asked otherwise as well."""

from collections.abc import Callable
from pathlib import Path

import pytest

from danlu.bundle.bundle import load
from danlu.data.corpus.prepared import save_split
from danlu.evaluate.scoring.examine import read_scores
from danlu.refusal import Refusal
from danlu.stages.kinds.evaluate import Evaluate
from danlu.stages.stage import Place

TEXTS = ["这本书写得很好", "物流太慢", "值读一遍", "这书太慢"]


def test_records_are_asked_under_changes_and_with_terms_swapped(
    tiny_bundle: Callable[[str], Path], tmp_path: Path
) -> None:
    terms = tmp_path / "terms.yaml"
    terms.write_text("things: [物流, 快递]\n")
    bundle = tiny_bundle("classify")
    labels = load(bundle).task.label_names()
    (tmp_path / "clean").mkdir()
    records = [{"text": text, "label": labels[number % len(labels)]} for number, text in enumerate(TEXTS)]
    save_split(tmp_path / "clean", "test", records)
    (tmp_path / "guesses").mkdir()
    (tmp_path / "guesses" / "bundle").symlink_to(tiny_bundle("masked_lm"))
    by = {"kind": "masked_lm", "path": "@guesses", "words": "character"}
    section = {"bundle": str(bundle), "data": "@clean", "swap": str(terms), "resamples": 100}
    section["under"] = [{"kind": "homophones", "words": "character"}, {"kind": "augmented", "by": by}, "case"]
    stage, said = Evaluate.model_validate(section), list[str]()
    assert Evaluate.model_validate(stage.to_plain()) == stage
    assert stage.inputs() == [str(bundle), str(terms)]
    assert Evaluate.model_validate(section | {"swap": "zh"}).inputs() == [str(bundle)]

    inputs = {"clean": tmp_path / "clean", "guesses": tmp_path / "guesses"}
    stage.run(Place(tmp_path / "out", inputs, "f" * 64, 0, "zh", said.append))
    scores = read_scores(tmp_path / "out")
    assert [told["kind"] for told in scores["under"]] == ["homophones", "augmented", "case"]
    homophones, guessed, case = (told["changed"] for told in scores["under"])
    assert (homophones, guessed > 0, case) == (4, True, 0)
    for told in scores["under"][:2]:
        gap = told["metrics"]["accuracy"]["value"] - scores["metrics"]["accuracy"]["value"]
        assert told["difference"]["accuracy"]["value"] == pytest.approx(gap)
    assert scores["swapped"]["with_terms"] == scores["swapped"]["asked"] == 1
    assert any("同音字" in line for line in said)
    with pytest.raises(Refusal, match="there is no such file"):
        Evaluate.model_validate(section | {"swap": "no.yaml"}).run(
            Place(tmp_path / "no", inputs, "f" * 64, 0, "en", said.append)
        )
