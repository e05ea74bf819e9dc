"""What is told of data that names one of its splits."""

from pathlib import Path

from danlu.data.corpus.prepared import save_split
from danlu.stages.sources import held_out
from danlu.stages.stage import Place


def test_a_validation_split_beside_a_named_one_is_told_unless_it_is_named_too(tmp_path: Path) -> None:
    (tmp_path / "clean").mkdir()
    for split in ("train", "validation"):
        save_split(tmp_path / "clean", split, [{"text": split}])
    said: list[str] = []
    place = Place(tmp_path / "fit", {"clean": tmp_path / "clean"}, "one", 0, "en", said.append)
    assert held_out("@clean:train", place) == []
    assert said == ["@clean:train is that split alone, so @clean:validation is left aside; write @clean to have it too"]
    said.clear()
    assert held_out(["@clean:train", "@clean:validation"], place) == []
    assert held_out("@clean", place) == [{"text": "validation"}]
    assert said == []
