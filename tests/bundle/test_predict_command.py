"""`danlu predict`: files, standard input and --text in; json lines or readable lines out."""

import contextlib
import csv
import io
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from danlu.bundle.bundle import load
from danlu.cli.main import main
from danlu.machine.terminal import visible
from danlu.refusal import Refusal

Made = Callable[[str, str], Path]


class StandardInput:
    """Bytes that come through a pipe."""

    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)

    def isatty(self) -> bool:
        return False


@pytest.fixture
def predict(made: Made, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Run the command; gives its exit code, what it wrote and what it complained about."""

    def call(*words: str, given: bytes = b"", kind: str = "classify") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", StandardInput(given))
        with pytest.raises(SystemExit) as ended:
            main(["predict", str(made("bert", kind)), *words])
        written = capsys.readouterr()
        return ended.value.code, written.out, written.err

    return call


def test_texts_from_the_command_line_come_back_as_json_in_order(predict) -> None:
    code, out, _ = predict("--text", "物流太慢", "--text", "好")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [line["text"] for line in lines] == ["物流太慢", "好"]
    assert "物流太慢" in out  # Chinese as Chinese, not as \u7269
    assert lines[0]["prediction"]["scores"].keys() == {"negative", "positive"}


def test_standard_input_is_a_text_a_line_and_a_blank_line_keeps_its_place(predict) -> None:
    code, out, _ = predict(given="\ufeff好\r\n\n物流太慢".encode())
    assert code == 0
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["好", "", "物流太慢"]


def test_a_bundle_that_reads_more_than_a_text_takes_a_record_of_json_a_line(
    tiny: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer, task = tiny.parts("bert", "classify")
    pairs = task.model_copy(update={"pairs": True})
    record = {"text": "好书", "text_pair": "坏书", "id": 7}
    tiny.save(tmp_path / "b", model, tokenizer, pairs, examples=[record])

    def call(*words: str, given: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", StandardInput(given.encode()))
        with pytest.raises(SystemExit) as ended:
            main(["predict", str(tmp_path / "b"), *words])
        return ended.value.code, *capsys.readouterr()

    line = json.dumps(record, ensure_ascii=False)
    code, typed, _ = call(given=f"{line}\n{line}\n")
    assert code == 0
    assert [{**json.loads(each), "prediction": None} for each in typed.splitlines()] == 2 * [
        record | {"prediction": None}
    ]
    assert call("--text", line)[1] == typed.splitlines()[0] + "\n"
    for wrong in ("好书", '{"text": "好书"}', "[1]", "{" * 5000):
        code, _, told = call("--text", line, "--text", wrong)
        assert code == 2
        assert "--text, text 2: this bundle reads text and text_pair" in told
        assert '{"text": ..., "text_pair": ...}' in told


def test_columns_of_a_file_are_kept_beside_the_prediction(predict, tmp_path: Path) -> None:
    for header in ("id,review", "text,review"):
        (tmp_path / "new.csv").write_text(f"{header}\n7,好\n8,物流太慢\n", "utf-8")
        code, out, _ = predict(str(tmp_path / "new.csv"), "--column", "review")
        _, alone, _ = predict("--text", "好", "--text", "物流太慢")
        lines = [json.loads(line) for line in out.splitlines()]
        assert code == 0
        assert [[*line.values()][:2] for line in lines] == [["7", "好"], ["8", "物流太慢"]]
        assert [[*line][:2] for line in lines] == [header.split(",")] * 2
        wanted = [json.loads(line)["prediction"]["scores"] for line in alone.splitlines()]
        assert [line["prediction"]["scores"] for line in lines] == [pytest.approx(scores) for scores in wanted]


def test_what_is_neither_text_nor_record_is_refused(made: Made) -> None:
    bundle = load(made("bert", "classify"))
    for item in (None, 5, ["好"], b"text"):
        with pytest.raises(Refusal, match=f"item 2 is of type {type(item).__name__}; give a text, or a record"):
            bundle.predict(["好", item])  # type: ignore[list-item]


def test_words_of_a_tagger_come_back_with_tags(predict, tmp_path: Path) -> None:
    (tmp_path / "new.jsonl").write_text('{"tokens": ["The", "screen", "broke"]}\n')
    code, out, _ = predict(str(tmp_path / "new.jsonl"), kind="tag")
    assert code == 0
    assert len(json.loads(out)["prediction"]["tags"]) == 3


def test_lines_to_read_mark_what_was_found_in_the_text(predict) -> None:
    _, plain, _ = predict("--text", "江泽民在北京", kind="tag")
    entities = json.loads(plain)["prediction"]["entities"]
    _, marked, _ = predict("--text", "江泽民在北京", "--format", "table", kind="tag")
    expected = "江泽民在北京"
    for entity in reversed(entities):
        start, end = entity["start"], entity["end"]
        expected = f"{expected[:start]}[{expected[start:end]} {entity['label']}]{expected[end:]}"
    assert entities
    assert marked == expected + "\n"


def test_lines_to_read_begin_with_the_label_and_its_probability(predict) -> None:
    _, out, _ = predict("--text", "好", "--format", "table")
    label, probability, text = out.rstrip("\n").split("\t")
    assert label in ("negative", "positive")
    assert 0.5 <= float(probability) <= 1
    assert text == "好"


def test_a_csv_has_the_columns_of_the_file_and_those_of_the_answer(predict, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text('id,text,label\n7,"好,\n""棒""",x\n8,=1+1,y\n', "utf-8")
    code, out, error = predict(str(tmp_path / "new.csv"), "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    assert code == 0
    assert [row["text"] for row in rows] == ['好,\n"棒"', "=1+1"]
    assert [*rows[0]] == ["id", "text", "label", "predicted_label", "predicted_score"]
    assert all(0.5 <= float(row["predicted_score"]) <= 1 for row in rows)
    assert "cells: 1 begin like a formula" in error


def test_a_csv_in_a_file_keeps_every_character_and_one_on_the_screen_steers_nothing(predict, tmp_path: Path) -> None:
    (tmp_path / "new.jsonl").write_text(json.dumps({"text": "a\x1b[2J\r\u202eb", "n": 1}) + "\n")
    for kind in ("classify", "tag", "masked_lm"):
        code, out, _ = predict(str(tmp_path / "new.jsonl"), "--format", "csv", kind=kind)
        assert code == 0
        assert "\\u001b[2J\\u000d\\u202e" in out
        assert visible(out) == out
        file = tmp_path / f"{kind}.csv"
        assert predict(str(tmp_path / "new.jsonl"), "--format", "csv", "--output", str(file), kind=kind)[0] == 0
        with file.open(encoding="utf-8", newline="") as lines:
            (row,) = csv.DictReader(lines)
        assert row["text"] == "a\x1b[2J\r\u202eb"
        assert len(row) > 2


def test_records_with_other_columns_are_no_csv(predict, tmp_path: Path) -> None:
    (tmp_path / "new.jsonl").write_text('{"text": "a"}\n{"text": "b", "more": 1}\n')
    code, _, error = predict(str(tmp_path / "new.jsonl"), "--format", "csv")
    assert code == 2
    assert "new.jsonl, record 2: the column 'more' does not stand in the first record" in error


def test_a_file_of_answers_appears_whole(predict, tmp_path: Path) -> None:
    code, out, _ = predict("--text", "好", "--output", str(tmp_path / "answers.jsonl"))
    assert (code, out) == (0, "")
    assert json.loads((tmp_path / "answers.jsonl").read_text("utf-8"))["text"] == "好"
    (tmp_path / "bad.jsonl").write_text('{"text": "好"}\n{"text": 3}\n')
    before = (tmp_path / "answers.jsonl").read_bytes()
    code, _, _ = predict(str(tmp_path / "bad.jsonl"), "--output", str(tmp_path / "answers.jsonl"))
    assert code == 2
    assert (tmp_path / "answers.jsonl").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.jsonl", "bad.jsonl"]


def test_a_long_text_is_refused_or_split_as_asked(predict) -> None:
    code, _, error = predict("--text", "好" * 100)
    assert code == 2
    assert "102 tokens and a row takes 48" in error
    code, out, _ = predict("--text", "好" * 100, "--too-long", "split")
    assert code == 0
    assert "label" in json.loads(out)["prediction"]


@pytest.mark.parametrize(
    ("words", "given", "sentence"),
    [
        (["nothing.csv"], b"", "nothing.csv: there is no such file"),
        (
            ["这本书写得好"],
            b"",
            "这本书写得好: there is no such file; give the path of a file with data; a text itself is",
        ),
        (["好" * 200], b"", "a text itself is given by --text"),
        (["is it good?"], b"", "a text itself is given by --text"),
        (["--text", "a", "x.csv"], b"", "not both"),
        ([], b"ok\n\xff\xfe\n", "standard input, line 2: expected UTF-8"),
        (["--text", "a", "--output", "no/such/folder.jsonl"], b"", "there is no folder"),
        (["--text", "a", "--precision", "int3"], b"", "expected auto, float32 or bfloat16"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(predict, words: list[str], given: bytes, sentence: str) -> None:
    code, out, error = predict(*words, given=given)
    assert code == 2
    assert sentence in error
    assert len(error.splitlines()) == 1
    assert out == ""


def test_a_file_without_the_column_is_told_how_to_name_it(predict, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("id,review\n7,好\n", "utf-8")
    code, _, error = predict(str(tmp_path / "new.csv"))
    assert code == 2
    assert "there is no column 'text', but id, review, and the task classify reads" in error
    assert "; name the text with --column NAME, or others with columns.NAME=..." in error


def test_a_reader_that_has_seen_enough_ends_it_quietly(
    made: Made, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    broken = os.fdopen(writer, "w")
    monkeypatch.setattr(sys, "stdout", broken)
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(made("bert", "classify")), "--text", "好"])
    with contextlib.suppress(BrokenPipeError):
        broken.close()
    assert ended.value.code == 141  # 128 + SIGPIPE, as of every program that is cut off
    assert capsys.readouterr().err == ""


def test_ctrl_c_is_told_in_one_line(
    made: Made, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(StandardInput):
        def __init__(self) -> None:
            self.buffer = self

        def readline(self, limit):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(sys, "stdin", Interrupted())
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(made("bert", "classify"))])
    assert ended.value.code == 130
    assert capsys.readouterr().err == "danlu: interrupted\n"


@pytest.mark.parametrize("output", [".", "FOLDER"])
def test_a_folder_as_output_is_refused(predict, tmp_path: Path, output: str) -> None:
    code, out, err = predict("--text", "好", "--output", output.replace("FOLDER", str(tmp_path)))
    assert (code, out) == (2, "")
    assert "is a folder; name a file in it" in err
    assert not list(tmp_path.iterdir())


def test_a_record_that_cannot_be_answered_is_named_with_its_file(predict, tmp_path: Path) -> None:
    (tmp_path / "new.jsonl").write_text('{"text": "good"}\n{"text": 5}\n')
    code, out, err = predict(str(tmp_path / "new.jsonl"))
    assert (code, out) == (2, "")
    assert err.startswith(f"danlu: {tmp_path / 'new.jsonl'}, record 2: column 'text' must be text")


def test_a_column_that_is_not_there_is_refused_though_text_is(predict, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("text,label\nx,y\n")
    code, _, err = predict(str(tmp_path / "new.csv"), "--column", "review")
    assert code == 2
    assert "there is no column 'review'" in err


def test_a_closed_standard_input_is_told(predict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.StandardInput", lambda data: None)
    code, _, err = predict()
    assert (code, err) == (2, "danlu: standard input is closed; give a file, or --text\n")
