"""No cleaner, segmenter, tokenizer or reader takes more than linear time, whatever stands in a text.

The texts and the parts are those of `benchmarks/growth.py`, which measures the same on longer ones.
"""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


def _growth() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "growth.py"
    spec = importlib.util.spec_from_file_location("growth", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GROWTH = _growth()
SUBJECTS = {f"{subject.sort} {subject.name}": subject for subject in GROWTH.subjects()}
LENGTH = 2_500  # characters, and four times as many
UNSEEN = 0.0025  # seconds: what takes no more for the longer text is not looked at, for a square would take that long


def test_every_part_is_measured() -> None:
    assert len(SUBJECTS) > 55
    assert len(GROWTH.STRETCHES) > 35


@pytest.mark.parametrize("name", SUBJECTS)
@pytest.mark.filterwarnings("ignore")
def test_time_grows_as_the_text_does(name: str, tmp_path: Path) -> None:
    subject = SUBJECTS[name]
    run = subject.make(tmp_path)
    for told, stretch in list(GROWTH.STRETCHES.items())[: 1 if subject.name in GROWTH.ALIKE else None]:
        run(stretch)  # what is made at first use
        length = 2 * LENGTH if subject.name in GROWTH.ALIKE else LENGTH
        large = GROWTH.seconds(run, GROWTH.repeated(stretch, 4 * length), 1)
        small = GROWTH.seconds(run, GROWTH.repeated(stretch, length), 1) if large > UNSEEN else 0.0
        for times in (3, 6, 12):  # a machine may have been busy
            if large <= max(UNSEEN, 9 * small):
                break
            small, large = GROWTH.growth(run, stretch, length, times)
        assert large <= max(UNSEEN, 9 * small), f"{told}: {small:.4f} s, four times as long {large:.4f} s"
