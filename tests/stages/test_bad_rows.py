"""Bad rows on the way through stages."""

import json
from pathlib import Path

import danlu
from danlu.stages.run import Run

RECIPE = """
name: bad
stages:
  clean:
    kind: prepare
    data: {{kind: csv, path: {path}, on_bad_row: skip}}
    split: {{validation: 0, test: 0}}
"""


def run(folder: Path, said: list[str]) -> Run:
    rows = [f"第{number}个不同的句子{'甲乙丙丁戊'[number % 5] * number},{'正负'[number % 2]}" for number in range(20)]
    (folder / "a.csv").write_text("\n".join(["text,label", *rows, "太多,了,三"]), encoding="utf-8")
    (folder / "recipe.yaml").write_text(RECIPE.format(path=folder / "a.csv"), encoding="utf-8")
    return danlu.run(str(folder / "recipe.yaml"), root=folder / "runs", say=said.append)


def test_prepare_tells_of_bad_rows_and_writes_them_aside(tmp_path: Path) -> None:
    said: list[str] = []
    folder = Path(run(tmp_path, said)["clean"])
    (row,) = [json.loads(line) for line in (folder / "bad_rows.jsonl").read_text(encoding="utf-8").splitlines()]
    assert row["row"] == ["太多", "了", "三"]
    assert row["place"] == "line 22"
    assert any("1 bad rows left out" in line for line in said)
