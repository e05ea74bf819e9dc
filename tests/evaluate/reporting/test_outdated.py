"""The report of a folder in which a stage has been run anew and the stages behind it have not."""

import json
from pathlib import Path

import pytest

from danlu.evaluate.reporting.report import write_report
from danlu.recipe import lock
from danlu.stages.kinds.prepare import Prepare

WARNINGS = {"en": "made of earlier results of '{}'", "zh": "依据的是 '{}' 更早的结果"}


def stage(run: Path, name: str, builds_on: tuple[str, ...] = (), seed: int = 0) -> None:
    (run / name).mkdir(parents=True, exist_ok=True)
    before = {other: found.fingerprint for other in builds_on if (found := lock.load(run / other))}
    section = Prepare.model_validate({"data": {"kind": "text", "path": f"{name}.txt"}})
    lock.save(run / name, lock.lock(name, section, seed, before).done(60.0, run / name))
    lines = [
        json.dumps({"step": step, "epoch": step, "loss": 2.0, "rate": 1e-4, "seconds": 1.0}) for step in range(1, 9)
    ]
    (run / name / "log.jsonl").write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.parametrize("language", WARNINGS)
def test_results_of_what_has_been_replaced_since_are_marked(language: str, tmp_path: Path) -> None:
    def warned(name: str) -> int:
        page = write_report(tmp_path, language).read_text(encoding="utf-8").replace("&#x27;", "'").replace("&#39;", "'")
        return page.count(WARNINGS[language].format(name))

    for name, builds_on in (("data", ()), ("model", ("data",)), ("test", ("model", "data")), ("more", ("test",))):
        stage(tmp_path, name, builds_on)
    assert warned("model") == warned("data") == 0
    stage(tmp_path, "model", ("data",), seed=1)
    assert (warned("model"), warned("data")) == (2, 0)
    stage(tmp_path, "test", ("model", "data"))
    assert (warned("model"), warned("test")) == (0, 1)
    stage(tmp_path, "more", ("test",))
    assert warned("test") == 0
