"""Settings of a format on the command line: `key=value`, the same for every command that takes a file."""

import importlib
import inspect
from pathlib import Path

import pytest

from danlu.cli.main import COMMANDS, main
from danlu.data.reading.format import guess, open_records
from danlu.recipe.read import keyed
from danlu.refusal import Refusal

TAKING_FILES = ("survey", "labels", "segment", "predict", "evaluate", "init", "explain", "compress")
FOR_AN_OPTION = ("export",)  # of the file that an option names


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_takes_a_file_of_records_takes_settings(name: str) -> None:
    taken = inspect.signature(importlib.import_module(f"danlu.cli.{name}").command).parameters
    first = {each for each, told in taken.items() if told.kind is not inspect.Parameter.KEYWORD_ONLY}
    assert (name in TAKING_FILES) == bool({"data", "file"} & first)
    assert ("settings" in taken) == (name in (*TAKING_FILES, *FOR_AN_OPTION))


def test_settings_are_values_of_yaml_under_keys() -> None:
    assert keyed(["delimiter=;", "header=[a, b]", "columns.text=review", "columns.label=b", "whole_file=true"]) == {
        "delimiter": ";",
        "header": ["a", "b"],
        "columns": {"text": "review", "label": "b"},
        "whole_file": True,
    }
    assert keyed(["delimiter=|", "tag=1"]) == {"delimiter": "|", "tag": 1}
    for wrong in ("b.csv", "=1", "header=[a"):
        with pytest.raises(Refusal, match=r"the setting|is no YAML"):
            keyed([wrong])


@pytest.mark.parametrize("sign", ";|,#:!&*'\"@`%-? ")
def test_any_sign_may_separate_fields(sign: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"text{sign}label\na{sign}1\n" if sign != '"' else "text,label\na,1\n")
    settings = [f"delimiter={sign}"] if sign != '"' else []
    assert list(open_records(str(tmp_path / "a.csv"), settings=settings)) == [{"text": "a", "label": "1"}]


def test_a_file_of_any_name_is_read_by_its_kind(tmp_path: Path) -> None:
    (tmp_path / "a.data").write_text('{"rows": [{"review": "好", "label": 1}]}', encoding="utf-8")
    settings = ["kind=json", "under=rows", "columns.text=review"]
    assert list(open_records(str(tmp_path / "a.data"), settings=settings)) == [{"label": 1, "text": "好"}]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["delimter=;"], r"unknown key 'delimter'; did you mean 'delimiter'\?"),
        (["delimiter=::"], r"the settings for .*a\.csv: delimiter: "),
        (["kind=cvs"], r"there is no format 'cvs'; did you mean 'csv'\?"),
        (["header.a.b=1", "header=1"], r"a\.csv: header"),
        (["b.csv"], r"the setting 'b\.csv' is no 'key=value'"),
    ],
)
def test_wrong_settings_are_refused_in_a_sentence(settings: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\na\n")
    with pytest.raises(Refusal, match=message):
        guess(str(tmp_path / "a.csv"), settings=settings)


def test_survey_reads_a_file_as_its_settings_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"第{number}個不同的句子{'甲乙丙丁戊'[number % 5] * number}#{'甲乙'[number % 2]}" for number in range(20)]
    (tmp_path / "a.csv").write_bytes("\n".join(rows).encode("big5"))
    with pytest.raises(SystemExit) as ended:
        main(["survey", str(tmp_path / "a.csv"), "delimiter=#", "header=[text, label]", "encoding=big5"])
    assert ended.value.code == 0
    assert "text 20, label 20" in capsys.readouterr().out


def test_a_list_in_an_object_is_pointed_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.json").write_text('{"version": 1, "data": [{"text": "a"}]}')
    with pytest.raises(Refusal, match="write 'kind: json' and 'under: data'"):
        list(open_records(str(tmp_path / "a.json"), needed=["text"]))
    with pytest.raises(SystemExit) as ended:
        main(["survey", str(tmp_path / "a.json")])
    assert ended.value.code == 2
    assert "'under: data'" in capsys.readouterr().err


def test_an_empty_value_is_told_as_empty(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": null, "label": "x"}\n')
    with pytest.raises(Refusal, match=r"line 1: column 'text' is empty \(null\); fill it in") as caught:
        list(open_records(str(tmp_path / "a.jsonl"), needed=["text"]))
    assert "did you mean" not in str(caught.value)
