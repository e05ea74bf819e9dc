"""Two stages of a package from outside, joined through its entry points: real files, and quick."""

from collections.abc import Callable
from pathlib import Path

import pytest

COUNT = '''
import json
from pathlib import Path
from pydantic import Field
from danlu.recipe.part import Part
from danlu.refusal import Refusal
from danlu.stages.stage import Place, Reference, Stage


class Lines(Part):
    path: str
    most: int | None = Field(default=None, ge=1)


class Count(Stage):
    """Counts lines."""

    data: Lines | list[Lines]
    rate: float = 1.0
    stop_at: str = ""

    def standing(self, folder: Path) -> str | None:
        done = folder / "calls.txt"
        return f"call {done.read_text()}" if done.exists() else None

    def run(self, place: Place) -> None:
        if self.stop_at == "refuse at once":
            raise Refusal("lines.txt line 1: no")
        done = place.folder / "calls.txt"
        calls = int(done.read_text()) + 1 if done.exists() else 1
        done.write_text(str(calls))
        if self.stop_at == "refuse":
            raise Refusal("lines.txt line 1: no")
        if self.stop_at == "interrupt" and calls == 1:
            raise KeyboardInterrupt
        if self.stop_at == "break" and calls == 1:
            raise RuntimeError("half way")
        data = self.data if isinstance(self.data, list) else [self.data]
        lines = sum(len(Path(item.path).read_text(encoding="utf-8").splitlines()) for item in data)
        (place.folder / "count.json").write_text(json.dumps({"lines": lines, "seed": place.seed}))
'''
DOUBLE = '''
import json
from pathlib import Path
from danlu.stages.stage import Place, Reference, Stage


class Double(Stage):
    """Doubles a count."""

    of: Reference
    times: int = 2

    def run(self, place: Place) -> None:
        count = json.loads((place.path(self.of) / "count.json").read_text())["lines"]
        (place.folder / "count.json").write_text(json.dumps({"lines": count * self.times}))
'''


@pytest.fixture(scope="module", autouse=True)
def outside_package(joined: Callable[[dict[str, dict[str, str]]], Path]) -> Path:
    return joined({"danlu.kinds": {"count": COUNT, "double": DOUBLE}})


@pytest.fixture
def recipe(tmp_path: Path) -> dict[str, object]:
    (tmp_path / "lines.txt").write_text("a\nb\nc\n")
    return {
        "name": "lines",
        "stages": {
            "count": {"kind": "count", "data": {"path": str(tmp_path / "lines.txt")}},
            "double": {"kind": "double", "of": "@count"},
            "again": {"kind": "double", "of": "@double", "times": 3},
        },
    }
