"""Golden outputs: drift is named, and rounding is no drift."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from danlu.bundle.verify import verify
from danlu.cli.main import main
from danlu.machine import files
from danlu.machine.door import content_digest

Made = Callable[[str, str], Path]


def changed(folder: Path, change: Callable[[dict], None]) -> Path:
    """The bundle with other golden outputs, and hashes that agree with them."""
    golden, facts = (json.loads((folder / name).read_text("utf-8")) for name in ("golden.json", "danlu.json"))
    change(golden)
    path = folder / "golden.json"
    path.write_text(json.dumps(golden, ensure_ascii=False), "utf-8")
    facts["files"]["golden.json"] = {"bytes": path.stat().st_size, "sha256": files.sha256(path)}
    (folder / "danlu.json").write_text(json.dumps(facts | {"digest": content_digest(facts)}), "utf-8")
    return folder


@pytest.fixture
def folder(made: Made, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made("bert", "classify"), tmp_path / "bundle"))


@pytest.mark.parametrize(
    ("architecture", "kind"), [("bert", "classify"), ("bert", "tag"), ("bert", "masked_lm"), ("llama", "causal_lm")]
)
def test_a_bundle_answers_as_it_did(made: Made, architecture: str, kind: str) -> None:
    assert verify(made(architecture, kind)) == []


def test_a_score_that_drifted_is_named(folder: Path) -> None:
    def drift(golden: dict) -> None:
        golden["predictions"][1]["scores"]["positive"] += 0.01

    (difference,) = verify(changed(folder, drift))
    assert difference.startswith("example 2, scores, positive: was ")


def test_a_score_within_the_tolerance_of_its_precision_is_no_drift(folder: Path) -> None:
    def drift(golden: dict) -> None:
        golden["predictions"][1]["scores"]["positive"] += 0.001

    assert verify(changed(folder, drift)) == []


def test_bfloat16_may_differ_further(folder: Path) -> None:
    def drift(golden: dict) -> None:
        golden["dtype"] = "bfloat16"
        golden["predictions"][1]["scores"]["positive"] += 0.02

    assert verify(changed(folder, drift)) == []


def test_another_label_is_a_difference(folder: Path) -> None:
    def drift(golden: dict) -> None:
        golden["predictions"][0]["label"] = "other"

    (difference,) = verify(changed(folder, drift))
    assert "was 'other', is " in difference


def test_the_command_exits_with_1_when_it_drifted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(folder)])
    assert ended.value.code == 0
    assert "the golden outputs are the same" in capsys.readouterr().out
    changed(folder, lambda golden: golden["predictions"][0].update(label="other"))
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(folder)])
    assert ended.value.code == 1
    assert "no longer answers" in capsys.readouterr().err
